"""A queue in memory, for tests of what stands before it.

It keeps what the contract of `pushd.api.queue` says: receipts after a commit, one for each job in
order; outcomes told after a commit. The commit is a turn of the clock it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime

from pushd.job import Job
from pushd.outcome import Cancelled, Outcome, Rejected
from pushd.receipt import Duplicate, Full, Queued, Receipt, State, Unstored


@dataclass(frozen=True, kw_only=True)
class FakeStatus:
    """As `pushd.api.queue.PushStatus`."""

    id: str
    state: State
    submitted_at: int
    credential: str
    topic: str
    outcome: Outcome | None = None
    settled_at: int | None = None
    tries: int = 0
    why: str | None = None
    retry_at: float | None = None


@dataclass(frozen=True, kw_only=True)
class FakeSettled:
    """As `pushd.api.queue.SettledPush`."""

    seq: int
    id: str
    credential: str
    topic: str
    device: str
    submitted_at: int
    settled_at: int
    outcome: Outcome


@dataclass(frozen=True, kw_only=True)
class FakeInvalid:
    """As `pushd.api.queue.InvalidDevice`."""

    seq: int
    device: str
    topic: str
    reason: str
    invalid_since: int | None
    noticed_at: int


class FakeQueue:
    """Set `room` or `broken` to have it refuse."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._statuses: dict[str, FakeStatus] = {}
        self._results: list[FakeSettled] = []
        self._invalid: list[FakeInvalid] = []
        self._listeners: list[Callable[[Sequence[FakeSettled]], object]] = []
        self.jobs: dict[str, Job] = {}
        self.commits = 0
        self.room = 1_000_000
        self.broken = ""

    @property
    def waiting(self) -> int:
        return sum(status.outcome is None for status in self._statuses.values())

    def submit(self, jobs: Sequence[Job], done: Callable[[Sequence[Receipt]], object]) -> None:
        self._clock.callLater(0, lambda: done(self._commit(jobs)))

    def _commit(self, jobs: Sequence[Job]) -> list[Receipt]:
        self.commits += 1
        if self.broken:
            return [Unstored(why=self.broken) for _ in jobs]
        return [self._take(job) for job in jobs]

    def _take(self, job: Job) -> Receipt:
        known = self._statuses.get(job.id)
        if known is not None:
            return Duplicate(id=job.id, state=known.state)
        if self.waiting >= self.room if self.room < 1_000_000 else False:
            return Full(retry_after=7.5)
        self.jobs[job.id] = job
        self._statuses[job.id] = FakeStatus(
            id=job.id,
            state=State.QUEUED,
            submitted_at=job.submitted_at,
            credential=job.credential,
            topic=job.lane.topic,
        )
        return Queued(id=job.id)

    def find(self, id: str) -> Deferred[FakeStatus | None]:
        return succeed(self._statuses.get(id))

    def cancel(self, id: str) -> Deferred[FakeStatus | None]:
        status = self._statuses.get(id)
        if status is not None and status.state is State.QUEUED:
            self.settle(id, Cancelled())
        return succeed(self._statuses.get(id))

    def results(self, after: int, limit: int) -> Deferred[Sequence[FakeSettled]]:
        return succeed([line for line in self._results if line.seq > after][:limit])

    def invalid_tokens(self, after: int, limit: int) -> Deferred[Sequence[FakeInvalid]]:
        return succeed([line for line in self._invalid if line.seq > after][:limit])

    def on_settled(self, callback: Callable[[Sequence[FakeSettled]], object]) -> None:
        self._listeners.append(callback)

    # What a test does.

    def sending(self, id: str) -> None:
        self._statuses[id] = replace(self._statuses[id], state=State.SENDING)

    def settle(self, id: str, outcome: Outcome, *, settled_at: int = 1_700_000_000_500) -> None:
        """The dispatcher has an outcome."""
        status = replace(
            self._statuses[id], state=State.SETTLED, outcome=outcome, settled_at=settled_at
        )
        self._statuses[id] = status
        job = self.jobs[id]
        line = FakeSettled(
            seq=len(self._results) + 1,
            id=id,
            credential=job.credential,
            topic=status.topic,
            device=job.order_key,
            submitted_at=job.submitted_at,
            settled_at=settled_at,
            outcome=outcome,
        )
        self._results.append(line)
        if isinstance(outcome, Rejected) and outcome.status == 410:
            self._invalid.append(
                FakeInvalid(
                    seq=len(self._invalid) + 1,
                    device=job.order_key,
                    topic=status.topic,
                    reason=outcome.reason or "",
                    invalid_since=outcome.invalid_since,
                    noticed_at=settled_at,
                )
            )
        for listener in self._listeners:
            listener([line])
