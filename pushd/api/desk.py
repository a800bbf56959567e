"""What both faces work with, and pushes of one request on their way through the queue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import msgspec
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from pushd.api.identity import Identity
from pushd.api.intake import Intake, Refusal
from pushd.api.limit import ITEM_COST, Limits, Ration
from pushd.api.outcomes import Outcomes, Watch
from pushd.api.queue import CredentialChoice, Pushes, PushStatus
from pushd.job import Job
from pushd.outcome import Outcome
from pushd.receipt import Duplicate, Full, Queued, Receipt, State, Unstored

Answer: TypeAlias = Refusal | Receipt
"""What became of one push of a request, in the end."""

RETRY_UNSTORED = 5.0
"""Seconds after which a client may try again what the disk would not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The parts of the API that requests share."""

    queue: Pushes
    outcomes: Outcomes
    credentials: CredentialChoice
    limits: Limits
    ration: Ration
    clock: IReactorTime
    unix: Callable[[], float]
    random_bits: Callable[[int], int]
    max_age: float
    """Seconds for which a push is tried."""

    def intake(self, identity: Identity) -> Intake:
        """Makes the jobs of one request."""
        return Intake(
            identity,
            self.credentials,
            unix=self.unix,
            random_bits=self.random_bits,
            max_age=self.max_age,
        )


class Busy(Exception):
    """There is no memory for more at the moment."""


class Submission:
    """The pushes of one request: gathered, queued by one commit, waited for if that is wanted."""

    def __init__(self, desk: Desk, intake: Intake, *, wait: float) -> None:
        """`wait` is how many seconds to wait for outcomes."""
        self._desk = desk
        self._intake = intake
        self._wait = wait
        self._jobs: list[Job] = []
        self._places: list[int] = []
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

    def add(self, text: bytes | msgspec.Raw) -> None:
        """One more push, as JSON. Raises Busy."""
        cost = ITEM_COST + len(text)
        if not self._desk.ration.take(cost):
            raise Busy
        self._cost += cost
        self.add_job(self._intake.text(text))

    def add_job(self, job: Job | Refusal) -> None:
        """One more push."""
        if isinstance(job, Refusal):
            self.answers.append(job)
            return
        self._places.append(len(self.answers))
        self._jobs.append(job)
        self.answers.append(_PENDING)

    def submit(self, done: Callable[[], object]) -> None:
        """Queue them; `done` is called when all is known, unless this is given up."""
        self._done = done
        if not self._jobs:
            self._finish()
            return
        if self._wait:
            self._watch = self._desk.outcomes.watch([job.id for job in self._jobs], self._finish)
        self._desk.queue.submit(self._jobs, self._receipts)

    def give_up(self) -> None:
        """Nobody wants to know. What has been submitted stays so."""
        self._done = None
        self._jobs.clear()
        self._release()
        if self._watch is not None:
            self._watch.cancel()

    def _receipts(self, receipts: Sequence[Receipt]) -> None:
        for place, receipt in zip(self._places, receipts, strict=True):
            self.answers[place] = receipt
        jobs, self._jobs = self._jobs, []
        self._release()
        watch = self._watch
        if self._done is None:
            return
        if watch is None:
            self._finish()
            return
        for job, receipt in zip(jobs, receipts, strict=True):
            if isinstance(receipt, (Full, Unstored)):
                watch.forget([job.id])
            elif isinstance(receipt, Duplicate) and receipt.state is State.SETTLED:
                self._look_up(receipt.id, watch)
        watch.begin(self._wait)

    def _look_up(self, id: str, watch: Watch) -> None:
        """It was settled before we asked."""

        def found(status: PushStatus | None) -> None:
            if status is None or status.outcome is None:
                watch.forget([id])
            else:
                watch.settled(id, status.outcome)

        def failed(failure: Failure) -> None:
            _log.failure("api: a push could not be looked up", failure)
            watch.forget([id])

        self._desk.queue.find(id).addCallbacks(found, failed)

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
