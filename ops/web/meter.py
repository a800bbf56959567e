"""The last hour of a daemon's counters, as rates: what the console plots."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

STEP: Final = 10.0
"""Seconds between looks."""
LENGTH: Final = 360
"""Looks that are kept: an hour. 360 times a dozen numbers are 100 KiB."""
TEN_MINUTES: Final = 60
"""Looks."""


class Meter(Service):
    """Looks at numbers every ten seconds."""

    def __init__(
        self,
        clock: IReactorTime,
        *,
        growing: Mapping[str, Callable[[], float]],
        level: Mapping[str, Callable[[], float]] | None = None,
    ) -> None:
        """`growing` are counters, told as their growth a second; `level` are told as they are."""
        self._growing = dict(growing)
        self._level = dict(level or {})
        self._last: dict[str, float] = {}
        self._looked = 0.0
        self._clock = clock
        self.count = 0
        """Looks so far: another number, other plots."""
        self._values: dict[str, deque[float | None]] = {
            name: deque([None] * LENGTH, LENGTH) for name in (*self._growing, *self._level)
        }
        self._loop = LoopingCall(self._look)
        self._loop.clock = clock

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        self._last = {name: read() for name, read in self._growing.items()}
        self._looked = self._clock.seconds()
        self._loop.start(STEP, now=False)

    def stopService(self) -> None:
        super().stopService()  # type: ignore[no-untyped-call]
        if self._loop.running:
            self._loop.stop()

    def values(self, name: str) -> tuple[float | None, ...]:
        """As many as `length`, the latest last; None before the start."""
        return tuple(self._values[name])[-self.length :]

    @property
    def length(self) -> int:
        """Looks that a plot shows: those since the start, in steps of ten minutes."""
        known = min(self.count, LENGTH)
        return min(LENGTH, max(1, -(-known // TEN_MINUTES)) * TEN_MINUTES)

    @property
    def begins(self) -> str:
        """What stands below the first of them."""
        minutes = self.length * int(STEP) // 60
        return "1 hour ago" if minutes == 60 else f"{minutes} min ago"

    def latest(self, name: str) -> float:
        """What the last look saw."""
        return self._values[name][-1] or 0.0

    def fill(self, **values: Sequence[float | None]) -> None:
        """Values that somebody else has seen, the latest last."""
        for name, seen in values.items():
            self._values[name].extend(seen)
        self.count += max(map(len, values.values()))

    def _look(self) -> None:
        now = self._clock.seconds()
        seconds = max(0.001, now - self._looked)
        self._looked = now
        for name, read in self._growing.items():
            value = read()
            self._values[name].append((value - self._last[name]) / seconds)
            self._last[name] = value
        for name, read in self._level.items():
            self._values[name].append(read())
        self.count += 1
