"""`netbootctl images create`: a bundle from the parts of a system, in Apple's layout.

Lab.nbi/NBImageInfo.plist, NetInstall.dmg (NetBoot.dmg for a system to work with),
Lab.nbi/i386/{booter,PlatformSupport.plist,com.apple.Boot.plist}, i386/x86_64/kernelcache
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from images.author import write_bundle_thd
from images.bundle import SUFFIX
from images.dmg import DmgError, inspect_thd
from images.errors import shown
from images.index import free_index
from images.program import HEAD_BYTES, is_mac_booter, is_mac_kernel
from netbootd.image_share import share_folder, tell, told_in_one_line
from netbootd.image_show import shelf_thd
from netbootd.image_verify import watched
from ops.amount import size_text
from ops.cli import Failed
from ops.table import print_line

ROOT_NAMES: Final = {
    "netboot": "NetBoot",
    "netinstall": "NetInstall",
    "netrestore": "NetInstall",
}
"""What System Image Utility calls the root disk image, without its suffix."""
ALL_MODELS: Final = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What was given on the command line."""

    booter: Path
    kernelcache: Path | None
    platform_support: Path | None
    boot_plist: Path | None
    root_image: Path | None
    name: str | None
    index: int | None
    kind: str
    models: tuple[str, ...]
    description: str | None
    diskless: bool
    is_default: bool
    disabled: bool


def create_image(
    configuration: Path | None, folder: str, share: str | None, parts: Parts, *, as_json: bool
) -> None:
    """Make the bundle `folder` (`.nbi` is added) in a share. Raises Failed."""
    if "/" in folder or folder in ("", ".", ".."):
        raise Failed(f"{folder!r} is no name of a folder; say where with --share")
    shelf = shelf_thd(configuration)
    stem = folder.removesuffix(SUFFIX)
    path = share_folder(shelf.settings, share) / f"{stem}{SUFFIX}"
    with told_in_one_line(), ExitStack() as stack:
        booter = stack.enter_context(parts.booter.open("rb"))
        kernelcache = _opened(stack, parts.kernelcache)
        root_image = _opened(stack, parts.root_image)
        _require_booter(parts.booter, booter)
        if root_image is not None:
            _require_disk_image(parts.root_image, root_image)
        if kernelcache is not None and not is_mac_kernel(_head(kernelcache)) and not as_json:
            print_line(f"doubt: {parts.kernelcache} does not look like a kernel of macOS", "yellow")
        with watched(quiet=as_json) as screen:
            screen.copies(shown(path))
            bundle = write_bundle_thd(
                path,
                name=parts.name or stem,
                index=parts.index or free_index(shelf.snapshot),
                booter=booter,
                kernelcache=kernelcache,
                root_image=root_image,
                platform_support=_content(parts.platform_support),
                boot_plist=_content(parts.boot_plist),
                root_name=_root_name(parts),
                keys=_keys(parts),
                progress=screen.progressed,
                beside=shelf.snapshot,
            )
            size = sum(bundle.sizes.values())
            screen.copied(f"{size_text(size)} in {len(bundle.files)} files")
    tell(shelf.settings, [bundle], as_json=as_json)


def _opened(stack: ExitStack, path: Path | None) -> BinaryIO | None:
    return None if path is None else stack.enter_context(path.open("rb"))


def _content(path: Path | None) -> bytes | None:
    return None if path is None else path.read_bytes()


def _require_booter(path: Path, file: BinaryIO) -> None:
    if not is_mac_booter(_head(file)):
        raise Failed(f"{shown(path)} is no EFI program; give the boot.efi of the system")


def _require_disk_image(path: Path | None, file: BinaryIO) -> None:
    try:
        inspect_thd(file)
    except DmgError as error:
        raise Failed(f"{path}: {error}") from error
    file.seek(0)


def _head(file: BinaryIO) -> bytes:
    head = file.read(HEAD_BYTES)
    file.seek(0)
    return head


def _root_name(parts: Parts) -> str:
    suffix = parts.root_image.suffix.lower() if parts.root_image is not None else ""
    return f"{ROOT_NAMES[parts.kind]}{suffix if suffix == '.sparseimage' else '.dmg'}"


def _keys(parts: Parts) -> dict[str, Any]:
    """What NBImageInfo.plist says besides what is the same for all."""
    keys: dict[str, Any] = {
        "IsInstall": parts.kind != "netboot",
        "IsDefault": parts.is_default,
        "IsEnabled": not parts.disabled,
        "SupportsDiskless": parts.diskless,
        "imageType": parts.kind,
    }
    models = [model for text in parts.models for model in text.split()]
    if models:
        keys["EnabledSystemIdentifiers"] = [] if ALL_MODELS in models else models
    if parts.description is not None:
        keys["Description"] = parts.description
    return keys
