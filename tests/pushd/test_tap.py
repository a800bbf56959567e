"""pushd as twistd and twist run it, in a process of its own."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pushd.testing.background import Background, simulator_in_background
from tests.pushd.daemon import PATIENCE, TWISTD, Site, pushes

TOOLS = Path(sys.executable).parent
BACKGROUND = (str(TOOLS / "twistd"),)
TWIST = (str(TOOLS / "twist"),)
RUNNERS = pytest.mark.parametrize("runner", [TWISTD, BACKGROUND, TWIST], ids=" ".join)


@pytest.fixture(scope="module")
def apple() -> Iterator[Background]:
    with simulator_in_background() as background:
        yield background


@pytest.fixture
def site(tmp_path: Path, apple: Background) -> Site:
    return Site(tmp_path, apple)


def run(site: Site, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=site.folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_twistd_lists_it(site: Site) -> None:
    """It is found as a plugin, with a description."""
    done = run(site, *BACKGROUND, "--help")

    assert any(line.split()[:1] == ["pushd"] for line in done.stdout.splitlines())


def test_check(site: Site) -> None:
    """--check starts nothing."""
    done = run(site, *TWISTD, "pushd", "--config", str(site.write()), "--check")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("ok       configuration ")
    assert not site.database.exists()


@pytest.mark.parametrize("runner", [TWISTD, TWIST], ids=" ".join)
def test_in_the_foreground(site: Site, runner: tuple[str, ...]) -> None:
    """The ready line, then service until SIGTERM; then all is in order."""
    with site.daemon(runner) as daemon:
        (result,) = daemon.api().batch(pushes(1), wait=15)
        status = daemon.stop()

    assert result["state"] == "accepted"
    assert status in (0, -signal.SIGTERM)
    assert daemon.said("pushd has stopped; 0 pushes wait")
    assert not daemon.said("Traceback")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give root up")
def test_root_is_given_up(apple: Background) -> None:
    """Once its port is bound the daemon is somebody else, to whom its state belongs."""
    nobody = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        site = Site(folder, apple)
        site.head = 'user = "nobody"\n'
        (folder / "state").mkdir()
        for path in (folder, folder / "state", folder / "app.key"):
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
        with site.daemon() as daemon:
            (result,) = daemon.api().batch(pushes(1), wait=15)
            user = Path(f"/proc/{daemon.process.pid}").stat().st_uid
            owner = site.database.stat().st_uid

    assert daemon.said("Runs as user nobody from now on")
    assert (user, owner) == (nobody.pw_uid, nobody.pw_uid)
    assert result["state"] == "accepted"


class TestErrors:
    """One clear line on standard error and a status, however it is started."""

    def line(self, site: Site, runner: tuple[str, ...]) -> str:
        done = run(site, *runner, "pushd", "--config", str(site.write()))
        assert done.returncode == 1
        assert done.stdout == ""
        (line,) = done.stderr.splitlines()
        assert not (site.folder / "twistd.pid").exists()
        return line.replace(f"{site.folder}/", "")

    @RUNNERS
    def test_a_setting_that_there_is_not(self, site: Site, runner: tuple[str, ...]) -> None:
        """The file, the key's path, and what would be right."""
        site.add("api", "prot = 67")

        assert self.line(site, runner).startswith(
            "pushd: pushd.toml: api.prot: is not a setting; did you mean `port`?"
        )

    @RUNNERS
    def test_a_port_in_use(self, site: Site, runner: tuple[str, ...]) -> None:
        """The port, and how to find who has it."""
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            site.settings["api"] = site.settings["api"].replace("port = 0", f"port = {port}")

            line = self.line(site, runner)

        assert line.startswith(f"pushd: cannot bind TCP port {port} for the API: it is in use")

    def test_a_certificate_that_is_none(self, site: Site) -> None:
        """The key, the file, and what it is not."""
        (site.folder / "api.pem").write_text("")

        assert self.line(site, TWISTD).startswith(
            "pushd: api.certificate: api.pem is no PEM certificate"
        )

    def test_trust_roots_that_are_none(self, site: Site) -> None:
        """Likewise: without them no server of Apple's could be believed."""
        (site.folder / "ca.pem").write_text("")

        assert "pushd: apple.trust_roots: ca.pem: has no PEM" in self.line(site, TWISTD)

    def test_two_daemons_on_one_state(self, site: Site) -> None:
        """The second one does not start."""
        with site.daemon():
            done = run(site, *TWISTD, "pushd", "--config", str(site.folder / "pushd.toml"))

        assert done.returncode == 1
        assert "pushd.sqlite" in done.stderr
        assert "Traceback" not in done.stderr
