"""What is submitted on its way to disk: bounded, one commit for a batch, each id once.

submit ─▶ room? ─▶ one unit: add all that are new ─▶ committed ─▶ Queued, and into the window
            │         └─ ids that the database knows ───────────▶ Duplicate
            └─▶ Full                             refused by disk ▶ Unstored
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from ops.counter import Counters
from ops.database import StoreError
from ops.store import Store
from ops.unit import Row, Unit
from pushd.job import Job, LaneKey
from pushd.lane import Entry, Lane, Stage, entry_of
from pushd.place import LEVELS, SEQ_BITS, SEQ_MASK
from pushd.queue_settings import QueueSettings
from pushd.receipt import Duplicate, Full, Queued, Receipt, State, Unstored
from pushd.record import collapse_of, push_row
from pushd.statement import ADD_PUSH, DROP_KNOWN, FIND_PLACES, FIND_SETTLED, SAVE_LANE
from pushd.window import Window

MAX_ARRIVING: Final = 50_000
"""Pushes on their way to disk: a second of work, 60 MiB plus payloads."""
RETRY_AFTER: Final = 5.0
"""Seconds after which a refused client may come back: 100,000 pushes have left by then."""

Received: TypeAlias = Callable[[list[Receipt]], object]
LaneFor: TypeAlias = Callable[[LaneKey], Lane | None]
Spilled: TypeAlias = Callable[[list[Entry]], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arrival:
    """A batch on its way to disk."""

    receipts: list[Receipt]
    entries: list[Entry]
    indexes: Sequence[int]
    """Of each entry: the index of its receipt."""
    lanes: Mapping[int, Lane]
    """By number."""
    unit: Unit
    done: Received


class Intake:
    """Takes pushes in, and counts what waits. Reactor thread only."""

    def __init__(
        self,
        store: Store,
        *,
        settings: QueueSettings,
        window: Window,
        lane_for: LaneFor,
        collapsing: Spilled,
        counters: Counters,
    ) -> None:
        """`lane_for` finds or makes a lane; None: there are too many. `collapsing` is told of new
        pushes that may collapse with others which are on disk only, or are themselves."""
        self._store = store
        self._settings = settings
        self._window = window
        self._lane_for = lane_for
        self._collapsing = collapsing
        self._arriving = 0
        self.seq = 0
        """Number of the newest push."""
        self.depth = 0
        """Pushes that wait or are in flight, those on their way to disk among them."""
        self.size = 0
        """Bytes of their payloads."""
        self._queued = counters.counter("pushd_queue_pushes_total", "Pushes taken in.")
        self._duplicates = counters.counter(
            "pushd_queue_duplicates_total", "Pushes not taken in because their id is known."
        )
        self._full = counters.counter(
            "pushd_queue_refusals_total", "Pushes not taken in because too many wait."
        )
        self._unstored = counters.counter(
            "pushd_queue_unstored_pushes_total", "Pushes not taken in because of the disk."
        )

    def submit(self, jobs: Sequence[Job], done: Received) -> None:
        """See `Queue.submit`."""
        receipts: list[Receipt] = []
        entries: list[Entry] = []
        indexes: list[int] = []
        lanes: dict[int, Lane] = {}
        known = self._window.entries
        room = min(self._settings.pushes - self.depth, MAX_ARRIVING - self._arriving)
        bytes_left = self._settings.size - self.size
        seq = self.seq
        key: LaneKey | None = None
        lane: Lane | None = None
        for index, job in enumerate(jobs):
            if job.id in known:
                entry = known[job.id]
                self._duplicates.inc()
                receipts.append(Duplicate(id=entry.id, state=state_of(entry)))
                continue
            if lane is None or not job.is_of(key):
                key = job.lane
                lane = self._lane_for(key)
            size = len(job.push.payload)
            if lane is None or len(entries) >= room or size > bytes_left:
                self._full.inc()
                receipts.append(Full(retry_after=RETRY_AFTER))
                continue
            seq += 1
            bytes_left -= size
            lanes[lane.number] = lane
            level = lane.level_of(job)
            entry = entry_of(job, level, level.number << SEQ_BITS | seq)
            indexes.append(index)
            entries.append(entry)
            receipts.append(Queued(id=entry.id))
        self.seq = seq
        self.depth += len(entries)
        self.size = self._settings.size - bytes_left
        self._arriving += len(entries)
        if not entries:
            done(receipts)
            return
        arrival = _Arrival(
            receipts=receipts,
            entries=entries,
            indexes=indexes,
            lanes=lanes,
            unit=_unit(entries, lanes),
            done=done,
        )
        unit = arrival.unit
        try:
            self._store.submit_unit(unit, lambda error: self._arrived(arrival, error))
        except StoreError as error:
            self._arrived(arrival, error)

    def count_out(self, entry: Entry) -> None:
        """It waits no more."""
        self.depth -= 1
        self.size -= entry.size

    def _arrived(self, arrival: _Arrival, error: StoreError | None) -> None:
        entries = arrival.entries
        self._arriving -= len(entries)
        if error is not None:
            self._unstored.inc(len(entries))
            for index, entry in zip(arrival.indexes, entries, strict=True):
                arrival.receipts[index] = Unstored(why=str(error))
                self.count_out(entry)
        else:
            self._window.acknowledged = entries[-1].place & SEQ_MASK
            if arrival.unit.found:
                entries = self._without_duplicates(arrival)
            self._queued.inc(len(entries))
            self._admit(entries, arrival.lanes)
        arrival.done(arrival.receipts)

    def _admit(self, entries: list[Entry], lanes: Mapping[int, Lane]) -> None:
        admit = self._window.admit
        collapsing: list[Entry] = []
        for entry in entries:
            lane = lanes[entry.level.number // LEVELS]
            lane.is_saved = True
            admit(lane, entry)
            if entry.collapse_key is not None:
                collapsing.append(entry)
        collapsing = [e for e in collapsing if lanes[e.level.number // LEVELS].has_spilled]
        if collapsing:
            self._collapsing(collapsing)

    def _without_duplicates(self, arrival: _Arrival) -> list[Entry]:
        """The database knew some of the ids, and did not take those again."""
        places, settled = ({row[0] for row in rows} for rows in arrival.unit.found)
        fresh = []
        for index, entry in zip(arrival.indexes, arrival.entries, strict=True):
            if entry.place in places:
                fresh.append(entry)
                continue
            other = self._window.entries.get(entry.id)
            state = State.QUEUED if other is None else state_of(other)
            if entry.id in settled:
                state = State.SETTLED
            arrival.receipts[index] = Duplicate(id=entry.id, state=state)
            self._duplicates.inc()
            self.count_out(entry)
        return fresh


def state_of(entry: Entry) -> State:
    """What may be told of a push in memory: its outcome only when it is on disk."""
    sent = entry.stage in (Stage.SENDING, Stage.LEAVING)
    return State.SENDING if sent else State.QUEUED


def _unit(entries: list[Entry], lanes: Mapping[int, Lane]) -> Unit:
    unsaved: list[Row] = [
        (lane.number, lane.key.credential, lane.key.topic)
        for lane in lanes.values()
        if not lane.is_saved
    ]
    pushes: list[Row] = []
    places: list[Row] = []
    ids: list[Row] = []
    for entry in entries:
        place, key = entry.place, entry.collapse_key
        collapse = None if key is None else collapse_of(entry.level.number // LEVELS, key)
        pushes.append(push_row(entry.job, place, collapse))
        places.append((place,))
        ids.append((entry.id,))
    return Unit(
        (SAVE_LANE, unsaved),
        (ADD_PUSH, pushes),
        (DROP_KNOWN, places),
        expected=(len(unsaved), len(entries), 0),
        queries=((FIND_PLACES, places), (FIND_SETTLED, ids)),
    )
