"""What both faces work with, and pushes of one request on their way through the queue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from pushd.api.identity import Identity
from pushd.api.intake import CredentialChoice, Intake, Refusal
from pushd.api.limit import ITEM_COST, Limits, Ration
from pushd.api.outcomes import News, Watch
from pushd.job import Job, OrderedIds
from pushd.outcome import Outcome
from pushd.queue import Queue
from pushd.receipt import Duplicate, Full, Queued, Receipt, State, Status, Unstored

Answer: TypeAlias = Refusal | Receipt
"""What became of one push of a request, in the end."""

CHUNK = 5_000
"""Pushes that are queued at once: 60 ms of the disk, so that others are not kept waiting."""
AT_ONCE = 2
"""Chunks on their way, so that the disk always has one to write."""
RETRY_UNSTORED = 5.0
"""Seconds after which a client may try again what the disk would not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The parts of the API that requests share."""

    queue: Queue
    news: News
    credentials: CredentialChoice
    limits: Limits
    ration: Ration
    clock: IReactorTime
    unix: Callable[[], float]
    ids: OrderedIds
    max_age: float
    """Seconds for which a push is tried."""

    def intake(self, identity: Identity) -> Intake:
        """Makes the jobs of one request."""
        return Intake(
            identity,
            self.credentials,
            unix=self.unix,
            ids=self.ids,
            max_age=self.max_age,
        )


class Busy(Exception):
    """There is no memory for more at the moment."""


class Submission:
    """The pushes of one request: gathered, queued, waited for if that is wanted."""

    def __init__(self, desk: Desk, intake: Intake, *, wait: float) -> None:
        """`wait` is how many seconds to wait for outcomes."""
        self._desk = desk
        self._intake = intake
        self._wait = wait
        self._jobs: list[Job] = []
        self._places: list[int] = []
        self._submitted = 0
        self._received = 0
        self._cost = 0
        self._watch: Watch | None = None
        self._done: Callable[[], object] | None = None
        self.answers: list[Answer] = []
        """By place. Until they are queued, all count as if they were not stored."""

    @property
    def known(self) -> dict[str, Outcome]:
        """What has been waited for, by id."""
        return {} if self._watch is None else self._watch.known

    @property
    def taken(self) -> bool:
        """Whether the queue has any of them."""
        return any(isinstance(answer, (Queued, Duplicate)) for answer in self.answers)

    def add(self, texts: Sequence[bytes | msgspec.Raw]) -> None:
        """More pushes, as JSON. Raises Busy."""
        cost = ITEM_COST * len(texts) + sum(map(len, texts))
        if not self._desk.ration.take(cost):
            raise Busy
        self._cost += cost
        answers, places, jobs = self.answers, self._places, self._jobs
        for job in map(self._intake.text, texts):
            if type(job) is Job:
                places.append(len(answers))
                jobs.append(job)
                answers.append(_PENDING)
            else:
                self.add_job(job)

    def add_job(self, job: Job | Refusal) -> None:
        """One more push."""
        answers = self.answers
        if isinstance(job, Job):
            self._places.append(len(answers))
            self._jobs.append(job)
            answers.append(_PENDING)
        else:
            answers.append(job)

    def submit(self, done: Callable[[], object]) -> None:
        """Queue them; `done` is called when all is known, unless this is given up."""
        self._done = done
        if not self._jobs:
            self._finish()
            return
        if self._wait:
            ids = [job.id for job in self._jobs]
            sees = self._intake.identity.sees
            self._watch = Watch(self._desk.queue, self._desk.clock, ids, self._finish, sees=sees)
        for _ in range(AT_ONCE):
            self._submit_chunk()

    def _submit_chunk(self) -> None:
        start = self._submitted
        jobs = self._jobs[start : start + CHUNK]
        if jobs:
            self._submitted += len(jobs)
            self._desk.queue.submit(jobs, lambda receipts: self._receipts(start, receipts))

    def give_up(self) -> None:
        """Nobody wants to know. What has been submitted stays so."""
        self._done = None
        if not self._submitted:
            self._jobs.clear()
        self._release()
        if self._watch is not None:
            self._watch.cancel()

    def _receipts(self, start: int, receipts: Sequence[Receipt]) -> None:
        if len(self._places) == len(self.answers):  # none was refused
            self.answers[start : start + len(receipts)] = receipts
        else:
            for n, receipt in enumerate(receipts, start):
                self.answers[self._places[n]] = receipt
        self._received += len(receipts)
        if self._received < len(self._jobs):
            self._submit_chunk()
            return
        jobs, self._jobs = self._jobs, []
        self._release()
        watch = self._watch
        if self._done is None:
            return
        if watch is None:
            self._finish()
            return
        for job, place in zip(jobs, self._places, strict=True):
            answer = self.answers[place]
            if isinstance(answer, (Full, Unstored)):
                watch.forget(job.id)
            elif isinstance(answer, Duplicate) and answer.state is State.SETTLED:
                self._look_up(job.id, watch)
        watch.begin(self._wait)

    def _look_up(self, id: str, watch: Watch) -> None:
        """It was settled before we asked."""

        def found(status: Status | None) -> None:
            if (
                status is None
                or status.outcome is None
                or not self._intake.identity.sees(status.lane)
            ):
                watch.forget(id)
            else:
                watch.found(id, status.outcome)

        def failed(failure: Failure) -> None:
            _log.failure("api: a push could not be looked up", failure)
            watch.forget(id)

        finding = Deferred.fromCoroutine(self._desk.queue.find(id))
        finding.addCallbacks(found, failed)

    def _finish(self) -> None:
        self._release()
        done, self._done = self._done, None
        if done is not None:
            done()

    def _release(self) -> None:
        self._desk.ration.give(self._cost)
        self._cost = 0


_PENDING = Unstored(why="it is not stored yet")
_log = Logger()
