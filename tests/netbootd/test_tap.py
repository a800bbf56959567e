"""netbootd as twistd and twist run it, in a process of its own."""

from __future__ import annotations

import json
import os
import pwd
import select
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from tests.interop.peer import need_namespaces, peer
from tests.netbootd.certificate import write_certificate
from tests.netbootd.daemon import Site, free_port

SCRIPTS = Path(sys.executable).parent
FOREGROUND = (str(SCRIPTS / "twistd"), "--nodaemon")
BACKGROUND = (str(SCRIPTS / "twistd"),)
TWIST = (str(SCRIPTS / "twist"),)
RUNNERS = pytest.mark.parametrize("runner", [FOREGROUND, BACKGROUND, TWIST], ids=" ".join)
PATIENCE = 60.0


class Here:
    """Takes the place of a test case: cleans up when the fixture ends."""

    def __init__(self) -> None:
        self._undo: list[Any] = []

    def addCleanup(self, undo: Any, *arguments: Any) -> None:
        self._undo.append((undo, arguments))

    def clean(self) -> None:
        for undo, arguments in reversed(self._undo):
            undo(*arguments)


@pytest.fixture
def site() -> Iterator[Site]:
    here = Here()
    yield Site(here)  # type: ignore[arg-type]
    here.clean()


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


def netbootd(site: Site, runner: tuple[str, ...], *more: str) -> subprocess.CompletedProcess[str]:
    """Run it with the site's configuration, until it ends or is in the background."""
    return run(site, *runner, "netbootd", "--config", str(site.write()), *more)


@contextmanager
def running(site: Site, *command: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A program in the foreground, from its ready line on; with its output so far."""
    config = str(site.write())
    with subprocess.Popen(
        [*command, "netbootd", "--config", config],
        cwd=site.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            lines: list[str] = []
            for line in process.stdout:
                lines.append(line)
                if "is ready: " in line:
                    break
            else:
                raise AssertionError("".join(lines))
            yield process, lines
        finally:
            process.kill()


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Its status and what it said on its way out, after SIGTERM."""
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=PATIENCE)
    return process.returncode, rest


class TestCheck:
    def test_all_is_well(self, site: Site) -> None:
        """The findings on standard output, status 0, and nothing started."""
        site.sample()

        done = netbootd(site, FOREGROUND, "--check")

        assert (done.returncode, done.stderr) == (0, "")
        lines = done.stdout.splitlines()
        assert lines[0] == f"ok       configuration  {site.folder}/netbootd.toml"
        assert f"ok       HTTP           TCP port {site.http} is free" in lines
        assert not site.state.exists()
        assert not (site.folder / "twistd.pid").exists()

    def test_all_is_not_well(self, site: Site) -> None:
        """An error is found, and the status says so."""
        site.images.rmdir()

        done = netbootd(site, FOREGROUND, "--check")

        assert done.returncode == 1
        assert "ERROR    images " in done.stdout
        assert done.stderr == ""

    def test_a_configuration_that_is_none(self, site: Site) -> None:
        """It is a finding like the others."""
        site.add("bsdp", "prot = 67")

        done = netbootd(site, FOREGROUND, "--check")

        assert done.returncode == 1
        (line,) = done.stdout.splitlines()
        assert line.startswith("ERROR    configuration ")
        assert "bsdp.prot" in line


class TestHelp:
    def test_twistd_lists_it(self, site: Site) -> None:
        """It is found as a plugin, with a description."""
        done = run(site, *BACKGROUND, "--help")

        assert any(line.split()[:1] == ["netbootd"] for line in done.stdout.splitlines())

    def test_a_file_without_its_option(self, site: Site) -> None:
        """What is meant as the configuration is not taken for nothing: the option is named."""
        done = run(site, *FOREGROUND, "netbootd", "netbootd.toml")

        assert done.returncode != 0
        assert "netbootd.toml? Name the configuration by --config FILE" in done.stdout + done.stderr

    def test_its_own_options(self, site: Site) -> None:
        """What it does, and its two options."""
        done = run(site, *BACKGROUND, "netbootd", "--help")

        assert done.returncode == 0
        for text in ("[--config FILE] [--check]", "-c, --config=", "--check", "netboot"):
            assert text in done.stdout


