"""One .nbi folder as a frozen value: what it says about itself, and the files it really holds.

A bundle is either complete (a booter for every architecture it lists, its root image there or
somewhere else by an address that a booting machine can use) or a `BundleError` that says what is
missing and how to mend it. Must never open a file other than NBImageInfo.plist.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from images.beneath import open_beneath
from images.errors import BundleError, HostUnknown, shown
from images.info import FILE_NAME, INFO_FIELDS, MAX_BYTES, ImageInfo, ImageType, parse_info
from images.name import objection
from images.root_path import (
    MAX_ROOT_PATH_BYTES,
    Lookup,
    NfsExport,
    http_root_path,
    indirect_http,
    indirect_nfs,
    nfs_root_path,
    no_lookup,
    resolved,
)
from images.tree import Tree, survey_thd, unreadable

__all__ = ["Bundle", "BundleError", "ImageType", "bundle_from_thd", "read_bundle_thd"]

SUFFIX = ".nbi"
DEFAULT_SHARE = "NetBootSP0"

# `file` of a DHCP message is 128 bytes and ends with a NUL.
MAX_BOOT_FILE_BYTES = 127

# What boot.efi fetches beside the booter, newest system first: a prelinked kernel (10.7 on), then
# the kernel and extension archive of 10.6.
_KERNELS = (
    "x86_64/kernelcache",
    "kernelcache",
    "x86_64/mach.macosx",
    "mach.macosx",
    "x86_64/mach.macosx.mkext",
    "mach.macosx.mkext",
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Bundle(ImageInfo):
    """A complete boot image. Paths within it are relative to it and use slashes."""

    path: Path
    """The folder as configured."""
    directory: Path
    """The same without symbolic links above it; files are opened beneath this one."""
    name: str
    """The name of the folder, `.nbi` included."""
    share: str
    """The name of the share point that it is published under."""
    boot_files: Mapping[str, str]
    """Architecture to booter."""
    kernels: Mapping[str, tuple[str, ...]]
    """Architecture to the kernel caches (or kernel and extension archive) beside the booter."""
    root_image: str | None
    """The disk image in this folder, when RootPath names one."""
    indirect_root: str | None
    """The root path as a client is told it, when RootPath leads to another server."""
    load_balance_server: IPv4Address | None
    files: Mapping[str, str]
    """Every published name to the real file (the two differ for symbolic links)."""
    sizes: Mapping[str, int]
    """Every published name to the size in bytes at the time of reading."""

    def __repr__(self) -> str:
        return f"<Bundle {self.image_id:#010x} {shown(self.path)}>"


def read_bundle_thd(
    path: Path, share: str = DEFAULT_SHARE, *, lookup: Lookup = no_lookup
) -> Bundle:
    """Read one folder; raises `BundleError`."""
    return bundle_from_thd(survey_thd(path), share, lookup=lookup)


def bundle_from_thd(tree: Tree, share: str, *, lookup: Lookup = no_lookup) -> Bundle:
    """Read the folder that `tree` is a survey of; raises `BundleError`."""
    if tree.problem is not None:
        raise tree.problem
    problem = objection(tree.path.name)
    if problem is not None:
        raise BundleError(tree.path, f"its name {problem}", "rename the folder")
    info = _read_info(tree)
    boot_files = {name: _boot_file(tree, info, name) for name in info.architectures}
    root_image, indirect_root = _root(tree, info, lookup)
    balance, warnings = _load_balance(info, lookup)
    kernels = {name: _kernels(tree, boot_files[name]) for name in boot_files}
    warnings += _doubts(tree, info, share, boot_files, kernels)
    _require_short_root_path(tree, info, share, root_image, indirect_root)
    return Bundle(
        **{name: getattr(info, name) for name in INFO_FIELDS if name != "warnings"},
        warnings=(*info.warnings, *warnings),
        path=tree.path,
        directory=Path(os.path.realpath(tree.path)),
        name=tree.path.name,
        share=share,
        boot_files=boot_files,
        kernels=kernels,
        root_image=root_image,
        indirect_root=indirect_root,
        load_balance_server=balance,
        files=tree.files,
        sizes={name: tree.regular[real].size for name, real in tree.files.items()},
    )


def _read_info(tree: Tree) -> ImageInfo:
    real = tree.files.get(FILE_NAME)
    if real is None:
        raise BundleError(
            tree.path,
            f"holds no {FILE_NAME}",
            "copy the whole folder that the image tool made, or rename it if it is no boot image",
        )
    path = tree.path / FILE_NAME
    try:
        with os.fdopen(open_beneath(Path(os.path.realpath(tree.path)), real), "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise unreadable(path, error) from error
    return parse_info(data, path)


def _boot_file(tree: Tree, info: ImageInfo, architecture: str) -> str:
    relative = f"{architecture}/{info.boot_file}"
    if relative in tree.files:
        return relative
    # Images for PowerPC may keep the booter at the top (bootpd(8), Architectures).
    if architecture == "ppc" and info.boot_file in tree.files:
        return info.boot_file
    raise BundleError(
        tree.path / relative,
        f"the booter for {architecture} is missing",
        f"put it there, or take {architecture} out of Architectures in {FILE_NAME}",
    )


def _kernels(tree: Tree, boot_file: str) -> tuple[str, ...]:
    beside = (posixpath.join(posixpath.dirname(boot_file), name) for name in _KERNELS)
    return tuple(name for name in beside if name in tree.files)


def _root(tree: Tree, info: ImageInfo, lookup: Lookup) -> tuple[str | None, str | None]:
    """The root image as (name in this bundle, text for the client): one of them, or none."""
    text = info.root_path_key
    if text is None:
        return None, None
    relative = posixpath.normpath(text)
    entry = tree.entry(relative)
    if entry is not None:
        if entry.size == 0:
            raise BundleError(tree.path / relative, "is empty", "copy the disk image again")
        return relative, None
    parse = indirect_http if info.type is ImageType.HTTP else indirect_nfs
    try:
        indirect = parse(text, lookup)
    except OSError as error:
        raise HostUnknown(
            tree.path / FILE_NAME,
            f"the host in RootPath {text[:200]!r} is unknown: {error}",
            "write its IPv4 address, since a booting Mac resolves no names",
        ) from error
    if indirect is None:
        raise BundleError(
            tree.path / FILE_NAME,
            f"RootPath {text[:200]!r} is no regular file of the bundle and no address of one",
            "put the disk image (.dmg or .sparseimage) there, or correct RootPath",
        )
    return None, indirect


def _require_short_root_path(
    tree: Tree, info: ImageInfo, share: str, image: str | None, text: str | None
) -> None:
    """The longest text that a client may be told has to fit in option 17."""
    widest = IPv4Address("255.255.255.255")
    if image is not None and info.type is ImageType.HTTP:
        text = http_root_path(widest, 65535, share, tree.path.name, image)
    elif image is not None:
        export = NfsExport(path=tree.path.parent.as_posix())
        text = nfs_root_path(widest, export, tree.path.name, image)
    length = len((text or "").encode())
    if length > MAX_ROOT_PATH_BYTES:
        raise BundleError(
            tree.path,
            f"its root path takes {length} bytes, and a reply carries {MAX_ROOT_PATH_BYTES}",
            "give the folder or the disk image a shorter name",
        )


def _load_balance(info: ImageInfo, lookup: Lookup) -> tuple[IPv4Address | None, list[str]]:
    host = info.load_balance_host
    if host is None:
        return None, []
    try:
        return resolved(host, lookup), []
    except OSError as error:
        # Apple's server goes on without it (cfhost_to_ip in bootplib/nbimages.c).
        return None, [f"LoadBalanceServer {host[:60]!r} is not used: {error}"]


def _doubts(
    tree: Tree,
    info: ImageInfo,
    share: str,
    boot_files: Mapping[str, str],
    kernels: Mapping[str, tuple[str, ...]],
) -> list[str]:
    """What lets the image be listed but may keep a machine from booting it."""
    doubts = []
    for architecture, boot_file in boot_files.items():
        published = f"/private/tftpboot/NetBoot/{share}/{tree.path.name}/{boot_file}"
        if len(published.encode()) > MAX_BOOT_FILE_BYTES:
            doubts.append(
                f"the path of the {architecture} booter is longer than {MAX_BOOT_FILE_BYTES} "
                "bytes, so a reply cannot carry it: give the folder a shorter name"
            )
        if info.type is not ImageType.BOOT_FILE_ONLY and not kernels[architecture]:
            doubts.append(f"no kernelcache beside the {architecture} booter")
    return doubts
