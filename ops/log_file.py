"""A log file that stays small: at its size limit it becomes an archive, and a new one begins.

    netbootd.log ──rename──▶ netbootd.<stamp>.rotated ──thread──▶ netbootd.log.part
                                      │ removed last                   │ renamed
                                      ▼                                ▼
                                    (gone)                     netbootd.1.log.gz, .2, …

A process that is killed anywhere on that way loses no line and doubles none: each archive says in
its header of which rotated file it was made, so that the next start knows what is left to do. A
disk that is full costs the lines of that time and is told of afterwards; it never raises.
"""

from __future__ import annotations

import errno
import glob
import gzip
import os
import re
import shutil
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

from ops.folder import sync_folder_thd

MODE = 0o640
"""Of logs and archives: for the daemon, and a group of readers."""

_GZIP_HEADER = 10
_HAS_NAME = 8
"""RFC 1952, 2.3.1: the flag of a header that is followed by the original file's name."""


class RotatingFile:
    """One log. `write` may be called by any thread."""

    def __init__(
        self,
        folder: Path,
        name: str,
        *,
        size: int,
        count: int,
        note: Callable[[str], bytes],
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        """Opens `folder/name.log`, of at most `size` bytes, with at most `count` archives. `note`
        makes a line of a text that we ourselves have to tell. Raises OSError."""
        self._folder = folder
        self._name = name
        self._path = folder / f"{name}.log"
        self._size_limit = size
        self._count = count
        self._note = note
        self._clock = clock
        self._lock = threading.RLock()
        self._worker: _Worker | None = None
        self._may_archive = False
        self._told: str | None = None
        """What has been told of rotation that fails, until it works again."""
        self.lost = 0
        """Lines that the disk did not take since it last took one."""
        self._why = ""
        self._torn = False
        self._descriptor = _opened(self._path)
        self._size = os.fstat(self._descriptor).st_size
        self._stamp = _last_stamp(folder, name)

    def write(self, line: bytes) -> None:
        """Append a line. Never raises for what the disk does."""
        with self._lock:
            if self._size and self._size + len(line) > self._size_limit:
                self._rotate(len(line))
            if self.lost and self._append(self._note(_lost(self.lost, self._why))):
                self.lost = 0
            if not self._append(line):
                self.lost += 1

    def reopen(self) -> None:
        """Go on in the file of our name, if somebody has moved the one that we have."""
        with self._lock:
            try:
                self._reopen()
            except OSError as error:
                self._tell(f"{self._path} cannot be opened again ({error.strerror})")

    def begin_archives(self) -> None:
        """Have a thread make archives of what is rotated, and of what was rotated before. Not to be
        called until the process is done with forking."""
        self._may_archive = True
        self._archive()

    def close(self) -> None:
        """Write no more; wait for the archives. For tests: a process just ends."""
        if self._worker is not None:
            self._worker.join()
        os.close(self._descriptor)

    # Writing.

    def _append(self, data: bytes) -> bool:
        """Whether all of it is written."""
        if self._torn:
            data = b"\n" + data
        try:
            done = os.write(self._descriptor, data)
            self._size += done
            while done < len(data):  # the disk was full in the midst of it
                self._torn = True
                more = os.write(self._descriptor, data[done:])
                done += more
                self._size += more
        except OSError as error:
            self._why = error.strerror or str(error)
            return False
        self._torn = False
        return True

    def _reopen(self) -> None:
        if _same(self._path, self._descriptor):
            return
        descriptor = _opened(self._path)
        os.close(self._descriptor)
        self._descriptor, self._size = descriptor, os.fstat(descriptor).st_size

    def _rotate(self, wanted: int) -> None:
        self._size = os.fstat(self._descriptor).st_size
        if self._size + wanted <= self._size_limit:  # somebody has shortened it
            return
        try:
            if not _same(self._path, self._descriptor):  # somebody has moved it
                self._reopen()
                return
            self._begin_anew()
        except OSError as error:
            self._size = 0  # to be tried again when as much has been written once more
            self._tell(
                f"{self._path} cannot be rotated ({error.strerror}) and grows;"
                f" let the daemon's user write to {self._folder}"
            )
        else:
            self._told = None
            self._archive()

    def _begin_anew(self) -> None:
        rotated = self._folder / f"{self._name}.{self._next_stamp():020d}.rotated"
        if os.name == "nt":  # which renames no open file
            os.close(self._descriptor)
            try:
                os.rename(self._path, rotated)
            finally:
                self._descriptor = _opened(self._path)
        else:
            os.rename(self._path, rotated)
            try:
                descriptor = _opened(self._path)
            except OSError:
                os.rename(rotated, self._path)
                raise
            os.close(self._descriptor)
            self._descriptor = descriptor
        self._size = 0

    def _next_stamp(self) -> int:
        """Names that sort by age and never come again, even if the clock is put back."""
        self._stamp = max(self._stamp + 1, self._clock())
        return self._stamp

    def _tell(self, text: str) -> None:
        if text != self._told:
            self._told = text
            self._append(self._note(text))

    # Archives.

    def _archive(self) -> None:
        worker = self._worker
        if not self._may_archive:
            return
        if worker is not None and worker.is_alive() and not worker.has_begun:
            return  # it will see what there is now
        self._worker = _Worker(self._archive_thd, after=worker)
        self._worker.start()

    def _archive_thd(self) -> None:
        try:
            archive_rotated_thd(self._folder, self._name, self._count)
        except OSError as error:
            with self._lock:
                self._tell(
                    f"{self._path}: no archive can be made ({error.strerror}); make room in"
                    f" {self._folder}"
                )


class _Worker(threading.Thread):
    """Makes archives, when the one before it has ended."""

    def __init__(self, work: Callable[[], None], *, after: _Worker | None) -> None:
        super().__init__(name="log-archive")
        self._work = work
        self._after = after
        self.has_begun = False

    def run(self) -> None:
        if self._after is not None:
            self._after.join()
            self._after = None
        self.has_begun = True
        self._work()


def archive_rotated_thd(folder: Path, name: str, count: int) -> None:
    """Make `name.1.log.gz` of each rotated file, the oldest first, and keep `count` archives.

    Where that fails, as many rotated files are kept as there may be archives. Raises OSError.
    """
    rotated = _rotated(folder, name)
    for number, file in enumerate(rotated):
        try:
            _archive(folder, name, count, file)
        except OSError:
            for surplus in rotated[number : len(rotated) - count]:
                surplus.unlink(missing_ok=True)
            raise
    numbers = _numbers(folder, name)
    for number in numbers:
        if number > count:
            _archived(folder, name, number).unlink(missing_ok=True)


def _archive(folder: Path, name: str, count: int, rotated: Path) -> None:
    numbers = _numbers(folder, name)
    if all(origin(_archived(folder, name, number)) != rotated.name for number in numbers):
        part = folder / f"{name}.log.part"
        _compressed(rotated, part)
        _shift(folder, name, count, numbers)
        os.replace(part, _archived(folder, name, 1))
        sync_folder_thd(folder)
    rotated.unlink()


def _compressed(file: Path, target: Path) -> None:
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _NO_FOLLOW, MODE)
    with open(descriptor, "wb") as out:
        with (
            file.open("rb") as source,
            gzip.GzipFile(file.name, "wb", fileobj=out, mtime=os.stat(file).st_mtime) as archive,
        ):
            shutil.copyfileobj(source, archive)
        out.flush()
        os.fsync(out.fileno())


