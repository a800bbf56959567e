"""What became of pushes, told to their operator."""

from __future__ import annotations

from typing import Any

from pushd.admin.shape import InvalidTokens, Result, Results, Story
from pushd.api.item import Attempt, Outcome
from pushd.outcome import Accepted, Cancelled, Failed, Rejected
from tests.pushd.admin.stand import Stand
from tests.pushd.rig import START, TOPIC, alert, push_id

GONE = Rejected(status=410, reason="Unregistered", invalid_since=5)


def told(stand: Stand, number: int) -> Story:
    return stand.ask(Story, stand.stories.story, path={"id": push_id(number).upper()})


def test_the_story_of_a_push(stand: Stand) -> None:
    """From the time it was taken in to its outcome, with each attempt that failed."""
    rig = stand.rig
    rig.submit(alert(1, device=7, priority=5, collapse_id="score"))
    queued = told(stand, 1)
    (job,) = rig.jobs()
    rig.settle(job, Failed(why="503 Shutdown", retry_at=START + 10.0))
    waiting = told(stand, 1)
    rig.clock.advance(10)
    (job,) = rig.jobs()
    sending = told(stand, 1)
    rig.settle(job, GONE)
    over = told(stand, 1)

    known: dict[str, Any] = {
        "id": push_id(1),
        "submitted_at": START * 1000,
        "credential": "main",
        "topic": TOPIC,
    }
    waits: dict[str, Any] = {
        "device": f"{7:064x}",
        "push_type": "alert",
        "priority": 5,
        "collapse_id": "score",
        "size": len(job.push.payload),
        "deadline": (START + 3600) * 1000,
    }
    tried: dict[str, Any] = {
        "tries": 1,
        "attempts": (Attempt(at=START * 1000, why="503 Shutdown"),),
    }
    assert queued == Story(state="queued", **known, **waits)
    assert waiting == Story(state="queued", retry_at=(START + 10) * 1000, **known, **waits, **tried)
    assert sending == Story(state="sending", **known, **waits, **tried)
    assert over == Story(
        state="rejected",
        device=f"{7:064x}",
        settled_at=(START + 10) * 1000,
        outcome=Outcome(status=410, reason="Unregistered", invalid_since=5),
        **known,
        **tried,
    )


def test_a_story_that_is_on_disk_only(stand: Stand) -> None:
    """As if it were in memory."""
    stand.rig.submit(alert(1))
    before = told(stand, 1)
    stand.rig.crash()
    stand.stories = type(stand.stories)(queue=stand.rig.queue, store=stand.rig.store)

    assert told(stand, 1) == before


def test_nobody_knows_the_push(stand: Stand) -> None:
    """404, and how long outcomes are known."""
    problem = stand.problem(stand.stories.story, path={"id": push_id(9)})

    assert problem.status == 404
    assert "queue.retention" in problem.remedy


def test_the_newest_outcomes(stand: Stand) -> None:
    """Page by page, back to the oldest."""
    rig = stand.rig
    rig.submit(*map(alert, range(4)))
    for job, outcome in zip(
        rig.jobs(), (Accepted(apns_id=push_id(0)), GONE, Failed(why="x"), Cancelled()), strict=True
    ):
        rig.settle(job, outcome)

    first = stand.ask(Results, stand.stories.results, limit="3")
    last = stand.ask(Results, stand.stories.results, limit="3", before=str(first.next))

    assert [result.state for result in first.results] == ["cancelled", "failed", "rejected"]
    assert first.results[0].outcome is None
    assert [result.device for result in first.results] == [f"{n:064x}" for n in (3, 2, 1)]
    assert last == Results(
        results=(
            Result(
                seq=1,
                id=push_id(0),
                state="accepted",
                submitted_at=START * 1000,
                settled_at=START * 1000,
                credential="main",
                topic=TOPIC,
                outcome=Outcome(status=200),
            ),
        )
    )


def test_the_newest_invalid_tokens(stand: Stand) -> None:
    """Likewise, with what is needed to judge them."""
    rig = stand.rig
    rig.submit(*map(alert, range(3)))
    for job in rig.jobs():
        rig.settle(job, GONE)

    first = stand.ask(InvalidTokens, stand.stories.tokens, limit="2")
    last = stand.ask(InvalidTokens, stand.stories.tokens, limit="2", before=str(first.next))

    shown = [token.device for page in (first, last) for token in page.tokens]
    assert shown == [f"{n:064x}" for n in (2, 1, 0)]
    assert last.next == 0
    token = last.tokens[0]
    assert (token.topic, token.reason, token.invalid_since) == (TOPIC, "Unregistered", 5)
