"""A daemon as a child process, for demonstrations."""

from __future__ import annotations

import signal
import sys
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessExitedAlready
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from ops.stage import StageFailed

READY = "is ready:"
START_TIMEOUT = 30.0
"""Seconds for the daemon to say that it is ready; it takes about one."""
STOP_TIMEOUT = 10.0
RUN_TWISTD = "from twisted.scripts.twistd import run; run()"


class Daemon(ProcessProtocol):
    """`twistd -n` of a daemon as a child; its last log lines are kept for whoever asks why."""

    def __init__(self, reactor: Any, name: str, configuration: Path) -> None:
        """`reactor` gives processes and time; `name` is the daemon's."""
        self._name = name
        self._reactor = reactor
        self._configuration = configuration
        self._partial = b""
        self._deadline: IDelayedCall | None = None
        self.said_ready = ""
        """The line by which it said that it is ready."""
        self.lines: deque[str] = deque(maxlen=200)
        self.ready: Deferred[None] = Deferred()
        self.ended: Deferred[int] = Deferred()

    def start(self) -> Deferred[None]:
        """Fires when the daemon serves; fails with StageFailed."""
        arguments = [sys.executable, "-c", RUN_TWISTD, "--nodaemon", "--pidfile=", self._name]
        arguments += ["--config", str(self._configuration)]
        self._reactor.spawnProcess(
            self, sys.executable, arguments, env=None, path=str(self._configuration.parent)
        )
        return self.ready.addTimeout(START_TIMEOUT, self._reactor, self._not_ready)

    def _not_ready(self, result: object, timeout: float) -> None:
        raise StageFailed("daemon", f"it was not ready after {timeout:.0f} s: {self.last_words()}")

    def stop(self) -> Deferred[int]:
        """Fires with the exit status once the daemon has ended as an operator would end it."""
        if not self.ended.called:
            self._signal("TERM")
            self._deadline = self._reactor.callLater(STOP_TIMEOUT, self._signal, "KILL")
        return self.ended

    def kill(self) -> Deferred[int]:
        """Fires once it has ended as it would in a power failure."""
        if not self.ended.called:
            self._signal("KILL")
        return self.ended

    def _signal(self, name: str) -> None:
        assert self.transport is not None  # noqa: S101 - it has been started
        with suppress(ProcessExitedAlready):  # `ended` is about to fire
            self.transport.signalProcess(name)

    def last_words(self) -> str:
        return self.lines[-1] if self.lines else "it said nothing"

    # What Twisted calls.

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            self.lines.append(line.decode("utf-8", "replace").rstrip())
            if READY in self.lines[-1] and not self.ready.called:
                self.said_ready = self.lines[-1]
                self.ready.callback(None)

    def processEnded(self, reason: Failure) -> None:
        """Ended by SIGTERM is ended well: twistd cleans up, then dies of the signal it got."""
        if self._partial:
            self.childDataReceived(1, b"\n")
        why = reason.value
        status = 1
        if isinstance(why, ProcessDone) or getattr(why, "signal", None) == signal.SIGTERM:
            status = 0
        if not self.ready.called:
            self.ready.errback(StageFailed("daemon", f"it ended: {self.last_words()}"))
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self.ended.callback(status)
