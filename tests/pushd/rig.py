"""A queue on a real database, whose disk works when the test says so, and which can be killed."""

from __future__ import annotations

import queue
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.task import Clock
from zope.interface import implementer

from ops.counter import Counters
from ops.database import Database, Parameters, Statement, StoreError
from ops.reader import Reader, Rows
from ops.store import Store
from protocols.apns.message import Notification, PushType, mdm_payload
from pushd.job import Job, LaneKey
from pushd.lane import Lane
from pushd.outcome import Accepted, Outcome
from pushd.queue import Queue
from pushd.queue_settings import QueueSettings
from pushd.receipt import Receipt, Status
from pushd.statement import SCHEMA

T = TypeVar("T")

START = 1_790_000_000
"""Seconds since 1970 when a test begins."""
TOPIC = "com.example.app"
MDM_TOPIC = "com.apple.mgmt.External.7e6a1e0c"


DEAD: list[Any] = []
"""What was killed runs no `finally`, as it would if it were collected."""


@implementer(IReactorFromThreads)
class Calls:
    """What threads would ask the reactor to call."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[tuple[Any, tuple[Any, ...]]] = queue.SimpleQueue()

    def callFromThread(self, callable: Any, *args: Any) -> None:
        self._calls.put((callable, args))

    def run(self) -> bool:
        """Make those calls; whether there were any."""
        ran = False
        while not self._calls.empty():
            call, args = self._calls.get()
            call(*args)
            ran = True
        return ran


class SteppedReader(Reader):
    """Queries are answered when the test says so, by a real connection."""

    def __init__(self, database: Database, reactor: IReactorFromThreads) -> None:
        super().__init__(database, reactor)
        self.queries: list[tuple[Statement, Parameters, Deferred[Rows]]] = []
        self.seen: Rows | None = None
        """By the oldest query, which has not answered yet."""

    def read(self, statement: Statement, parameters: Parameters) -> Deferred[Rows]:
        done: Deferred[Rows] = Deferred()
        self.queries.append((statement, parameters, done))
        return done

    def look(self) -> None:
        """Let the oldest query read, without its answer getting through yet."""
        if self.queries and self.seen is None:
            statement, parameters, _ = self.queries[0]
            connection = self._database.connect_reader_thd()
            self.seen = connection.execute(statement, parameters).fetchall()
            connection.close()

    def answer(self, error: StoreError | None = None) -> bool:
        """Have the oldest query answered; whether there was one."""
        if not self.queries:
            return False
        self.look()
        done = self.queries.pop(0)[2]
        rows, self.seen = self.seen, None
        if error is not None:
            self._reactor.callFromThread(done.errback, error)
        else:
            self._reactor.callFromThread(done.callback, rows)
        return True


class SteppedStore(Store):
    """The store without its threads."""

    _reader: SteppedReader

    def open_thd(self) -> None:
        self._database.open_thd()
        self._closed = Deferred()
        self._reader = SteppedReader(self._database, self._reactor)
        self.untold: list[tuple[Any, Any]] = []

    @property
    def reader(self) -> SteppedReader:
        return self._reader

    def commit(self, *, tell: bool = True) -> bool:
        """Commit what waits; whether anything did. Without `tell` nobody hears of it yet."""
        with self._wake:
            waiting = bool(self._waiting)
        if waiting:
            batch = self._next_batch_thd()
            self.untold.append((batch, self._database.write_thd([write[:2] for write in batch])))
        return (self.tell() if tell else False) or waiting

    def tell(self) -> bool:
        """Let it be known what was committed; whether anything was."""
        untold, self.untold = self.untold, []
        for batch, outcomes in untold:
            self._reactor.callFromThread(self._settle, batch, outcomes)
        return bool(untold)


class Rig:
    """The queue, its clock and its disk."""

    def __init__(self, path: Path, settings: QueueSettings | None = None) -> None:
        self.settings = settings or QueueSettings()
        self.clock = Clock()
        self.unix_offset = float(START)
        self.database = Database(path, SCHEMA)
        self.lives = 0
        self.open()

    def open(self) -> None:
        """Start, as after a crash or for the first time."""
        self.lives += 1
        self.calls = Calls()
        self.counters = Counters()
        self.store = SteppedStore(
            self.database, reactor=self.calls, counters=self.counters, prefix="pushd"
        )
        self.store.open_thd()
        self.queue = Queue(
            self.store,
            settings=self.settings,
            clock=self.clock,
            unix=self.unix,
            counters=self.counters,
        )
        self.queue.load_thd()
        self.woken: list[LaneKey] = []
        self.queue.listen(lambda lane: self.woken.append(lane.key))
        self.queue.start()

    def crash(self) -> None:
        """kill -9: what was not committed is lost, and so is what was only in memory."""
        DEAD.append((self.queue, self.store))
        self.database.close_thd()
        for call in self.clock.getDelayedCalls():
            call.cancel()
        self.open()

    def close(self) -> None:
        self.database.close_thd()

    def unix(self) -> float:
        return self.unix_offset + self.clock.seconds()

    def turn(self) -> None:
        """Let everything happen that needs no disk and no time."""
        while self.calls.run() or self._due():
            pass

    def _due(self) -> bool:
        due = any(call.getTime() <= self.clock.seconds() for call in self.clock.getDelayedCalls())
        self.clock.advance(0)
        return due

    def settle_down(self) -> None:
        """Let the disk do all that it is asked for."""
        self.turn()
        while self.store.commit() or self.store.reader.answer():
            self.turn()

    def result(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """What a coroutine returns once the disk has done its work."""
        results: list[Any] = []
        Deferred.fromCoroutine(coroutine).addBoth(results.append)
        self.settle_down()
        (result,) = results
        if hasattr(result, "raiseException"):
            result.raiseException()
        answer: T = result
        return answer

    def submit(self, *jobs: Job) -> list[Receipt]:
        """Submit and commit."""
        receipts: list[Receipt] = []
        self.queue.submit(jobs, receipts.extend)
        self.settle_down()
        return receipts

    def lane(self, topic: str = TOPIC) -> Lane:
        return self.queue.lanes[LaneKey("main", topic)]

    def take(self, limit: int = 1000, topic: str = TOPIC) -> list[str]:
        """Ids of what leaves."""
        return [job.id for job in self.jobs(limit, topic)]

    def jobs(self, limit: int = 1000, topic: str = TOPIC) -> list[Job]:
        taken = self.lane(topic).take(limit)
        self.settle_down()
        return taken

    def settle(self, job: Job, outcome: Outcome | None = None) -> None:
        """Settle and commit."""
        self.queue.settle(job, outcome or Accepted(apns_id=job.id))
        self.settle_down()

    def status(self, id: str) -> Status | None:
        return self.result(self.queue.find(id))

    def outcome(self, id: str) -> Outcome | None:
        status = self.status(id)
        return None if status is None else status.outcome


def push_id(number: int) -> str:
    return f"00000000-0000-7000-8000-{number:012}"


def alert(
    number: int,
    *,
    device: int | None = None,
    priority: int | None = None,
    collapse_id: str | None = None,
    topic: str = TOPIC,
    deadline: int = START + 3600,
    payload: bytes = b'{"aps":{"alert":"hello"}}',
) -> Job:
    """A push with a number for its id, to a device of its own unless one is named."""
    push = Notification(
        device=f"{number if device is None else device:064x}",
        topic=topic,
        push_type=PushType.ALERT,
        payload=payload,
        apns_id=push_id(number),
        priority=priority,
        collapse_id=collapse_id,
    )
    return Job(push=push, credential="main", submitted_at=START * 1000, deadline=deadline)


def wake(number: int, *, device: int) -> Job:
    """A push that wakes a managed device."""
    push = Notification(
        device=f"{device:064x}",
        topic=MDM_TOPIC,
        push_type=PushType.MDM,
        payload=mdm_payload("magic"),
        apns_id=push_id(number),
    )
    return Job(push=push, credential="main", submitted_at=START * 1000, deadline=START + 3600)
