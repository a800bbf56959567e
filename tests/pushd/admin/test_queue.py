"""The queue as its operator sees it: lanes, pages, another try, taking back."""

from __future__ import annotations

from itertools import chain
from typing import Any

import pytest

from pushd import search, window
from pushd.admin import queue as desk
from pushd.admin.shape import Cancelled, Lane, Pushes, Queue, Retried, Waiting
from pushd.lane import Stage
from pushd.outcome import Cancelled as TakenBack
from pushd.outcome import Failed
from tests.pushd.admin.stand import Stand
from tests.pushd.rig import MDM_TOPIC, START, TOPIC, alert, push_id, wake

OTHER = "com.example.other"
NO_CREDENTIAL = "its credential cannot be used"


def pages(stand: Stand, **query: str) -> list[list[str]]:
    """Ids, page by page, to the end."""
    found, after = [], ""
    while True:
        page = stand.ask(Pushes, stand.queue.pushes, after=after, **query)
        found.append([push.id for push in page.pushes])
        if not page.next:
            return found
        after = page.next


def ids(*numbers: int) -> list[str]:
    return [push_id(number) for number in numbers]


def test_lanes_that_have_pushes(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """By name: how many wait, with Apple, for another attempt, on disk only; and why."""
    monkeypatch.setattr(window, "LEVEL_MOST", 3)
    rig = stand.rig
    rig.submit(*map(alert, range(6)), wake(9, device=9))
    rig.submit(alert(7, topic=OTHER))
    rig.settle(rig.jobs(topic=OTHER)[0])
    first, second = rig.jobs(2)
    rig.settle(first, Failed(why="503", retry_at=START + 60.0))

    said = stand.ask(Queue, stand.queue.lanes)

    assert (said.waiting, said.size, said.next) == (7, rig.queue.size, "")
    assert said.lanes == (
        Lane(credential="main", topic=MDM_TOPIC, waiting=1, trouble=NO_CREDENTIAL),
        Lane(
            credential="main",
            topic=TOPIC,
            waiting=6,
            sending=1,
            retrying=1,
            on_disk=1,
            trouble=NO_CREDENTIAL,
        ),
    )
    assert second.id == push_id(1)


def test_lanes_by_pages_and_filter(stand: Stand) -> None:
    """However many lanes there are, each is on one page."""
    stand.rig.submit(*(alert(n, topic=f"com.example.{n}") for n in range(5)))

    first = stand.ask(Queue, stand.queue.lanes, limit="2")
    second = stand.ask(Queue, stand.queue.lanes, limit="2", after=first.next)
    third = stand.ask(Queue, stand.queue.lanes, limit="2", after=second.next)
    one = stand.ask(Queue, stand.queue.lanes, topic="com.example.3")

    shown = [lane.topic for page in (first, second, third) for lane in page.lanes]
    assert shown == [f"com.example.{n}" for n in range(5)]
    assert third.next == ""
    assert [lane.topic for lane in one.lanes] == ["com.example.3"]


def test_pushes_in_the_order_in_which_they_leave(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each once, whether in memory or on disk only, page by page."""
    monkeypatch.setattr(window, "LEVEL_MOST", 2)
    stand.rig.submit(alert(1, priority=5), *map(alert, (2, 3, 4)), alert(5, topic=OTHER))

    found = pages(stand, limit="2")

    assert list(chain.from_iterable(found)) == ids(2, 3, 4, 1, 5)
    assert [len(page) for page in found[:2]] == [2, 2]


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({"topic": OTHER}, [5, 6]),
        ({"credential": "main", "topic": ""}, [1, 2, 3, 4, 5, 6]),
        ({"credential": "another"}, []),
        ({"device": f"{0xABC:064X}"}, [3, 6]),
        ({"device": f"{0xABC:064x}", "topic": TOPIC}, [3]),
        ({"state": "sending"}, [1]),
        ({"state": "waiting"}, [2]),
        ({"state": "queued"}, [3, 4, 5, 6]),
    ],
)
def test_pushes_by_filter(
    stand: Stand, query: dict[str, str], numbers: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them, however the steps of the search fall."""
    monkeypatch.setattr(window, "LEVEL_MOST", 3)
    monkeypatch.setattr(search, "STEP", 2)
    monkeypatch.setattr(search, "PAGE", 2)
    rig = stand.rig
    rig.submit(alert(1), alert(2), alert(3, device=0xABC), alert(4))
    rig.submit(alert(5, topic=OTHER), alert(6, device=0xABC, topic=OTHER))
    _, second = rig.jobs(2)
    rig.settle(second, Failed(why="503", retry_at=START + 60.0))

    found = pages(stand, limit="1", **query)

    assert list(chain.from_iterable(found)) == ids(*numbers)


def test_a_long_search_goes_on_where_it_ended(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks at so many rows a request; a page may have nothing, and say where to go on."""
    monkeypatch.setattr(search, "STEP", 5)
    monkeypatch.setattr(search, "STEPS", 2)
    stand.rig.submit(*map(alert, range(35)))

    found = pages(stand, device=f"{32:064x}")

    assert found == [[], [], [], ids(32)]


def test_what_is_told_of_a_push(stand: Stand) -> None:
    """All that the queue knows of it, but for its payload."""
    rig = stand.rig
    rig.submit(alert(1, device=7, priority=5, collapse_id="score"))
    (job,) = rig.jobs()
    rig.settle(job, Failed(why="503 Shutdown", retry_at=START + 60.0))

    (push,) = stand.ask(Pushes, stand.queue.pushes).pushes

    assert push == Waiting(
        id=push_id(1),
        state="waiting",
        credential="main",
        topic=TOPIC,
        device=f"{7:064x}",
        push_type="alert",
        priority=5,
        collapse_id="score",
        size=len(job.push.payload),
        submitted_at=START * 1000,
        deadline=(START + 3600) * 1000,
        tries=1,
        retry_at=(START + 60) * 1000,
        why="503 Shutdown",
    )


@pytest.mark.parametrize(
    ("selection", "numbers"),
    [
        ({"ids": [push_id(1).upper(), push_id(9)]}, [1]),
        ({"topic": OTHER}, [3]),
        ({"credential": "main"}, [1, 2, 3]),
        ({"device": f"{2:064x}"}, [2]),
        ({"everything": True}, [1, 2, 3]),
    ],
)
def test_another_try_at_once(stand: Stand, selection: dict[str, Any], numbers: list[int]) -> None:
    """Those that are chosen wait no longer, and are not tried a second time at their old time."""
    rig = stand.rig
    rig.submit(alert(1), alert(2), alert(3, topic=OTHER), alert(4))
    for topic in (TOPIC, OTHER):
        for job in rig.jobs(topic=topic)[:2]:
            rig.settle(job, Failed(why="503", retry_at=START + 60.0))

    said = stand.ask(Retried, stand.queue.retry, selection)

    left = rig.jobs() + rig.jobs(topic=OTHER)
    assert said == Retried(pushes=len(numbers), lanes=0)
    assert sorted(job.id for job in left if job.tries) == ids(*numbers)
    for job in left:
        rig.settle(job, Failed(why="503", retry_at=START + 600.0))
    rig.clock.advance(60)
    waiting = {1, 2, 3} - set(numbers)
    assert sorted(rig.take() + rig.take(topic=OTHER)) == ids(*sorted(waiting))


def test_another_try_is_not_due_later_after_a_restart(stand: Stand) -> None:
    """What was tried at once does not wait again."""
    rig = stand.rig
    rig.submit(alert(1))
    rig.settle(rig.jobs()[0], Failed(why="503", retry_at=START + 60.0))
    stand.ask(Retried, stand.queue.retry, {"everything": True})

    rig.crash()
    rig.settle_down()

    assert rig.take() == ids(1)


def test_another_try_of_what_is_on_disk_only(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not wait when it comes into memory; what fails after that does."""
    rig = stand.rig
    rig.submit(*map(alert, range(4)))
    for job in rig.jobs():
        rig.settle(job, Failed(why="503", retry_at=START + 600.0))
    monkeypatch.setattr(window, "LEVEL_MOST", 2)
    rig.crash()
    stand.queue = type(stand.queue)(queue=rig.queue, store=rig.store, dispatcher=stand.dispatcher)
    rig.settle_down()
    rig.clock.advance(1)

    said = stand.ask(Retried, stand.queue.retry, {"topic": TOPIC})

    left = []
    while jobs := rig.jobs():
        left += [job.id for job in jobs]
        for job in jobs:
            rig.settle(job, Failed(why="503", retry_at=START + 600.0))
    assert said.pushes < 4
    assert sorted(left) == ids(0, 1, 2, 3)


@pytest.mark.parametrize(
    ("selection", "numbers", "late"),
    [
        ({"topic": OTHER}, [7], 0),
        ({"credential": "main"}, [2, 3, 4, 5, 6, 7], 1),
        ({"device": f"{5:064x}"}, [5], 0),
        ({"topic": TOPIC, "device": f"{1:064x}"}, [], 1),
        ({"everything": True}, [2, 3, 4, 5, 6, 7], 1),
    ],
)
def test_taking_back_what_matches(
    stand: Stand,
    selection: dict[str, Any],
    numbers: list[int],
    late: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In memory, on disk, waiting for another attempt: all that Apple does not have."""
    monkeypatch.setattr(window, "LEVEL_MOST", 3)
    rig = stand.rig
    rig.submit(*map(alert, range(1, 7)), alert(7, topic=OTHER))
    _, second = rig.jobs(2)
    rig.settle(second, Failed(why="503", retry_at=START + 60.0))

    said = stand.ask(Cancelled, stand.queue.cancel, selection)

    assert said == Cancelled(cancelled=len(numbers), too_late=late)
    outcomes = {n: rig.outcome(push_id(n)) for n in range(1, 8)}
    assert [n for n, outcome in outcomes.items() if outcome == TakenBack()] == numbers
    assert rig.queue.depth == 7 - len(numbers)
    assert rig.database.read_thd("SELECT count(*) FROM pushes", {}) == [(7 - len(numbers),)]


def test_taking_back_by_id(stand: Stand) -> None:
    """What is too late, and what nobody knows, is counted."""
    rig = stand.rig
    rig.submit(*map(alert, range(3)))
    rig.jobs(1)

    said = stand.ask(Cancelled, stand.queue.cancel, {"ids": [push_id(n) for n in (0, 1, 9, 1)]})

    assert said == Cancelled(cancelled=1, too_late=1, unknown=1)


def test_taking_back_very_many(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is done in parts, so that nobody waits for minutes; what is handed in meanwhile, behind
    where it is, is taken back as well."""
    monkeypatch.setattr(search, "PAGE", 4)
    monkeypatch.setattr(desk, "MAX_TAKEN_BACK", 6)
    monkeypatch.setattr(window, "LEVEL_MOST", 5)
    stand.rig.submit(*map(alert, range(20)))

    said = []
    after = "0"
    while after:
        one = stand.ask(Cancelled, stand.queue.cancel, {"topic": TOPIC, "after": after})
        said.append(one.cancelled)
        after = one.next

    assert said == [8, 8, 4]
    assert stand.rig.queue.depth == 0
    assert stand.rig.queue._window.entries == {}


def test_taking_back_while_pushes_come_into_memory(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refill that had begun brings none back."""
    monkeypatch.setattr(window, "LEVEL_MOST", 4)
    rig = stand.rig
    rig.submit(*map(alert, range(12)))
    rig.lane().take(4)
    rig.store.reader.look()
    told = stand.begin(stand.queue.cancel, {"everything": True})

    rig.settle_down()

    assert len(told) == 1
    assert (rig.queue.depth, rig.lane().in_flight) == (4, 4)
    assert {entry.stage for entry in rig.queue._window.entries.values()} == {Stage.SENDING}
    assert [level.spilled for level in rig.lane().levels] == [0, 0, 0]


@pytest.mark.parametrize(
    "selection",
    [
        {},
        {"topic": ""},
        {"ids": []},
        {"ids": ["x"], "topic": "y"},
        {"topic": "y", "everything": True},
        {"topics": "y"},
        [],
    ],
)
def test_it_must_be_clear_what_is_meant(stand: Stand, selection: Any) -> None:
    """Nobody takes back everything by leaving something out, or by a slip of the keyboard."""
    stand.rig.submit(alert(1))

    problems = [
        stand.problem(handler, selection) for handler in (stand.queue.cancel, stand.queue.retry)
    ]

    assert [problem.status for problem in problems] == [400, 400]
    assert all(problem.remedy for problem in problems)
    assert stand.rig.queue.depth == 1


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "1001"},
        {"limit": "x"},
        {"after": "-1"},
        {"after": "9" * 30},
        {"state": "asleep"},
        {"topics": "x"},
    ],
)
def test_a_wrong_parameter(stand: Stand, query: dict[str, str]) -> None:
    """It is named, with what would be right."""
    problem = stand.problem(stand.queue.pushes, **query)

    assert problem.status == 400
    assert f"`{next(iter(query))}`" in problem.title
    assert problem.remedy


def test_too_many_ids(stand: Stand) -> None:
    """They are refused, none taken back."""
    problem = stand.problem(stand.queue.cancel, {"ids": [push_id(n) for n in range(1001)]})

    assert problem.status == 413
