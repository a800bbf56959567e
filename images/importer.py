"""Copy a bundle from another disk into a folder of bundles, so that a copy that was cut off goes on
where it stopped and nobody ever sees half an image.

    /Volumes/USB/HighSierra.nbi ──copy, fsync──▶ images/.importing-HighSierra/HighSierra.nbi
                                                                │ read back, verified
                                     images/HighSierra.nbi ◀──rename

The catalog does not look into hidden folders. What a copy that was cut off left is compared with
the source, byte for byte, and only what is missing or differs is written. Must never replace a
folder that exists; symbolic links become the files that they lead to.
"""

from __future__ import annotations

import errno
import io
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from images.beneath import open_beneath
from images.bundle import SUFFIX, Bundle, read_bundle_thd
from images.catalog import Snapshot
from images.edit import edited, read_info_thd, sync_folder, unwritable
from images.errors import BundleError, shown
from images.index import require_free
from images.info import FILE_NAME, parse_info
from images.tree import unreadable

Progress = Callable[[int, int], None]
"""Is told (bytes done, bytes in all)."""

STAGING: Final = ".importing-"
"""What the name of a folder begins with in which a copy is made."""
_PIECE: Final = 1024 * 1024
# Each platform has one of these two.
_FLAGS: Final = getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """A copy that is to be made."""

    bundle: Bundle
    """The source."""
    info: bytes
    """NBImageInfo.plist as it is to be."""
    target: Path
    staging: Path
    """The hidden folder beside the target, in which the copy grows."""

    @property
    def copy(self) -> Path:
        """The copy while it grows."""
        return self.staging / self.target.name

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(self.bundle.sizes.values())

    def staged_thd(self) -> int:
        """Bytes that are there already, from a copy that was cut off."""
        found = (self.copy / name for name in self.bundle.files)
        return sum(path.stat().st_size for path in found if path.is_file())


def find_source_thd(path: Path) -> Path:
    """The bundle that `path` is, or the only one that lies in it, as on a volume. Raises
    `BundleError`."""
    if path.suffix == SUFFIX:
        return path
    try:
        found = sorted(each.name for each in path.iterdir() if each.suffix == SUFFIX)
    except OSError as error:
        raise unreadable(path, error) from error
    if len(found) == 1:
        return path / found[0]
    if not found:
        raise BundleError(path, f"is no {SUFFIX} folder and has none in it", "name the folder")
    several = ", ".join(map(shown, found))
    raise BundleError(path, "has several images in it", f"name one of them: {several}")


def plan_import_thd(
    source: Path, root: Path, snapshot: Snapshot, *, keys: Mapping[str, Any] | None = None
) -> Import:
    """What is to be copied into `root`, which may have to be made; writes nothing.

    `keys` are what is to be different in NBImageInfo.plist. `snapshot` is all that is served
    already. Raises `BundleError` for whatever would keep the image from being served.
    """
    bundle = read_bundle_thd(source)
    info = edited(read_info_thd(bundle), keys or {}, bundle.path / FILE_NAME)
    target = root / bundle.name
    if os.path.lexists(target):
        why = "exists already"
        raise BundleError(target, why, "remove it, or rename the folder that you import")
    require_free(snapshot, bundle.path, parse_info(info, bundle.path / FILE_NAME))
    staging = root / f"{STAGING}{target.stem}"
    plan = Import(bundle=bundle, info=info, target=target, staging=staging)
    for place in (plan.staging, plan.copy):
        if place.is_symlink():
            raise BundleError(place, "is a symbolic link, and none of ours", "remove it")
    _require_room(plan, root)
    return plan


def import_thd(plan: Import, progress: Progress) -> Bundle:
    """Copy, read the copy back, publish nothing yet (see `publish_thd`).

    `progress` may raise to end it: then, as after any other end, what is there stays for the next
    time. A disk that is full is the exception: it gets its room back. Raises `BundleError`.
    """
    try:
        _copy(plan, progress)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            shutil.rmtree(plan.staging, ignore_errors=True)
        raise unwritable(plan.target, error) from error
    return read_bundle_thd(plan.copy)


