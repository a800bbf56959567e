"""Make boot image folders: from their parts, or out of nothing for a trial.

Every folder appears whole or not at all: it is put together in a hidden folder beside its place,
read back as the catalog would read it, and renamed. Must never replace a folder that exists.
"""

from __future__ import annotations

import hashlib
import io
import os
import plistlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from images.bundle import SUFFIX, Bundle, read_bundle_thd
from images.catalog import Snapshot
from images.edit import sync_folder
from images.errors import BundleError
from images.index import require_free
from images.info import FILE_NAME, parse_info
from images.plist import PlistError, parse_plist, write_plist
from images.program import COMPRESSED_KERNEL, FAT_EFI
from images.udif import SECTOR
from images.udzo import SECTORS_PER_CHUNK, write_udzo_thd

_COPY = 1024 * 1024
_MAX_PLATFORM_SUPPORT_BYTES = 1024 * 1024

Progress = Callable[[int, int], None]
"""Is told (bytes done, bytes in all)."""

# What AutoNBI writes.
_USUAL_KEYS: Mapping[str, Any] = {
    "Architectures": ["i386"],
    "BootFile": "booter",
    "IsDefault": False,
    "IsEnabled": True,
    "IsInstall": True,
    "Kind": 1,
    "Language": "Default",
    "SupportsDiskless": False,
}


def write_bundle_thd(
    path: Path,
    *,
    name: str,
    index: int,
    booter: BinaryIO,
    kernelcache: BinaryIO | None = None,
    platform_support: bytes | None = None,
    boot_plist: bytes | None = None,
    root_image: BinaryIO | None = None,
    root_name: str = "NetInstall.dmg",
    keys: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    beside: Snapshot | None = None,
) -> Bundle:
    """Put a bundle for Intel Macs together from its parts and publish it as `path` (`x.nbi`).

    `keys` are further keys of NBImageInfo.plist, or others than the usual ones. The models that
    PlatformSupport.plist lists become EnabledSystemIdentifiers; `boot_plist` is what becomes
    com.apple.Boot.plist, the kernel's flags. With a root image, called `root_name`, the bundle is
    of the type HTTP, without one BootFileOnly. `beside` are images of which none may have its ID.

    Whatever `progress` raises ends it and leaves nothing behind. Raises `BundleError`, and
    `OSError` when the disk does not take it.
    """
    info = {**_USUAL_KEYS, "Name": name, "Index": index, "Type": "BootFileOnly"}
    parts = {"i386/booter": booter}
    if kernelcache is not None:
        parts["i386/x86_64/kernelcache"] = kernelcache
    if platform_support is not None:
        parts["i386/PlatformSupport.plist"] = io.BytesIO(platform_support)
        info["EnabledSystemIdentifiers"] = _models(path, platform_support)
    if boot_plist is not None:
        parts["i386/com.apple.Boot.plist"] = io.BytesIO(boot_plist)
    if root_image is not None:
        parts[root_name] = root_image
        info |= {"Type": "HTTP", "RootPath": root_name}
    info |= keys or {}
    try:
        data = write_plist(info)
    except PlistError as error:
        raise BundleError(path / FILE_NAME, str(error), "write it without") from error
    if beside is not None:
        require_free(beside, path, parse_info(data, path / FILE_NAME))
    parts[FILE_NAME] = io.BytesIO(data)
    total, done = sum(map(_size, parts.values())), 0
    with _appearing(path) as folder:
        for relative, content in parts.items():
            for size in _written(folder / relative, content):
                done += size
                if progress is not None:
                    progress(done, total)
    return read_bundle_thd(path)


