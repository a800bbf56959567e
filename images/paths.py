"""Names on the wire and files on disk: what a request means, and what our replies call a file.

What is published is an allow-list: the names that the catalog saw in a bundle, in a boot entry or
in the folder of loaders, spelt exactly so.
`resolve` looks a request up in it and touches no disk; whatever is not on the list is refused, and
only then is it found out why. `open_file` opens the real file without following any link, so that
what the catalog saw is all that can ever be read (`images.beneath`).
"""

from __future__ import annotations

import errno
import os
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address
from types import MappingProxyType, TracebackType

from images.beneath import open_beneath
from images.bundle import SUFFIX, Bundle
from images.catalog import Published, Snapshot
from images.entry import BootEntry
from images.info import ImageType
from images.loaders import Loaders
from images.name import objection
from images.root_path import HTTP_PORT, NfsExport, http_root_path, nfs_root_path

# PATH_MAX on macOS; a TFTP request of 516 bytes cannot carry half as much.
MAX_REQUEST_BYTES = 1024

# Where Apple's server keeps it all, and what its replies therefore say (bsdpd.c, S_add_bootfile).
_TFTP_ROOT = ("private", "tftpboot")
_NETBOOT = "NetBoot"


class Refusal(Enum):
    """Why a name leads to no file. All but the last three are the asker's doing."""

    EMPTY = "the name is empty"
    TOO_LONG = "the name is too long"
    NOT_UTF8 = "the name is not UTF-8"
    TRAVERSAL = "the name goes up with .."
    BAD_NAME = "the name holds what no published file may be called"
    NO_BUNDLE = "nothing published has that name"
    DISABLED = "it is disabled"
    NO_FILE = "the bundle holds no such file"
    NO_ENTRY = "no boot entry of that name is for this machine"
    VANISHED = "the file has gone since the bundle was read"
    CHANGED = "the file has become something else since the bundle was read"
    UNREADABLE = "the file cannot be read"


class PathRefused(Exception):
    """A request that leads to no published file."""

    def __init__(self, reason: Refusal, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason.value}: {self.detail}" if self.detail else self.reason.value


class Role(Enum):
    """What a file is for in the boot of a machine."""

    BOOTER = "booter"
    KERNELCACHE = "kernelcache"
    PLATFORM_SUPPORT = "platform_support"
    BOOT_PLIST = "boot_plist"
    ROOT_IMAGE = "root_image"
    LOADER = "loader"
    """An EFI program of an entry, and all that lies in the folder of loaders."""
    KERNEL = "kernel"
    INITRD = "initrd"
    SCRIPT = "script"
    """Of iPXE or GRUB, generated ones included."""
    OTHER = "other"


