"""The durable queue: what was accepted is on disk, leaves in order, and has an outcome in the end.

    submit ─▶ commit ─▶ Queued ─▶ lane ─take▶ dispatcher ─▶ settle ─▶ commit of outcome and removal
                                   ▲                          │
                                   └──── retry_at ◀─ Failed ──┘

Nothing is acknowledged before its commit; nothing settled comes back; after a crash, what was in
flight is sent again with its id. It must never wait for the disk, and never hold more than a
bounded part of the pushes in memory (see `pushd.window`). Pushes that collapse and are in memory
are their lane's affair; what is on disk only is looked for when a newer one is committed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Self, TypeAlias

import msgspec
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IReactorTime

from ops.counter import Counters
from ops.store import Store
from ops.unit import Row, Unit
from pushd.attempt_log import AttemptLog
from pushd.collapse import Collapsing
from pushd.intake import Intake, Received, state_of
from pushd.job import Job, LaneKey
from pushd.lane import Entry, Lane, Stage, entry_of
from pushd.lanes import Lanes
from pushd.observer import Observer, Observers
from pushd.outcome import Cancelled, Collapsed, Expired, Failed, Outcome
from pushd.place import LEVELS, SEQ_BITS, SEQ_MASK
from pushd.queue_settings import QueueSettings
from pushd.receipt import State, Status
from pushd.record import device_kept, job_of
from pushd.results import Results, Settled
from pushd.statement import (
    COUNT_PUSHES,
    FIND_PUSH,
    FORGET_LANE,
    LOAD_LANES,
)
from pushd.waiting import Waiting
from pushd.window import Window

Listener: TypeAlias = Callable[[Lane], object]


class TakenBack(NamedTuple):
    """What became of a query's pushes."""

    last: int
    """Place of the last; 0: there was none."""
    cancelled: int
    late: int
    """Sent, or settled."""


def _nobody() -> None:
    """Nobody waits for it."""


