"""What became of pushes since the start, by reason; and how long Apple took of late."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from pushd.lane import Entry
from pushd.meter import LATENCIES
from pushd.outcome import Accepted, Failed, Rejected
from pushd.results import Settled

MAX_REASONS: Final = 64
"""Apple has three dozen; what connections fail with is text, and counted together beyond this."""
OTHER: Final = "other"


class Outcomes:
    """An observer of the queue."""

    def __init__(self) -> None:
        self.accepted = 0
        self.rejected: Counter[str] = Counter()
        self.given_up: Counter[str] = Counter()

    def settled(self, settled: list[Settled]) -> None:
        for _, outcome, _, _ in settled:
            if isinstance(outcome, Accepted):
                self.accepted += 1
            elif isinstance(outcome, Rejected):
                self._count(self.rejected, outcome.reason or str(outcome.status))
            elif isinstance(outcome, Failed):
                self._count(self.given_up, outcome.why)

    def failed(self, entry: Entry) -> None:
        """An attempt; what becomes of the push is not known yet."""

    @staticmethod
    def _count(reasons: Counter[str], reason: str) -> None:
        reasons[reason if reason in reasons or len(reasons) < MAX_REASONS else OTHER] += 1

    @property
    def refused(self) -> int:
        """All that were not delivered."""
        return self.rejected.total() + self.given_up.total()


class Quantile:
    """Seconds within which a share of the answers came, of those since the last look."""

    def __init__(
        self, buckets: Callable[[], Sequence[tuple[float | None, int]]], share: float
    ) -> None:
        self._buckets = buckets
        self._share = share
        self._before: list[int] = []

    def __call__(self) -> float:
        """0 where nothing was answered. Straight lines are drawn between the bounds of buckets."""
        counts = [count for _, count in self._buckets()]
        before = self._before or [0] * len(counts)
        self._before = counts
        return quantile([now - then for now, then in zip(counts, before, strict=True)], self._share)


def quantile(counts: Sequence[int], share: float) -> float:
    """Of `counts` of answers within LATENCIES, and those that were slower."""
    wanted = share * sum(counts)
    lower, passed = 0.0, 0
    for bound, count in zip(LATENCIES, counts, strict=False):
        if count and passed + count >= wanted:
            return lower + (bound - lower) * (wanted - passed) / count
        passed += count
        lower = bound
    return lower if wanted else 0.0
