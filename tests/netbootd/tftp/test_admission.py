"""How many requests are looked at."""

from __future__ import annotations

from netbootd.tftp.admission import Admission


def test_per_client() -> None:
    """A client has its share of each second, whatever others do."""
    admission = Admission(total=100, per_client=3)

    assert [admission.admits("192.0.2.1", 5.5) for _ in range(5)] == [True] * 3 + [False] * 2
    assert admission.admits("192.0.2.2", 5.9)
    assert admission.admits("192.0.2.1", 6.0)


def test_total() -> None:
    """All clients together have theirs."""
    admission = Admission(total=4, per_client=3)

    admitted = [admission.admits(f"192.0.2.{host}", 5.0) for host in range(6)]

    assert admitted == [True] * 4 + [False] * 2


def test_bounded() -> None:
    """A flood of forged sources fills no table."""
    admission = Admission(total=10, per_client=3)
    for host in range(1000):
        admission.admits(f"10.0.{host >> 8}.{host & 255}", 5.0)

    assert len(admission._by_client) == 10
