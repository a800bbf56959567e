"""Events to systemd's journal, by its native protocol: each with its fields, to be searched by.

    journalctl SYSLOG_IDENTIFIER=netbootd NETBOOTD_MACHINE=a8:20:66:01:02:03

https://systemd.io/JOURNAL_NATIVE_PROTOCOL/: one datagram an entry; what is too long for one goes as
a sealed memory file. A journal that does not keep up never stops the reactor: entries wait, a
thread hands them over, and what is beyond the bound is lost and counted.
"""

from __future__ import annotations

import array
import contextlib
import errno
import os
import re
import socket
import struct
import threading
import typing
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from twisted.logger import LogEvent, LogLevel

from ops.log import fields_of, level_of, logger_of, message_of, traceback_lines
from ops.text import mask_passwords

if TYPE_CHECKING:
    from ops.privilege import Identity

SOCKET: Final = Path("/run/systemd/journal/socket")
MAX_WAITING: Final = 2000
"""Entries that wait for the journal: 2 MB at most at 1 KB each, which few have."""
PATIENCE: Final = 5.0
"""Seconds that the thread waits for the journal to take one entry."""
PRIORITIES: Final[Mapping[LogLevel, int]] = {
    LogLevel.debug: 7,
    LogLevel.info: 6,
    LogLevel.warn: 4,
    LogLevel.error: 3,
    LogLevel.critical: 2,
}
"""syslog(3)."""
_SEALS: Final = 0x1 | 0x2 | 0x4 | 0x8
"""F_SEAL_SEAL, _SHRINK, _GROW, _WRITE (fcntl(2))."""
_ADD_SEALS: Final = 1033
"""F_ADD_SEALS; Python names it on some builds only."""


def entry(event: LogEvent, daemon: str) -> dict[str, str]:
    """The fields of one event: MESSAGE, PRIORITY, SYSLOG_IDENTIFIER, `NETBOOTD_LOGGER`, and those
    of the event itself, `NETBOOTD_MACHINE` and the like, of `daemon`."""
    fields = {
        "MESSAGE": "\n".join([message_of(event), *traceback_lines(event)]),
        "PRIORITY": str(PRIORITIES[level_of(event)]),
        "SYSLOG_IDENTIFIER": daemon,
        "SYSLOG_PID": str(os.getpid()),
        f"{daemon.upper()}_LOGGER": logger_of(event),
    }
    for name, value in fields_of(event).items():
        for key, text in _flat(f"{daemon}_{name}", value):
            if text:
                fields.setdefault(key, text)
    return {name: mask_passwords(text) for name, text in fields.items()}


def _flat(name: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, Mapping):  # `netbootd_event` of {"machine": …} is NETBOOTD_MACHINE
        prefix = name.partition("_")[0]
        return [pair for key, inner in value.items() for pair in _flat(f"{prefix}_{key}", inner)]
    key = re.sub(r"[^A-Z0-9_]", "_", name.upper())[:64]
    return [(key, "" if value is None else str(value))]


def datagram(fields: Mapping[str, str]) -> bytes:
    """As the protocol has it: `NAME=text`; where the text has line ends, its length before it."""
    parts = []
    for name, text in fields.items():
        data = text.encode(errors="backslashreplace")
        if b"\n" in data:
            parts.append(name.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n")
        else:
            parts.append(name.encode() + b"=" + data + b"\n")
    return b"".join(parts)


class Journal:
    """Writes events to the socket of a journal. Events may come from any thread."""

    def __init__(self, daemon: str, *, path: Path = SOCKET, patience: float = PATIENCE) -> None:
        """Raises OSError if nobody reads from the socket."""
        self._patience = patience
        self._daemon = daemon
        self._path = str(path)
        self._lock = threading.Lock()
        self._waiting: deque[bytes] = deque()
        self._worker: threading.Thread | None = None
        self.lost = 0
        """Entries lost since the journal last took one."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as trial:
                trial.connect(self._path)
        except OSError:
            self._socket.close()
            raise

    def __call__(self, event: LogEvent) -> None:
        self._send(datagram(entry(event, self._daemon)))

    def hand_over(self, identity: Identity) -> None:
        """Nothing: everybody may write to it."""

    def started(self) -> None:
        """Nothing."""

    def reopen(self) -> None:
        """Nothing: each entry is sent to the path."""

    def close(self) -> None:
        """Write no more. A process that ends need not say so."""
        if self._worker is not None:
            self._worker.join()
        self._socket.close()

    def _send(self, data: bytes) -> None:
        with self._lock:
            if self._waiting or not self._taken(data, socket.MSG_DONTWAIT):
                self._wait(data)

    def _wait(self, data: bytes) -> None:
        if len(self._waiting) >= MAX_WAITING:
            self.lost += 1
            return
        self._waiting.append(data)
        if self._worker is None or not self._worker.is_alive():
            self._worker = threading.Thread(target=self._hand_over_thd, name="log-journal")
            self._worker.start()

    def _hand_over_thd(self) -> None:
        """Send what waits, in its order, until the journal takes nothing for too long."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as patient:
            patient.settimeout(self._patience)
            while True:
                with self._lock:
                    if not self._waiting:
                        self._worker = None
                        self._tell_lost(patient, 0)
                        return
                    data = self._waiting[0]
                try:
                    _send_to(patient, data, self._path, 0)
                except OSError:  # it is gone, or has hung for long
                    with self._lock:
                        self.lost += len(self._waiting)
                        self._waiting.clear()
                        self._worker = None
                    return
                with self._lock:
                    self._waiting.popleft()

    def _taken(self, data: bytes, flags: int) -> bool:
        """Whether the entry needs no more care. False: it has to wait."""
        try:
            _send_to(self._socket, data, self._path, flags)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:  # the journal restarts, or is gone
            self.lost += 1
        else:
            self._tell_lost(self._socket, flags)
        return True

    def _tell_lost(self, sender: socket.socket, flags: int) -> None:
        lost = self.lost
        if lost:
            what = "entry was" if lost == 1 else "entries were"
            text = f"{lost} {what} lost: the journal did not take them"
            event = {"log_format": text, "log_level": LogLevel.warn, "log_namespace": "ops.log"}
            with contextlib.suppress(OSError):
                _send_to(sender, datagram(entry(event, self._daemon)), self._path, flags)
                self.lost = 0


def _send_to(sender: socket.socket, data: bytes, path: str, flags: int) -> None:
    try:
        sender.sendto(data, flags, path)
    except OSError as error:
        if error.errno not in (errno.EMSGSIZE, errno.ENOBUFS):
            raise
        _send_file(sender, data, path, flags)


def _send_file(sender: socket.socket, data: bytes, path: str, flags: int) -> None:
    """What no datagram can hold, in a file in memory that nobody can change any more."""
    import fcntl

    memory = typing.cast(Any, os).memfd_create("log", 0x1 | 0x2)  # MFD_CLOEXEC, MFD_ALLOW_SEALING
    try:
        with open(memory, "wb", closefd=False) as file:
            file.write(data)
        fcntl.fcntl(memory, _ADD_SEALS, _SEALS)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [memory]).tobytes())]
        sender.sendmsg([], rights, flags, path)
    finally:
        os.close(memory)
