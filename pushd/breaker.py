"""Stops a topic that Apple refuses: too many refusals slow a provider down, then close it out.

    CLOSED ──(N % of the answers blame token, topic or credential; or one the credential)──▶ OPEN
    OPEN ──(pause)──▶ PROBING ──(one push is accepted)──▶ CLOSED
                         └──(refused)──▶ OPEN, twice as long

A 410 is no blame: Apple does not count it as an error. Time is a parameter, monotonic seconds.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from protocols.apns.reason import Backoff
from pushd.settings import BreakerSettings

LONGEST: Final = 3600.0
"""Seconds of the longest pause."""
UNLIMITED: Final = 1 << 30
"""Pushes that may be under way while nothing is wrong."""


class BreakerState(Enum):
    """What a topic may do."""

    CLOSED = "closed"
    """All."""
    OPEN = "open"
    """Nothing, until the pause is over."""
    PROBING = "probing"
    """One push at a time."""


class Breaker:
    """One topic's."""

    __slots__ = (
        "_before",
        "_faults",
        "_half",
        "_half_until",
        "_pauses",
        "_settings",
        "_total",
        "_trips",
        "state",
        "until",
    )

    def __init__(self, settings: BreakerSettings) -> None:
        self._settings = settings
        self._pauses = Backoff(first=settings.pause, longest=max(LONGEST, settings.pause))
        self._half = settings.window / 2
        self.reset()

    def reset(self) -> None:
        """Begin anew: the credential is another."""
        self.state = BreakerState.CLOSED
        self.until = 0.0
        """When OPEN is over."""
        self._trips = 0
        self._forget()

    def hurry(self) -> bool:
        """The pause is over now: one push tries. Whether there was one."""
        paused = self.state is BreakerState.OPEN
        self.until = 0.0
        return paused

    def _forget(self) -> None:
        self._faults = self._total = 0
        self._before = (0, 0)
        self._half_until = 0.0

    def allowance(self, now: float) -> int:
        """Pushes that may be under way."""
        if self.state is BreakerState.CLOSED:
            return UNLIMITED
        if self.state is BreakerState.OPEN:
            if now < self.until:
                return 0
            self.state = BreakerState.PROBING
        return 1

    def accepted(self, pushes: int, now: float) -> None:
        """Count so many pushes that were accepted."""
        for counted in range(1, pushes + 1):
            self.record(False, now)
            if self.state is BreakerState.CLOSED and now < self._half_until:
                self._total += pushes - counted
                return

    def record(self, is_fault: bool, now: float) -> bool:
        """Count an answer. Whether the topic is stopped by it."""
        if self.state is BreakerState.OPEN:
            return False  # it was sent before
        if self.state is BreakerState.PROBING:
            if is_fault:
                self.trip(now)
                return True
            self.reset()
            return False
        if now >= self._half_until:
            gap = now - self._half_until >= self._half
            self._before = (0, 0) if gap else (self._faults, self._total)
            self._faults = self._total = 0
            self._half_until = now + self._half
        self._total += 1
        if not is_fault:
            return False
        self._faults += 1
        faults, total = self._before[0] + self._faults, self._before[1] + self._total
        if total < self._settings.answers or faults * 100 <= total * self._settings.percent:
            return False
        self.trip(now)
        return True

    def trip(self, now: float) -> float:
        """Stop the topic, whatever was counted; the seconds that it rests."""
        if self.state is not BreakerState.OPEN:
            self._trips += 1
            self.state = BreakerState.OPEN
            self.until = now + self._pauses.delay(self._trips, 0.0)
            self._forget()
        return self.until - now
