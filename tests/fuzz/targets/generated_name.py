"""Whatever name a client asks for, and whoever it says it is, it gets a script whose every line is
one that we wrote, or a refusal for a stated reason."""

from __future__ import annotations

import atexit
import functools
import os
import re
import tempfile
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path

from twisted.internet.defer import Deferred, succeed

from images.catalog import Root, scan_thd
from images.paths import PathRefused
from netbootd.booter import CatalogBooter, PcAsker, Publication
from netbootd.pxe.published import GeneratedFiles
from netbootd.timeline import Timeline

SERVER = IPv4Address("10.77.0.1")
KNOWN = bytes.fromhex("525400770010")
LINE = re.compile(
    r"""
    \#!ipxe | \#\ the\ boot\ menu\ of\ [0-9a-f:]{17}\ \([a-z0-9-]+\) | :[a-z]+[0-9]* | shell | boot
  | (set|item|choose|goto|chain|echo|prompt|iseq|imgfree|kernel|initrd|menu|menuentry|linux|exit|\}
    |\ \ linux|\ \ initrd|\ \ exit|\ \ chainloader|configfile|sleep)(\ .*)?
    """,
    re.VERBOSE,
)


class Choices:
    """Keeps nothing."""

    def lookup(self, mac: bytes) -> str | None:
        return None

    def keep(self, mac: bytes, entry: str) -> Deferred[None]:
        return succeed(None)


@functools.cache
def booter() -> CatalogBooter:
    """A catalog with one entry, and one machine that it knows."""
    folder = tempfile.TemporaryDirectory(prefix="generated-")
    atexit.register(folder.cleanup)
    path = Path(folder.name, "a b")
    path.mkdir()
    (path / "linux").write_bytes(b"kernel")
    toml = b'title = "T"\nkernel = "linux"\narchitectures = ["bios", "uefi-x86-64"]\n'
    (path / "boot.toml").write_bytes(toml)
    made = CatalogBooter(Publication(http_port=80, nfs=None))
    made.publish(scan_thd([Root(Path(folder.name))]))
    made.boot_entries(PcAsker(mac=KNOWN, platform="bios", server=SERVER))
    made.generate = GeneratedFiles(
        booter=made,
        choices=Choices(),  # type: ignore[arg-type]
        timeline=Timeline(lambda: datetime(2026, 3, 1, tzinfo=UTC)),
        server_for=lambda peer: SERVER,
        timeout=10,
        key=b"secret",
    ).open
    return made


def target(data: bytes) -> None:
    for name in (data, b"ipxe/52-54-00-77-00-10/" + data, b"ipxe/" + data, b"grub/" + data):
        check(name)


def check(name: bytes) -> None:
    try:
        file = booter().open_file(name, peer="10.77.0.50", service="tftp")
    except PathRefused as refused:
        str(refused).encode()
        return
    with file:
        text = os.pread(file.fd, file.size + 1, 0).decode()
    if text == "kernel":
        return
    assert text.endswith("\n")
    for line in text.splitlines():
        assert LINE.fullmatch(line), line
