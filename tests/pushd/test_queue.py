"""The durable queue: order, outcomes, retries, refusals, and what a restart finds."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from twisted.internet.defer import Deferred

from ops.database import StoreError
from ops.setting import ByteSize
from protocols.apns.message import Broadcast
from pushd import lanes, window
from pushd.attempt import Attempt, Attempts
from pushd.job import Job, LaneKey
from pushd.outcome import (
    Accepted,
    Cancelled,
    Collapsed,
    Expired,
    Failed,
    Outcome,
    Rejected,
)
from pushd.queue_settings import QueueSettings
from pushd.receipt import Duplicate, Full, Queued, Receipt, State, Status, Unstored
from pushd.results import RETRY
from tests.pushd.rig import MDM_TOPIC, START, TOPIC, Rig, alert, push_id, wake


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path / "pushd.db")
    yield made
    made.close()


MAIN = LaneKey("main", TOPIC)


def ids(*numbers: int) -> list[str]:
    return [push_id(number) for number in numbers]


def full_disk(rig: Rig) -> None:
    """From now on the disk has no room."""
    pages = rig.database.read_thd("PRAGMA page_count", {})[0][0]
    rig.database.read_thd(f"PRAGMA max_page_count = {pages}", {})


def free_disk(rig: Rig) -> None:
    rig.database.read_thd("PRAGMA max_page_count = 1000000", {})


def test_a_push_is_acknowledged_and_sent_after_its_commit(rig: Rig) -> None:
    """Until then nobody hears of it, and no lane gives it."""
    receipts: list[Receipt] = []

    rig.queue.submit([alert(1), alert(2)], receipts.extend)
    rig.turn()
    assert (receipts, rig.lane().ready, rig.queue.depth) == ([], 0, 2)
    rig.settle_down()

    assert receipts == [Queued(id=id_) for id_ in ids(1, 2)]
    assert rig.woken == [LaneKey("main", TOPIC)]
    assert rig.take() == ids(1, 2)
    assert (rig.lane().ready, rig.lane().in_flight) == (0, 2)


def test_a_batch_has_one_commit(rig: Rig) -> None:
    """A thousand pushes are on disk together."""
    commits = rig.counters.snapshot()["pushd_store_commits_total"]

    rig.submit(*map(alert, range(1000)))

    assert rig.counters.snapshot()["pushd_store_commits_total"] == commits + 1


def test_what_is_settled_leaves_the_queue_with_its_outcome(rig: Rig) -> None:
    """Its owner is told after the commit; then it can be asked for."""
    rig.submit(alert(1))
    (job,) = rig.jobs()
    told: list[str] = []

    rig.queue.settle(job, Accepted(apns_id=job.id, unique_id="U-1"), lambda: told.append(job.id))
    rig.turn()
    assert (told, rig.queue.depth) == ([], 1)
    rig.settle_down()

    assert (told, rig.queue.depth, rig.queue.size) == ([job.id], 0, 0)
    assert rig.status(job.id) == Status(
        id=job.id,
        state=State.SETTLED,
        submitted_at=START * 1000,
        lane=MAIN,
        outcome=Accepted(apns_id=job.id, unique_id="U-1"),
        settled_at=START * 1000,
    )
    with pytest.raises(ValueError, match="is not in flight"):
        rig.queue.settle(job, Accepted(apns_id=job.id))


@pytest.mark.parametrize(
    "outcome",
    [
        Accepted(apns_id=push_id(1)),
        Accepted(apns_id=push_id(1).upper() + "?", unique_id="x\ud800\0"),
        Rejected(status=410, reason="Unregistered", invalid_since=1_789_000_000_000),
        Rejected(status=413, reason="PayloadTooLarge"),
        Rejected(status=400, reason=None),
        Failed(why="given up after 5 attempts"),
    ],
)
def test_an_outcome_is_found_as_it_was_told(rig: Rig, outcome: Outcome) -> None:
    """Of whatever kind, after a restart, too; a peer's text as far as a database takes it."""
    rig.submit(alert(1))
    (job,) = rig.jobs()

    rig.settle(job, outcome)
    rig.crash()

    if isinstance(outcome, Accepted) and outcome.unique_id:
        outcome = Accepted(apns_id=push_id(1), unique_id="x\\ud800\\0")
    assert rig.outcome(push_id(1)) == outcome


