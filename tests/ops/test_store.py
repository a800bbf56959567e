"""Writes that last: acknowledged after the commit, bounded, shared commits, nothing lost."""

from __future__ import annotations

import random
import subprocess
import threading
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from ops.counter import Counters
from ops.database import Database, StoreError
from ops.store import BATCH, LARGE, READS, Store, StoreClosed, StoreFull
from ops.unit import Unit
from tests.ops.facts import ADD, ALL, SCHEMA, run, temporary_folder
from tests.ops.mailbox import Mailbox

ROUNDS = 12
"""Kills. Each costs the start of a process, 0.3 s."""


class Gate(Database):
    """A real database that begins to write when the test says so."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, SCHEMA)
        self.began = threading.Event()
        self.may_write = threading.Event()
        self.batches: list[int] = []

    def write_thd(self, batch: Any) -> Any:
        self.began.set()
        self.may_write.wait(30)
        self.batches.append(len(batch))
        return super().write_thd(batch)


class StoreTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = temporary_folder(self) / "facts.db"
        self.reactor = Mailbox()
        self.counters = Counters()
        self.database = Gate(self.path)
        self.store = self.make(self.database)
        self.store.open_thd()
        self.addCleanup(self.close)

    def make(self, database: Database, capacity: int = 10_000) -> Store:
        return Store(
            database,
            reactor=self.reactor,
            counters=self.counters,
            prefix="test",
            capacity=capacity,
        )

    def close(self) -> None:
        self.database.may_write.set()
        self.reactor.until(self.store.close())

    def add(self, name: str, value: int | None = 0) -> Deferred[None]:
        return self.store.write(ADD, name=name, value=value)

    def count(self, what: str) -> int:
        return self.counters.snapshot()[f"test_store_{what}_total"]

    def rows(self) -> list[tuple[Any, ...]]:
        self.close()
        database = Database(self.path, SCHEMA)
        database.open_thd()
        try:
            return database.read_thd(ALL, {})
        finally:
            database.close_thd()

    def test_a_write_is_acknowledged_after_its_commit(self) -> None:
        """The Deferred waits for the disk, and fires on the reactor thread."""
        thread: list[int] = []
        done = self.add("a")
        done.addCallback(lambda _: thread.append(threading.get_ident()))
        self.assertNoResult(done)

        self.database.may_write.set()
        self.reactor.until(done)

        self.assertEqual(thread, [threading.get_ident()])
        self.assertEqual((self.count("writes"), self.count("commits")), (1, 1))
        self.assertEqual(self.rows(), [("a", 0)])

    def test_writes_that_wait_share_a_commit(self) -> None:
        """What gathers while the disk is busy is committed together, at most BATCH at a time."""
        first = self.add("first")
        others = [self.add(f"{n:05}") for n in range(2 * BATCH)]

        self.database.may_write.set()
        self.reactor.until(first, *others)

        self.assertEqual(sum(self.database.batches), 2 * BATCH + 1)
        self.assertEqual(max(self.database.batches), BATCH)
        self.assertLessEqual(len(self.database.batches), 4)
        self.assertEqual(len(self.database.batches), self.count("commits"))

    def test_what_one_turn_of_the_reactor_submits_shares_a_commit(self) -> None:
        """Even when the disk is idle, the first write waits for those that come with it."""
        self.database.may_write.set()

        self.reactor.until(*[self.add(name) for name in "abcde"])

        self.assertEqual(self.database.batches, [5])

    def test_a_submitted_write_is_told_of_once(self) -> None:
        """`submit` calls back with None, or with the error, in a later turn; a fault of one caller
        is logged and keeps nobody else waiting."""
        told: list[tuple[str, StoreError | None]] = []
        self.database.may_write.set()

        def fault(error: StoreError | None) -> None:
            raise ZeroDivisionError

        for name, done in (("a", fault), ("b", None), ("b", None)):
            self.store.submit(
                ADD,
                {"name": name, "value": 1},
                done or (lambda error, name=name: told.append((name, error))),
            )
        self.assertEqual(told, [])
        self.close()

        self.assertEqual([name for name, _ in told], ["b", "b"])
        self.assertIsNone(told[0][1])
        self.assertIsInstance(told[1][1], StoreError)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.rows(), [("a", 1), ("b", 1)])

    def test_writes_are_committed_in_order(self) -> None:
        """Of two writes to one row, the later call is what remains."""
        self.database.may_write.set()

        for value in range(50):
            self.store.write(
                "INSERT INTO fact VALUES ('a', :value)"
                " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                value=value,
            )

        self.assertEqual(self.rows(), [("a", 49)])

    def test_a_refused_write_fails_and_the_others_do_not(self) -> None:
        """A constraint is told to the caller who broke it, counted and logged."""
        writes = [self.add("a"), self.add("a"), self.add("b")]

        self.database.may_write.set()
        self.reactor.until(*writes)

        self.successResultOf(writes[0])
        self.failureResultOf(writes[1], StoreError)
        self.successResultOf(writes[2])
        self.assertEqual((self.count("writes"), self.count("failures")), (2, 1))
        self.assertEqual(self.rows(), [("a", 0), ("b", 0)])

    def test_failures_are_told_once_a_minute(self) -> None:
        """A disk that refuses every write fills no log: the first is told, then how many more."""
        self.close()
        now = 1000.0
        self.store = Store(
            self.database,
            reactor=self.reactor,
            counters=self.counters,
            prefix="test",
            seconds=lambda: now,
        )
        self.store.open_thd()
        lines: list[str] = []
        self.patch(Store, "_log", Logger(observer=lambda event: lines.append(formatEvent(event))))
        self.reactor.until(self.add("a"))

        for seconds in (0.0, 30.0, 29.0, 1.0, 60.0):
            now += seconds
            refused = self.add("a")
            self.reactor.until(refused)
            self.failureResultOf(refused, StoreError)

        self.assertEqual(
            [line.partition("(and")[::2] for line in lines],
            [
                (lines[0], ""),
                (lines[0] + " ", " 2 more since this was last said)"),
                (lines[0], ""),
            ],
        )
        self.assertIn("store: 1 of 1 writes failed: ", lines[0])

    def test_a_full_queue_refuses_at_once(self) -> None:
        """Beyond its capacity the store takes nothing, says so and counts; later it does again."""
        self.close()
        self.store = self.make(self.database, capacity=3)
        self.database.may_write.clear()
        self.store.open_thd()
        accepted = [self.add(name) for name in "abc"]

        self.failureResultOf(self.add("d"), StoreFull)

        self.assertEqual(self.count("refusals"), 1)
        self.database.may_write.set()
        self.reactor.until(*accepted)
        self.reactor.until(self.add("e"))
        self.assertEqual([name for name, _ in self.rows()], ["a", "b", "c", "e"])

    def test_closing_commits_what_was_accepted(self) -> None:
        """After close() fires, everything accepted is on disk, and nothing more is taken."""
        accepted = [self.add(name) for name in "abc"]
        closed = self.store.close()
        self.failureResultOf(self.add("d"), StoreClosed)

        self.database.may_write.set()
        self.reactor.until(closed)

        for done in accepted:
            self.successResultOf(done)
        self.assertEqual([name for name, _ in self.rows()], ["a", "b", "c"])

    def test_a_store_can_be_opened_again(self) -> None:
        """Start, stop, start: the second life has the rows of the first."""
        self.database.may_write.set()
        self.reactor.until(self.add("a"))
        self.reactor.until(self.store.close())

        self.store.open_thd()

        self.assertEqual(self.store.read_thd(ALL), [("a", 0)])
        self.reactor.until(self.add("b"))
        self.assertEqual([name for name, _ in self.rows()], ["a", "b"])

    def test_a_unit_is_whole_or_absent_and_harms_no_other(self) -> None:
        """Of two units and a write that share a commit, one breaks a constraint in its last row:
        it is absent whole, the others are there, and each caller is told of its own."""
        told: list[StoreError | None] = []
        good = Unit(
            (ADD, [("a", 1), ("b", 2)]), ("DELETE FROM fact WHERE name IN (:name)", [("a",)])
        )
        bad = Unit((ADD, [("c", 3), ("b", 4)]))

        self.store.submit_unit(good, told.append)
        self.store.submit_unit(bad, told.append)
        written = self.add("d")
        self.database.may_write.set()
        self.reactor.until(written)

        self.assertIsNone(told[0])
        self.assertIsInstance(told[1], StoreError)
        self.assertEqual(good.changed, [2, 1])
        self.assertEqual(self.rows(), [("b", 2), ("d", 0)])

    def test_a_large_unit_is_written_while_the_turn_goes_on(self) -> None:
        """It is worth a commit of its own: the writer need not wait for the reactor."""
        rows = [(f"{n:05}", n) for n in range(LARGE)]
        told: list[StoreError | None] = []

        self.store.submit_unit(Unit((ADD, rows)), told.append)
        began = self.database.began.wait(30)
        self.database.may_write.set()

        self.assertTrue(began)
        self.assertEqual(len(self.rows()), LARGE)
        self.assertEqual(told, [None])

    def test_a_query_sees_what_was_acknowledged_and_waits_for_no_writer(self) -> None:
        """While the disk is busy with a write, a query answers from what was committed before."""
        self.database.may_write.set()
        self.reactor.until(self.add("a"))
        self.database.may_write.clear()
        waiting = self.add("b")

        before = self.store.read(ALL)
        self.reactor.until(before)
        self.database.may_write.set()
        self.reactor.until(waiting)
        after = self.store.read("SELECT name FROM fact WHERE name = :name", name="b")
        self.reactor.until(after)

        self.assertEqual(self.successResultOf(before), [("a", 0)])
        self.assertEqual(self.successResultOf(after), [("b",)])

    def test_a_query_cannot_write_and_its_failure_is_its_own(self) -> None:
        """What is no query fails with a StoreError; the next one is answered."""
        refused = self.store.read("DELETE FROM fact")
        impossible = self.store.read("SELECT * FROM fact WHERE value = :value", value=1 << 64)
        answered = self.store.read(ALL)

        for query in (refused, impossible):
            query.addErrback(lambda failure: failure.trap(StoreError))
        self.reactor.until(refused, impossible, answered)

        self.assertEqual(self.successResultOf(refused), StoreError)
        self.assertEqual(self.successResultOf(impossible), StoreError)
        self.assertEqual(self.successResultOf(answered), [])

    def test_queries_that_wait_are_bounded(self) -> None:
        """Beyond READS the store refuses at once; closing answers those that wait."""
        waiting = [self.store.read(ALL) for _ in range(READS)]

        self.failureResultOf(self.store.read(ALL), StoreFull)

        self.database.may_write.set()
        self.reactor.until(self.store.close())
        self.assertEqual([self.successResultOf(query) for query in waiting], [[]] * READS)
        self.failureResultOf(self.store.read(ALL), StoreClosed)

    def test_a_store_that_was_never_opened_refuses(self) -> None:
        """Without a database there is no acknowledgement; close() is harmless."""
        store = self.make(Database(self.path, SCHEMA))

        self.failureResultOf(store.write(ADD, name="a", value=0), StoreClosed)
        self.successResultOf(store.close())


WRITER = """
    import os, sys
    from pathlib import Path
    from twisted.internet import reactor
    from ops.counter import Counters
    from ops.database import Database
    from ops.store import Store
    from tests.ops.facts import ADD, SCHEMA

    store = Store(Database(Path(sys.argv[1]), SCHEMA), reactor=reactor, counters=Counters(),
                  prefix="test")
    os.write(1, b"opening\\n")
    store.open_thd()
    numbers = iter(range(int(sys.argv[2]), 10**9))

    def write(_=None):
        number = next(numbers)
        done = store.write(ADD, name=f"{number:09}", value=number)
        done.addCallback(lambda _: os.write(1, b"%d\\n" % number)).addCallback(write)

    for _ in range(20):
        write()
    reactor.run()
"""


def test_kill_9_at_any_moment_loses_nothing_acknowledged(tmp_path: Path) -> None:
    """A process that is killed again and again, while it writes, finds every acknowledged row."""
    seeded = random.Random(20)
    path = tmp_path / "facts.db"
    acknowledged: set[int] = set()
    for round_ in range(ROUNDS):
        # Killed while it opens (0), soon after, or in full flow.
        lines = 0 if round_ < 3 else seeded.randrange(1, 400)
        with run(WRITER, path, round_ * 1_000_000, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"opening\n"
            for _ in range(lines):
                acknowledged.add(int(writer.stdout.readline()))
            writer.kill()
            # What was acknowledged before the kill took effect counts, too.
            acknowledged.update(int(line) for line in writer.stdout if line.endswith(b"\n"))

    database = Database(path, SCHEMA)
    database.open_thd()
    stored = {value for _, value in database.read_thd(ALL, {})}
    database.close_thd()
    assert len(acknowledged) > 100
    assert acknowledged <= stored
