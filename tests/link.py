"""A seeded network in memory and in virtual time, which drops, duplicates and reorders.

Nothing here waits: `run` moves the clock from event to event, so a minute of retransmissions takes
a millisecond, and a seed that fails will fail again.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What happens to datagrams; probabilities from 0 to 1, delays in seconds."""

    drop: float = 0.0
    duplicate: float = 0.0
    delay: float = 0.0005
    jitter: float = 0.0
    """Up to this much is added to each datagram's delay; more than the gap between two datagrams
    means that they may change places."""


@dataclass(slots=True)
class Tally:
    """What the link did."""

    sent: int = 0
    dropped: int = 0
    duplicated: int = 0


@dataclass(slots=True)
class Link:
    """Both directions of one cable, and the clock of its ends."""

    seed: int
    faults: Faults = field(default_factory=Faults)
    now: float = 100.0
    tally: Tally = field(default_factory=Tally)
    _random: Random = field(init=False)
    _events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _order: itertools.count[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self._random = Random(self.seed)

    def send(self, datagram: bytes, deliver: Callable[[bytes], None]) -> None:
        """Put a datagram on the link; `deliver` is called with it none, one or two times."""
        self.tally.sent += 1
        if self._random.random() < self.faults.drop:
            self.tally.dropped += 1
            return
        copies = 1
        if self._random.random() < self.faults.duplicate:
            self.tally.duplicated += 1
            copies = 2
        for _ in range(copies):
            delay = self.faults.delay + self._random.random() * self.faults.jitter
            self.at(self.now + delay, lambda: deliver(datagram))

    def at(self, when: float, call: Callable[[], None]) -> None:
        """Call something at that time; what was asked for first comes first among equals."""
        heapq.heappush(self._events, (when, next(self._order), call))

    def run(self, *, until: Callable[[], bool] = lambda: False, seconds: float = 3600) -> None:
        """Let things happen until nothing is left, `until` is true, or `seconds` have passed."""
        end = self.now + seconds
        while self._events and not until():
            when, _, call = heapq.heappop(self._events)
            if when > end:
                raise AssertionError(f"still at work after {seconds} s")
            self.now = max(self.now, when)
            call()