_ROLES: Mapping[str, Role] = MappingProxyType(
    {
        "kernelcache": Role.KERNELCACHE,
        "mach.macosx": Role.KERNELCACHE,
        "mach.macosx.mkext": Role.KERNELCACHE,
        "PlatformSupport.plist": Role.PLATFORM_SUPPORT,
        "com.apple.Boot.plist": Role.BOOT_PLIST,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedFile:
    """A published file: `relative` is its name within the folder, as the client knows it."""

    folder: Published | Loaders
    relative: str
    role: Role

    @property
    def name(self) -> str:
        """What it is called in logs: the folder of an image or entry, then the file."""
        if isinstance(self.folder, Loaders):
            return self.relative
        return f"{self.folder.name}/{self.relative}"

    @property
    def is_efi(self) -> bool:
        """Whether it is a program for UEFI firmware, whatever it is called."""
        if isinstance(self.folder, Bundle):
            return self.role is Role.BOOTER
        return self.relative in self.folder.efi_files


def resolve(snapshot: Snapshot, requested: bytes | str) -> ResolvedFile:
    r"""The file that a client asks for by name; raises `PathRefused`. Reads no disk.

    `[/private/tftpboot/]NetBoot/<share>/<x.nbi>/<file>` and `<x.nbi>/<file>` are the same, with or
    without leading slashes, doubled slashes and `.`, with `\` for `/` as EFI writes paths; likewise
    for boot entries. Any other name is one of the folder of loaders. Upper and lower case differ on
    every file system. A percent sign is a percent sign: whoever speaks HTTP has decoded before,
    once.
    """
    parts = name_parts(requested)
    if parts[:1] == [_NETBOOT]:
        folder = snapshot.by_share.get((parts[1], parts[2])) if len(parts) > 2 else None
        relative = "/".join(parts[3:])
    else:
        folder = snapshot.by_name.get(parts[0]) if parts else None
        relative = "/".join(parts[1:])
    if folder is not None and relative in folder.files:
        return ResolvedFile(folder=folder, relative=relative, role=role_of(folder, relative))
    loaders, name = snapshot.loaders, "/".join(parts)
    if loaders is not None and name in loaders.files:
        return ResolvedFile(folder=loaders, relative=name, role=Role.LOADER)
    raise _refusal(snapshot, folder, parts)


def name_parts(requested: bytes | str) -> list[str]:
    """The components of a requested name that mean something; raises `PathRefused`."""
    parts = [
        part for part in _text(requested).replace("\\", "/").split("/") if part not in _NOTHING
    ]
    if tuple(parts[:2]) == _TFTP_ROOT:
        del parts[:2]
    return parts


_NOTHING = frozenset({"", "."})


def _text(requested: bytes | str) -> str:
    try:
        text = requested if isinstance(requested, str) else requested.decode()
        size = len(text.encode())
    except UnicodeError:
        raise PathRefused(Refusal.NOT_UTF8) from None
    if size > MAX_REQUEST_BYTES:
        raise PathRefused(Refusal.TOO_LONG, f"{size} bytes")
    return text


def _refusal(snapshot: Snapshot, folder: Published | None, parts: list[str]) -> PathRefused:
    """Why this name is on no list, for the log."""
    if not parts:
        return PathRefused(Refusal.EMPTY)
    if ".." in parts:
        return PathRefused(Refusal.TRAVERSAL)
    for part in parts:
        problem = objection(part)
        if problem is not None:
            return PathRefused(Refusal.BAD_NAME, f"{part[:60]!r} {problem}")
    if folder is not None:
        return PathRefused(Refusal.NO_FILE, f"in {folder.name}")
    disabled = next((each.name for each in snapshot.disabled if each.name in parts), None)
    if disabled is not None:
        return PathRefused(Refusal.DISABLED, disabled)
    bundle = next((part for part in parts if part.endswith(SUFFIX)), "")
    return PathRefused(Refusal.NO_BUNDLE, bundle[:60])


def role_of(folder: Published, relative: str) -> Role:
    """What the file of this name is for."""
    if isinstance(folder, BootEntry):
        return _role_in_entry(folder, relative)
    if relative == folder.root_image:
        return Role.ROOT_IMAGE
    for boot_file in folder.boot_files.values():
        if relative == boot_file or relative.startswith(f"{boot_file}."):
            return Role.BOOTER
    return _ROLES.get(posixpath.basename(relative), Role.OTHER)


def _role_in_entry(entry: BootEntry, relative: str) -> Role:
    if relative == entry.kernel:
        return Role.KERNEL
    if relative in entry.initrds:
        return Role.INITRD
    if relative == entry.script:
        return Role.SCRIPT
    return Role.LOADER if relative in entry.efi_files else Role.OTHER


class OpenFile:
    """A published file, open for reading; it stays readable whatever becomes of its name.

    `size` (bytes), `mtime_ns` and `inode` are those of the open file itself. A context manager;
    `close` may be called twice.
    """

    __slots__ = ("fd", "inode", "is_efi", "mtime_ns", "name", "role", "size")

    def __init__(self, fd: int, name: str, role: Role, *, is_efi: bool = False) -> None:
        """Takes `fd`. `name` is for logs: `A.nbi/i386/booter`."""
        status = os.fstat(fd)
        self.fd = fd
        self.size = status.st_size
        self.mtime_ns = status.st_mtime_ns
        self.inode = status.st_ino
        self.name = name
        self.role = role
        self.is_efi = is_efi

    def close(self) -> None:
        """Give the descriptor back; `fd` is -1 afterwards."""
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            os.close(fd)

    def __enter__(self) -> OpenFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_file(resolved: ResolvedFile) -> OpenFile:
    """Open what `resolve` found; raises `PathRefused` (VANISHED, CHANGED or UNREADABLE)."""
    folder, name = resolved.folder, resolved.name
    try:
        fd = open_beneath(folder.directory, folder.files[resolved.relative])
    except FileNotFoundError:
        raise PathRefused(Refusal.VANISHED, name) from None
    except PermissionError as error:
        raise PathRefused(Refusal.UNREADABLE, name) from error
    except OSError as error:
        reason = Refusal.CHANGED if error.errno in _CHANGED else Refusal.UNREADABLE
        raise PathRefused(reason, f"{name}: {error.strerror}") from error
    return OpenFile(fd, name, resolved.role, is_efi=resolved.is_efi)


_CHANGED = frozenset({errno.ELOOP, errno.ENOTDIR, errno.EINVAL})


def boot_file_name(bundle: Bundle, arch: str, machine: str | None = None) -> str:
    """The path of the booter for the `file` field of a reply, absolute as Apple's server sends it.

    A file `<booter>.<machine>` is preferred where there is one (bootpd.c, bootp_add_bootfile).
    Raises `KeyError` for an architecture that the bundle does not list.
    """
    boot_file = bundle.boot_files[arch]
    if machine is not None and f"{boot_file}.{machine}" in bundle.files:
        boot_file = f"{boot_file}.{machine}"
    return f"/private/tftpboot/NetBoot/{bundle.share}/{bundle.name}/{boot_file}"


def root_path(
    bundle: Bundle,
    server: IPv4Address,
    *,
    http_port: int = HTTP_PORT,
    nfs: NfsExport | None = None,
) -> str | None:
    """The root path for option 17 of a reply sent by `server`; `None` for an image without one.

    `LoadBalanceServer` takes the place of `server`. `nfs` says where NFS images are exported; by
    default that is the folder of the share point, on the same server, as Apple's has it.
    """
    if bundle.indirect_root is not None:
        return bundle.indirect_root
    if bundle.root_image is None:
        return None
    host = bundle.load_balance_server or server
    if bundle.type is ImageType.HTTP:
        return http_root_path(host, http_port, bundle.share, bundle.name, bundle.root_image)
    export = nfs or NfsExport(path=bundle.path.parent.as_posix())
    return nfs_root_path(host, export, bundle.name, bundle.root_image)
