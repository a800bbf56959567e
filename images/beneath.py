"""Open a regular file beneath a directory, whatever anybody does to the names meanwhile.

Symbolic links are never followed here, in no component below the directory: a link that was swapped
in after the catalog was read is an error, not a way out. (Links that stay inside a bundle work all
the same, because the catalog resolved them beforehand; see `images.tree`.)

On POSIX each component is opened relative to the descriptor of the one before it. Where the
platform has no such calls (Windows), the file is opened first, and then the system is asked what
the open file is called, which no swapping of names can falsify.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path

# Each platform has two of these four.
_BY_NAME = sum(
    getattr(os, flag, 0) for flag in ("O_BINARY", "O_NOINHERIT", "O_NONBLOCK", "O_CLOEXEC")
)


def open_beneath(directory: Path, relative: str) -> int:
    """A descriptor, opened for reading, of the regular file `relative` (slashes) in `directory`.

    Raises `OSError`: ENOENT and the like from the system, ELOOP for a symbolic link, EINVAL for
    what is no regular file. `directory` is free of links (`os.path.realpath`) and stays so.
    """
    if os.open in os.supports_dir_fd and os.stat in os.supports_dir_fd:
        return _open_by_descriptor(directory, relative)
    return _open_and_prove(directory, relative)


def _open_by_descriptor(directory: Path, relative: str) -> int:
    walk = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    *folders, name = relative.split("/")
    at = os.open(directory, walk)
    try:
        for folder in folders:
            below = os.open(folder, walk, dir_fd=at)
            os.close(at)
            at = below
        # Looked at before it is opened, since opening alone can move a tape or wake a modem;
        # checked again afterwards, since it may have been exchanged in between.
        _require_regular(os.stat(name, dir_fd=at, follow_symlinks=False), relative)
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        return _regular(os.open(name, flags, dir_fd=at), relative)
    finally:
        os.close(at)


def _open_and_prove(directory: Path, relative: str) -> int:
    path = directory.joinpath(*relative.split("/"))
    _require_regular(os.lstat(path), relative)
    descriptor = _regular(os.open(path, os.O_RDONLY | _BY_NAME), relative)
    try:
        if _final_path(descriptor) != str(path):
            raise OSError(errno.ELOOP, "was reached through a symbolic link", relative)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


if sys.platform == "win32":  # pragma: no cover

    def _final_path(descriptor: int) -> str:
        """What the system calls the open file, all links resolved."""
        import ctypes
        import msvcrt

        buffer = ctypes.create_unicode_buffer(32768)
        handle = ctypes.c_void_p(msvcrt.get_osfhandle(descriptor))
        final = ctypes.WinDLL("kernel32", use_last_error=True).GetFinalPathNameByHandleW
        if not 0 < final(handle, buffer, len(buffer), 0) < len(buffer):
            raise ctypes.WinError(ctypes.get_last_error())
        # The extended form of a path, which os.path.realpath takes off as well.
        path = buffer.value
        if path.startswith("\\\\?\\UNC\\"):
            return "\\\\" + path[8:]
        return path.removeprefix("\\\\?\\")

else:

    def _final_path(descriptor: int) -> str:
        """What the system calls the open file, all links resolved (where it has /proc)."""
        return os.readlink(f"/proc/self/fd/{descriptor}")


def _regular(descriptor: int, relative: str) -> int:
    try:
        _require_regular(os.fstat(descriptor), relative)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _require_regular(status: os.stat_result, relative: str) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise OSError(errno.ELOOP, "is a symbolic link", relative)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "is not a regular file", relative)
