"""What became of each push: on disk together with its removal, to be asked for until it is old.

    add ──turn's end──▶ one unit: results + invalid tokens + removal of the pushes ─▶ committed
                          ▲                                                           │ refused
                          └──────────────────── RETRY seconds, numbered anew ◀────────┘

An outcome is never forgotten: one that the disk would not have is kept, and tried again until it
does. Meanwhile `failing` is true, and nothing more should be sent whose outcome could be lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Self, TypeAlias

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from ops.counter import Counters
from ops.database import StoreError
from ops.store import Store
from ops.unit import Row, Unit
from protocols.apns.answer import Answer
from protocols.apns.reason import Disposition, verdict_of
from pushd.job import LaneKey
from pushd.lane import Entry
from pushd.outcome import Outcome, Rejected
from pushd.place import LEVELS
from pushd.receipt import Status
from pushd.record import (
    InvalidToken,
    Result,
    invalid_token_of,
    invalid_token_row,
    result_of,
    result_row,
)
from pushd.statement import (
    FIND_RESULT,
    FORGET_ATTEMPTS,
    FORGET_PUSH,
    LAST_INVALID,
    LAST_INVALIDS,
    LAST_RESULT,
    LAST_RESULTS,
    NEXT_INVALID,
    NEXT_RESULTS,
    OLDEST_RESULT,
    PRUNE_INVALID,
    PRUNE_RESULTS,
    SAVE_INVALID,
    SAVE_RESULT,
)

RETRY: Final = 1.0
"""Seconds until a refused write is tried again."""
WRITTEN_AT_ONCE: Final = 2
"""Units that the store has: one that it writes, one that it writes next. More outcomes wait for
each other, so that many share a statement; on disk they are as soon."""
PRUNED_AT_ONCE: Final = 1000
"""Results forgotten in one commit: 5 ms of work, so that others are not kept waiting."""

_INVALID: Final = (Disposition.DROP_TOKEN, Disposition.BAD_TOKEN)

Done: TypeAlias = Callable[[], object]
Settled: TypeAlias = tuple[Entry, Outcome, int, Done]
"""What, its final outcome, when (milliseconds since 1970), whom to tell."""


class Results:
    """The outcomes, and the feed of invalid tokens. Reactor thread only."""

    def __init__(
        self,
        store: Store,
        *,
        clock: IReactorTime,
        unix: Callable[[], float],
        counters: Counters,
        lanes: Mapping[int, LaneKey],
        stored: Callable[[list[Settled]], object],
    ) -> None:
        """`unix` gives seconds since 1970; `lanes` are those that there are or were, by number.
        `stored` is told what is on disk and in the table `pushes` no more. Call `load_thd` before
        use."""
        self._store = store
        self._clock = clock
        self._unix = unix
        self._lanes = lanes
        self._stored = stored
        self._seq = 0
        self._invalid_seq = 0
        self.last = 0
        """Number of the newest result on disk."""
        self.last_invalid = 0
        """Likewise, of the newest invalid token."""
        self._added: list[Settled] = []
        self._call: IDelayedCall | None = None
        self._writing = 0
        """Units that the store has."""
        self._listeners: list[Callable[[], object]] = []
        self._observers: list[Callable[[Sequence[Settled]], object]] = []
        self._stopped = False
        self.failing = False
        """The disk refuses what is to be kept."""
        self._unstored = counters.counter(
            "pushd_queue_unstored_outcomes_total", "Outcomes that the disk refused, to try again."
        )
        self._pruned = counters.counter(
            "pushd_queue_prunings_total", "Steps in which old outcomes were forgotten."
        )

    def load_thd(self) -> Self:
        """Find out where the numbers stand. Blocks. Raises StoreError."""
        self._seq = self.last = self._store.read_thd(LAST_RESULT)[0][0] or 0
        self._invalid_seq = self._store.read_thd(LAST_INVALID)[0][0] or 0
        self.last_invalid = self._invalid_seq
        return self

    def listen(self, listener: Callable[[], object]) -> None:
        """Call it whenever there are new results, which are on disk."""
        self._listeners.append(listener)

    def observe(self, observer: Callable[[Sequence[Settled]], object]) -> None:
        """Call it with all that is settled, when that is on disk."""
        self._observers.append(observer)

    def add(self, entry: Entry, outcome: Outcome, done: Done) -> None:
        """Keep a final outcome; `stored` is handed all that is given here."""
        self._added.append((entry, outcome, int(self._unix() * 1000), done))
        if self._call is None and self._writing < WRITTEN_AT_ONCE:
            self._call = self._clock.callLater(0, self._flush)

    def stop(self) -> None:
        """Hand what was added to the store, without waiting for the end of the turn."""
        if self._call is not None:
            self._call.cancel()
        self._flush()
        self._stopped = True

    def _flush(self) -> None:
        self._call = None
        added, self._added = self._added, []
        if not added:
            return
        unit = self._unit(added)
        numbers = self._seq, self._invalid_seq
        self._writing += 1

        def written(error: StoreError | None) -> None:
            self._writing -= 1
            if error is None:
                self.last, self.last_invalid = numbers
                self._written(added)
            else:
                self._refused(added, error)

        try:
            self._store.submit_unit(unit, written)
        except StoreError as error:
            self._writing -= 1
            self._refused(added, error)

    def _unit(self, added: list[Settled]) -> Unit:
        results: list[Row] = []
        invalid: list[Row] = []
        tried: list[Row] = []
        places: list[Row] = []
        # Numbered when written: had a later write overtaken it, a reader would miss it.
        for entry, outcome, settled_at, _ in added:
            self._seq += 1
            places.append((entry.place,))
            number = entry.level.number // LEVELS
            attempts = entry.attempts
            if attempts is not None:
                tried.append((entry.place,))
            row = result_row(
                self._seq, entry.job, outcome, settled_at, lane=number, attempts=attempts
            )
            results.append(row)
            if isinstance(outcome, Rejected) and _is_about_token(outcome):
                self._invalid_seq += 1
                invalid.append(invalid_token_row(self._invalid_seq, entry.job, outcome, settled_at))
        return Unit(
            (SAVE_RESULT, results),
            (SAVE_INVALID, invalid),
            (FORGET_ATTEMPTS, tried),
            (FORGET_PUSH, places),
        )

    def _refused(self, added: list[Settled], error: StoreError) -> None:
        self._unstored.inc(len(added))
        self._added = added + self._added
        if not self.failing:
            self.failing = True
            _log.error("Outcomes cannot be stored, so nothing is sent: {why}", why=error)
        if self._call is None and not self._stopped:
            self._call = self._clock.callLater(RETRY, self._flush)

    def _written(self, added: list[Settled]) -> None:
        if self.failing:
            self.failing = False
            _log.info("Outcomes are stored again")
        if self._added and self._call is None and not self._stopped:
            self._call = self._clock.callLater(0, self._flush)
        self._stored(added)
        for observer in self._observers:
            observer(added)
        for listener in self._listeners:
            listener()

    async def find(self, id: str) -> Status | None:
        """The status of a settled push, if it is known. Raises StoreError."""
        rows = await self._store.read(FIND_RESULT, id=id)
        return result_of(rows[0], self._lanes).status if rows else None

    async def after(self, seq: int, most: int) -> list[Result]:
        """Up to `most` results with numbers above `seq`, in order. Raises StoreError."""
        rows: list[tuple[Any, ...]] = await self._store.read(NEXT_RESULTS, after=seq, most=most)
        return [result_of(row, self._lanes) for row in rows]

    async def before(self, seq: int, most: int) -> list[Result]:
        """Up to `most` results with numbers below `seq`, the newest first. Raises StoreError."""
        rows: list[tuple[Any, ...]] = await self._store.read(LAST_RESULTS, before=seq, most=most)
        return [result_of(row, self._lanes) for row in rows]

    async def invalid_tokens(self, seq: int, most: int) -> list[InvalidToken]:
        """Up to `most` invalid tokens with numbers above `seq`, in order. Raises StoreError."""
        rows: list[tuple[Any, ...]] = await self._store.read(NEXT_INVALID, after=seq, most=most)
        return [invalid_token_of(row) for row in rows]

    async def invalid_before(self, seq: int, most: int) -> list[InvalidToken]:
        """Likewise, of invalid tokens."""
        rows: list[tuple[Any, ...]] = await self._store.read(LAST_INVALIDS, before=seq, most=most)
        return [invalid_token_of(row) for row in rows]

    async def prune(self, before: int) -> None:
        """Forget what was settled before, milliseconds since 1970, step by step; the newest stays,
        so that numbers go on after it. Raises StoreError."""
        while rows := await self._store.read(OLDEST_RESULT):
            seq, settled_at = rows[0]
            if settled_at >= before or seq >= self.last:
                break
            await self._step(PRUNE_RESULTS, before=before, last=self.last)
        await self._step(PRUNE_INVALID, before=before, last=self.last_invalid)

    def _step(self, statement: str, **parameters: int) -> Deferred[None]:
        self._pruned.inc()
        return self._store.write(statement, most=PRUNED_AT_ONCE, **parameters)


def _is_about_token(rejected: Rejected) -> bool:
    answer = Answer(status=rejected.status, reason=rejected.reason)
    return verdict_of(answer).disposition in _INVALID


_log = Logger()
