"""What `pushctl watch` has seen: outcomes as they came, and how the daemon was at each look.

Pure: events and statuses of the admin API go in, with the time; a `Moment` for each look comes out.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

HISTORY: Final = 300
"""Looks that are remembered, for the curve."""
LATEST: Final = 100
"""Outcomes that are remembered one by one."""
SPAN: Final = 10
"""Looks back that the latency is taken from: of one second each, as many as an eye averages."""
RETRIED: Final = "queued"
"""The state of an event that tells of an attempt that failed: the push goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One look. Rates are per second, times in seconds; None: nothing to go by."""

    at: float
    rate: float
    """Outcomes."""
    waiting: int
    sending: int
    connections: int
    median: float | None
    p95: float | None
    p99: float | None
    """How long Apple took, of the last looks."""
    states: Mapping[str, int]
    """Outcomes since the beginning, and `retried`."""
    reasons: Mapping[str, int]
    """Of those that were rejected or failed."""

    def record(self) -> dict[str, Any]:
        """For programs: times in milliseconds."""
        return {
            "event": "status",
            "at": int(self.at * 1000),
            "rate": round(self.rate, 1),
            "waiting": self.waiting,
            "sending": self.sending,
            "connections": self.connections,
            "median_ms": _milliseconds(self.median),
            "p95_ms": _milliseconds(self.p95),
            "p99_ms": _milliseconds(self.p99),
            "states": dict(self.states),
            "reasons": dict(self.reasons),
        }


@dataclass(slots=True)
class Watched:
    """All of it, since `began`, seconds since 1970."""

    began: float
    rates: deque[float] = field(default_factory=lambda: deque(maxlen=HISTORY))
    latest: deque[Mapping[str, Any]] = field(default_factory=lambda: deque(maxlen=LATEST))
    states: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    _since: int = 0
    """Outcomes since the last look."""
    _looked: float = 0.0
    _answers: deque[dict[float | None, int]] = field(default_factory=lambda: deque(maxlen=SPAN + 1))

    def happened(self, event: Mapping[str, Any]) -> None:
        """An `Event`, or a `Summary` of many."""
        if event.get("event") == "pushes":
            for state, number in event["states"].items():
                self._count(state, number)
            self.reasons.update(event.get("reasons", {}))
        elif event.get("event") == "push":
            self._count(event["state"], 1)
            reason = (event.get("outcome") or {}).get("reason")
            if reason is not None:
                self.reasons[reason] += 1
            self.latest.append(event)

    def looked(self, status: Mapping[str, Any], at: float) -> Moment:
        """How the daemon is at `at`, seconds since 1970."""
        elapsed = max(at - (self._looked or self.began), 0.001)
        rate, self._since, self._looked = self._since / elapsed, 0, at
        self.rates.append(rate)
        self._answers.append(
            {one.get("seconds"): one.get("answers", 0) for one in status.get("answers", ())}
        )
        lately = _difference(self._answers[0], self._answers[-1])
        return Moment(
            at=at,
            rate=rate,
            waiting=status.get("waiting", 0),
            sending=status.get("sending", 0),
            connections=status.get("connections", 0),
            median=quantile(lately, 0.5),
            p95=quantile(lately, 0.95),
            p99=quantile(lately, 0.99),
            states=dict(self.states),
            reasons=dict(self.reasons.most_common()),
        )

    def _count(self, state: str, number: int) -> None:
        if state == RETRIED:
            self.states["retried"] += number
        else:
            self.states[state] += number
            self._since += number


def _difference(
    before: Mapping[float | None, int], after: Mapping[float | None, int]
) -> list[tuple[float | None, int]]:
    """Answers between two looks; a daemon that was started again counts from zero."""
    found = [(bound, number - before.get(bound, 0)) for bound, number in after.items()]
    return list(after.items()) if any(number < 0 for _, number in found) else found


def quantile(buckets: list[tuple[float | None, int]], part: float) -> float | None:
    """The time within which `part` of the answers came: within the bucket that it falls into, they
    are taken to be spread evenly. Beyond the last bound that is all there is to say."""
    wanted = part * sum(number for _, number in buckets)
    if not wanted:
        return None
    lower = seen = 0.0
    for bound, number in buckets:
        if bound is None:
            break
        if seen + number >= wanted:
            return lower + (bound - lower) * (wanted - seen) / number
        seen += number
        lower = bound
    return lower


BARS: Final = "▁▂▃▄▅▆▇█"


def sparkline(values: list[float], width: int) -> str:
    """The last `width` values as a curve; the highest is as high as there is."""
    shown = values[-width:]
    highest = max(shown, default=0.0)
    if highest <= 0:
        return BARS[0] * len(shown)
    return "".join(BARS[min(int(value / highest * len(BARS)), len(BARS) - 1)] for value in shown)


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)
