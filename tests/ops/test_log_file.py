"""Log files with archives: nothing lost, nothing doubled, whatever ends the process."""

from __future__ import annotations

import errno
import gzip
import os
import re
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ops.log_file import RotatingFile, archive_rotated_thd, origin

LINE = b"%06d is a line of this log, of 50 bytes in all. "


def line(number: int) -> bytes:
    return LINE % number + b"\n"


def note(text: str) -> bytes:
    return f"note: {text}\n".encode()


class Log:
    """A log in a folder of its own; its clock stands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: list[RotatingFile] = []

    def file(self, *, size: int = 400, count: int = 10) -> RotatingFile:
        made = RotatingFile(
            self.folder, "a", size=size, count=count, note=note, clock=lambda: 1_700_000_000
        )
        made.begin_archives()
        self._open.append(made)
        return made

    def close(self) -> None:
        for file in self._open:
            file.close()
        self._open.clear()

    def archives(self) -> list[Path]:
        """The newest first."""
        numbers = sorted(int(path.name.split(".")[1]) for path in self.folder.glob("a.*.log.gz"))
        return [self.folder / f"a.{number}.log.gz" for number in numbers]

    def lines(self) -> list[bytes]:
        """All lines in their order, archived ones first."""
        found = b"".join(gzip.decompress(path.read_bytes()) for path in reversed(self.archives()))
        for path in sorted(self.folder.glob("a.*.rotated")):
            found += path.read_bytes()
        if (self.folder / "a.log").exists():
            found += (self.folder / "a.log").read_bytes()
        return found.splitlines(keepends=True)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    made = Log(tmp_path)
    yield made
    made.close()


def test_a_log_becomes_archives_newest_first(log: Log) -> None:
    """At its size a log becomes `a.1.log.gz`, what was that `a.2.log.gz`; no line is split."""
    file = log.file()

    for number in range(50):
        file.write(line(number))
    log.close()

    assert log.lines() == [line(number) for number in range(50)]
    assert [path.name for path in log.archives()] == [f"a.{n}.log.gz" for n in range(1, 8)]
    assert all(len(gzip.decompress(path.read_bytes())) <= 400 for path in log.archives())
    assert (log.folder / "a.log").stat().st_size <= 400
    assert sorted(path.name for path in log.folder.glob("a.*[!z]")) == ["a.log"]


def test_only_so_many_archives_are_kept(log: Log) -> None:
    """The oldest lines go; what stays is without a gap. Fewer may be wanted than before."""
    file = log.file(count=3)
    for number in range(60):
        file.write(line(number))
    log.close()

    assert len(log.archives()) == 3
    kept = log.lines()
    assert kept == [line(number) for number in range(60 - len(kept), 60)]

    file = log.file(count=1)
    for number in range(60, 70):
        file.write(line(number))
    log.close()
    assert [path.name for path in log.archives()] == ["a.1.log.gz"]


def test_a_line_longer_than_the_limit_has_a_file_of_its_own(log: Log) -> None:
    """It is written whole, and nothing is rotated for an empty file."""
    file = log.file()

    file.write(line(1))
    file.write(b"x" * 1000 + b"\n")
    file.write(line(2))
    log.close()

    assert log.lines() == [line(1), b"x" * 1000 + b"\n", line(2)]
    assert len(log.archives()) == 2


def test_a_start_goes_on_in_the_file_that_is_there(log: Log) -> None:
    """A restart neither rotates nor forgets how much is in the file."""
    for number in range(20):
        log.file().write(line(number))
        log.close()

    assert log.lines() == [line(number) for number in range(20)]
    assert log.archives()


CALLS = ("rename", "replace", "unlink", "fsync", "write", "open")
"""What changes a folder, or the disk."""


def killed_at(step: int, work: Callable[[], None]) -> bool:
    """Run `work` in a process that is killed as it is about to make its call number `step`; whether
    there was one."""
    child = os.fork()
    if child == 0:
        calls = iter(range(1_000_000))

        def deadly(real: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **named: Any) -> Any:
                if next(calls) == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*args, **named)

            return call

        for name in CALLS:
            setattr(os, name, deadly(getattr(os, name)))
        try:
            work()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def test_a_kill_loses_no_line_and_doubles_none(tmp_path: Path) -> None:
    """Killed before whichever call to the system, the daemon leaves what the next start completes:
    every line that was written is there once, in its order, the archives are numbered from 1."""
    step = 0
    while True:
        folder = tmp_path / str(step)
        folder.mkdir()
        log = Log(folder)
        first = log.file()
        for number in range(20):  # two archives to begin with
            first.write(line(number))
        log.close()

        def work(log: Log = log) -> None:
            file = log.file()
            for number in range(20, 31):
                file.write(line(number))
            log.close()

        killed = killed_at(step, work)
        log.file()
        log.close()

        lines = log.lines()
        assert lines == [line(number) for number in range(len(lines))], step
        assert len(lines) >= 20
        count = len(log.archives())
        assert [path.name for path in log.archives()] == [
            f"a.{number}.log.gz" for number in range(1, count + 1)
        ], step
        assert not list(folder.glob("*.rotated"))
        if not killed:
            assert len(lines) == 31
            break
        step += 1
    assert step > 20


def test_an_archive_says_of_what_it_was_made(log: Log) -> None:
    """By that, a rotated file that was archived before a kill is not archived twice."""
    rotated = log.folder / f"a.{7:020d}.rotated"
    rotated.write_bytes(line(1))
    archive_rotated_thd(log.folder, "a", 10)
    rotated.write_bytes(line(1))

    archive_rotated_thd(log.folder, "a", 10)

    assert origin(log.folder / "a.1.log.gz") == rotated.name
    assert log.lines() == [line(1)]


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b", gzip.compress(b"x"), b"no gzip at all" * 9])
def test_an_archive_of_somebody_else_says_nothing(tmp_path: Path, content: bytes) -> None:
    """A file that is not of our making has no origin, and is no error."""
    file = tmp_path / "a.1.log.gz"
    file.write_bytes(content)

    assert origin(file) is None


FULL = """
import os, resource, signal, sys
from pathlib import Path
from ops.log_file import RotatingFile

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
file = RotatingFile(
    Path(sys.argv[1]), "a", size=1 << 20, count=2, note=lambda text: f"note: {text}\\n".encode()
)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
for number in range(5):
    file.write(b"%06d this is a line of forty bytes with n\\n" % number)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
