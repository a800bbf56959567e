"""Which program has a port? Told by the system's tables, as far as we may read them."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A process that has a port."""

    pid: int
    name: str

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owners:
    """Who has a port, this process aside."""

    programs: tuple[Program, ...] = ()
    is_ours: bool = False
    """Whether a running daemon of this configuration has it."""
    is_hidden: bool = False
    """Whether somebody has it whom we may not know: a process of another user, unless we are
    root."""

    def __str__(self) -> str:
        return ", ".join(map(str, self.programs)) or "another program"

    def __bool__(self) -> bool:
        """Whether a program that is not this daemon has it, or may have it."""
        return bool(self.programs) or self.is_hidden


NOBODY = Owners()


def owners_of(kind: str, port: int, lock: Path | None = None) -> Owners:
    """Who has `kind` (`UDP`, `TCP`) `port` open, on whatever address. `lock` is a file that a
    running daemon holds open."""
    pids: set[int] = set()
    is_hidden = False
    try:
        sockets = psutil.net_connections(kind.lower())
    except (psutil.Error, OSError):  # macOS shows them to root only
        return Owners(is_hidden=True)
    for entry in sockets:
        if not entry.laddr or entry.laddr.port != port:
            continue
        if entry.type is socket.SOCK_STREAM and entry.status != psutil.CONN_LISTEN:
            continue
        if entry.pid is None:
            is_hidden = True
        elif entry.pid != os.getpid():
            pids.add(entry.pid)
    ours = {pid for pid in pids if lock is not None and _has_open(pid, lock)}
    programs = tuple(Program(pid=pid, name=_name(pid)) for pid in sorted(pids - ours))
    return Owners(programs=programs, is_ours=bool(ours), is_hidden=is_hidden)


def _has_open(pid: int, path: Path) -> bool:
    """Whether a process has a file open. False also where we may not know."""
    try:
        files = psutil.Process(pid).open_files()
        return any(os.path.samefile(file.path, path) for file in files)
    except (psutil.Error, OSError):
        return False


def _name(pid: int) -> str:
    try:
        name: str = psutil.Process(pid).name()
    except psutil.Error:  # it has just ended, or is none of our business
        return "a program"
    return name
