"""A boot as a row of steps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from netbootd.boot import Boot, BootOutcome, Stage
from netbootd.console.track import track

AT = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)


def boot(*stages: tuple[str, int, int, str], client: str = "Mac", outcome: str = "booting") -> Boot:
    """With stages of name, bytes done, size, outcome."""
    return Boot(
        machine="a8:20:66:01:02:03",
        address="10.0.0.3",
        began=AT,
        ended=AT + timedelta(seconds=9),
        client=client,
        outcome=BootOutcome(outcome),
        stages=[
            Stage(name=name, about=name, began=AT, done=done, size=size, outcome=how)
            for name, done, size, how in stages
        ],
    )


def shown(one: Boot) -> list[tuple[str, str, int]]:
    return [(step.label, step.state, step.percent) for step in track(one)]


def test_a_mac_under_way() -> None:
    """What is done is full, what runs is as full as its bytes say, what is to come is empty."""
    one = boot(
        ("list", 0, 0, "complete"),
        ("select", 0, 0, "complete"),
        ("booter", 300, 300, "complete"),
        ("kernelcache", 25, 100, "running"),
    )

    assert shown(one) == [
        ("choose", "done", 100),
        ("booter", "done", 100),
        ("kernel", "running", 25),
        ("root image", "waiting", 0),
    ]


def test_a_transfer_that_failed() -> None:
    """The step says so, at the place where it ended."""
    one = boot(("select", 0, 0, "complete"), ("booter", 60, 300, "timeout"))

    assert shown(one)[1] == ("booter", "failed", 20)


def test_a_root_image_is_read_in_pieces() -> None:
    """A connection that a Mac ends is no failure: it reads what it needs."""
    one = boot(("kernelcache", 9, 9, "complete"), ("root_image", 40, 100, "aborted"))

    assert shown(one)[-1] == ("root image", "running", 40)


def test_a_pc_that_has_booted() -> None:
    """Steps that its entry does not have are left out once all is there."""
    one = boot(
        ("offer", 0, 0, "complete"),
        ("loader", 10, 10, "complete"),
        ("kernel", 8, 8, "complete"),
        client="PXE",
        outcome="booted",
    )

    assert shown(one) == [
        ("offer", "done", 100),
        ("loader", "done", 100),
        ("kernel", "done", 100),
    ]