file.write(b"after\\n")
file.close()
"""


def test_a_disk_that_takes_nothing_costs_the_lines_of_that_time(tmp_path: Path) -> None:
    """Writing goes on when the disk does; what was lost is counted, a line that was cut stays
    apart from the next."""
    subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], check=True)

    lines = (tmp_path / "a.log").read_text().splitlines()
    assert [text[:6] for text in lines[:2]] == ["000000", "000001"]
    assert lines[2] == "000002 this "
    assert re.fullmatch(r"note: 3 lines were lost: File too large", lines[3])
    assert lines[4:] == ["after"]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small disk")
def test_a_full_disk(tmp_path: Path) -> None:
    """A disk with no room for an archive, nor for a line: nothing is raised, and when there is room
    again all that was rotated becomes archives."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], check=False
    )
    if mounted.returncode != 0:
        pytest.skip("no mounts here")
    try:
        log = Log(disk)
        file = log.file(size=8000, count=3)
        ballast = disk / "ballast"
        ballast.write_bytes(b"x" * (40 << 10))
        for number in range(2000):
            file.write(line(number))
        ballast.unlink()
        for number in range(2000, 2200):
            file.write(line(number))
        log.close()

        lines = log.lines()
        assert line(2199) in lines[-3:]  # a thread may have told something since
        assert not list(disk.glob("*.rotated"))
        assert len(log.archives()) <= 3
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_folder_that_cannot_be_written_lets_the_log_grow(log: Log) -> None:
    """Where renaming fails, the lines go on into the one file, and that is told once."""
    file = log.file()
    real = os.rename

    def refused(*args: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    os.rename = refused  # type: ignore[assignment]
    try:
        for number in range(60):
            file.write(line(number))
    finally:
        os.rename = real

    lines = log.lines()
    (told,) = [text for text in lines if text.startswith(b"note:")]
    assert b"cannot be rotated (Permission denied) and grows" in told
    assert [text for text in lines if text != told] == [line(number) for number in range(60)]
    assert log.archives() == []


def test_logrotate_may_move_the_file(log: Log) -> None:
    """After `reopen` lines go to a new file of the old name; the moved one is left alone."""
    file = log.file()
    file.write(line(1))
    os.rename(log.folder / "a.log", log.folder / "elsewhere")
    file.write(line(2))

    file.reopen()
    file.write(line(3))

    assert (log.folder / "elsewhere").read_bytes() == line(1) + line(2)
    assert (log.folder / "a.log").read_bytes() == line(3)


def test_a_moved_file_is_not_rotated(log: Log) -> None:
    """If nobody says that the file was moved, the size limit begins a new one all the same."""
    file = log.file()
    file.write(line(0))
    os.rename(log.folder / "a.log", log.folder / "elsewhere")

    for number in range(1, 9):
        file.write(line(number))
    log.close()

    moved = (log.folder / "elsewhere").read_bytes().splitlines(keepends=True)
    assert moved + log.lines() == [line(number) for number in range(9)]
    assert log.archives() == []


def test_a_file_that_was_emptied_is_not_rotated(log: Log) -> None:
    """logrotate's copytruncate leaves no holes, and no archive of a few lines."""
    file = log.file()
    for number in range(7):
        file.write(line(number))
    os.truncate(log.folder / "a.log", 0)

    for number in range(7):
        file.write(line(number))
    log.close()

    assert (log.folder / "a.log").read_bytes() == b"".join(map(line, range(7)))
    assert log.archives() == []


@pytest.mark.parametrize("kind", ["symlink", "hard link", "fifo", "folder"])
def test_what_is_no_file_of_ours_is_refused(log: Log, kind: str) -> None:
    """A link that the daemon without privileges left for its next start as root leads nowhere."""
    target, path = log.folder / "shadow", log.folder / "a.log"
    target.write_text("secret\n")
    match kind:
        case "symlink":
            path.symlink_to(target)
        case "hard link":
            os.link(target, path)
        case "fifo":
            os.mkfifo(path)
        case "folder":
            path.mkdir()

    with pytest.raises(OSError):  # noqa: PT011 - of several kinds
        log.file()

    assert target.read_text() == "secret\n"


def test_one_daemon_writes_a_file(log: Log) -> None:
    """A second one is told so, before it rotates what the first is writing."""
    log.file()

    with pytest.raises(OSError, match="is written by another daemon"):
        log.file()


def test_threads_may_write(log: Log) -> None:
    """Lines of several threads are all there, each whole."""
    file = log.file(size=4000, count=1000)

    def write(first: int) -> None:
        for number in range(first, first + 500):
            file.write(line(number))

    threads = [threading.Thread(target=write, args=(first,)) for first in range(0, 2000, 500)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()

    assert sorted(log.lines()) == [line(number) for number in range(2000)]


def test_nothing_is_compressed_before_the_daemon_runs(tmp_path: Path) -> None:
    """A thread would not survive twistd's way to the background; what is rotated waits."""
    file = RotatingFile(tmp_path, "a", size=400, count=9, note=note)
    for number in range(20):
        file.write(line(number))
    waiting = list(tmp_path.glob("*.rotated"))

    file.begin_archives()
    file.close()

    assert len(waiting) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "a.1.log.gz",
        "a.2.log.gz",
        "a.log",
    ]


def test_others_may_not_read(log: Log) -> None:
    """Logs and archives are for their owner and a group."""
    mask = os.umask(0)
    try:
        file = log.file()
        for number in range(20):
            file.write(line(number))
        log.close()
    finally:
        os.umask(mask)

    for path in log.folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
