"""Looking through pushes without an outcome, most of which are on disk only.

The table is in the order of its keys, so lane by lane; no index knows of devices. A search reads it
in steps, by the reader's thread, and lets others have their turn between them: a million pushes are
looked through in two seconds, and the reactor is never kept for longer than one page.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from ops.store import Store
from pushd.job import LaneKey
from pushd.lane import Entry, Lane, Stage
from pushd.place import LEVELS, SEQ_BITS
from pushd.queue import Queue
from pushd.statement import LAST_LOOKED_AT, NEXT_PUSHES, PUSHES_OF_DEVICE

STEP: Final = 20_000
"""Rows that are looked at for a device in one step: 10 ms of the disk, or its cache."""
PAGE: Final = 1_000
"""Rows that are read in one step: 10 ms of the reactor."""
STEPS: Final = 50
"""Of one search: a million rows, or fifty pages."""
_END: Final = (1 << 63) - 1

Where: TypeAlias = Literal["queued", "waiting", "sending"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which pushes: all that match what is given."""

    credential: str | None = None
    topic: str | None = None
    device: str | None = None
    """Lower-case hexadecimal; a broadcast's channel."""

    def has(self, key: LaneKey) -> bool:
        """Whether pushes of that lane may be meant."""
        return self.credential in (None, key.credential) and self.topic in (None, key.topic)

    @property
    def all_lanes(self) -> bool:
        return self.credential is None and self.topic is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Rows to be read next: `statement` with `parameters`; none of them is behind `last`."""

    statement: str
    parameters: dict[str, Any]
    last: int | None
    """Where the step ends; None: where its rows do."""
    most: int | None
    """Rows that it has at most, where that is what ends it."""
    end: int
    """Where the lane, or the table, ends."""


def waiting_in(lane: Lane) -> int:
    """Pushes of a lane that have no outcome."""
    return lane.in_flight + sum(level.loaded + level.spilled for level in lane.levels)


def lanes_of(queue: Queue, chosen: Chosen) -> list[Lane]:
    """Those that have pushes, in the order of the table."""
    lanes = [lane for key, lane in queue.lanes.items() if chosen.has(key) and waiting_in(lane)]
    return sorted(lanes, key=_number)


def loaded(queue: Queue, chosen: Chosen) -> Iterator[Entry]:
    """Those that wait in memory."""
    for lane in lanes_of(queue, chosen):
        for entry in lane.entries():
            if chosen.device in (None, entry.device):
                yield entry


class Search:
    """One search, from a place on."""

    def __init__(self, queue: Queue, store: Store, chosen: Chosen, after: int) -> None:
        self._queue = queue
        self._store = store
        self._chosen = chosen
        self.after = after
        """All up to here has been looked at."""
        self._spans = deque(self._made_spans())

    @property
    def is_over(self) -> bool:
        """There is nothing behind `after`."""
        while self._spans and self.after >= self._spans[0][1] - 1:
            self._spans.popleft()
        return not self._spans

    async def steps(self, most: int | None = None) -> AsyncIterator[Step]:
        """What is to be read, step by step, up to `most` rows each (PAGE) unless a device is looked
        for; tell each `done`. Raises StoreError."""
        for _ in range(STEPS):
            if self.is_over:
                break
            start, end = self._spans[0]
            step = await self._step(max(self.after, start), end, most or PAGE)
            if step is None:
                self.after = end - 1
            else:
                yield step

    def done(self, step: Step, rows: int, last: int) -> None:
        """It had so many rows; `last` is the place of the last."""
        if step.last is not None:
            self.after = step.last
        elif step.most is not None and rows >= step.most:
            self.after = last
        else:
            self.after = step.end - 1

    async def _step(self, after: int, end: int, most: int) -> Step | None:
        device = self._chosen.device
        if device is None:
            parameters: dict[str, Any] = {"after": after, "before": end, "most": most}
            return Step(statement=NEXT_PUSHES, parameters=parameters, last=None, most=most, end=end)
        rows = await self._store.read(LAST_LOOKED_AT, after=after, before=end, most=STEP)
        last = rows[0][0]
        if last is None:
            return None
        parameters = {"after": after, "last": last, "device": device}
        return Step(
            statement=PUSHES_OF_DEVICE, parameters=parameters, last=last, most=None, end=end
        )

    def _made_spans(self) -> list[tuple[int, int]]:
        if self._chosen.all_lanes:
            return [(0, _END)]
        return [_span(lane) for lane in lanes_of(self._queue, self._chosen)]


async def page(
    queue: Queue, store: Store, chosen: Chosen, *, state: str | None, after: int, most: int
) -> tuple[list[Entry], int | None]:
    """Up to `most` pushes from a place on, and where the next page begins; None: there is none.
    `state` is that of `state_of`. Raises StoreError."""
    search = Search(queue, store, chosen, after)
    found: list[Entry] = []
    async for step in search.steps(most if state is None else None):
        rows = await store.read(step.statement, **step.parameters)
        for row in rows:
            entry = queue.from_disk(row)
            if state in (None, state_of(entry, queue.now())):
                found.append(entry)
                if len(found) == most:
                    return found, row[0]
        search.done(step, len(rows), rows[-1][0] if rows else 0)
    return found, None if search.is_over else search.after


def state_of(entry: Entry, now: float) -> Where:
    """`queued`, `waiting` for its next attempt, or `sending`; `now` is seconds since 1970."""
    if entry.stage in (Stage.SENDING, Stage.LEAVING):
        return "sending"
    if entry.stage is Stage.WAITING:
        return "waiting"
    attempts = entry.attempts
    is_early = attempts is not None and (attempts.retry_at or 0) > now * 1000
    return "waiting" if is_early else "queued"


def _number(lane: Lane) -> int:
    return lane.number


def _span(lane: Lane) -> tuple[int, int]:
    """Between these are the places of its pushes."""
    start = lane.number * LEVELS << SEQ_BITS
    return start - 1, (lane.number + 1) * LEVELS << SEQ_BITS
