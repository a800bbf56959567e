"""What `pushctl watch` makes of what it sees."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from pushd.cli.watch import picture
from pushd.cli.watched import BARS, Watched, quantile, sparkline

BEGAN = 1_790_000_000.0


def event(state: str = "accepted", reason: str | None = None) -> dict[str, Any]:
    return {
        "event": "push",
        "at": int(BEGAN * 1000),
        "id": "0192f0c1-2222-7000-8000-000000000001",
        "credential": "app",
        "topic": "com.example.app",
        "device": "ab" * 32,
        "state": state,
        "outcome": {"status": 410, "reason": reason} if reason else None,
    }


def status(*answers: int, **more: int) -> dict[str, Any]:
    bounds = (0.01, 0.1, None)
    buckets = [{"seconds": b, "answers": n} for b, n in zip(bounds, answers, strict=False)]
    return {"waiting": 0, "sending": 0, "connections": 1, "answers": buckets} | more


class TestRates:
    def test_outcomes_by_the_second(self) -> None:
        """Each counts once, a summary as many as it stands for, and only since the last look."""
        watched = Watched(began=BEGAN)
        watched.happened(event())
        watched.happened({"event": "pushes", "states": {"accepted": 8, "rejected": 1}})

        first = watched.looked(status(), BEGAN + 2)
        second = watched.looked(status(), BEGAN + 3)

        assert (first.rate, second.rate) == (5.0, 0.0)
        assert second.states == {"accepted": 9, "rejected": 1}

    def test_an_attempt_that_failed(self) -> None:
        """It is no outcome: the push goes on."""
        watched = Watched(began=BEGAN)
        watched.happened(event("queued", "ServiceUnavailable"))

        moment = watched.looked(status(), BEGAN + 1)

        assert (moment.rate, moment.states) == (0.0, {"retried": 1})

    def test_reasons(self) -> None:
        """The most frequent comes first."""
        watched = Watched(began=BEGAN)
        watched.happened(event("rejected", "BadDeviceToken"))
        counts = {"Unregistered": 3}
        watched.happened({"event": "pushes", "states": {"rejected": 3}, "reasons": counts})

        moment = watched.looked(status(), BEGAN + 1)

        assert list(moment.reasons.items()) == [("Unregistered", 3), ("BadDeviceToken", 1)]


class TestLatency:
    @pytest.mark.parametrize(
        ("buckets", "median"),
        [
            ([(0.01, 10), (0.1, 0), (None, 0)], 0.005),
            ([(0.01, 0), (0.1, 10), (None, 0)], 0.055),
            ([(0.01, 5), (0.1, 5), (None, 0)], 0.01),
            ([(0.01, 0), (0.1, 0), (None, 4)], 0.1),
            ([(0.01, 0), (None, 0)], None),
            ([], None),
        ],
    )
    def test_quantile(self, buckets: list[tuple[float | None, int]], median: float | None) -> None:
        """Within a bucket by proportion; beyond the last bound, that bound."""
        assert quantile(buckets, 0.5) == (None if median is None else pytest.approx(median))

    def test_of_the_last_looks(self) -> None:
        """What was before the first look does not count."""
        watched = Watched(began=BEGAN)
        watched.looked(status(1000, 0, 0), BEGAN + 1)

        moment = watched.looked(status(1000, 10, 0), BEGAN + 2)

        assert moment.median == pytest.approx(0.055)

    def test_a_daemon_that_was_started_again(self) -> None:
        """It counts from zero, and so do we."""
        watched = Watched(began=BEGAN)
        watched.looked(status(1000, 1000, 0), BEGAN + 1)

        moment = watched.looked(status(2, 0, 0), BEGAN + 2)

        assert moment.median == pytest.approx(0.005)


def test_sparkline() -> None:
    """The highest is as high as there is, and nothing is a line at the bottom."""
    assert sparkline([0, 4, 8], 80) == BARS[0] + BARS[4] + BARS[7]
    assert sparkline([0, 0], 80) == BARS[0] * 2
    assert len(sparkline([1.0] * 500, 30)) == 30


@pytest.mark.parametrize("width", [40, 50, 140])
def test_the_picture_fits(width: int) -> None:
    """No line is wider than the terminal, and what a peer said cannot move its cursor."""
    watched = Watched(began=BEGAN)
    for _ in range(20):
        watched.happened(event("rejected", "\x1b[31mBadWeather"))
    moment = watched.looked(status(1, 2, 3, waiting=1_000_000), BEGAN + 1)
    console = Console(width=width, height=24, record=True, file=io.StringIO())

    console.print(picture(moment, watched, width, 24))

    text = console.export_text()
    assert max(map(len, text.splitlines())) <= width
    assert len(text.splitlines()) <= 24
    assert "\x1b" not in text
    assert "1,000,000 wait" in text
