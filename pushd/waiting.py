"""Pushes whose attempt failed, until it is time for the next one.

add ─▶ heap by time ─▶ one alarm, for the first ─▶ again
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from pushd.lane import Entry

LONGEST_WAIT: Final = 86_400.0
"""Seconds. A retry that far off is a mistake of the caller's."""


class Waiting:
    """All that wait. By the monotonic clock: a wall clock that jumps delays nobody."""

    def __init__(self, clock: IReactorTime, again: Callable[[Entry], object]) -> None:
        """`again` is told of each whose time has come; it may have left since."""
        self._clock = clock
        self._again = again
        self._heap: list[tuple[float, int, Entry]] = []
        self._count = count()
        self._alarm: IDelayedCall | None = None

    def add(self, entry: Entry, delay: float) -> None:
        """Wait so many seconds."""
        time = self._clock.seconds() + min(max(0.0, delay), LONGEST_WAIT)
        heappush(self._heap, (time, next(self._count), entry))
        self._set_alarm()

    def remove(self, entries: Collection[Entry]) -> None:
        """These wait no more."""
        self._heap = [waits for waits in self._heap if waits[2] not in entries]
        heapify(self._heap)
        self._set_alarm()

    def stop(self) -> None:
        """Nobody is told of anything any more."""
        self._heap.clear()
        self._set_alarm()

    def _set_alarm(self) -> None:
        """Ask to be woken for the first of those that wait."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._heap:
            delay = max(0.0, self._heap[0][0] - self._clock.seconds())
            self._alarm = self._clock.callLater(delay, self._wake)

    def _wake(self) -> None:
        self._alarm = None
        now = self._clock.seconds()
        while self._heap and self._heap[0][0] <= now:
            self._again(heappop(self._heap)[2])
        self._set_alarm()
