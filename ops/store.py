"""Writes that last: a bounded queue, one writer thread, one commit for many callers.

    reactor thread                         writer thread
    submit() ──▶ turn ──at its end──▶ queue ─▶ takes all that waits ─▶ one transaction ─▶ COMMIT
    done()   ◀── callFromThread, once a batch ◀───────────────────────────────────────────┘

A caller that must not answer before its fact is on disk answers when it is told. A full queue
refuses at once: nothing waits for ever, and nothing is dropped in silence. A daemon
answers from its memory, read before it serves; what is too much for that `read` fetches later, by a
thread of its own.

What is submitted in one turn of the reactor goes to the writer together: handed over one by one,
the first of a hundred leases would have a commit of its own, and each would wake a thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import Logger

from ops.counter import Counters
from ops.database import UNIT, Database, Parameters, Statement, StoreError, Write
from ops.reader import Reader, Rows
from ops.unit import Unit

CAPACITY = 10_000
"""Writes that wait at most. At the 5,600 commits/s of a slow disk, alone in their commits, they
are two seconds of work; a caller's peer has long asked again by then."""

BATCH = 1_000
"""Writes that share a commit at most: 6 ms of work, so that the first is not kept waiting."""

LARGE = 256
"""Rows of a unit that are worth a commit of their own: 2 ms of work."""

FAILURES_QUIET = 60.0
"""Seconds for which failed writes are counted and not told: a full disk refuses each of them."""

READS = 1_000
"""Queries that wait at most: a second of small ones."""


class StoreFull(StoreError):
    """Too many writes wait; this one was not accepted."""


class StoreClosed(StoreError):
    """The store is not running; this write was not accepted."""


Done: TypeAlias = Callable[[StoreError | None], object]
"""Told None when the write is on disk, the error when it is not."""

_Waiting: TypeAlias = tuple[Statement, Parameters | Unit, Done]


