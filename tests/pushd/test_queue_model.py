"""The queue against a model, with crashes at every point where the disk could have been reached.

What must hold, whatever happens in whatever order: a push that was acknowledged is waiting, in
flight or has an outcome; one whose outcome was told as stored never leaves again; of a device and
topic one push is in flight at a time, urgent ones first, then in the order of submission.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from unittest.mock import patch

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from pushd import window
from pushd.job import Job
from pushd.lane import Stage
from pushd.outcome import Accepted, Cancelled, Collapsed, Expired, Failed, Outcome
from pushd.place import SEQ_MASK
from pushd.queue_settings import QueueSettings
from pushd.receipt import Duplicate, Full, Queued, Receipt, State, Unstored
from pushd.statement import PUSHES_OF_DEVICE
from tests.pushd.rig import DEAD, Rig, alert

DEVICES = 4
CAPACITY = 25


@dataclass
class Model:
    """What a client and the dispatcher know."""

    submitted: dict[str, Job] = field(default_factory=dict)
    acknowledged: dict[str, Job] = field(default_factory=dict)
    """Told Queued, and not told an outcome."""
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    """Told as stored."""
    in_flight: dict[str, Job] = field(default_factory=dict)


class QueueMachine(RuleBasedStateMachine):
    @initialize(
        level=st.sampled_from([1, 3, 8, 1000]),
        refill=st.sampled_from([1, 2, 1000]),
    )
    def begin(self, level: int, refill: int) -> None:
        self.folder = Path(mkdtemp())
        self.patches = [
            patch.object(window, "LEVEL_MOST", level),
            patch.object(window, "REFILL_MOST", refill),
        ]
        for each in self.patches:
            each.start()
        self.rig = Rig(self.folder / "pushd.db", QueueSettings(pushes=CAPACITY))
        self.model = Model()
        self.number = 0
        self.faults: list[Failure] = []

    def teardown(self) -> None:
        if not hasattr(self, "rig"):
            return
        try:
            self.drain()
        finally:
            self.rig.close()
            for each in self.patches:
                each.stop()
            shutil.rmtree(self.folder)
            DEAD.append((self.rig.queue, self.rig.store))

    # What clients do.

    @rule(
        pushes=st.lists(
            st.tuples(
                st.integers(0, DEVICES - 1),
                st.sampled_from([None, 10, 5, 1]),
                st.sampled_from([None, None, "score"]),
                st.sampled_from([10, 1000]),
            ),
            min_size=1,
            max_size=6,
        )
    )
    def submit(self, pushes: list[tuple[int, int | None, str | None, int]]) -> None:
        jobs = []
        for device, priority, collapse_id, patience in pushes:
            self.number += 1
            deadline = int(self.rig.unix()) + patience
            job = alert(
                self.number,
                device=device,
                priority=priority,
                collapse_id=collapse_id,
                deadline=deadline,
            )
            self.model.submitted[job.id] = job
            jobs.append(job)
        told = partial(self.noted, self.received, jobs, self.rig.lives, self.rig.queue.depth)
        self.rig.queue.submit(jobs, told)
        self.rig.turn()

    def noted(self, call: Callable[..., None], *arguments: Any) -> None:
        """Whoever calls us back logs what fails, and goes on: we must not."""
        try:
            call(*arguments)
        except AssertionError:
            self.faults.append(Failure())

    def received(self, jobs: list[Job], life: int, depth: int, receipts: list[Receipt]) -> None:
        assert life == self.rig.lives
        for job, receipt in zip(jobs, receipts, strict=True):
            match receipt:
                case Queued(id=id_):
                    assert id_ == job.id
                    assert id_ not in self.model.outcomes
                    self.model.acknowledged[id_] = job
                    self.model.submitted[id_] = self.model.submitted.pop(id_)  # in this order
                    self.rig.queue.watch(id_).addCallback(
                        lambda status: self.noted(self.stored, status.id, status.outcome)
                    )
                case Duplicate(id=id_, state=state):
                    assert state is State.SETTLED or id_ not in self.model.outcomes
                case Full():
                    assert depth + len(jobs) > CAPACITY
                case Unstored():
                    raise AssertionError("the disk works")

    @precondition(lambda self: self.model.submitted)
    @rule(data=st.data())
    def submit_again(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(list(self.model.submitted.values())))
        known = job.id in self.model.acknowledged or job.id in self.model.outcomes
        received: list[Receipt] = []
        depth = self.rig.queue.depth

        def receive(receipts: list[Receipt]) -> None:
            received.extend(receipts)
            self.noted(self.received, [job], self.rig.lives, depth, receipts)

        self.rig.queue.submit([job], receive)
        self.rig.settle_down()
        (receipt,) = received
        assert not known or isinstance(receipt, Duplicate | Full)

    @precondition(lambda self: self.model.submitted)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        id_ = data.draw(st.sampled_from(list(self.model.submitted)))
        known = id_ in self.model.acknowledged or id_ in self.model.outcomes
        Deferred.fromCoroutine(self.cancelling(id_, known=known)).addErrback(self.faults.append)
        self.rig.turn()

    async def cancelling(self, id_: str, *, known: bool) -> None:
        life = self.rig.lives
        status = await self.rig.queue.cancel(id_)
        assert life == self.rig.lives
        if status is None:
            assert not known
        elif status.state is State.SETTLED:
            assert status.outcome is not None
            assert id_ not in self.model.in_flight
            self.stored(id_, status.outcome)
        else:
            assert status.outcome is None

    @rule(device=st.integers(0, DEVICES - 1))
    def take_back(self, device: int) -> None:
        """All of a device, as an operator does."""
        query = {"after": 0, "last": (1 << 63) - 1, "device": f"{device:064x}"}
        taking = self.rig.queue.take_back(PUSHES_OF_DEVICE, **query)
        Deferred.fromCoroutine(taking).addErrback(self.faults.append)
        self.rig.turn()

    @rule()
    def hurry(self) -> None:
        for lane in self.rig.queue.lanes.values():
            self.rig.queue.hurry(lane.entries())
            assert lane.waiting == 0
        self.rig.turn()

    # What the dispatcher does.

    @rule(limit=st.integers(1, 5))
    def take(self, limit: int) -> None:
        for lane in self.rig.queue.lanes.values():
            for job in lane.take(limit):
                self.left(job)
        self.rig.turn()

    def left(self, job: Job) -> None:
        model = self.model
        assert job.push == model.submitted[job.id].push
        assert job.id not in model.outcomes
        assert job.id not in model.in_flight
        assert job.deadline > self.rig.unix()
        assert job.order_key not in {other.order_key for other in model.in_flight.values()}
        place = self.rig.queue._window.entries[job.id].place
        for id_, other_place in self.waiting().items():
            other = model.submitted[id_]
            if other.order_key == job.order_key and other.priority == job.priority:
                assert other_place >= place, "left before its turn"
            if other.collapse_key == job.collapse_key is not None and self.is_settled:
                is_newer = other_place & SEQ_MASK > place & SEQ_MASK
                assert not is_newer, "left though a newer one makes it pointless"
        model.in_flight[job.id] = job

    @property
    def is_settled(self) -> bool:
        """Nothing is on its way to the disk, or from there."""
        store = self.rig.store
        return not (store._accepted or store.reader.queries or store.untold)

    def waiting(self) -> dict[str, int]:
        """Places of what is on disk, as far as the queue knows of the commit, and has no outcome on
        its way."""
        window_ = self.rig.queue._window
        rows = self.rig.database.read_thd("SELECT id, place FROM pushes", {})
        entries = window_.entries
        return {
            id_: place
            for id_, place in rows
            if place & SEQ_MASK <= window_.acknowledged
            and (id_ not in entries or entries[id_].stage is not Stage.LEAVING)
        }

    @precondition(lambda self: self.model.in_flight)
    @rule(data=st.data())
    def note(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(list(self.model.in_flight.values())))
        self.rig.queue.note(job, "the answer was lost")
        self.rig.turn()

    @precondition(lambda self: self.model.in_flight)
    @rule(data=st.data(), retry=st.sampled_from([None, None, 5, 500]))
    def settle(self, data: st.DataObject, retry: int | None) -> None:
        job = data.draw(st.sampled_from(list(self.model.in_flight.values())))
        del self.model.in_flight[job.id]
        outcome: Outcome = Accepted(apns_id=job.id)
        if retry is not None:
            outcome = Failed(why="HTTP 503", retry_at=self.rig.unix() + retry)
        self.rig.queue.settle(job, outcome)
        self.rig.turn()

    def stored(self, id_: str, outcome: Outcome) -> None:
        known = self.model.outcomes.setdefault(id_, outcome)
        assert known == outcome
        if isinstance(outcome, Collapsed):
            order = list(self.model.submitted)
            assert order.index(outcome.into) > order.index(id_)
        if isinstance(outcome, Expired):
            assert self.model.submitted[id_].deadline <= self.rig.unix() + 500
        assert not isinstance(outcome, Cancelled) or id_ not in self.model.in_flight
        self.model.acknowledged.pop(id_, None)

    # What the world does.

    @rule()
    def commit(self) -> None:
        self.rig.store.commit()
        self.rig.turn()

    @rule()
    def commit_untold(self) -> None:
        """The disk has it, and queries see it, before the queue hears of the commit."""
        self.rig.store.commit(tell=False)
        self.rig.turn()

    @rule()
    def look(self) -> None:
        """A query sees the disk as it is now; its answer gets through later."""
        self.rig.store.reader.look()

    @rule()
    def answer(self) -> None:
        self.rig.store.reader.answer()
        self.rig.turn()

    @rule(seconds=st.sampled_from([1, 6, 100]))
    def wait(self, seconds: int) -> None:
        self.rig.clock.advance(seconds)
        self.rig.turn()

    @rule()
    def sweep(self) -> None:
        self.rig.queue.sweep()
        self.rig.turn()

    @rule(committed=st.booleans())
    def crash(self, committed: bool) -> None:
        """Before the commit, or after it and before anybody is told."""
        if committed:
            self.rig.store.commit(tell=False)
        self.rig.crash()
        self.rig.turn()
        self.model.in_flight.clear()
        for id_ in self.model.acknowledged:
            self.rig.queue.watch(id_).addCallback(
                lambda status: self.noted(self.stored, status.id, status.outcome)
            )

    @invariant()
    def memory_agrees(self) -> None:
        if not hasattr(self, "rig"):
            return
        for fault in self.faults:
            fault.raiseException()
        queue = self.rig.queue
        for lane in queue.lanes.values():
            waiting = lane.entries()
            assert len(waiting) == sum(level.loaded for level in lane.levels)
            assert lane.in_flight == len(self.model.in_flight)
            assert all(level.spilled >= 0 for level in lane.levels)
            assert lane.waiting == sum(entry.stage.name == "WAITING" for entry in waiting)
            assert lane.ready == sum(entry.stage.name == "READY" for entry in waiting)
        assert set(self.model.in_flight) <= set(queue._window.entries)

    def drain(self) -> None:
        """In the end everything acknowledged has an outcome, and the queue is empty."""
        for job in list(self.model.in_flight.values()):
            self.rig.queue.settle(job, Accepted(apns_id=job.id))
        self.model.in_flight.clear()
        self.rig.clock.advance(501)
        self.rig.settle_down()
        for _ in range(2 * CAPACITY):
            for job in [job for lane in self.rig.queue.lanes.values() for job in lane.take(1000)]:
                self.left(job)
                del self.model.in_flight[job.id]
                self.rig.queue.settle(job, Accepted(apns_id=job.id))
            self.rig.settle_down()
        self.memory_agrees()
        assert self.rig.queue.depth == 0
        assert self.rig.queue.size == 0
        for id_, outcome in self.model.outcomes.items():
            assert self.rig.outcome(id_) == outcome
        for id_ in self.model.acknowledged:  # before a crash, and nobody watched since
            assert self.rig.outcome(id_) is not None
        assert self.rig.database.read_thd("SELECT * FROM pushes", {}) == []
        assert self.rig.database.read_thd("SELECT * FROM attempts", {}) == []


QueueMachine.TestCase.settings = settings(
    max_examples=100, stateful_step_count=40, deadline=None, print_blob=True
)
TestQueue = QueueMachine.TestCase
