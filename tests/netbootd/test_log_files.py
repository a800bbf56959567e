"""netbootd's own log files, from a start as root to a rotation as somebody else."""

from __future__ import annotations

import gzip
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.netbootd.daemon import Site
from tests.netbootd.test_tap import BACKGROUND, PATIENCE, SCRIPTS, Here, netbootd

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")


@pytest.fixture
def site() -> Iterator[Site]:
    here = Here()
    site = Site(here)  # type: ignore[arg-type]
    site.sample()
    site.add("", 'user = "nobody"')
    site.add("log", f'destination = "file"\ndirectory = "{site.folder}/log"\nsize = "1 KiB"')
    yield site
    pid = site.folder / "twistd.pid"
    if pid.exists():
        os.kill(int(pid.read_text()), signal.SIGKILL)
    here.clean()


def until(is_so: Callable[[], Any]) -> None:
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


def said(file: Path, text: str) -> bool:
    return file.exists() and text in file.read_text()


def test_in_the_background(site: Site) -> None:
    """The files are the user's, are begun anew at SIGHUP after somebody moved them, and what an
    earlier process rotated becomes an archive."""
    folder = site.folder / "log"
    folder.mkdir()
    (folder / f"boot.{7:020d}.rotated").write_text("from before\n")
    log = folder / "netbootd.log"

    done = netbootd(site, BACKGROUND)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    until(lambda: said(log, "is ready: "))
    until(lambda: not list(folder.glob("*.rotated")))

    nobody = pwd.getpwnam("nobody").pw_uid
    assert {path.name for path in folder.iterdir()} == {"netbootd.log", "boot.log", "boot.1.log.gz"}
    assert {path.stat().st_uid for path in (folder, *folder.iterdir())} == {nobody}
    assert gzip.decompress((folder / "boot.1.log.gz").read_bytes()) == b"from before\n"
    assert said(log, "log.size = 1 KiB is taken as 200 KiB; give one from 200 KiB to 4 MiB")

    log.rename(folder / "moved")
    os.kill(int((site.folder / "twistd.pid").read_text()), signal.SIGHUP)
    until(lambda: said(log, "Configuration read again: nothing new"))
    assert said(folder / "moved", "is ready: ")


def test_a_boot_has_its_own_file(site: Site) -> None:
    """What happened to machines is in boot.log, and nothing of it in netbootd.log."""
    folder = site.folder / "log"
    netbootd(site, BACKGROUND)
    until(lambda: said(folder / "netbootd.log", "is ready: "))

    subprocess.run(
        [
            *(str(SCRIPTS / "netbootctl"), "simulate", "mac", "--server", "127.0.0.1"),
            *("--bsdp-port", str(site.bsdp), "--tftp-port", str(site.tftp)),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )

    until(lambda: said(folder / "boot.log", "BSDP ACK[SELECT] sent"))
    assert "BSDP" not in (folder / "netbootd.log").read_text().replace("is ready: BSDP", "")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('destination = "file"\ndirectory = "twistd.pid/log"', "log.directory: "),
        ('destination = "eventlog"', 'log.destination: "eventlog" is for Windows; take "file"'),
    ],
)
def test_a_place_that_cannot_be(site: Site, text: str, problem: str) -> None:
    """The terminal has one line: file, key, problem, remedy."""
    site.settings["log"] = text
    (site.folder / "twistd.pid").touch()

    done = netbootd(site, BACKGROUND)
    (site.folder / "twistd.pid").unlink()

    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"netbootd: {site.folder}/netbootd.toml: {problem}")
