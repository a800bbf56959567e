"""Plots, numbers and times."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.web.template import Tag, flattenString

from ops.web.meter import LENGTH, STEP, Meter
from ops.web.plot import Series, area, nice_top
from ops.web.words import lasted, moment, number, rate, size


def html(tag: Tag) -> str:
    found: list[bytes] = []
    deferred: Deferred[bytes] = flattenString(None, tag)
    deferred.addCallback(found.append)
    return found[0].decode()


@pytest.mark.parametrize(
    ("most", "top"), [(1.0, 1.0), (1.2, 1.5), (205e6, 300e6), (81e3, 1e5), (0.03, 0.03)]
)
def test_the_end_of_a_scale(most: float, top: float) -> None:
    """Is round, and not far above what it has to show."""
    assert nice_top(most) == pytest.approx(top)


def test_gaps() -> None:
    """Where nothing is known there is no curve, rather than one at zero."""
    series = Series(name="HTTP", values=[None, 1.0, 2.0, None, 4.0])

    drawn = html(area("all of it", [series], show=str, begins="then", ends="now"))

    assert drawn.count("<polyline") == 2
    assert 'aria-label="all of it"' in drawn
    assert "style=" not in drawn


def test_a_meter() -> None:
    """Counters are told as their growth a second, levels as they are; an hour of them."""
    clock, sent, waiting = Clock(), [1000], [7]
    meter = Meter(clock, growing={"sent": lambda: sent[0]}, level={"waiting": lambda: waiting[0]})
    meter.startService()

    sent[0] += 5000
    clock.advance(STEP)

    assert meter.latest("sent") == 500
    assert meter.latest("waiting") == 7
    assert meter.values("sent") == (None,) * 59 + (500,)
    assert meter.begins == "10 min ago"
    meter.fill(sent=[1.0] * 100)
    assert (len(meter.values("sent")), meter.begins) == (120, "20 min ago")
    meter.fill(sent=[1.0] * LENGTH)
    assert (len(meter.values("sent")), meter.begins) == (LENGTH, "1 hour ago")
    meter.stopService()
    assert not clock.getDelayedCalls()


def test_words() -> None:
    """Short, and alike on every page."""
    assert [size(n) for n in (0, 812_000, 1_440_000_000)] == ["0 B", "812 KB", "1.4 GB"]
    assert rate(84e6) == "84 MB/s"
    assert number(1234567) == "1\u202f234\u202f567"
    assert [lasted(s) for s in (0.012, 4.84, 42, 185, 7800, 280000)] == [
        "12 ms",
        "4.8 s",
        "42 s",
        "3 min 5 s",
        "2 h 10 min",
        "3 d 5 h",
    ]


def test_a_moment() -> None:
    """Today's has no date; the whole of it is in the attributes."""
    now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

    today, earlier = html(moment(now, now)), html(moment(now.replace(month=10), now))

    assert "Nov" not in today.partition(">")[2]
    assert "Oct" in earlier
    assert 'datetime="2026-11-22T12:00:00+00:00"' in today