class Store:
    """The write side of one database. Its methods without `_thd` belong to the reactor thread."""

    _log = Logger()

    def __init__(
        self,
        database: Database,
        *,
        reactor: IReactorFromThreads,
        counters: Counters,
        prefix: str,
        capacity: int = CAPACITY,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """`prefix` is the daemon's, for its counters: `netbootd`; `seconds` a monotonic clock."""
        self._database = database
        self._reactor = reactor
        self._capacity = capacity
        self._seconds = seconds
        self._told: float | None = None  # when of a failure
        self._untold = 0  # failures since
        self._accepted = 0  # not yet settled; the reactor thread's
        self._turn: list[_Waiting] = []  # of this turn of the reactor, not yet handed over
        self._waiting: list[_Waiting] = []  # guarded by _wake, as is _closing
        self._closing = False
        self._wake = threading.Condition()
        self._closed: Deferred[None] | None = None
        self._reader = Reader(database, reactor)
        self._commits = counters.counter(
            f"{prefix}_store_commits_total", "Transactions that the store tried to commit."
        )
        self._written = counters.counter(f"{prefix}_store_writes_total", "Writes that are on disk.")
        self._failed = counters.counter(
            f"{prefix}_store_failures_total", "Writes that the database refused."
        )
        self._refused = counters.counter(
            f"{prefix}_store_refusals_total", "Writes not accepted: queue full or store closed."
        )

    def open_thd(self) -> None:
        """Open the database and start writing. Blocks; raises StoreError."""
        self._database.open_thd()
        if self._database.kept is not None:
            self._log.info(
                "Database brought to the form of this version; as it was: {kept}",
                kept=self._database.kept,
            )
        self._closing = False
        self._closed = Deferred()
        self._reader = Reader(self._database, self._reactor)
        threading.Thread(target=self._run_thd, name="store writer", daemon=True).start()

    @property
    def waiting(self) -> int:
        """Writes that are not on disk yet: a gauge."""
        return self._accepted

    def read_thd(self, statement: Statement, **parameters: Any) -> list[tuple[Any, ...]]:
        """All rows of a query. Blocks, so only before the daemon serves. Raises StoreError."""
        return self._database.read_thd(statement, parameters)

    def each_thd(self, statement: Statement, **parameters: Any) -> Iterator[tuple[Any, ...]]:
        """The same, row by row, for tables too large to hold twice."""
        return self._database.each_thd(statement, parameters)

    def write(self, statement: Statement, **parameters: int | str | bytes | None) -> Deferred[None]:
        """Fires when the write is on disk; fails with a StoreError if it is not.

        Writes are committed in the order of the calls.
        """
        written: Deferred[None] = Deferred()

        def done(error: StoreError | None) -> None:
            if error is None:
                written.callback(None)
            else:
                written.errback(error)

        try:
            self.submit(statement, parameters, done)
        except StoreError as refusal:
            return fail(refusal)
        return written

    def read(self, statement: Statement, **parameters: int | str | None) -> Deferred[Rows]:
        """The rows of a query while the daemon serves; of what it sees, see `ops.reader`.

        Fails with a StoreError: StoreFull when `READS` queries wait.
        """
        if self._closed is None or self._closing:
            return fail(StoreClosed("the store is closed", "start the service first"))
        if self._reader.waiting >= READS:
            return fail(StoreFull(f"{READS} queries wait for the disk", "ask again later"))
        return self._reader.read(statement, parameters)

    def submit_unit(self, unit: Unit, done: Done) -> None:
        """`submit` for many rows that belong together: all are on disk, or none.

        It counts as one write; whoever makes units bounds their rows. With a large one the writer
        begins at once, rather than when this turn of the reactor is over.
        """
        self.submit(UNIT, unit, done)
        if unit.rows >= LARGE:
            self._hand_over()

    def submit(self, statement: Statement, parameters: Parameters | Unit, done: Done) -> None:
        """`write` for the packet path, at a third of its price: `done` is called in a later turn.

        `parameters` must not change from now on. Raises StoreFull or StoreClosed if the write is
        not accepted; `done` is not called then.
        """
        if self._closed is None or self._closing:
            self._refused.inc()
            raise StoreClosed("the store is closed", "start the service first")
        if self._accepted >= self._capacity:
            self._refused.inc()
            problem = f"{self._capacity} writes wait for the disk"
            raise StoreFull(problem, "check the disk, or ask again later")
        self._accepted += 1
        turn = self._turn
        if not turn:
            self._reactor.callFromThread(self._hand_over)
        turn.append((statement, parameters, done))

    def close(self) -> Deferred[None]:
        """Commit what was accepted, then close. Fires when the database is closed."""
        if self._closed is None:
            return succeed(None)
        if not self._closing:
            self._reader.close()
        self._hand_over(closing=True)
        return self._closed

    def _hand_over(self, *, closing: bool = False) -> None:
        turn, self._turn = self._turn, []
        with self._wake:
            self._waiting += turn
            self._closing = self._closing or closing
            self._wake.notify()

    def _run_thd(self) -> None:
        while batch := self._next_batch_thd():
            writes: list[Write] = [write[:2] for write in batch]
            outcomes = self._database.write_thd(writes)
            self._reactor.callFromThread(self._settle, batch, outcomes)
        self._reader.join_thd()
        self._database.close_thd()
        self._reactor.callFromThread(self._finish)

    def _next_batch_thd(self) -> list[_Waiting]:
        """What waits, oldest first; waits for it. Empty: closing, and nothing is left."""
        with self._wake:
            while not self._waiting and not self._closing:
                self._wake.wait()
            batch = self._waiting[:BATCH]
            del self._waiting[:BATCH]
            return batch

    def _settle(self, batch: list[_Waiting], outcomes: list[StoreError | None]) -> None:
        self._accepted -= len(batch)
        self._commits.inc()
        failures = [error for error in outcomes if error is not None]
        self._written.inc(len(batch) - len(failures))
        if failures:
            self._failed.inc(len(failures))
            self._tell(failures, len(batch))
        for (_, _, done), error in zip(batch, outcomes, strict=True):
            try:
                done(error)
            except Exception:  # a fault of one caller is not the others'
                self._log.failure("store: a write's caller failed")

    def _tell(self, failures: list[StoreError], writes: int) -> None:
        now = self._seconds()
        if self._told is not None and now - self._told < FAILURES_QUIET:
            self._untold += len(failures)
            return
        untold, self._told, self._untold = self._untold, now, 0
        self._log.error(
            "store: {failed} of {writes} writes failed: {error}{more}",
            failed=len(failures),
            writes=writes,
            error=failures[0],
            more=f" (and {untold} more since this was last said)" if untold else "",
        )

    def _finish(self) -> None:
        closed, self._closed = self._closed, None
        if closed is not None:
            closed.callback(None)
