"""Who watches: each event while there are few, numbers when there are many."""

from __future__ import annotations

from collections import Counter

import pytest
from twisted.internet.defer import Deferred

from pushd.admin import events
from pushd.admin.shape import Event, Summary
from pushd.api.item import Outcome
from pushd.outcome import Accepted, Failed, Rejected
from tests.pushd.admin.stand import Stand
from tests.pushd.rig import START, TOPIC, alert, push_id

OTHER = "com.example.other"


def test_what_happens_to_a_push(stand: Stand) -> None:
    """An attempt that failed, and the outcome, when it is on disk; nothing once nobody watches."""
    rig = stand.rig
    told, end = stand.watch()
    rig.submit(alert(1))
    rig.settle(rig.jobs()[0], Failed(why="503 Shutdown", retry_at=START + 10.0))
    rig.clock.advance(10)
    (job,) = rig.jobs()
    rig.queue.settle(job, Accepted(apns_id=job.id))
    before = len(told)
    rig.settle_down()
    end()
    rig.submit(alert(2))
    rig.settle(rig.jobs()[0])

    failed, accepted = told
    assert before == 1
    assert failed == Event(
        event="push",
        at=START * 1000,
        id=push_id(1),
        credential="main",
        topic=TOPIC,
        device=f"{1:064x}",
        state="queued",
        submitted_at=START * 1000,
        tries=1,
        retry_at=(START + 10) * 1000,
        outcome=Outcome(reason="503 Shutdown"),
    )
    assert (accepted.state, accepted.at, accepted.tries) == ("accepted", (START + 10) * 1000, 1)
    assert rig.clock.getDelayedCalls() == []


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({"topic": OTHER}, [3]),
        ({"credential": "another"}, []),
        ({"state": "rejected"}, [2]),
        ({"state": "", "topic": TOPIC}, [1, 2]),
    ],
)
def test_only_what_is_wanted(stand: Stand, query: dict[str, str], numbers: list[int]) -> None:
    """By topic, credential and state."""
    rig = stand.rig
    told, end = stand.watch(**query)
    rig.submit(alert(1), alert(2), alert(3, topic=OTHER))
    first, second = rig.jobs()
    rig.settle(first)
    rig.settle(second, Rejected(status=400, reason="BadDeviceToken"))
    rig.settle(rig.jobs(topic=OTHER)[0])
    end()

    assert [event.id for event in told] == [push_id(number) for number in numbers]


def test_many_are_told_as_numbers(stand: Stand) -> None:
    """Those that went wrong have precedence; nothing is left out of the sum; the next moment is
    told one by one again."""
    rig = stand.rig
    told, end = stand.watch()
    rig.submit(*map(alert, range(300)))
    jobs = rig.jobs()
    for job in jobs[:200]:
        rig.queue.settle(job, Accepted(apns_id=job.id))
    for job in jobs[200:299]:
        rig.queue.settle(job, Rejected(status=400, reason="BadDeviceToken"))
    rig.settle_down()
    rig.clock.advance(events.MOMENT)
    rig.settle(jobs[299])
    end()

    single = Counter(event.state for event in told if isinstance(event, Event))
    (summary,) = (event for event in told if isinstance(event, Summary))
    assert single == {"accepted": events.ACCEPTED_TOLD + 1, "rejected": 25}
    assert summary.states == {"accepted": 200 - events.ACCEPTED_TOLD, "rejected": 99 - 25}
    assert summary.reasons == {"BadDeviceToken": 99 - 25}
    assert told.index(summary) == len(told) - 2


def test_one_who_fails_disturbs_nobody(stand: Stand) -> None:
    """The queue and the others go on."""
    rig = stand.rig

    def fail(value: object) -> None:
        raise RuntimeError("a bug")

    watcher = events.Watcher(rig.queue, rig.clock, fail, chosen=events.Chosen(), state=None)
    end = watcher.begin()
    told, end_other = stand.watch()
    watched: list[Deferred[object]] = []
    rig.submit(alert(1))
    rig.queue.watch(push_id(1)).addCallback(watched.append)

    rig.settle(rig.jobs()[0])
    end()
    end_other()

    assert (len(told), len(watched), rig.queue.depth) == (1, 1, 0)


def test_a_state_that_is_none(stand: Stand) -> None:
    """It is refused, with those that there are."""
    problem = stand.problem(stand.events.events, state="gone")

    assert (problem.status, "accepted" in problem.remedy) == (400, True)
