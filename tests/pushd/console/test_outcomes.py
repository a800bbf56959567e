"""What the plots of pushd's console show."""

from __future__ import annotations

import pytest

from pushd.console.outcomes import Quantile, quantile
from pushd.meter import LATENCIES


def counts(**by_bucket: int) -> list[int]:
    """Of answers by bucket: `b0` is within 10 ms, `b1` within 25 ms …"""
    found = [0] * (len(LATENCIES) + 1)
    for name, count in by_bucket.items():
        found[int(name[1:])] = count
    return found


@pytest.mark.parametrize(
    ("answers", "share", "seconds"),
    [
        (counts(), 0.5, 0.0),
        (counts(b0=10), 0.5, 0.005),
        (counts(b0=50, b2=50), 0.5, 0.01),
        (counts(b0=50, b2=50), 0.95, 0.0475),
        (counts(b12=3), 0.95, 60.0),
    ],
)
def test_quantile(answers: list[int], share: float, seconds: float) -> None:
    """Between the bounds of a bucket it is on a straight line; what is slower than all bounds is
    told as the last of them."""
    assert quantile(answers, share) == pytest.approx(seconds)


def test_what_came_since() -> None:
    """Each look is about the answers since the one before."""
    answers = counts(b0=1000)
    half = Quantile(lambda: list(zip([*LATENCIES, None], answers, strict=True)), 0.5)
    half()

    answers[3] += 4

    assert half() == pytest.approx(0.075)
    assert half() == 0.0
