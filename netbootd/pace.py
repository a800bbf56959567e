"""The pace at which news reach the timeline, which a flood of datagrams cannot set."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Final

from ops.counter import Counter

EVENTS_A_SECOND: Final = 200
"""In all: a school that starts 300 machines at once takes two seconds; a log takes it at 40 KB/s.
"""
MAX_QUIETED: Final = 8192
"""News remembered as told; past it all is told anew (and still bounded by EVENTS_A_SECOND)."""


class Pace:
    """Says what may be told. `seconds` is a monotonic clock; `untold` counts what may not be,
    because too much was told within the second."""

    def __init__(self, seconds: Callable[[], float], untold: Counter) -> None:
        self._seconds = seconds
        self._untold = untold
        self._quiet_until: dict[Hashable, float] = {}
        self._second = 0
        self._told = 0

    def allows(self, news: Hashable, quiet: float) -> bool:
        """Whether to tell `news` now; then the same is not allowed for `quiet` seconds."""
        now = self._seconds()
        if self._quiet_until.get(news, 0.0) > now:
            return False
        if int(now) != self._second:
            self._second = int(now)
            self._told = 0
        if self._told >= EVENTS_A_SECOND:
            self._untold.inc()
            return False
        self._told += 1
        if len(self._quiet_until) >= MAX_QUIETED:
            self._quiet_until.clear()
        self._quiet_until[news] = now + quiet
        return True