class TestErrors:
    """One clear line on standard error and a status, however it is started."""

    def line(self, done: subprocess.CompletedProcess[str], site: Site) -> str:
        assert done.returncode == 1
        assert done.stdout == ""
        (line,) = done.stderr.splitlines()
        assert not (site.folder / "twistd.pid").exists()
        return line.replace(f"{site.folder}/", "")

    @RUNNERS
    def test_a_setting_that_there_is_not(self, site: Site, runner: tuple[str, ...]) -> None:
        """The file, the key's path, and what would be right."""
        site.add("bsdp", "prot = 67")

        line = self.line(netbootd(site, runner), site)

        assert line.startswith("netbootd: netbootd.toml: bsdp.prot")
        assert '"port"' in line or "port" in line.partition("bsdp.prot")[2]

    @RUNNERS
    def test_a_file_that_is_not_there(self, site: Site, runner: tuple[str, ...]) -> None:
        """The path, and the system's reason."""
        done = run(site, *runner, "netbootd", "--config", "none.toml")

        assert self.line(done, site).startswith("netbootd: none.toml: cannot be read (No such file")

    @RUNNERS
    def test_a_missing_image_folder(self, site: Site, runner: tuple[str, ...]) -> None:
        """The folder, and what to do about it."""
        site.images.rmdir()

        assert self.line(netbootd(site, runner), site) == (
            "netbootd: image folder images does not exist;"
            " create it and put .nbi folders in it, or name another in [images]"
        )

    @RUNNERS
    def test_a_port_in_use(self, site: Site, runner: tuple[str, ...]) -> None:
        """The service, the port, and how to find who has it."""
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as other:
            other.bind(("127.0.0.1", site.http))
            other.listen()

            line = self.line(netbootd(site, runner), site)

        assert line.startswith(f"netbootd: cannot bind TCP port {site.http} for HTTP: it is in use")

    @pytest.mark.parametrize("runner", [FOREGROUND, TWIST], ids=" ".join)
    def test_state_that_cannot_be_written(self, site: Site, runner: tuple[str, ...]) -> None:
        """What goes wrong after the ports are bound is a line, too."""
        (site.folder / "file").touch()
        site.settings["state"] = 'directory = "file/state"'

        done = netbootd(site, runner)

        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert line.startswith(f"netbootd: {site.folder}/file/state: Not a directory; give uid")
        assert "Traceback" not in done.stdout

    def test_in_the_background_the_log_has_it_whole(self, site: Site) -> None:
        """Of a late failure twistd shows the beginning, and refers to the log; it is there."""
        (site.folder / "file").touch()
        site.settings["state"] = 'directory = "file/state"'

        done = netbootd(site, BACKGROUND)

        assert done.returncode == 1
        assert done.stderr.startswith("An error has occurred: ")
        assert "Traceback" not in done.stderr
        log = (site.folder / "twistd.log").read_text()
        (line,) = [line for line in log.splitlines() if " critical " in line]
        assert "file/state: Not a directory; give uid" in line
        assert line.endswith("a folder to write in, or name another one")


class TestRun:
    def test_in_the_foreground(self, site: Site) -> None:
        """The ready line, then service until SIGTERM, by which it dies when all is in order."""
        site.sample()

        with running(site, *FOREGROUND, "--pidfile=") as (process, lines):
            assert f"BSDP {site.bsdp}, TFTP {site.tftp}, HTTP {site.http} on 127.0.0.1" in lines[-1]
            assert read_by_tftp(site) == (site.images / "Sample.nbi/i386/booter").read_bytes()[:512]
            status, rest = ended(process)

        assert status == -signal.SIGTERM
        assert "netbootd has stopped" in rest
        assert "Traceback" not in rest

    def test_by_twist(self, site: Site) -> None:
        """The newer runner starts and stops it as well."""
        site.sample()

        with running(site, *TWIST) as (process, _):
            assert read_by_tftp(site)
            status, rest = ended(process)

        assert status in (0, -signal.SIGTERM)
        assert "netbootd has stopped" in rest
        assert "Traceback" not in rest

    def test_in_the_background(self, site: Site) -> None:
        """When the command returns it serves; its ports, HTTPS among them, came along."""
        site.sample()
        https = free_port(socket.SOCK_STREAM)
        write_certificate(site.folder / "tls.pem", site.folder / "tls.key")
        site.add(
            "https", f'enabled = true\nport = {https}\ncertificate = "tls.pem"\nkey = "tls.key"'
        )

        done = netbootd(site, BACKGROUND)

        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        pid = int((site.folder / "twistd.pid").read_text())
        try:
            assert read_by_tftp(site)
            assert tls_subject(https) == "netboot.test"
        finally:
            end(pid)
        log = (site.folder / "twistd.log").read_text()
        assert "is ready: " in log
        assert "netbootd has stopped" in log
        assert not (site.folder / "twistd.pid").exists()

    def test_the_log_is_as_the_configuration_says(self, site: Site) -> None:
        """Format and level are in force from the first line on."""
        site.add("log", 'format = "json"')

        with running(site, *FOREGROUND, "--pidfile=") as (_, lines):
            assert {json.loads(line)["level"] for line in lines} == {"info"}


