"""The durable queue alone: pushes per second through it, its memory and its restart when full.

The peer of the first row is SQLite itself: the same rows in and out of the same tables by
executemany, one thread, nothing else to do. It neither orders, nor bounds, nor knows duplicates.
"""

from __future__ import annotations

import gc
import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock

from ops.counter import Counters
from ops.database import Database
from ops.store import Store
from protocols.apns.message import Notification, PushType
from pushd.job import Job, LaneKey, ordered_id
from pushd.lane import Lane
from pushd.outcome import Accepted
from pushd.queue import Queue
from pushd.queue_settings import QueueSettings
from pushd.record import push_row, result_row
from pushd.statement import ADD_PUSH, FORGET_PUSH, SAVE_RESULT, SCHEMA
from tests.ops.mailbox import Mailbox

from .bench import Bench, Row

BATCH = 1_000
BATCHES = 30
UNDER_WAY = 4
"""Batches that a client has under way."""
MILLION = 1_000_000
TOPIC = "com.example.app"
PAYLOAD = b'{"aps":{"alert":"%s"}}' % (b"x" * 179)
"""200 bytes."""
MAX_RESTART_SECONDS = 5.0
MAX_MIB = 400.0


class Loop:
    """What the queue wants of a reactor: calls of threads, and of the next turn."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.mailbox = Mailbox()

    def turn(self) -> None:
        """Wait for a thread, then let everything happen that became due."""
        call, args = self.mailbox._calls.get(timeout=60)
        call(*args)
        while self.clock.getDelayedCalls():
            self.clock.advance(0)


def jobs(first: int, number: int) -> list[Job]:
    now = int(time.time() * 1000)
    return [
        Job(
            push=Notification(
                device=f"{n:064x}",
                topic=TOPIC,
                push_type=PushType.ALERT,
                payload=PAYLOAD,
                apns_id=ordered_id(now, lambda bits, n=n: n),  # type: ignore[misc]
            ),
            credential="main",
            submitted_at=now,
            deadline=now // 1000 + 86_400,
        )
        for n in range(first, first + number)
    ]


def opened(loop: Loop, path: Path) -> tuple[Store, Queue]:
    counters = Counters()
    store = Store(Database(path, SCHEMA), reactor=loop.mailbox, counters=counters, prefix="pushd")
    store.open_thd()
    settings = QueueSettings(pushes=2 * MILLION)
    queue = Queue(store, settings=settings, clock=loop.clock, unix=time.time, counters=counters)
    return store, queue.load_thd()


class Through:
    """Batches through the queue, settled as they come: in, committed, out, outcome committed."""

    def __init__(self, path: Path) -> None:
        self.loop = Loop()
        self.store, self.queue = opened(self.loop, path)
        self.queue.listen(self.send)
        self.batches: Iterator[list[Job]] = iter(())
        self.settled = 0

    def seconds(self) -> float:
        prepared = [jobs(n * BATCH, BATCH) for n in range(BATCHES)]
        self.batches = iter(prepared)
        gc.collect()
        gc.freeze()  # what was prepared is not what we measure
        began = time.perf_counter()
        for _ in range(UNDER_WAY):
            self.submit()
        while self.settled < BATCH * BATCHES:
            self.loop.turn()
        took = time.perf_counter() - began
        self.queue.stop()
        self.loop.mailbox.until(self.store.close())
        return took

    def submit(self, _: object = None) -> None:
        batch = next(self.batches, None)
        if batch is not None:
            self.queue.submit(batch, self.submit)

    def send(self, lane: Lane) -> None:
        for job in lane.take(MILLION):
            self.queue.settle(job, Accepted(apns_id=job.id), self.count)

    def count(self) -> None:
        self.settled += 1


def pushes_per_second(folder: Path) -> float:
    return BATCH * BATCHES / Through(folder / f"queue-{time.monotonic_ns()}.db").seconds()


def plain_sqlite(folder: Path) -> float:
    """The same rows by executemany, each batch in and out with a commit."""
    path = folder / f"plain-{time.monotonic_ns()}.db"
    database = Database(path, SCHEMA)
    database.open_thd()
    database.close_thd()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    prepared = [jobs(n * BATCH, BATCH) for n in range(BATCHES)]
    gc.collect()
    gc.freeze()
    began = time.perf_counter()
    seq = 0
    for batch in prepared:
        numbered = [(seq + n, job) for n, job in enumerate(batch)]
        seq += len(batch)
        connection.execute("BEGIN")
        connection.executemany(positional(ADD_PUSH), (push_row(job, n) for n, job in numbered))
        connection.execute("COMMIT")
        connection.execute("BEGIN")
        rows = (
            result_row(n, job, Accepted(apns_id=job.id), 0, lane=1, attempts=None)
            for n, job in numbered
        )
        connection.executemany(positional(SAVE_RESULT), rows)
        connection.executemany(FORGET_PUSH, ({"place": n} for n, _ in numbered))
        connection.execute("COMMIT")
    took = time.perf_counter() - began
    connection.close()
    return BATCH * BATCHES / took


def positional(statement: str) -> str:
    """The driver binds a tuple in a third of the time that named parameters take it."""
    before, names = statement.split("VALUES (")
    names, after = names.split(")", 1)
    return f"{before}VALUES ({', '.join('?' * (names.count(',') + 1))}){after}"


def fill(path: Path) -> None:
    """A million pushes wait."""
    loop = Loop()
    store, queue = opened(loop, path)
    for first in range(queue.depth, MILLION, 5 * BATCH):
        received: list[Any] = []
        queue.submit(jobs(first, 5 * BATCH), received.extend)
        while not received:
            loop.turn()
    queue.stop()
    loop.mailbox.until(store.close())


class Full:
    """A daemon's life on a queue of a million, in a process of its own."""

    def __init__(self, bench: Bench) -> None:
        self.path = bench.folder / "million.db"
        self.report: dict[str, float] = {}

    def started(self) -> dict[str, float]:
        if not self.path.exists():
            subprocess.run([sys.executable, "-m", __name__, "fill", self.path], check=True)
        command = [sys.executable, "-m", __name__, "start", self.path, str(time.time())]
        done = subprocess.run(command, check=True, capture_output=True)
        self.report = json.loads(done.stdout)
        return self.report

    def seconds_to_first_push(self) -> float:
        return self.started()["seconds"]

    def most_mib(self) -> float:
        return (self.report or self.started())["mib"]


