"""Whatever name a client asks for, as bytes or as text, it is a file that the catalog saw in an
enabled bundle or boot entry or in the folder of loaders, spelt exactly so, or it is refused for a
stated reason."""

from __future__ import annotations

import atexit
import functools
import plistlib
import tempfile
from pathlib import Path

from images.catalog import Root, Snapshot, scan_thd
from images.paths import PathRefused, open_file, resolve

CONTENT = b"published"


@functools.cache
def catalog() -> Snapshot:
    """A share point with an enabled and a disabled bundle, a boot entry, and a folder of loaders,
    on disk for as long as we run."""
    folder = tempfile.TemporaryDirectory(prefix="published-")
    atexit.register(folder.cleanup)
    root = Path(folder.name) / "images"
    names = ("booter", "x86_64/kernelcache", "com.apple.Boot.plist")
    for index, name in enumerate(("Sierra Install.nbi", "Off.nbi"), start=1):
        bundle = root / name
        info = {
            "Architectures": ["i386"],
            "BootFile": "booter",
            "Index": index,
            "IsEnabled": name != "Off.nbi",
            "Name": name,
            "RootPath": "NetInstall.dmg",
            "Type": "HTTP",
        }
        for relative in ("NetInstall.dmg", *(f"i386/{name}" for name in names)):
            path = bundle / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(CONTENT)
        (bundle / "NBImageInfo.plist").write_bytes(plistlib.dumps(info))
    (root / "secret").write_bytes(b"secret")
    for path in ("images/debian/linux", "images/debian/a/b", "loaders/grub/x.mod", "loaders/x"):
        made = Path(folder.name) / path
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_bytes(CONTENT)
    entry = b'title = "Debian"\nkernel = "linux"\narchitectures = ["bios"]\n'
    (root / "debian/boot.toml").write_bytes(entry)
    return scan_thd([Root(root)], loaders=Path(folder.name) / "loaders")


def target(data: bytes) -> None:
    check(data)
    check(data.decode("utf-8", "surrogateescape"))
    check(data.decode("latin-1"))


def check(name: bytes | str) -> None:
    snapshot = catalog()
    try:
        resolved = resolve(snapshot, name)
    except PathRefused as refused:
        str(refused).encode()
        return
    assert resolved.folder in (*snapshot.bundles, *snapshot.entries, snapshot.loaders)
    assert resolved.relative != "boot.toml"
    written = name if isinstance(name, str) else name.decode()
    parts = [part for part in written.replace("\\", "/").split("/") if part not in ("", ".")]
    assert parts[-resolved.relative.count("/") - 1 :] == resolved.relative.split("/")
    assert ".." not in parts
    with open_file(resolved) as file, open(file.fd, "rb", closefd=False) as opened:
        content = opened.read()
    assert content == CONTENT or resolved.relative == "NBImageInfo.plist"