def sample_bundle_thd(
    path: Path,
    *,
    root_image_size: int,
    kernelcache_size: int = 4 * 1024 * 1024,
    booter_size: int = 512 * 1024,
    keys: Mapping[str, Any] | None = None,
) -> Bundle:
    """A complete bundle of made-up content: the same arguments give the same bytes.

    No Mac boots from it, but whoever fetches it can check every byte. `root_image_size` is the size
    in bytes of the disk in the UDZO image; the file is about a third of it, for a third of the disk
    is noise, a third text and a third zeros. Sizes are rounded up to whole sectors.
    """
    with tempfile.TemporaryFile() as disk, tempfile.TemporaryFile() as image:
        for block in _sample_disk(root_image_size):
            disk.write(block)
        disk.seek(0)
        write_udzo_thd(disk, image, level=1)
        image.seek(0)
        return write_bundle_thd(
            path,
            name="Sample NetInstall",
            index=1,
            booter=io.BytesIO(_headed(FAT_EFI, "booter", booter_size)),
            kernelcache=io.BytesIO(_headed(COMPRESSED_KERNEL, "kernelcache", kernelcache_size)),
            platform_support=plistlib.dumps({"SupportedModelProperties": ["iMac14,2"]}),
            boot_plist=plistlib.dumps({"Kernel Flags": ""}),
            root_image=image,
            keys={"EnabledSystemIdentifiers": [], **(keys or {})},
        )


def _size(content: BinaryIO) -> int:
    """Bytes from where it stands to its end."""
    start = content.tell()
    end = content.seek(0, os.SEEK_END)
    content.seek(start)
    return end - start


def _models(path: Path, platform_support: bytes) -> list[str]:
    try:
        keys = parse_plist(platform_support, maximum=_MAX_PLATFORM_SUPPORT_BYTES)
    except PlistError as error:
        raise BundleError(
            path / "i386/PlatformSupport.plist", str(error), "copy it from the installer again"
        ) from error
    models = keys.get("SupportedModelProperties")
    if not isinstance(models, list):
        return []
    return [model for model in models if isinstance(model, str)]


@contextmanager
def _appearing(path: Path) -> Iterator[Path]:
    """A folder to fill, which is checked and becomes `path` at the end, or goes if that fails."""
    if path.suffix != SUFFIX:
        raise BundleError(path, f"its name does not end with {SUFFIX}", f"add {SUFFIX} to the name")
    if os.path.lexists(path):
        raise BundleError(path, "exists already", "choose another name or move it away")
    with tempfile.TemporaryDirectory(prefix=".making-", dir=path.parent) as making:
        folder = Path(making, path.name)
        folder.mkdir()
        try:
            yield folder
            read_bundle_thd(folder)
        except BundleError as error:
            place = path / error.path.relative_to(folder)
            raise BundleError(place, error.why, error.remedy) from error
        for parent, _, _ in os.walk(folder):
            os.chmod(parent, 0o755)  # noqa: S103 - read by a daemon that runs as somebody else
            sync_folder(Path(parent))
        os.rename(folder, path)
        sync_folder(path.parent)


def _written(path: Path, content: BinaryIO) -> Iterator[int]:
    """Write a file that is on the disk for good when this ends; gives the size of each piece."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        while piece := content.read(_COPY):
            file.write(piece)
            yield len(piece)
        file.flush()
        os.fsync(file.fileno())
    path.chmod(0o644)


def _sample_disk(size: int) -> Iterator[bytes]:
    chunk = SECTORS_PER_CHUNK * SECTOR
    for number, start in enumerate(range(0, size, chunk)):
        length = min(chunk, size - start)
        match number % 3:
            case 0:
                yield _noise(f"chunk {number}", length)
            case 1:
                line = f"This is chunk {number} of a sample disk.\n".encode()
                yield (line * (length // len(line) + 1))[:length]
            case _:
                yield bytes(length)


def _headed(head: bytes, seed: str, size: int) -> bytes:
    """What looks like it at first sight."""
    return (head + _noise(seed, size))[:size]


def _noise(seed: str, size: int) -> bytes:
    return hashlib.shake_128(seed.encode()).digest(size)
