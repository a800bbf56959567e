"""What systemd is told: that we are ready, reload, stop, and that the reactor still turns.

    NOTIFY_SOCKET   where to write (sd_notify(3)); absent: nobody listens
    WATCHDOG_USEC   within this time systemd wants a sign of life, or it kills and restarts us

The sign of life is a timer of the reactor's: if the reactor is stuck, it does not come. Nothing
here may fail the daemon: a datagram that cannot be sent is lost.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, suppress

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

SIGNS = 3
"""Signs of life in the time that systemd allows: two may be late."""


class Notifier:
    """The writing end of systemd's socket. Reactor thread only."""

    def __init__(self, address: str, *, watchdog: float | None, clock: IReactorTime) -> None:
        """`address` is a path, or the name of an abstract socket after @; `watchdog` the seconds
        between signs of life at most, None where nobody waits for them."""
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._watchdog = watchdog
        self._clock = clock
        self._signs: LoopingCall | None = None
        self._status = ""

    def ready(self, status: str) -> None:
        """We serve. `status` is shown by `systemctl status`."""
        self._status = status
        self._tell("READY=1", f"STATUS={status}")
        if self._watchdog is not None and self._signs is None:
            self._signs = LoopingCall(self._tell, "WATCHDOG=1")
            self._signs.clock = self._clock
            self._signs.start(self._watchdog / SIGNS)

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """The configuration is read again meanwhile."""
        moment = int(time.clock_gettime(time.CLOCK_MONOTONIC) * 1_000_000)
        self._tell("RELOADING=1", f"MONOTONIC_USEC={moment}", "STATUS=Reads its configuration")
        try:
            yield
        finally:
            self._tell("READY=1", f"STATUS={self._status}")

    def stopping(self) -> None:
        """We serve no more. Signs of life go on: an end may take its time, but not get stuck."""
        self._tell("STOPPING=1", "STATUS=Stops")

    def _tell(self, *lines: str) -> None:
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)  # systemd is being replaced, or its queue is full
            sock.sendto("\n".join(lines).encode(), self._address)


def notifier_of(
    environment: MutableMapping[str, str], *, pid: int, clock: IReactorTime
) -> Notifier | None:
    """The notifier for what systemd put into `environment`, taken out of there so that no child
    of ours believes it meant. None: we were not started by systemd, or it does not listen."""
    address = environment.pop("NOTIFY_SOCKET", "")
    allowed = environment.pop("WATCHDOG_USEC", "")
    whose = environment.pop("WATCHDOG_PID", str(pid))
    if not address.startswith(("/", "@")):
        return None
    is_watched = allowed.isdecimal() and int(allowed) > 0 and whose == str(pid)
    return Notifier(address, watchdog=int(allowed) / 1_000_000 if is_watched else None, clock=clock)