def test_urgent_pushes_leave_first(rig: Rig) -> None:
    """Priority 10, which is also what a push without one has, before 5 before 1; else in order."""
    rig.submit(*(alert(n, priority=p) for n, p in enumerate([1, 5, 10, None, 5, 1, 10])))

    assert rig.take() == ids(2, 3, 6, 1, 4, 0, 5)


def test_a_device_gets_its_pushes_one_at_a_time_in_order(rig: Rig) -> None:
    """The second leaves when the first has its outcome; other devices do not wait for that."""
    rig.submit(*(alert(n, device=7) for n in (1, 2, 3)), alert(4))

    first = rig.jobs()
    assert [job.id for job in first] == ids(1, 4)
    assert rig.take() == []
    rig.queue.settle(first[0], Accepted(apns_id=first[0].id))

    assert rig.take() == ids(2)
    assert rig.take() == []


def test_a_device_that_waits_for_itself_jumps_no_queue(rig: Rig) -> None:
    """Its next push stands where it was submitted, however soon it may go."""
    rig.submit(*(alert(n, device=n % 3) for n in range(6)))
    (first,) = rig.jobs(1)

    rig.settle(first)

    assert rig.take() == ids(1, 2, 3)


def test_of_a_device_the_urgent_push_leaves_first(rig: Rig) -> None:
    """Unless another one is in flight: that has to end."""
    rig.submit(alert(1, device=7, priority=5), alert(2, device=7, priority=10))
    (second,) = rig.jobs()
    rig.submit(alert(3, device=7, priority=10), alert(4, device=7, priority=1))

    assert (second.id, rig.take()) == (push_id(2), [])
    rig.settle(second)

    left = []
    while jobs := rig.jobs():
        left.append(jobs[0].id)
        rig.settle(jobs[0])
    assert left == ids(3, 1, 4)


def test_a_topic_waits_for_no_other(rig: Rig) -> None:
    """Lanes are apart, even for one device."""
    rig.submit(alert(1, device=7), alert(2, device=7, topic="com.example.other"))

    assert (rig.take(), rig.take(topic="com.example.other")) == (ids(1), ids(2))


def test_a_newer_push_with_the_same_collapse_id_replaces_the_waiting_one(rig: Rig) -> None:
    """The older one has an outcome that names the newer; other ids and devices are kept."""
    rig.submit(
        alert(1, device=7, collapse_id="score"),
        alert(2, device=7, collapse_id="news"),
        alert(3, device=8, collapse_id="score"),
    )
    rig.submit(alert(4, device=7, collapse_id="score"))

    assert rig.outcome(push_id(1)) == Collapsed(into=push_id(4))
    assert rig.take() == ids(2, 3)
    assert rig.queue.depth == 3


def test_a_push_in_flight_is_not_replaced(rig: Rig) -> None:
    """It is too late for it: the newer one follows. But if its attempt fails, it is pointless."""
    rig.submit(alert(1, device=7, collapse_id="score"))
    (first,) = rig.jobs()
    rig.submit(alert(2, device=7, collapse_id="score"))
    assert rig.status(push_id(1)) == Status(
        id=push_id(1), state=State.SENDING, submitted_at=START * 1000, lane=MAIN
    )

    rig.settle(first, Failed(why="HTTP 503", retry_at=START + 60.0))

    assert rig.outcome(push_id(1)) == Collapsed(into=push_id(2))
    assert rig.take() == ids(2)


def test_a_device_has_one_wake_waiting_at_most(rig: Rig) -> None:
    """Wakes say nothing, so the newest stands for all, whatever their number."""
    rig.submit(wake(0, device=7))
    in_flight = rig.jobs(topic=MDM_TOPIC)
    for number in range(1, 300):
        rig.submit(wake(number, device=7))

    assert rig.queue.depth == 2
    rig.settle(in_flight[0])
    assert rig.take(topic=MDM_TOPIC) == ids(299)


def test_collapsing_where_nobody_takes_leaves_nothing_behind(rig: Rig) -> None:
    """A lane that stands still keeps one push of each device in its row, not each that came."""
    for number in range(500):
        rig.submit(wake(number, device=number % 3))

    assert len(rig.lane(MDM_TOPIC)._row) < 200
    assert rig.take(topic=MDM_TOPIC) == ids(497, 498, 499)


