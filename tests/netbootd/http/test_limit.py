"""Limits of connections and of patience."""

from __future__ import annotations

import pytest

from netbootd.http.limit import LINGER, Admission, Limits, Patience, Phase


def test_admission() -> None:
    """So many connections are admitted from one peer and in all; those who leave make room."""
    admission = Admission(total=3, per_peer=2)

    assert [admission.admit(peer) for peer in "aaabb"] == [True, True, False, True, False]
    admission.leave("a")
    assert admission.admit("b")
    assert not admission.admit("a")
    assert admission.connections == 3


@pytest.mark.parametrize(
    ("phase", "seconds"),
    [(Phase.IDLE, 10), (Phase.REQUEST, 20), (Phase.RESPONSE, 30), (Phase.LINGER, LINGER)],
)
def test_patience(phase: Phase, seconds: float) -> None:
    """Each phase has its own time, which starts over with any headway."""
    limits = Limits(idle_timeout=10, request_timeout=20, stall_timeout=30)
    patience = Patience(limits, 0.0)

    assert not patience.exhausted(phase, 1, 100.0)
    assert not patience.exhausted(phase, 1, 100.0 + seconds - 0.1)
    assert not patience.exhausted(phase, 2, 100.0 + seconds)
    assert not patience.exhausted(phase, 2, 100.0 + 2 * seconds - 0.1)
    assert patience.exhausted(phase, 2, 100.0 + 2 * seconds)


def test_patience_counts_from_the_beginning() -> None:
    """The time for the first request runs from the start of the connection."""
    patience = Patience(Limits(request_timeout=20), 100.0)

    assert patience.exhausted(Phase.REQUEST, 0, 120.0)