def publish_thd(plan: Import) -> Bundle:
    """Let the copy appear, whole. Raises `BundleError`."""
    try:
        if os.path.lexists(plan.target):
            raise OSError(errno.EEXIST, "exists already")
        os.rename(plan.copy, plan.target)
        sync_folder(plan.target.parent)
    except OSError as error:
        raise unwritable(plan.target, error) from error
    discard_thd(plan)
    return read_bundle_thd(plan.target)


def unfinished_thd(root: Path) -> list[Path]:
    """The hidden folders in `root` in which a copy grows, or was cut off."""
    return sorted(path.parent for path in root.glob(f"{STAGING}*/*{SUFFIX}"))


def discard_thd(plan: Import) -> None:
    """Remove the hidden folder, and with it a copy that is not published."""
    shutil.rmtree(plan.staging, ignore_errors=True)


def _require_room(plan: Import, root: Path) -> None:
    there = next(each for each in (root, *root.absolute().parents) if each.exists())
    needed = plan.size - plan.staged_thd()
    free = shutil.disk_usage(there).free
    if needed > free:
        raise BundleError(
            plan.target,
            f"needs {needed:,} bytes, and the disk has {free:,} left",
            "make room, or import into a share on another disk",
        )


def _copy(plan: Import, progress: Progress) -> None:
    bundle, total, done = plan.bundle, plan.size, 0
    _remove_others(plan)
    plan.copy.mkdir(parents=True, exist_ok=True)

    def step(size: int) -> None:
        nonlocal done
        done += size
        progress(min(done, total), total)

    for name, real in sorted(bundle.files.items()):
        target = plan.copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if name == FILE_NAME:
            _make_equal(io.BytesIO(plan.info), target, step)
            continue
        try:
            source = os.fdopen(open_beneath(bundle.directory, real), "rb")
        except OSError as error:
            raise unreadable(bundle.path / name, error) from error
        with source:
            _make_equal(_Source(source, bundle.path / name), target, step)
    for parent, _, _ in os.walk(plan.copy):
        os.chmod(parent, 0o755)  # noqa: S103 - read by a daemon that runs as somebody else
        sync_folder(Path(parent))


def _remove_others(plan: Import) -> None:
    """What an earlier copy left and this one does not have; links, whoever put them there."""
    for parent, folders, names in os.walk(plan.copy, topdown=False):
        for path in (Path(parent, name) for name in (*names, *folders)):
            is_wanted = path.relative_to(plan.copy).as_posix() in plan.bundle.files
            if path.is_symlink() or (path.is_file() and not is_wanted):
                path.unlink()
            elif path.is_dir() and not any(path.iterdir()):
                path.rmdir()


class _Source:
    """A file whose failures are told apart from those of the disk that is written to."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file = file
        self._path = path

    def read(self, size: int) -> bytes:
        try:
            return self._file.read(size)
        except OSError as error:
            raise unreadable(self._path, error) from error


def _make_equal(source: _Source | io.BytesIO, target: Path, step: Callable[[int], None]) -> None:
    """Make `target` hold what `source` does, on the disk for good; what is right is left alone."""
    descriptor = os.open(target, os.O_RDWR | os.O_CREAT | _FLAGS, 0o644)
    with os.fdopen(descriptor, "r+b", buffering=0) as file:
        is_equal = True
        while piece := source.read(_PIECE):
            if is_equal:
                place = file.tell()
                is_equal = file.read(len(piece)) == piece
                if not is_equal:
                    file.seek(place)
                    file.truncate()
            if not is_equal:
                _write(file, piece)
            step(len(piece))
        file.truncate()
        os.fsync(descriptor)
    os.chmod(target, 0o644)


def _write(file: io.FileIO, piece: bytes) -> None:
    view = memoryview(piece)
    while view:
        view = view[file.write(view) :]