def start(path: Path, began: float) -> dict[str, float]:
    """Start on that queue, and send 100,000 of it without settling more than 20,000."""
    loop = Loop()
    _, queue = opened(loop, path)
    lane = queue.lanes[LaneKey("main", TOPIC)]
    queue.start()
    while not lane.ready:
        loop.turn()
    first = lane.take(1)
    seconds = time.time() - began
    sent = len(first)
    while sent < 100_000:
        taken = lane.take(BATCH)
        sent += len(taken)
        for job in taken[: len(taken) * 4 // 5]:
            queue.settle(job, Accepted(apns_id=job.id))
        loop.turn()
    status = Path("/proc/self/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return {"seconds": seconds, "mib": int(peak.split()[1]) / 1024}


def rows(bench: Bench) -> Iterator[Row]:
    full = Full(bench)
    yield Row(
        name="durable queue: pushes in, out and settled",
        unit="pushes/s",
        peer_name="sqlite3 executemany",
        goal=0.5,
        ours=lambda: pushes_per_second(bench.folder),
        peer=lambda: plain_sqlite(bench.folder),
    )
    yield Row(
        name="1,000,000 pushes waiting: start to first push",
        unit="s",
        peer_name="5 s",
        goal=1.0,
        ours=full.seconds_to_first_push,
        peer=lambda: MAX_RESTART_SECONDS,
        less_is_better=True,
    )
    yield Row(
        name="1,000,000 pushes waiting: memory",
        unit="MiB",
        peer_name="400 MiB",
        goal=1.0,
        ours=full.most_mib,
        peer=lambda: MAX_MIB,
        less_is_better=True,
    )


if __name__ == "__main__":
    if sys.argv[1] == "fill":
        fill(Path(sys.argv[2]))
    else:
        print(json.dumps(start(Path(sys.argv[2]), float(sys.argv[3]))))
