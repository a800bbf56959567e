"""Whether the peer is alive: a PING when it has been quiet, and an end when that is not answered.

Any byte is a sign of life. Apple wants connections to be kept, and routers forget those that are
idle for minutes.
"""

from __future__ import annotations

from typing import Final


class Pulse:
    """When the peer was last heard. Times are monotonic seconds."""

    __slots__ = ("_asked_at", "_heard_at", "_pong", "_quiet")

    def __init__(self, now: float, *, quiet: float, pong: float) -> None:
        """`quiet` seconds without a byte, it is asked; `pong` seconds later it is dead."""
        self._quiet: Final = quiet
        self._pong: Final = pong
        self._heard_at = now
        self._asked_at: float | None = None

    def heard(self, now: float) -> None:
        self._heard_at = now
        self._asked_at = None

    def asks(self, now: float) -> bool:
        """Whether it is time for a PING, which is then taken as sent."""
        if self._asked_at is None and now >= self._heard_at + self._quiet:
            self._asked_at = now
            return True
        return False

    def is_dead(self, now: float) -> bool:
        return self._asked_at is not None and now >= self._asked_at + self._pong

    def next_timer(self) -> float:
        """When to look again."""
        if self._asked_at is not None:
            return self._asked_at + self._pong
        return self._heard_at + self._quiet