def test_a_push_that_waited_too_long_is_not_sent(rig: Rig) -> None:
    """From its deadline on it is Expired, and its device's next push takes its place."""
    rig.submit(alert(1, device=7, deadline=START + 10), alert(2, device=7))
    rig.clock.advance(10)

    assert rig.take() == ids(2)
    assert rig.outcome(push_id(1)) == Expired()


def test_a_sweep_lets_go_of_what_nobody_takes(rig: Rig) -> None:
    """Expired pushes do not fill the queue for ever because their lane stands still."""
    rig.submit(alert(1, deadline=START + 10), alert(2), alert(3, device=1, deadline=START + 5))
    rig.clock.advance(10)

    rig.queue.sweep()
    rig.settle_down()

    assert rig.queue.depth == 1
    assert [rig.outcome(push_id(n)) for n in (1, 3)] == [Expired(), Expired()]


def test_a_failed_attempt_is_made_again_at_its_time(rig: Rig) -> None:
    """With the same id, counting, before what came later; its device waits with it."""
    rig.submit(alert(1, device=7), alert(2, device=7))
    (job,) = rig.jobs()
    told: list[bool] = []

    rig.queue.settle(job, Failed(why="HTTP 503", retry_at=START + 60.0), lambda: told.append(True))
    rig.submit(alert(3))

    assert told == [True]
    assert rig.take() == ids(3)
    rig.clock.advance(59.5)
    assert rig.take() == []
    rig.clock.advance(0.5)
    assert rig.jobs() == [msgspec.structs.replace(job, tries=1)]
    assert rig.woken == [LaneKey("main", TOPIC)] * 3


def test_a_wall_clock_set_back_delays_no_attempt(rig: Rig) -> None:
    """The delay is fixed when the attempt failed."""
    rig.submit(alert(1))
    rig.settle(rig.jobs()[0], Failed(why="HTTP 503", retry_at=START + 60.0))

    rig.unix_offset -= 86_400
    rig.clock.advance(60)

    assert rig.take() == ids(1)


def test_an_attempt_after_the_deadline_is_none(rig: Rig) -> None:
    """What could only be tried when it is too late is Expired at once."""
    rig.submit(alert(1, deadline=START + 30))

    rig.settle(rig.jobs()[0], Failed(why="HTTP 503", retry_at=START + 60.0))

    assert rig.outcome(push_id(1)) == Expired()


def test_an_id_is_taken_once(rig: Rig) -> None:
    """Waiting, in flight or settled, before or after a restart, within a batch: the first push
    with the id is what counts."""
    assert rig.submit(alert(1), alert(1)) == [
        Queued(id=push_id(1)),
        Duplicate(id=push_id(1), state=State.QUEUED),
    ]
    assert rig.submit(alert(1)) == [Duplicate(id=push_id(1), state=State.QUEUED)]
    (job,) = rig.jobs()
    assert rig.submit(alert(1)) == [Duplicate(id=push_id(1), state=State.SENDING)]
    rig.settle(job)
    assert rig.submit(alert(2), alert(1), alert(3)) == [
        Queued(id=push_id(2)),
        Duplicate(id=push_id(1), state=State.SETTLED),
        Queued(id=push_id(3)),
    ]
    rig.crash()

    again = rig.submit(alert(1), alert(2), alert(4))

    assert again == [
        Duplicate(id=push_id(1), state=State.SETTLED),
        Duplicate(id=push_id(2), state=State.QUEUED),
        Queued(id=push_id(4)),
    ]
    assert rig.queue.depth == 3
    assert rig.take() == ids(2, 3, 4)


def test_a_duplicate_of_what_is_on_its_way_waits_for_that(rig: Rig) -> None:
    """Nobody is told that a push is queued before it is on disk."""
    first: list[Receipt] = []
    second: list[Receipt] = []
    rig.queue.submit([alert(1)], first.extend)
    rig.queue.submit([alert(1)], second.extend)
    rig.turn()
    assert (first, second) == ([], [])

    rig.settle_down()

    assert first == [Queued(id=push_id(1))]
    assert second == [Duplicate(id=push_id(1), state=State.QUEUED)]


