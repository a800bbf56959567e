"""How long to wait for an answer before sending again: RFC 6298, made for a LAN.

Firmware answers within a fraction of a millisecond, or takes its time to draw a progress bar; each
transfer learns its own peer's pace. A sample is taken only of what was sent once (Karn), and one in
`SAMPLE_INTERVAL`: at 20,000 blocks a second, measuring each would cost more than it tells.
"""

from __future__ import annotations

from typing import Final

INITIAL: Final = 1.0
"""Seconds, before anything was measured (RFC 6298, 2.1)."""
MINIMUM: Final = 0.1
"""RFC 6298 (2.4) says 1 s, for paths on the Internet with delayed ACKs; TFTP has none. With one
block in flight each loss stalls the transfer for this long, so 1 % loss on a 30 MB kernel cache
(21,000 blocks, 210 losses) costs 21 s rather than 210."""
MAXIMUM: Final = 5.0
SAMPLE_INTERVAL: Final = 0.01


class Rto:
    """The retransmission timeout of one transfer; `seconds` is what to wait now."""

    __slots__ = ("_fixed", "_sample_due", "_smoothed", "_variation", "seconds")

    def __init__(self) -> None:
        self.seconds = INITIAL
        self._smoothed = 0.0
        self._variation = 0.0
        self._sample_due = 0.0
        self._fixed: float | None = None

    def fix(self, seconds: float) -> None:
        """Wait this long and no other: the `timeout` option was agreed on (RFC 2349)."""
        self.seconds = self._fixed = seconds

    def sample(self, sent_at: float, now: float) -> None:
        """What was sent once at `sent_at` was answered `now`."""
        if now < self._sample_due or self._fixed is not None:
            return
        self._sample_due = now + SAMPLE_INTERVAL
        round_trip = now - sent_at
        if self._smoothed:
            self._variation += (abs(round_trip - self._smoothed) - self._variation) / 4
            self._smoothed += (round_trip - self._smoothed) / 8
        else:
            self._smoothed = round_trip
            self._variation = round_trip / 2
        self.seconds = min(MAXIMUM, max(MINIMUM, self._smoothed + 4 * self._variation))

    def back_off(self) -> None:
        """Nothing came in time: wait twice as long, until a sample says otherwise."""
        if self._fixed is None:
            self.seconds = min(MAXIMUM, 2 * self.seconds)