def read_by_tftp(site: Site) -> bytes:
    """The first block of the sample's booter."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(PATIENCE)
        client.sendto(b"\0\1Sample.nbi/i386/booter\0octet\0", ("127.0.0.1", site.tftp))
        data, server = client.recvfrom(2000)
        client.sendto(b"\0\5\0\0enough\0", server)
        return data[4:]


def tls_subject(port: int) -> str:
    """Whom the certificate of an HTTPS server names."""
    pem = ssl.get_server_certificate(("127.0.0.1", port), timeout=PATIENCE)
    subject = x509.load_pem_x509_certificate(pem.encode()).subject
    return str(subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def end(pid: int) -> None:
    """End a process that is not our child, and wait for that."""
    handle = os.pidfd_open(pid)
    try:
        os.kill(pid, signal.SIGTERM)
        gone, _, _ = select.select([handle], [], [], PATIENCE)
        assert gone, "it goes on"
    finally:
        os.close(handle)


@pytest.mark.interop
@pytest.mark.skipif(os.geteuid() != 0, reason="only root has something to give up")
class TestPrivileges:
    """On the ports that Macs know, in a network of its own, as somebody else."""

    @pytest.fixture
    def started(self, site: Site) -> Iterator[subprocess.Popen[str]]:
        need_namespaces()
        site.sample()
        for table, port in (("bsdp", 67), ("tftp", 69), ("http", 80)):
            site.settings[table] = f"port = {port}"
        site.add("", 'user = "nobody"')
        network = (peer("unshare"), "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
        with running(site, *network, *FOREGROUND, "--pidfile=") as (process, _):
            yield process

    def test_root_is_gone(self, site: Site, started: subprocess.Popen[str]) -> None:
        """All ids are the user's, root's groups and capabilities are gone, the ports are bound."""
        nobody = pwd.getpwnam("nobody")
        proc = Path("/proc", str(started.pid))
        lines = (proc / "status").read_text().splitlines()
        status = {key: value.split() for key, _, value in (line.partition(":") for line in lines)}

        assert status["Uid"] == [str(nobody.pw_uid)] * 4
        assert status["Gid"] == [str(nobody.pw_gid)] * 4
        assert status["Groups"] == [str(nobody.pw_gid)]
        assert int(status["CapEff"][0], 16) == int(status["CapPrm"][0], 16) == 0
        assert {67, 69} <= ports(proc / "net/udp")
        assert 80 in ports(proc / "net/tcp")

    def test_the_state_is_the_users(self, site: Site, started: subprocess.Popen[str]) -> None:
        """Folder and files belong to the user that writes them, and are closed to others; the
        socket for commands is open to the user's group, where the folder is."""
        nobody = pwd.getpwnam("nobody").pw_uid
        files = list(site.state.iterdir())

        assert {path.stat().st_uid for path in (site.state, *files)} == {nobody}
        assert "netbootd.sqlite" in {path.name for path in files}
        modes = {path.name: path.stat().st_mode & 0o077 for path in (site.state, *files)}
        assert modes.pop("admin.sock") == 0o060
        assert set(modes.values()) == {0}

    def test_a_mac_boots(self, site: Site, started: subprocess.Popen[str]) -> None:
        """Without privileges it serves all that a boot takes: selection, files and root image."""
        done = run(
            site,
            *(peer("nsenter"), "--target", str(started.pid), "--net"),
            *(str(SCRIPTS / "netbootctl"), "simulate", "mac"),
            *("--server", "127.0.0.1", "--address", "127.0.0.1"),
        )

        assert done.returncode == 0, done.stdout + done.stderr
        assert "“Sample NetInstall” booted as NetBoot001" in done.stdout

    def test_it_ends_in_order(self, site: Site, started: subprocess.Popen[str]) -> None:
        """Nothing in its stop needs what it gave up."""
        status, rest = ended(started)

        assert status == -signal.SIGTERM
        assert "netbootd has stopped" in rest
        assert "Traceback" not in rest


def ports(table: Path) -> set[int]:
    """The local ports in one of the kernel's socket tables."""
    lines = table.read_text().splitlines()[1:]
    return {int(line.split()[1].rpartition(":")[2], 16) for line in lines}