def test_a_push_is_cancelled_until_it_is_sent(rig: Rig) -> None:
    """Waiting: Cancelled, and its device goes on; in flight: too late; settled: what it is."""
    rig.submit(alert(1, device=7), alert(2, device=7), alert(3, device=7))
    (job,) = rig.jobs()

    too_late = rig.result(rig.queue.cancel(push_id(1)))
    cancelled = rig.result(rig.queue.cancel(push_id(2)))
    again = rig.result(rig.queue.cancel(push_id(2)))
    unknown = rig.result(rig.queue.cancel(push_id(9)))

    assert too_late is not None
    assert too_late.state is State.SENDING
    assert cancelled is not None
    assert cancelled.outcome == Cancelled()
    assert (again, unknown) == (cancelled, None)
    rig.settle(job)
    assert rig.take() == ids(3)


def test_a_full_queue_refuses_what_does_not_fit(tmp_path: Path) -> None:
    """By number and by bytes, visibly; what fits is taken, and so is more when some have left."""
    rig = Rig(tmp_path / "pushd.db", QueueSettings(pushes=3, size=ByteSize(1000)))

    receipts = rig.submit(*map(alert, range(5)))
    large = rig.submit(alert(9, payload=b"x" * 999))

    assert [type(receipt) for receipt in receipts] == [Queued] * 3 + [Full] * 2
    assert [type(receipt) for receipt in large] == [Full]
    rig.settle(rig.jobs(1)[0])
    assert [type(r) for r in rig.submit(alert(8, payload=b"x" * 999), alert(7))] == [Full, Queued]
    rig.close()


def test_who_watches_a_push_is_told_its_outcome(rig: Rig) -> None:
    """When it is on disk; who does not want to know any more is not called."""
    rig.submit(alert(1))
    seen: list[Status] = []
    rig.queue.watch(push_id(1)).addCallback(seen.append)
    rig.queue.watch(push_id(1)).addErrback(lambda _: None).cancel()

    rig.queue.settle(rig.jobs()[0], Rejected(status=400, reason="BadTopic"))
    rig.turn()
    assert seen == []
    rig.settle_down()

    assert seen == [rig.status(push_id(1))]


def test_results_are_read_in_order_from_any_point(rig: Rig) -> None:
    """Whoever remembers the last number it saw misses none, across restarts."""
    told: list[int] = []
    rig.queue.results.listen(lambda: told.append(rig.queue.results.last))
    rig.submit(*map(alert, range(5)))
    for job in rig.jobs():
        rig.settle(job)
    first = rig.result(rig.queue.results.after(0, 3))
    rig.crash()
    rig.submit(alert(7))
    rig.settle(rig.jobs()[0])

    rest = rig.result(rig.queue.results.after(first[-1].seq, 10))

    assert [result.status.id for result in first + rest] == ids(0, 1, 2, 3, 4, 7)
    assert told == [1, 2, 3, 4, 5]


def test_tokens_that_apple_refuses_are_told(rig: Rig) -> None:
    """Those of 410 and BadDeviceToken, with what is needed to judge them; no others."""
    rig.submit(*(alert(n, device=n) for n in range(4)))
    outcomes: list[Outcome] = [
        Rejected(status=410, reason="Unregistered", invalid_since=5),
        Rejected(status=400, reason="BadDeviceToken"),
        Rejected(status=400, reason="BadTopic"),
        Accepted(apns_id=push_id(3)),
    ]
    for job, outcome in zip(rig.jobs(), outcomes, strict=True):
        rig.settle(job, outcome)
    rig.crash()

    tokens = rig.result(rig.queue.results.invalid_tokens(0, 10))

    assert [(t.token, t.topic, t.reason, t.since, t.sent_at) for t in tokens] == [
        (f"{0:064x}", TOPIC, "Unregistered", 5, START * 1000),
        (f"{1:064x}", TOPIC, "BadDeviceToken", None, START * 1000),
    ]
    assert rig.result(rig.queue.results.invalid_tokens(tokens[0].seq, 10)) == tokens[1:]