class Queue:
    """All lanes. Reactor thread only."""

    def __init__(
        self,
        store: Store,
        *,
        settings: QueueSettings,
        clock: IReactorTime,
        unix: Callable[[], float],
        counters: Counters,
    ) -> None:
        """`unix` gives seconds since 1970. Call `load_thd`, then `start`, before use."""
        self._store = store
        self._clock = clock
        self._unix = unix
        self._lanes = Lanes(lambda key, number: Lane(key, number, self))
        self._collapsing = Collapsing(store, entry_of=self._entry_of, pointless=self._pointless)
        self._window = Window(store, clock=clock, loaded=self._loaded, collapse=self._collapse)
        self._intake = Intake(
            store,
            settings=settings,
            window=self._window,
            lane_for=self._lanes.find,
            collapsing=self._collapsing.look_for,
            counters=counters,
        )
        self._surplus: list[Row] = []
        """Numbers of lanes that are to be forgotten."""
        self._listeners: list[Listener] = []
        self._observers = Observers()
        self._awake: dict[LaneKey, Lane] = {}
        self._is_held_up = False
        self._waiting = Waiting(clock, lambda entry: self._lanes.of(entry).again(entry))
        self._attempts = AttemptLog(store, clock=clock, unix=unix)
        self._watchers: dict[str, list[Deferred[Status]]] = {}
        self._cancelling = DeferredLock()
        self.results = Results(
            store,
            clock=clock,
            unix=unix,
            counters=counters,
            lanes=self._lanes.keys,
            stored=self._stored,
        )
        self.results.listen(self._resume)
        self._retries = counters.counter(
            "pushd_queue_retries_total", "Attempts that failed and are made once more."
        )

    def load_thd(self) -> Self:
        """Find out how much waits. Blocks; call it once the store is open. Raises StoreError."""
        self.results.load_thd()
        self._lanes.load(self._store.read_thd(LOAD_LANES))
        intake = self._intake
        for number, pushes, size, last in self._store.read_thd(COUNT_PUSHES):
            level = self._lanes.has_pushes(number // LEVELS).levels[number % LEVELS]
            level.spilled = pushes
            level.cursor = (number << SEQ_BITS) - 1
            intake.depth += pushes
            intake.size += size
            intake.seq = max(intake.seq, last & SEQ_MASK)
        self._window.acknowledged = intake.seq
        self._surplus = self._lanes.forget_surplus()
        return self

    def start(self) -> None:
        """Begin to fetch what waits on disk; lanes wake as it comes."""
        if self._surplus:
            # One that stays because the disk refuses is found again by the next start.
            self._store.submit_unit(Unit((FORGET_LANE, self._surplus)), lambda error: None)
        for lane in self._lanes.by_key.values():
            self._window.fill(lane)

    def stop(self) -> None:
        """Hand the last outcomes to the store, and ask the clock for nothing more. What is still
        in flight is sent again after the next start. The store is closed after this."""
        self._listeners.clear()
        self._attempts.stop()
        self.results.stop()
        self._window.stop()
        self._waiting.stop()

    @property
    def depth(self) -> int:
        """Pushes that wait or are in flight."""
        return self._intake.depth

    @property
    def size(self) -> int:
        """Bytes of their payloads."""
        return self._intake.size

    @property
    def lanes(self) -> Mapping[LaneKey, Lane]:
        """Every lane that has or had pushes."""
        return self._lanes.by_key

    def listen(self, listener: Listener) -> None:
        """Call it with each lane that had nothing ready and now has, in a later turn."""
        self._listeners.append(listener)

    def submit(self, jobs: Sequence[Job], done: Received) -> None:
        """Take in `jobs`, to which `objection_to` has no objection; all share one commit.

        `done` is told a receipt for each, in their order, when they are on disk or it is known why
        not. It may be called at once where nothing needs the disk.
        """
        self._intake.submit(jobs, done)

    def settle(self, job: Job, outcome: Outcome, done: Callable[[], object] = _nobody) -> None:
        """Tell what came of a job that a lane gave. `done` is called when that is on disk; for an
        attempt that is to be repeated, of which only memory knows, at once.

        A retry that would come after the job's deadline is Expired. Raises ValueError if the job is
        not in flight.
        """
        entry = self._window.entries.get(job.id)
        if entry is None or entry.stage is not Stage.SENDING:
            raise ValueError(f"{job.id} is not in flight")
        if isinstance(outcome, Failed) and outcome.retry_at is not None:
            if outcome.retry_at < job.deadline:
                self._wait(entry, outcome.why, outcome.retry_at)
                done()
                return
            outcome = Expired()
        self._leave(entry, outcome, done)

    def note(self, job: Job, why: str) -> None:
        """An attempt failed, and is made again at once: for whoever asks for the story."""
        entry = self._window.entries.get(job.id)
        if entry is not None and entry.stage is Stage.SENDING:
            self._failed(entry, why, None)

    async def find(self, id: str) -> Status | None:
        """What is known of a push; None: nothing, or no more. Raises StoreError."""
        status = self._remembered(id)
        if status is not None:
            return status
        # In this order: settled in between, it is found by the second.
        waiting = await self._store.read(FIND_PUSH, id=id)
        if waiting:
            place = waiting[0][0]
            job, attempts = job_of(waiting[0], self._lanes.at(place).key)
            return self._remembered(id) or Status(
                id=id,
                state=State.QUEUED,
                submitted_at=job.submitted_at,
                lane=job.lane,
                attempts=attempts,
            )
        return await self.results.find(id)

    async def cancel(self, id: str) -> Status | None:
        """Take back a push that was not sent yet. Its status when that is on disk: SETTLED, maybe
        with another outcome, or SENDING: too late. None: not known. Raises StoreError."""
        entry = self._window.entries.get(id)
        if entry is None:
            await self._cancelling.acquire()
            try:
                return await self._cancel_on_disk(id)
            finally:
                self._cancelling.release()
        if entry.stage is Stage.SENDING:
            return self._remembered(id)
        settled = self.watch(id)
        if entry.stage is not Stage.LEAVING:
            self._leave(entry, Cancelled())
        return await settled

    async def take_back(self, statement: str, **parameters: int | str) -> TakenBack:
        """Cancel the pushes that a query for waiting ones finds, as far as they were not sent; when
        that is on disk. Raises StoreError."""
        await self._cancelling.acquire()
        last = cancelled = late = 0
        settled: Deferred[Status] | None = None
        self._window.left = set()
        try:
            for row in await self._store.read(statement, **parameters):
                last, id = row[:2]
                known = self._window.entries.get(id)
                if known is None:
                    done = self._seize(self._entry_of(row), Cancelled())
                else:
                    done = known.stage not in (Stage.SENDING, Stage.LEAVING)
                    if done:
                        self._leave(known, Cancelled())
                if done:
                    cancelled += 1
                    settled = self.watch(id) if settled is None else settled
                else:
                    late += 1
            if settled is not None:
                await settled  # all go to the disk together
        finally:
            self._window.left = None
            self._cancelling.release()
        return TakenBack(last, cancelled, late)

    def hurry(self, entries: Iterable[Entry]) -> int:
        """Those of `entries` that wait for their next attempt need not wait; how many."""
        chosen = {entry for entry in entries if entry.stage is Stage.WAITING}
        if chosen:
            self._waiting.remove(chosen)
        for entry in chosen:
            if entry.attempts is not None:
                entry.attempts = msgspec.structs.replace(entry.attempts, retry_at=None)
                self._attempts.changed(entry)
            self._lanes.of(entry).again(entry)
        return len(chosen)

    def hurry_lane(self, key: LaneKey) -> None:
        """Nor need those of a lane that are on disk only, once they come into memory."""
        self._lanes.by_key[key].hurried_at = int(self._unix() * 1000)

    def in_memory(self, id: str) -> Entry | None:
        """The push, if it is not on disk only; to be looked at."""
        return self._window.entries.get(id)

    def from_disk(self, row: Row) -> Entry:
        """A row of a query for waiting pushes: as it is in memory, or else as it would be."""
        entry = self._entry_of(row)
        return self._window.entries.get(entry.id) or entry

    def observe(self, observer: Observer) -> Callable[[], None]:
        """Have it told what happens; returns what ends that."""
        return self._observers.add(observer)

    def watch(self, id: str) -> Deferred[Status]:
        """Fires when a push that is queued now has its outcome on disk. May be cancelled."""
        watchers = self._watchers.setdefault(id, [])

        def forget(watcher: Deferred[Status]) -> None:
            watchers.remove(watcher)
            if not watchers:
                self._watchers.pop(id, None)

        watcher: Deferred[Status] = Deferred(forget)
        watchers.append(watcher)
        return watcher

    def sweep(self) -> None:
        """Let go of what expired in lanes from which nobody takes. Now and then."""
        now = self._unix()
        for lane in self._lanes.by_key.values():
            for entry in lane.entries():
                if entry.job.deadline <= now:
                    self.expire(entry)

    # What lanes ask for.

    def may_leave(self) -> bool:
        """Whether the outcomes of what leaves can be kept."""
        if self.results.failing:
            self._is_held_up = True
        return not self.results.failing

    def now(self) -> float:
        """Seconds since 1970, UTC."""
        return self._unix()

    def expire(self, entry: Entry) -> None:
        """Its deadline passed."""
        self._leave(entry, Expired())

    def taken(self, lane: Lane) -> None:
        """There is room in memory."""
        self._window.fill(lane)

    def woke(self, lane: Lane) -> None:
        """Something became ready; it is told in a later turn, so that nobody is called from within
        a call of his."""
        if not self._awake:
            self._clock.callLater(0, self._tell_awake)
        self._awake[lane.key] = lane

    # Its own.

    def _tell_awake(self) -> None:
        awake, self._awake = self._awake, {}
        for lane in awake.values():
            if lane.ready:
                for listener in self._listeners:
                    listener(lane)

    def _resume(self) -> None:
        if self._is_held_up and not self.results.failing:
            self._is_held_up = False
            for lane in self._lanes.by_key.values():
                if lane.ready:
                    self.woke(lane)

    def _loaded(self, lane: Lane, entry: Entry) -> None:
        pointless = lane.enter(entry)
        if pointless is not None:
            self._collapse(*pointless)
        attempts = entry.attempts
        if attempts is not None and attempts.retry_at is not None:
            delay = attempts.retry_at / 1000 - self._unix()
            is_hurried = attempts.told[-1].at <= lane.hurried_at
            if delay > 0 and not is_hurried and lane.rest(entry):
                self._waiting.add(entry, delay)

    def _collapse(self, older: Entry, newer: Entry) -> None:
        self._leave(older, Collapsed(into=newer.id))

    def _leave(self, entry: Entry, outcome: Outcome, done: Callable[[], object] = _nobody) -> None:
        lane = self._lanes.of(entry)
        lane.leave(entry)
        self.results.add(entry, outcome, done)
        if entry.level.spilled:
            self._window.fill(lane)

    def _stored(self, settled: list[Settled]) -> None:
        """Their outcomes are on disk."""
        forget, count_out, all_watchers = (
            self._window.forget,
            self._intake.count_out,
            self._watchers,
        )
        for entry, outcome, settled_at, done in settled:
            forget(entry)
            count_out(entry)
            watchers = all_watchers.pop(entry.id, None) if all_watchers else None
            if watchers is not None:
                status = Status(
                    id=entry.id,
                    state=State.SETTLED,
                    submitted_at=entry.job.submitted_at,
                    lane=entry.job.lane,
                    device=device_kept(entry.job, outcome),
                    attempts=entry.attempts,
                    outcome=outcome,
                    settled_at=settled_at,
                )
                for watcher in watchers:
                    watcher.callback(status)
            done()
        self._observers.settled(settled)

    def _wait(self, entry: Entry, why: str, retry_at: float) -> None:
        self._retries.inc()
        self._failed(entry, why, retry_at)
        lane = self._lanes.of(entry)
        pointless = lane.wait(entry)
        if pointless is not None:
            self._collapse(*pointless)
            return
        if entry.collapse_key and lane.has_spilled:
            self._collapsing.look_for([entry])
        self._waiting.add(entry, retry_at - self._unix())

    def _failed(self, entry: Entry, why: str, retry_at: float | None) -> None:
        self._attempts.failed(entry, why, retry_at)
        self._observers.failed(entry)

    def _pointless(self, older: Entry, newer: Entry) -> None:
        """Both were on disk a moment ago."""
        known = self._window.entries.get(older.id)
        if known is None:
            self._seize(older, Collapsed(into=newer.id))
        elif known.stage not in (Stage.SENDING, Stage.LEAVING):
            self._collapse(known, newer)

    def _entry_of(self, row: Row) -> Entry:
        """What is on disk as it would be in memory."""
        place = row[0]
        assert isinstance(place, int)  # noqa: S101 - by the table
        lane = self._lanes.at(place)
        job, attempts = job_of(row, lane.key)
        return entry_of(job, lane.levels[(place >> SEQ_BITS) % LEVELS], place, attempts)

    def _seize(self, entry: Entry, outcome: Outcome) -> bool:
        """Settle a push that is on disk only. False: it is in memory, or it was."""
        if not self._window.seize(entry):
            return False
        entry.stage = Stage.LEAVING
        self.results.add(entry, outcome, _nobody)
        return True

    def _remembered(self, id: str) -> Status | None:
        entry = self._window.entries.get(id)
        if entry is None:
            return None
        job = entry.job
        return Status(
            id=id,
            state=state_of(entry),
            submitted_at=job.submitted_at,
            lane=job.lane,
            attempts=entry.attempts,
        )

    async def _cancel_on_disk(self, id: str) -> Status | None:
        """One at a time: what a second one reads must not be older than what the first did."""
        settled: Deferred[Status] | None = None
        self._window.left = set()
        try:
            rows = await self._store.read(FIND_PUSH, id=id)
            if rows and self._seize(self._entry_of(rows[0]), Cancelled()):
                settled = self.watch(id)
        finally:
            self._window.left = None
        if settled is not None:
            return await settled
        # It came into memory meanwhile, and maybe left.
        return await (self.cancel(id) if id in self._window.entries else self.find(id))
