"""Write a file whole or not at all: whoever reads it finds the old content or the new one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ops.folder import sync_folder_thd


def replace_file(
    path: Path, content: bytes, *, mode: int = 0o600, owner: tuple[int, int] | None = None
) -> None:
    """Put `content` in the place of `path`, on disk when it returns. Raises OSError.

    A file that is there already keeps mode and owner unless `owner` (user, group) says otherwise;
    a new one has `mode`. A symbolic link stays one: what it leads to is replaced.
    """
    path = Path(os.path.realpath(path))
    try:
        status = path.stat()
    except FileNotFoundError:
        status = None
    if status is not None:
        mode = status.st_mode & 0o7777
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if os.name == "posix":
                _give(descriptor, mode, owner, status)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
    sync_folder_thd(path.parent)


def _give(
    descriptor: int, mode: int, owner: tuple[int, int] | None, status: os.stat_result | None
) -> None:
    if owner is None and status is not None and os.geteuid() == 0:
        owner = status.st_uid, status.st_gid
    if owner is not None:
        os.fchown(descriptor, *owner)
    os.fchmod(descriptor, mode)
