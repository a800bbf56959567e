"""Everything that a table of complaints in the documentation says: here it is complained of.

`about_bundles` and `about_entries` break boot images and boot entries in every way that is listed,
`about_starts` does the same to the start of the daemon. Both give what netbootd says then.
"""

from __future__ import annotations

import errno
import os
import plistlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

from images.catalog import Catalog, Root, scan_thd
from images.tree import unreadable
from netbootd.booter import Publication, why_entry_not_offered, why_not_offered
from netbootd.start import bind_error
from ops.lock import FileLock
from tests.images.entries import DEBIAN, make_entry
from tests.interop.bundle import make_bundle

TWISTD = str(Path(sys.executable).with_name("twistd"))
PATIENCE = 30


def about_bundles(folder: Path) -> Iterator[str]:
    """What is said of images that are not served, or not as they were meant."""
    roots = [Root(folder)]
    (folder / "Empty.nbi").mkdir()
    (make_bundle(folder, "Booter", index=1).path / "i386/booter").unlink()
    (make_bundle(folder, "Root", index=2).path / "NetInstall.dmg").unlink()
    make_bundle(folder, "Text", index=3, Index="3")
    make_bundle(folder, "First", index=4)
    make_bundle(folder, "Second", index=4)
    (make_bundle(folder, "Link", index=5).path / "out").symlink_to("/etc/passwd")
    (make_bundle(folder, "Latin", index=6).path / os.fsdecode(b"\xe9")).write_bytes(b"")
    make_bundle(folder, "Ppc", index=7)
    _forget_architectures(folder / "Ppc.nbi")
    make_bundle(folder, "Nfs", index=8, Type="NFS")
    catalog = Catalog(roots)
    catalog.scan_thd()
    make_bundle(folder, "New", index=9)
    yield from (str(error) for error in catalog.scan_thd().errors)
    # Root reads everything, so this one is said without being felt.
    yield str(unreadable(folder, PermissionError(errno.EACCES, os.strerror(errno.EACCES))))
    for bundle in scan_thd(roots).bundles:
        yield from bundle.warnings
        yield f"is not offered: {why_not_offered(bundle, Publication(http_port=80, nfs=None))}"


def about_entries(folder: Path) -> Iterator[str]:
    """What is said of boot entries that are not served, or not as they were meant."""
    make_entry(folder, "missing", without=("linux",))
    make_entry(folder, "empty", files={"initrd.gz": b""})
    make_entry(folder, "packed", files={"linux": b"\x1f\x8b"})
    make_entry(folder, "page", 'title = "T"\nefi = "grub.efi"', files={"grub.efi": b"<html>"})
    table = 'title = "T"\n[efi]\nuefi-arm64 = "linux"\n'
    make_entry(folder, "swapped", table)
    make_entry(folder, "typing", DEBIAN + "initrds = []\n")
    make_entry(folder, "both", DEBIAN + "script = 'x'\n")
    make_entry(folder, "brace", DEBIAN.replace("{base_url}", "{url}"))
    make_entry(folder, "words", "title = Debian\n")
    make_entry(folder, "offline")
    snapshot = scan_thd([Root(folder)])
    yield from (str(error) for error in snapshot.errors)
    for entry in snapshot.entries:
        why = why_entry_not_offered(entry, Publication(http_port=None, nfs=None))
        yield f"is not offered: {why}"


def _forget_architectures(bundle: Path) -> None:
    info = bundle / "NBImageInfo.plist"
    keys = plistlib.loads(info.read_bytes())
    del keys["Architectures"]
    info.write_bytes(plistlib.dumps(keys))
    (bundle / "booter").write_bytes(b"where PowerPC looks for it")


def about_starts(folder: Path) -> Iterator[str]:
    """What the daemon says, and ends."""
    (folder / "images").mkdir()
    (folder / "locked").mkdir()
    (folder / "damaged").mkdir()
    (folder / "damaged/netbootd.sqlite").write_bytes(b"no database" * 1000)
    with ExitStack() as held:
        taken = held.enter_context(closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)))
        taken.bind(("127.0.0.1", 0))
        lock = FileLock(folder / "locked/netbootd.sqlite.lock")
        lock.acquire()
        held.callback(lock.release)
        yield _started(folder, bsdp=taken.getsockname()[1])
        yield _started(folder, images="nowhere/images")
        yield _started(folder, addresses="203.0.113.0/24")
        yield _started(folder, more="[bsdp]\nprot = 1\n")
        yield _started(folder, state="locked")
        yield _started(folder, state="damaged")
    # Root may bind everything, so this one is said without being felt.
    yield str(bind_error(PermissionError(errno.EACCES, ""), "BSDP", "UDP", 67))


def _started(
    folder: Path,
    *,
    bsdp: int = 0,
    images: str = "images",
    state: str = "state",
    addresses: str = "127.0.0.0/8",
    more: str = "",
) -> str:
    """What the daemon wrote; fails if it did not end by itself."""
    (folder / "netbootd.toml").write_text(
        f"[images]\nshare = [{{ path = '{images}' }}]\n[network]\naddresses = ['{addresses}']\n"
        f"[tftp]\nport = 0\n[http]\nport = 0\n[state]\ndirectory = '{state}'\n"
        + (more or f"[bsdp]\nport = {bsdp}\n")
    )
    command = [TWISTD, "--nodaemon", "--pidfile=", "netbootd", "--config", "netbootd.toml"]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode != 0, done.stdout
    return done.stderr
