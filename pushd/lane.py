"""The pushes of one credential and topic that are in memory, in the order in which they may leave.

    enter ─▶ READY ──take──▶ SENDING ──leave─▶ LEAVING (its outcome is on its way to disk)
             ▲   │              │ wait
             │   └─▶ HELD       ▼
             └──── again ─── WAITING (for its next attempt)

Of a device only the front push is READY, SENDING or WAITING; the others are HELD until it leaves.
So a device gets its pushes in order, one at a time: by priority, then by submission. A lane only
orders: it neither reads nor writes, and never loses a push that its queue did not take out.
"""

from __future__ import annotations

from collections import deque
from enum import Enum, auto
from heapq import heapify, heappop, heappush
from typing import Final, Protocol

import msgspec

from protocols.apns.message import Notification
from pushd.attempt import Attempts
from pushd.job import Job, LaneKey
from pushd.place import LEVELS, RANKS, SEQ_MASK

STALE: Final = 64
"""Left-overs in a lane's row that are not worth a clean-up."""


class Stage(Enum):
    """Where a push in memory is."""

    READY = auto()
    HELD = auto()
    WAITING = auto()
    SENDING = auto()
    LEAVING = auto()


class Level:
    """The pushes of one lane and priority: first those in memory, behind them those on disk."""

    __slots__ = ("cursor", "gone", "loaded", "number", "refilling", "spilled")

    def __init__(self, number: int) -> None:
        self.number = number
        self.loaded = 0
        """READY, HELD and WAITING."""
        self.spilled = 0
        """On disk only. While there are any, a new push goes there, too: order."""
        self.cursor = 0
        """Place of the last push that was in memory: what is spilled stands behind it."""
        self.refilling = False
        self.gone: set[str] = set()
        """Ids removed from disk while a refill is under way, which may still show them."""


class Entry(msgspec.Struct, eq=False, gc=False):
    """A push in memory, from its commit or its refill until its outcome is on disk. Made by
    `entry_of`."""

    job: Job
    level: Level
    place: int
    id: str
    device: str
    collapse_key: tuple[str, str] | None
    size: int
    stage: Stage
    attempts: Attempts | None
    """Those that failed."""


def entry_of(job: Job, level: Level, place: int, attempts: Attempts | None = None) -> Entry:
    """A push at its place."""
    push = job.push
    size = len(push.payload)
    if type(push) is Notification:
        id_, device = push.apns_id, push.device
    else:
        id_, device = job.id, job.order_key
    key = job.collapse_key
    return Entry(job, level, place, id_, device, key, size, Stage.HELD, attempts)


class Owner(Protocol):
    """What a lane asks of its queue."""

    def may_leave(self) -> bool:
        """Whether anything may leave now."""

    def now(self) -> float:
        """Seconds since 1970, UTC."""

    def expire(self, entry: Entry) -> None:
        """Its deadline passed: have it `leave`."""

    def woke(self, lane: Lane) -> None:
        """The lane had nothing ready, and now has."""

    def taken(self, lane: Lane) -> None:
        """Pushes left: there is room in memory."""


