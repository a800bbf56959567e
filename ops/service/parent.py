"""The parent that a service manager without signals needs: it runs the daemon as a child, restarts
it, and stops it when it is told to.

    manager ──run──▶ Parent ──starts──▶ twistd (the command line that anybody would type)
            ──stop─▶        ──closes its standard input──▶ it commits what it has, and ends

The child's standard input is a pipe that nobody writes to. Its end is what stops the child
(`ops.service.leash`), so that a child never outlives a parent that was killed. What the child says
is read all the time; the last of it is told to the manager when the child ends by itself.

Nothing here is Windows': what is, is behind `Manager`.
"""

from __future__ import annotations

import os
import queue
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO, Final, Protocol

from ops.service.leash import LEASH

LAST_LINES = 20
"""Of what the child said, kept for the manager."""
STOPPED: Final = "stop"


class Manager(Protocol):
    """What a service manager is told. Its methods may be called from the thread of `run` only."""

    def running(self) -> None:
        """The service runs."""

    def stopping(self) -> None:
        """The service has been told to stop, and does."""

    def event(self, text: str, *, is_error: bool) -> None:
        """One entry for the system's log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """When a child that ended by itself is started again. Seconds."""

    first: float = 1.0
    most: float = 60.0
    """The pause doubles from `first` to this."""
    steady: float = 300.0
    """A child that ran this long has earned the first pause again."""
    tries: int = 10
    """Ends in a row after which the service itself ends; the manager says what then."""
    patience: float = 60.0
    """For a child that was told to stop, before it is killed."""


class Parent:
    """One daemon and its restarts. `run` blocks; `stop` may be called from any thread."""

    def __init__(
        self,
        command: Sequence[str],
        manager: Manager,
        *,
        policy: Policy,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """`command` is the child's; `seconds` a monotonic clock."""
        self._command = list(command)
        self._manager = manager
        self._policy = policy
        self._seconds = seconds
        self._happened: queue.Queue[str | subprocess.Popen[bytes]] = queue.Queue()
        """STOPPED, or the child that ended."""

    def stop(self) -> None:
        """Have `run` stop the child and return."""
        self._happened.put(STOPPED)

    def run(self) -> int:
        """Run the daemon until `stop`. 0, or the status with which it ended too often."""
        failures = 0
        while True:
            begun = self._seconds()
            child, watcher = self._start()
            self._manager.running()
            is_stopped = self._happened.get() == STOPPED
            if is_stopped:
                self._manager.stopping()
            self._end(child)
            watcher.join(self._policy.patience)
            if is_stopped:
                return 0
            if self._seconds() - begun >= self._policy.steady:
                failures = 0
            failures += 1
            status = child.returncode
            if failures >= self._policy.tries:
                self._tell(status, f"it ended {failures} times and is not started again")
                return status or 1
            pause = min(self._policy.first * 2 ** (failures - 1), self._policy.most)
            self._tell(status, f"it is started again in {pause:g} s")
            if self._is_stopped_within(pause):
                self._manager.stopping()
                return 0

    def _start(self) -> tuple[subprocess.Popen[bytes], threading.Thread]:
        self._said: deque[str] = deque(maxlen=LAST_LINES)
        child = subprocess.Popen(  # noqa: S603 - the command line that the service was given
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, LEASH: "1"},
        )
        watcher = threading.Thread(target=self._watch_thd, args=(child, self._said), daemon=True)
        watcher.start()
        return child, watcher

    def _watch_thd(self, child: subprocess.Popen[bytes], said: deque[str]) -> None:
        output: IO[bytes] | None = child.stdout
        assert output is not None  # noqa: S101 - it is a pipe
        with output:
            for line in output:
                said.append(line.decode("utf-8", "replace").rstrip())
        child.wait()
        self._happened.put(child)

    def _end(self, child: subprocess.Popen[bytes]) -> None:
        """Have the child end, unless it has."""
        assert child.stdin is not None  # noqa: S101 - it is a pipe
        child.stdin.close()
        try:
            child.wait(self._policy.patience)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            self._manager.event(
                f"It did not stop within {self._policy.patience:g} s and was killed.", is_error=True
            )

    def _is_stopped_within(self, pause: float) -> bool:
        try:
            self._happened.get(timeout=pause)
        except queue.Empty:
            return False
        return True

    def _tell(self, status: int, what_now: str) -> None:
        said = "\n".join(self._said) or "It said nothing."
        text = f"The daemon ended by itself with status {status}; {what_now}.\n\n{said}"
        self._manager.event(text, is_error=True)