def test_old_results_are_forgotten_in_steps(rig: Rig) -> None:
    """What was settled before is gone, what came later is not; numbers go on, even if all is old.
    An id that is forgotten may come again."""
    rig.submit(*map(alert, range(2500)))
    for job in rig.jobs(2500)[:2400]:
        rig.queue.settle(job, Rejected(status=410, reason="Unregistered"))
    rig.settle_down()
    rig.clock.advance(100)
    last = rig.queue.results.last

    rig.result(rig.queue.results.prune((START + 50) * 1000))
    rig.crash()

    kept = rig.result(rig.queue.results.after(0, 10))
    assert [result.seq for result in kept] == [last]
    assert rig.counters.snapshot()["pushd_queue_prunings_total"] == 0
    assert rig.submit(alert(0)) == [Queued(id=push_id(0))]
    rig.settle(rig.jobs(1)[0])
    assert rig.queue.results.last == last + 1
    rig.result(rig.queue.results.prune((START + 50) * 1000))
    assert len(rig.result(rig.queue.results.after(0, 10))) == 1


def test_what_was_in_flight_is_sent_again_after_a_crash(rig: Rig) -> None:
    """With the same ids, in the same order; what was settled is not, nor what nobody was told."""
    rig.submit(*map(alert, range(4)))
    jobs = rig.jobs(3)
    rig.settle(jobs[1])
    rig.queue.settle(jobs[2], Accepted(apns_id=jobs[2].id))  # not committed
    rig.queue.submit([alert(9)], lambda receipts: pytest.fail("was acknowledged"))
    rig.turn()

    rig.crash()
    rig.settle_down()

    assert rig.jobs() == [jobs[0], jobs[2], alert(3)]
    assert rig.woken == [LaneKey("main", TOPIC)]


def test_every_kind_of_push_survives_as_it_came(rig: Rig) -> None:
    """All fields of a notification, of a wake and of a broadcast."""
    broadcast = Broadcast(
        bundle_id=TOPIC,
        channel_id="dHN0LXNyY2gtY2hubA==",
        payload=b"\xff\0",
        expiration=0,
        request_id=push_id(3),
        priority=5,
    )
    jobs = [
        alert(1, priority=1, collapse_id="für dich"),
        wake(2, device=7),
        Job(push=broadcast, credential="other", submitted_at=1, deadline=START + 1),
    ]
    rig.submit(*jobs)

    rig.crash()
    rig.settle_down()

    found = [job for lane in rig.queue.lanes.values() for job in lane.take(10)]
    assert found == jobs


def test_a_full_disk_refuses_pushes_and_loses_nothing(rig: Rig) -> None:
    """Nothing is taken in, and outcomes are kept until they can be written; nothing more is sent
    until then. Room heals it without anybody's help."""
    rig.submit(*map(alert, range(400)))
    jobs = rig.jobs(300)
    rig.woken.clear()
    full_disk(rig)

    receipts = rig.submit(*(alert(n, payload=b"x" * 4000) for n in range(500, 510)))
    for job in jobs:
        rig.queue.settle(job, Failed(why="x" * 500))
    rig.settle_down()
    unsettled = rig.status(push_id(0))
    paused = rig.take()
    assert {type(receipt) for receipt in receipts} == {Unstored}
    assert unsettled is not None
    assert unsettled.state is State.SENDING
    assert (paused, rig.queue.depth) == ([], 400)
    free_disk(rig)
    rig.clock.advance(RETRY)
    rig.settle_down()

    assert {rig.outcome(job.id) for job in jobs} == {Failed(why="x" * 500)}
    assert rig.woken == [LaneKey("main", TOPIC)]
    assert rig.take() == ids(*range(300, 400))
    assert rig.submit(alert(500)) == [Queued(id=push_id(500))]