def _shift(folder: Path, name: str, count: int, numbers: set[int]) -> None:
    """Make room for the newest. A gap, which a killed process may have left, is closed."""
    gap = next(number for number in range(1, len(numbers) + 2) if number not in numbers)
    for number in range(gap - 1, 0, -1):
        source = _archived(folder, name, number)
        if number >= count:
            source.unlink()
        else:
            os.replace(source, _archived(folder, name, number + 1))


def _numbers(folder: Path, name: str) -> set[int]:
    pattern = re.compile(rf"{re.escape(name)}\.([1-9][0-9]*)\.log\.gz")
    return {int(match[1]) for match in map(pattern.fullmatch, os.listdir(folder)) if match}


def _rotated(folder: Path, name: str) -> list[Path]:
    """The oldest first."""
    return sorted(folder.glob(f"{glob.escape(name)}.{'[0-9]' * 20}.rotated"))


def _last_stamp(folder: Path, name: str) -> int:
    """The greatest that a rotated file has, or had that is an archive now."""
    origins = [origin(_archived(folder, name, number)) for number in _numbers(folder, name)]
    names = [file.name for file in _rotated(folder, name)] + [one for one in origins if one]
    pattern = re.compile(rf"{re.escape(name)}\.([0-9]{{20}})\.rotated")
    return max([int(match[1]) for match in map(pattern.fullmatch, names) if match], default=0)


def _archived(folder: Path, name: str, number: int) -> Path:
    return folder / f"{name}.{number}.log.gz"


def origin(archive: Path) -> str | None:
    """The name of the file that an archive was made of (RFC 1952, 2.3.1); None: it does not say."""
    with archive.open("rb") as stream:
        header = stream.read(_GZIP_HEADER + 256)
    if len(header) <= _GZIP_HEADER or header[3] != _HAS_NAME:
        return None
    return header[_GZIP_HEADER:].partition(b"\0")[0].decode("latin-1")


def _lost(lines: int, why: str) -> str:
    return f"{lines} {'line was' if lines == 1 else 'lines were'} lost: {why}"


# The system.

_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_FLAGS = (
    os.O_WRONLY
    | os.O_APPEND
    | os.O_CREAT
    | _NO_FOLLOW
    | getattr(os, "O_NONBLOCK", 0)  # should it be a pipe
    | getattr(os, "O_CLOEXEC", 0)
)


def _opened(path: Path) -> int:
    """A file that is ours alone. Another's, by a link that the daemon's last run may have put there
    without privileges, is refused. Raises OSError."""
    descriptor = os.open(path, _FLAGS, MODE)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            raise OSError(errno.EINVAL, "is a link or no ordinary file", str(path))
        _lock(descriptor, path)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _lock(descriptor: int, path: Path) -> None:
    """Two daemons that rotate one file would lose lines."""
    if os.name == "nt":
        return
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OSError(errno.EBUSY, "is written by another daemon", str(path)) from None
    except OSError:  # a file system without locks
        return


def _same(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path, follow_symlinks=False), os.fstat(descriptor))
    except FileNotFoundError:
        return False
