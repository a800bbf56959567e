"""Boot images for the tests: .nbi folders as Apple's tools lay them out, with known contents."""

from __future__ import annotations

import plistlib
from dataclasses import dataclass
from pathlib import Path
from random import Random

BOOTER_SIZE = 70_001
"""Bytes: no multiple of any block size, so that the last block is a short one."""
KERNEL_SIZE = 1_500_000
IMAGE_SIZE = 3 << 20


@dataclass(frozen=True, slots=True)
class Bundle:
    """A folder `<name>.nbi` and what it says of itself."""

    path: Path
    index: int
    title: str
    install: bool

    @property
    def image_id(self) -> bytes:
        """The four bytes by which BSDP names the image: install bit, kind 1 (Mac OS X), index."""
        return bytes((0x81 if self.install else 0x01, 0)) + self.index.to_bytes(2, "big")

    def read(self, name: str) -> bytes:
        return (self.path / name).read_bytes()


def make_bundle(
    share: Path, name: str, *, index: int, title: str = "", install: bool = True, **keys: object
) -> Bundle:
    """Write `<share>/<name>.nbi`; `keys` go into NBImageInfo.plist as they are."""
    path = share / f"{name}.nbi"
    random = Random(index)
    info = {
        "Architectures": ["i386"],
        "BootFile": "booter",
        "Index": index,
        "IsEnabled": True,
        "IsInstall": install,
        "Kind": 1,
        "Name": title or name,
        "RootPath": "NetInstall.dmg",
        "Type": "HTTP",
        **keys,
    }
    support = {"SupportedModelProperties": ["iMac14,2", "MacMini6,1"]}
    contents = {
        "NBImageInfo.plist": plistlib.dumps(info),
        "i386/booter": random.randbytes(BOOTER_SIZE),
        "i386/PlatformSupport.plist": plistlib.dumps(support),
        "i386/com.apple.Boot.plist": plistlib.dumps({"Kernel Flags": ""}),
        "i386/x86_64/kernelcache": random.randbytes(KERNEL_SIZE),
        "NetInstall.dmg": random.randbytes(IMAGE_SIZE),
    }
    for relative, data in contents.items():
        file = path / relative
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return Bundle(path, index, title or name, install)
