"""Writes that last: a bounded queue, one writer thread, one commit for many callers.

    reactor thread              writer thread
    write() ──▶ queue ──────▶ takes all that waits ─▶ one transaction ─▶ COMMIT
    Deferred ◀── callFromThread, once a batch ◀───────────────────────────┘

A caller that must not answer before its fact is on disk answers in the Deferred's callback. A full
queue refuses at once: nothing waits for ever, and nothing is dropped in silence. Reads happen
before the daemon serves; after that, its memory is the read side.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import Logger

from ops.counter import Counters
from ops.database import Database, Parameters, Statement, StoreError

CAPACITY = 10_000
"""Writes that wait at most. At the 5,600 commits/s of a slow disk, alone in their commits, they
are two seconds of work; a caller's peer has long asked again by then."""

BATCH = 1_000
"""Writes that share a commit at most: 6 ms of work, so that the first is not kept waiting."""


class StoreFull(StoreError):
    """Too many writes wait; this one was not accepted."""


class StoreClosed(StoreError):
    """The store is not running; this write was not accepted."""


@dataclass(slots=True, eq=False)
class _Write:
    statement: Statement
    parameters: Parameters
    done: Deferred[None]


class Store:
    """The write side of one database. `write` belongs to the reactor thread."""

    _log = Logger()

    def __init__(
        self,
        database: Database,
        *,
        reactor: IReactorFromThreads,
        counters: Counters,
        prefix: str,
        capacity: int = CAPACITY,
    ) -> None:
        """`prefix` is the daemon's, for its counters: `netbootd`."""
        self._database = database
        self._reactor = reactor
        self._capacity = capacity
        self._accepted = 0  # not yet settled; the reactor thread's
        self._waiting: list[_Write] = []  # guarded by _wake, as is _closing
        self._closing = False
        self._wake = threading.Condition()
        self._closed: Deferred[None] | None = None
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
        self._closing = False
        self._closed = Deferred()
        threading.Thread(target=self._run_thd, name="store writer", daemon=True).start()

    def read_thd(self, statement: Statement, **parameters: Any) -> list[tuple[Any, ...]]:
        """All rows of a query. Blocks, so only before the daemon serves. Raises StoreError."""
        return self._database.read_thd(statement, parameters)

    def write(self, statement: Statement, **parameters: int | str | bytes | None) -> Deferred[None]:
        """Fires when the write is on disk; fails with a StoreError if it is not.

        Writes are committed in the order of the calls.
        """
        if self._closed is None or self._closing:
            self._refused.inc()
            return fail(StoreClosed("the store is closed", "start the service first"))
        if self._accepted >= self._capacity:
            self._refused.inc()
            problem = f"{self._capacity} writes wait for the disk"
            return fail(StoreFull(problem, "check the disk, or ask again later"))
        write = _Write(statement, parameters, Deferred())
        self._accepted += 1
        with self._wake:
            self._waiting.append(write)
            self._wake.notify()
        return write.done

    def close(self) -> Deferred[None]:
        """Commit what was accepted, then close. Fires when the database is closed."""
        if self._closed is None:
            return succeed(None)
        with self._wake:
            self._closing = True
            self._wake.notify()
        return self._closed

    def _run_thd(self) -> None:
        while batch := self._next_batch_thd():
            outcomes = self._database.write_thd([(w.statement, w.parameters) for w in batch])
            self._reactor.callFromThread(self._settle, batch, outcomes)
        self._database.close_thd()
        self._reactor.callFromThread(self._finish)

    def _next_batch_thd(self) -> list[_Write]:
        """What waits, oldest first; waits for it. Empty: closing, and nothing is left."""
        with self._wake:
            while not self._waiting and not self._closing:
                self._wake.wait()
            batch = self._waiting[:BATCH]
            del self._waiting[:BATCH]
            return batch

    def _settle(self, batch: list[_Write], outcomes: list[StoreError | None]) -> None:
        self._accepted -= len(batch)
        self._commits.inc()
        failures = [error for error in outcomes if error is not None]
        self._written.inc(len(batch) - len(failures))
        if failures:
            self._failed.inc(len(failures))
            self._log.error(
                "store: {failed} of {writes} writes failed: {error}",
                failed=len(failures),
                writes=len(batch),
                error=failures[0],
            )
        for write, error in zip(batch, outcomes, strict=True):
            if error is None:
                write.done.callback(None)
            else:
                write.done.errback(error)

    def _finish(self) -> None:
        closed, self._closed = self._closed, None
        if closed is not None:
            closed.callback(None)