def test_a_locked_database_refuses_pushes_and_loses_nothing(rig: Rig) -> None:
    """While another program holds the lock nothing is taken in, outcomes are kept, and queries are
    answered; when it lets go, all goes on."""
    rig.submit(alert(1), alert(2))
    jobs = rig.jobs(1)
    rig.database.read_thd("PRAGMA busy_timeout = 0", {})
    other = sqlite3.connect(rig.database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    receipts = rig.submit(alert(3))
    rig.settle(jobs[0])
    paused = rig.take()
    unknown = rig.status(push_id(9))
    other.execute("ROLLBACK")
    rig.clock.advance(RETRY)
    rig.settle_down()

    assert [type(receipt) for receipt in receipts] == [Unstored]
    assert "end the other program that holds its lock" in str(receipts[0])
    assert (paused, unknown) == ([], None)
    assert rig.outcome(push_id(1)) == Accepted(apns_id=push_id(1))
    assert rig.take() == ids(2)
    assert rig.submit(alert(3)) == [Queued(id=push_id(3))]
    other.close()


def test_a_lane_keeps_its_number(rig: Rig) -> None:
    """An outcome tells its credential and topic, though the lane is empty since, and whichever
    lanes come and go."""
    rig.submit(alert(1), alert(2, topic="com.example.other"), alert(3, topic="com.example.third"))
    for topic in (TOPIC, "com.example.third"):
        rig.settle(rig.jobs(topic=topic)[0])

    rig.crash()
    assert list(rig.queue.lanes) == [LaneKey("main", "com.example.other")]
    rig.submit(alert(4), alert(5, topic="com.example.fourth"))
    rig.crash()
    rig.settle_down()

    topics = {n: status.lane for n in range(1, 6) if (status := rig.status(push_id(n)))}
    assert topics == {
        1: MAIN,
        2: LaneKey("main", "com.example.other"),
        3: LaneKey("main", "com.example.third"),
        4: MAIN,
        5: LaneKey("main", "com.example.fourth"),
    }
    left = {lane.key.topic: [job.id for job in lane.take(9)] for lane in rig.queue.lanes.values()}
    assert left == {
        "com.example.other": ids(2),
        TOPIC: ids(4),
        "com.example.fourth": ids(5),
    }


def test_of_too_many_lanes_the_oldest_empty_ones_are_forgotten(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their outcomes then tell no lane, rather than the wrong one: no number is given twice."""
    monkeypatch.setattr(lanes, "MAX_LANES", 2)
    for number, topic in enumerate(("one", "two", "three", "four")):
        rig.submit(alert(number, topic=topic))
        rig.settle(rig.jobs(topic=topic)[0])
        rig.crash()
        rig.settle_down()

    rig.submit(alert(9, topic="one"))

    known = [status.lane for n in range(4) if (status := rig.status(push_id(n)))]
    assert known == [None, None, LaneKey("main", "three"), LaneKey("main", "four")]
    assert rig.lane("one").number == 5


def test_attempts_that_failed_are_told_and_survive(rig: Rig) -> None:
    """When, why, how many, and when the next one is due; after a restart it is not earlier."""
    rig.submit(alert(1))
    rig.settle(rig.jobs()[0], Failed(why="503 Shutdown", retry_at=START + 10.0))
    rig.clock.advance(10)
    rig.settle(rig.jobs()[0], Failed(why="429 TooManyRequests", retry_at=START + 70.0))
    attempts = Attempts(
        tries=2,
        retry_at=(START + 70) * 1000,
        told=(
            Attempt(START * 1000, "503 Shutdown"),
            Attempt((START + 10) * 1000, "429 TooManyRequests"),
        ),
    )

    rig.crash()
    before = rig.status(push_id(1))
    rig.settle_down()
    loaded = rig.status(push_id(1))
    early = rig.take()
    rig.clock.advance(60)
    (job,) = rig.jobs()
    rig.settle(job)
    settled = rig.status(push_id(1))

    assert [status and status.attempts for status in (before, loaded, settled)] == [attempts] * 3
    assert (early, job.tries) == ([], 2)
    assert rig.database.read_thd("SELECT * FROM attempts", {}) == []


def test_an_attempt_that_is_made_again_at_once_is_told(rig: Rig) -> None:
    """It is not counted, for nothing was put off; nor is anything known of a push that has left."""
    rig.submit(alert(1))
    (job,) = rig.jobs()

    rig.queue.note(job, "the connection was lost")
    noted = rig.status(push_id(1))
    rig.settle(job)
    rig.queue.note(job, "too late")

    status = rig.status(push_id(1))
    assert noted is not None
    assert status is not None
    assert noted.attempts == Attempts(told=(Attempt(START * 1000, "the connection was lost"),))
    assert status.attempts == noted.attempts
    assert rig.database.read_thd("SELECT * FROM attempts", {}) == []


def test_of_many_attempts_the_first_and_the_last_are_told(rig: Rig) -> None:
    """However long Apple is away, a push has no more than ten, each with a short reason."""
    rig.submit(alert(1, deadline=START + 100_000))
    for _ in range(20):
        (job,) = rig.jobs()
        rig.settle(job, Failed(why=f"{job.tries} \x1b" + "x" * 999, retry_at=rig.unix() + 1))
        rig.clock.advance(1)

    status = rig.status(push_id(1))

    assert status is not None
    assert status.attempts is not None
    assert status.attempts.tries == 20
    told = [attempt.why.partition(" ")[0] for attempt in status.attempts.told]
    assert told == ["0", *map(str, range(11, 20))]
    assert all(len(attempt.why) < 210 for attempt in status.attempts.told)


def test_what_cannot_be_noted_of_an_attempt_delays_nothing(rig: Rig) -> None:
    """A disk that fails loses the note; the next attempt is made at its time."""
    rig.submit(alert(1))
    (job,) = rig.jobs()
    full_disk(rig)
    rig.settle(job, Failed(why="x" * 8000, retry_at=START + 10.0))
    free_disk(rig)

    rig.clock.advance(10)

    assert rig.take() == ids(1)


def test_what_is_only_on_disk_collapses(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest of a collapse id wins, wherever the older ones wait: in memory or on disk, in its
    own level or another; other topics, devices and ids are kept."""
    monkeypatch.setattr(window, "LEVEL_MOST", 2)
    rig.submit(
        alert(1, device=7, collapse_id="score"),
        *map(alert, (2, 3, 4)),
        alert(5, device=8, collapse_id="score", priority=5),
        alert(6, device=8, collapse_id="score"),
        alert(7, device=7, collapse_id="news"),
        alert(8, device=7, collapse_id="score"),
    )
    rig.submit(
        alert(9, device=8, collapse_id="score"),
        alert(10, device=8, collapse_id="score", topic="com.example.other"),
    )
    rig.submit(alert(11, device=7, collapse_id="score", priority=5))

    outcomes = {n: rig.outcome(push_id(n)) for n in range(1, 12)}
    assert {n: outcome for n, outcome in outcomes.items() if outcome is not None} == {
        1: Collapsed(into=push_id(8)),
        5: Collapsed(into=push_id(6)),
        6: Collapsed(into=push_id(9)),
        8: Collapsed(into=push_id(11)),
    }
    left = []
    while jobs := rig.jobs():
        left += [job.id for job in jobs]
        for job in jobs:
            rig.settle(job)
    assert sorted(left) == ids(2, 3, 4, 7, 9, 11)
    assert rig.queue.depth == 1


def test_wakes_collapse_after_a_restart(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though nothing of the device is in memory yet."""
    monkeypatch.setattr(window, "LEVEL_MOST", 2)
    rig.submit(*(wake(n, device=n) for n in range(6)))
    rig.crash()

    rig.submit(wake(9, device=5))

    assert rig.outcome(push_id(5)) == Collapsed(into=push_id(9))
    assert rig.queue.depth == 6


def test_an_attempt_that_fails_collapses_with_what_waits_on_disk(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A push in flight is not replaced, but once it has failed it is pointless."""
    monkeypatch.setattr(window, "LEVEL_MOST", 2)
    rig.submit(alert(1, device=7, collapse_id="score"), *map(alert, (2, 3, 4)))
    (job,) = rig.jobs(1)
    rig.submit(alert(5, device=7, collapse_id="score"))
    assert rig.outcome(push_id(1)) is None

    rig.settle(job, Failed(why="HTTP 503", retry_at=START + 10.0))

    assert rig.outcome(push_id(1)) == Collapsed(into=push_id(5))


def test_more_than_memory_holds_waits_on_disk(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Order and number are those of one long row, however little of it is in memory."""
    monkeypatch.setattr(window, "LEVEL_MOST", 20)
    monkeypatch.setattr(window, "REFILL_MOST", 7)
    rig.submit(*map(alert, range(50)))
    rig.submit(*(alert(n, priority=5) for n in range(50, 100)))
    assert len(rig.queue._window.entries) == 40

    rig.take(15)
    rig.submit(*map(alert, range(100, 110)))
    rig.crash()
    rig.settle_down()
    left = []
    while jobs := rig.jobs(9):
        assert len(rig.queue._window.entries) <= 40 + 9
        left += [job.id for job in jobs]
        for job in jobs:
            rig.queue.settle(job, Accepted(apns_id=job.id))
        rig.settle_down()

    assert left == ids(*range(50), *range(100, 110), *range(50, 100))
    assert rig.queue.depth == 0
    assert rig.queue._window.entries == {}


def test_what_is_only_on_disk_is_found_and_cancelled(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if it were in memory; and it does not come back by a refill that was under way."""
    monkeypatch.setattr(window, "LEVEL_MOST", 4)
    rig.submit(*map(alert, range(12)))

    found = rig.status(push_id(8))
    jobs = rig.lane().take(4)  # a refill begins, and has not read yet
    cancelled = rig.result(rig.queue.cancel(push_id(8)))
    again = rig.result(rig.queue.cancel(push_id(8)))

    assert found == Status(id=push_id(8), state=State.QUEUED, submitted_at=START * 1000, lane=MAIN)
    assert cancelled is not None
    assert cancelled.outcome == Cancelled()
    assert again == cancelled
    left = [job.id for job in jobs]
    while taken := rig.take():
        left += taken
    assert left == ids(*range(8), 9, 10, 11)
    assert rig.queue.depth == 11


def test_a_refill_hands_out_nothing_that_is_not_acknowledged(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may see a commit before the queue hears of it: that push waits until then."""
    monkeypatch.setattr(window, "LEVEL_MOST", 2)
    rig.submit(*map(alert, range(3)))
    receipts: list[Receipt] = []
    rig.queue.submit([alert(3)], receipts.extend)
    rig.turn()
    rig.store.commit(tell=False)

    rig.lane().take(2)
    rig.store.reader.answer()
    rig.turn()

    assert [job.id for job in rig.lane().take(9)] == ids(2)
    assert receipts == []
    rig.settle_down()
    assert receipts == [Queued(id=push_id(3))]
    assert rig.take() == ids(3)


def test_a_cancelled_push_does_not_come_back_by_a_late_answer(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refill that read before the commit, and answers after it, still shows it."""
    monkeypatch.setattr(window, "LEVEL_MOST", 4)
    monkeypatch.setattr(window, "REFILL_MOST", 1)
    rig.submit(*map(alert, range(8)))
    rig.lane().take(4)
    cancelled: list[Status | None] = []
    Deferred.fromCoroutine(rig.queue.cancel(push_id(5))).addCallback(cancelled.append)
    for _ in range(2):  # a refill with the push before it, then what the cancelling asked
        rig.store.reader.answer()
        rig.turn()

    rig.store.reader.look()
    rig.store.commit()
    rig.turn()
    rig.settle_down()

    assert [status and status.outcome for status in cancelled] == [Cancelled()]
    left = []
    while taken := rig.take():
        left += taken
    assert left == ids(4, 6, 7)


def test_a_lane_that_stands_still_keeps_no_other_from_moving(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where one has all the memory there is, another has room for some."""
    monkeypatch.setattr(window, "MOST", 10)
    monkeypatch.setattr(window, "LEVEL_LEAST", 3)
    rig.submit(*map(alert, range(30)))

    rig.submit(*(alert(n, topic="com.example.other") for n in range(30, 40)))

    left = []
    while jobs := rig.jobs(topic="com.example.other"):
        assert len(jobs) <= 3
        left += [job.id for job in jobs]
        for job in jobs:
            rig.settle(job)
    assert left == ids(*range(30, 40))


def test_a_refill_that_the_disk_refuses_is_tried_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is lost, nobody has to do anything."""
    monkeypatch.setattr(window, "LEVEL_MOST", 4)
    rig.submit(*map(alert, range(8)))
    rig.lane().take(4)
    rig.store.reader.answer(StoreError("disk I/O error", "check its disk"))
    rig.turn()
    assert rig.take() == []

    rig.clock.advance(window.RETRY)
    rig.settle_down()

    assert rig.take() == ids(4, 5, 6, 7)


def test_a_queue_that_stops_keeps_its_last_outcomes(rig: Rig) -> None:
    """What was settled in the last turn is written, nobody is woken any more, and no clock is left
    running."""
    rig.submit(*(alert(n, device=n % 2) for n in range(3)))
    jobs = rig.jobs()
    rig.woken.clear()
    rig.queue.settle(jobs[0], Accepted(apns_id=jobs[0].id))
    rig.queue.settle(jobs[1], Failed(why="HTTP 503", retry_at=START + 60.0))

    rig.queue.stop()
    rig.settle_down()

    assert rig.clock.getDelayedCalls() == []
    assert rig.woken == []
    rig.crash()
    rig.settle_down()
    assert rig.take() == ids(2)
    rig.clock.advance(60)
    assert rig.take() == ids(1)
