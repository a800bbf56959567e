"""Small .nbi folders for the tests, complete unless a test takes something away."""

from __future__ import annotations

import plistlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ABSENT = object()

KEYS: Mapping[str, Any] = {
    "Architectures": ["i386"],
    "BootFile": "booter",
    "Index": 7,
    "IsInstall": True,
    "Name": "Alpha",
    "RootPath": "NetInstall.dmg",
    "Type": "HTTP",
}

FILES: Mapping[str, bytes] = {
    "i386/booter": b"the booter",
    "i386/PlatformSupport.plist": b"the models",
    "i386/com.apple.Boot.plist": b"the flags",
    "i386/x86_64/kernelcache": b"the kernel",
    "NetInstall.dmg": b"the root image",
}


def info_bytes(*, form: plistlib.PlistFormat = plistlib.FMT_XML, **keys: Any) -> bytes:
    """An NBImageInfo.plist; a key given as `ABSENT` is left out."""
    merged = {key: value for key, value in {**KEYS, **keys}.items() if value is not ABSENT}
    return plistlib.dumps(merged, fmt=form)


def make_folder(
    root: Path,
    name: str = "A.nbi",
    *,
    files: Mapping[str, bytes] | None = None,
    without: tuple[str, ...] = (),
    **keys: Any,
) -> Path:
    """Write `root/name` with the usual files and `files`, but not those in `without`."""
    path = root / name
    contents = {"NBImageInfo.plist": info_bytes(**keys), **FILES, **(files or {})}
    for relative, data in contents.items():
        if relative not in without:
            write(path / relative, data)
    return path


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
