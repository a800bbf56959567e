"""Queries while a daemon serves: one thread with a connection of its own, which only reads.

    read() ──▶ bounded queue ──▶ thread, a snapshot per query ──▶ callFromThread ──▶ Deferred

It neither waits for the writer nor keeps it waiting (WAL), and sees what was committed before the
query began. The thread starts with the first query: a daemon that never asks has none.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeAlias

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads

from ops.database import Database, Parameters, Statement, StoreError

Rows: TypeAlias = list[tuple[Any, ...]]
_Query: TypeAlias = tuple[Statement, Parameters, Deferred[Rows]]


class Reader:
    """The queries of one opened database. Its methods without `_thd` are the reactor thread's."""

    def __init__(self, database: Database, reactor: IReactorFromThreads) -> None:
        self._database = database
        self._reactor = reactor
        self._queries: SimpleQueue[_Query | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self.waiting = 0
        """Queries without an answer yet."""

    def read(self, statement: Statement, parameters: Parameters) -> Deferred[Rows]:
        """All rows; fails with a StoreError. The caller bounds how many wait."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run_thd, name="store reader", daemon=True)
            self._thread.start()
        done: Deferred[Rows] = Deferred()
        self.waiting += 1
        self._queries.put((statement, parameters, done))
        return done

    def close(self) -> None:
        """Answer what waits, then end; `join_thd` knows when."""
        self._queries.put(None)

    def join_thd(self) -> None:
        """Wait for the end. Any thread but the reactor's."""
        if self._thread is not None:
            self._thread.join()

    def _run_thd(self) -> None:
        connection: sqlite3.Connection | None = None
        while query := self._queries.get():
            statement, parameters, done = query
            try:
                if connection is None:
                    connection = self._database.connect_reader_thd()
                rows = connection.execute(statement, parameters).fetchall()
            except (sqlite3.Error, OverflowError, ValueError) as error:
                self._answer_thd(done.errback, self._database.error_of(error))
            else:
                self._answer_thd(done.callback, rows)
        if connection is not None:
            connection.close()

    def _answer_thd(self, call: Callable[[Any], None], answer: Rows | StoreError) -> None:
        self._reactor.callFromThread(self._answer, call, answer)

    def _answer(self, call: Callable[[Any], None], answer: Rows | StoreError) -> None:
        self.waiting -= 1
        call(answer)
