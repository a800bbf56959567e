"""Which of the waiting pushes are in memory: the first of each level; the rest is on disk only.

    committed ─▶ admit ─▶ lane            room, and nothing of its level is on disk only
                   └────▶ spilled         else: behind those
    lane ──half empty──▶ refill ─▶ reader thread ─▶ lane

So a million waiting pushes take no more memory than sixty thousand. Each level has room for some of
its own whatever the others do, so that a lane which stands still keeps no other from moving. What
is on disk only collapses, too: see `Queue`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ops.database import StoreError
from ops.store import Store
from pushd.lane import Entry, Lane, Level, entry_of
from pushd.place import SEQ_BITS, SEQ_MASK
from pushd.record import job_of
from pushd.statement import NEXT_PUSHES

MOST: Final = 60_000
"""Pushes in memory, those in flight among them: 60 MiB at 1 kB each, plus payloads."""
MOST_BYTES: Final = 64 << 20
"""Their payloads."""
LEVEL_MOST: Final = 30_000
"""Pushes of one level that wait in memory: more than a second of work at 20,000 a second. What
comes faster for longer than that is written, and read again."""
LEVEL_LEAST: Final = 100
"""Those that a level may have even when there is no room: 3,000 levels have 3,000 x 100."""
REFILL_MOST: Final = 2_000
"""Rows of one refill: 10 ms of work for the reactor."""
RETRY: Final = 1.0
"""Seconds until a refill that the disk refused is tried again."""

Loaded: TypeAlias = Callable[[Lane, Entry], None]
Collapse: TypeAlias = Callable[[Entry, Entry], None]


class Window:
    """What is in memory. Reactor thread only."""

    def __init__(
        self, store: Store, *, clock: IReactorTime, loaded: Loaded, collapse: Collapse
    ) -> None:
        """`loaded` is told of each push that comes from disk, for its lane; `collapse` of an older
        and a newer one where a lane found the older pointless."""
        self._store = store
        self._clock = clock
        self._loaded = loaded
        self._collapse = collapse
        self._bytes = 0
        self._calls: dict[int, IDelayedCall] = {}
        """By lane: where a refill is tried again."""
        self._stopped = False
        self.left: set[str] | None = None
        """Ids forgotten since a query of pushes on disk began that may still show them."""
        self.entries: dict[str, Entry] = {}
        """By id: all in memory."""
        self.acknowledged = 0
        """Number of the last push whose commit we know of. A refill may see more than that, which
        is not ours to hand out yet."""

    def stop(self) -> None:
        """Fetch nothing more."""
        self._stopped = True
        for call in self._calls.values():
            call.cancel()
        self._calls.clear()

    def admit(self, lane: Lane, entry: Entry) -> None:
        """Take in a push that was just committed, or leave it on disk."""
        level = entry.level
        if level.spilled or level.refilling or level.loaded >= self._room():
            level.spilled += 1
            self.fill(lane)
        else:
            self.entries[entry.id] = entry
            self._bytes += entry.size
            level.cursor = entry.place
            pointless = lane.enter(entry)
            if pointless is not None:
                self._collapse(*pointless)

    def forget(self, entry: Entry) -> None:
        """It is neither in the lane nor on disk any more."""
        id_ = entry.id
        del self.entries[id_]
        self._bytes -= entry.size
        if entry.level.refilling:
            entry.level.gone.add(id_)
        if self.left is not None:
            self.left.add(id_)

    def seize(self, entry: Entry) -> bool:
        """Take a push that is on disk only out of its level, without it ever being in the lane; it
        is to be forgotten later. False: it is, or was, in memory, or we do not know of its commit
        yet."""
        level = entry.level
        if entry.place & SEQ_MASK > self.acknowledged:
            return False
        if entry.place <= level.cursor or entry.id in self.entries or entry.id in level.gone:
            return False
        if self.left is not None and entry.id in self.left:
            return False
        level.spilled -= 1
        self.entries[entry.id] = entry
        self._bytes += entry.size
        return True

    def fill(self, lane: Lane) -> None:
        """Fetch what there is room for, where a level is half empty."""
        for level in lane.levels:
            if level.spilled and not level.refilling and not self._stopped:
                room = self._room()
                if level.loaded <= room // 2:
                    self._refill(lane, level, min(room - level.loaded, REFILL_MOST))

    def _room(self) -> int:
        if len(self.entries) >= MOST or self._bytes >= MOST_BYTES:
            return LEVEL_LEAST
        return LEVEL_MOST

    def _refill(self, lane: Lane, level: Level, most: int) -> None:
        level.refilling = True
        end = (level.number + 1) << SEQ_BITS
        asked = self._store.read(NEXT_PUSHES, after=level.cursor, before=end, most=most)
        asked.addCallback(self._refilled, lane, level, level.spilled)
        asked.addErrback(self._failed, lane, level)

    def _refilled(
        self, rows: list[tuple[Any, ...]], lane: Lane, level: Level, spilled: int
    ) -> None:
        for row in rows:
            place, id_ = row[:2]
            if place & SEQ_MASK > self.acknowledged:
                break
            level.cursor = place
            if id_ not in level.gone and id_ not in self.entries:
                level.spilled -= 1
                job, attempts = job_of(row, lane.key)
                entry = entry_of(job, level, place, attempts)
                self.entries[id_] = entry
                self._bytes += entry.size
                self._loaded(lane, entry)
        level.refilling = False
        level.gone.clear()
        if not rows:  # somebody else emptied the table: nothing to wait for
            level.spilled -= spilled
        self.fill(lane)

    def _failed(self, failure: Failure, lane: Lane, level: Level) -> None:
        level.refilling = False
        level.gone.clear()
        failure.trap(StoreError)  # type: ignore[no-untyped-call]
        _log.error("Waiting pushes cannot be read: {why}", why=failure.value)
        if not self._stopped and lane.number not in self._calls:
            self._calls[lane.number] = self._clock.callLater(RETRY, self._fill_again, lane)

    def _fill_again(self, lane: Lane) -> None:
        del self._calls[lane.number]
        self.fill(lane)


_log = Logger()