class Lane:
    """One lane. The dispatcher reads `key`, `ready`, `in_flight` and `take`s; the rest is its
    queue's."""

    def __init__(self, key: LaneKey, number: int, owner: Owner) -> None:
        self.key = key
        self.number = number
        self.is_saved = False
        """Its row is on disk."""
        self.ready = 0
        """Pushes that `take` would give now."""
        self.in_flight = 0
        """Pushes taken, and not yet settled."""
        self.waiting = 0
        """Pushes in memory that wait for their next attempt."""
        self.hurried_at = 0
        """Milliseconds since 1970: what failed until then, and is on disk only, waits no more."""
        self.levels = tuple(Level(number * LEVELS + rank) for rank in range(LEVELS))
        self._owner = owner
        self._row: deque[Entry] = deque()
        """By place, which is priority and then submission: the READY, and left-overs. Most come
        in their order; a heap of twenty thousand would take 2 µs for each."""
        self._early: list[tuple[int, Entry]] = []
        """The same, of those that came after others that they go before: a heap."""
        self._stale = 0
        """Left-overs, roughly."""
        self._front: dict[str, Entry] = {}
        self._held: dict[str, list[tuple[int, Entry]]] = {}
        self._newest: dict[tuple[str, str], Entry] = {}
        """By collapse key, of those that were not taken."""

    def __repr__(self) -> str:
        return f"<Lane {self.key.credential} {self.key.topic} ready={self.ready}>"

    def level_of(self, job: Job) -> Level:
        return self.levels[RANKS[job.priority]]

    @property
    def has_spilled(self) -> bool:
        """Whether some of its pushes are on disk only."""
        return any(level.spilled for level in self.levels)

    def take(self, limit: int) -> list[Job]:
        """Up to `limit` pushes to be sent now, each to be settled later. At most one of a device,
        and none of a device that has one in flight or waits for its next attempt."""
        jobs: list[Job] = []
        if not self.ready or not self._owner.may_leave():
            return jobs
        now = self._owner.now()
        row, early = self._row, self._early
        while (row or early) and len(jobs) < limit:
            if early and (not row or early[0][0] < row[0].place):
                entry = heappop(early)[1]
            else:
                entry = row.popleft()
            if entry.stage is not Stage.READY:
                self._stale -= 1
            elif entry.job.deadline <= now:
                self._stale -= 1  # `leave` will count it, and it is out of the row already
                self._owner.expire(entry)
            else:
                self._send(entry)
                jobs.append(entry.job)
        self._owner.taken(self)
        return jobs

    def enter(self, entry: Entry) -> tuple[Entry, Entry] | None:
        """Take in a push that is on disk. The older one and the newer, if that makes an older one
        pointless: the caller has it `leave`."""
        entry.level.loaded += 1
        device, front = entry.device, self._front
        if device in front:
            self._line_up(entry)
        else:
            front[device] = entry
            self._make_ready(entry)
        return None if entry.collapse_key is None else self._collapse(entry)

    def leave(self, entry: Entry) -> None:
        """It has an outcome: the next of its device may go."""
        stage, entry.stage = entry.stage, Stage.LEAVING
        level = entry.level
        if stage is Stage.SENDING:
            self.in_flight -= 1
        else:
            level.loaded -= 1
        if stage is Stage.READY:
            self._unready()
        elif stage is Stage.WAITING:
            self.waiting -= 1
        key = entry.collapse_key
        if key is not None and self._newest.get(key) is entry:
            del self._newest[key]
        device = entry.device
        if self._front.get(device) is not entry:
            self._unhold(entry)
        elif device in self._held:
            self._advance(device)
        else:
            del self._front[device]

    def wait(self, entry: Entry) -> tuple[Entry, Entry] | None:
        """Its attempt failed, and it will be tried `again`; its device waits with it. The older one
        and the newer, if a newer one makes it pointless."""
        entry.stage = Stage.WAITING
        entry.job = msgspec.structs.replace(entry.job, tries=entry.job.tries + 1)
        entry.level.loaded += 1
        self.in_flight -= 1
        self.waiting += 1
        return self._collapse(entry)

    def rest(self, entry: Entry) -> bool:
        """It came from disk, and its next attempt is later. False: its device is busy, so that it
        waits anyway."""
        if entry.stage is not Stage.READY:
            return False
        self._unready()
        entry.stage = Stage.WAITING
        self.waiting += 1
        return True

    def again(self, entry: Entry) -> None:
        """The time of its next attempt has come."""
        if entry.stage is Stage.WAITING:
            self.waiting -= 1
            self._hold(entry)
            self._advance(entry.device)

    def entries(self) -> list[Entry]:
        """All that wait in memory."""
        held = (entry for heap in self._held.values() for _, entry in heap)
        fronts = (e for e in self._front.values() if e.stage in (Stage.READY, Stage.WAITING))
        return [*fronts, *held]

    def _send(self, entry: Entry) -> None:
        entry.stage = Stage.SENDING
        entry.level.loaded -= 1
        self.ready -= 1
        self.in_flight += 1
        key = entry.collapse_key
        if key is not None and self._newest.get(key) is entry:
            del self._newest[key]

    def _line_up(self, entry: Entry) -> None:
        """Behind, or before, the front push of its device."""
        front = self._front[entry.device]
        if front.stage is Stage.READY and entry.place < front.place:
            self._hold(front)
            self._unready()
            self._front[entry.device] = entry
            self._make_ready(entry)
        else:
            self._hold(entry)

    def _collapse(self, entry: Entry) -> tuple[Entry, Entry] | None:
        key = entry.collapse_key
        if key is None:
            return None
        other = self._newest.get(key)
        if other is None:
            self._newest[key] = entry
            return None
        older, newer = sorted((entry, other), key=_number)
        self._newest[key] = newer
        return older, newer

    def _make_ready(self, entry: Entry) -> None:
        entry.stage = Stage.READY
        row = self._row
        if not row or entry.place >= row[-1].place:
            row.append(entry)
        else:
            heappush(self._early, (entry.place, entry))
        self.ready += 1
        if self.ready == 1:
            self._owner.woke(self)

    def _hold(self, entry: Entry) -> None:
        entry.stage = Stage.HELD
        heappush(self._held.setdefault(entry.device, []), (entry.place, entry))

    def _unhold(self, entry: Entry) -> None:
        heap = self._held[entry.device]
        heap.remove((entry.place, entry))
        if heap:
            heapify(heap)
        else:
            del self._held[entry.device]

    def _advance(self, device: str) -> None:
        """Put the first of those held in front."""
        heap = self._held[device]
        entry = heappop(heap)[1]
        if not heap:
            del self._held[device]
        self._front[device] = entry
        self._make_ready(entry)

    def _unready(self) -> None:
        """One in the row is READY no more. Pushes that are collapsed where nobody takes must not
        pile up there."""
        self.ready -= 1
        self._stale += 1
        if self._stale > STALE and 2 * self._stale > len(self._row) + len(self._early):
            # What was held and came back may stand there twice; once is enough.
            there = {entry.place: entry for entry in (*self._row, *(e for _, e in self._early))}
            ready = [place for place in sorted(there) if there[place].stage is Stage.READY]
            self._row = deque(there[place] for place in ready)
            self._early.clear()
            self._stale = 0


def _number(entry: Entry) -> int:
    return entry.place & SEQ_MASK
