"""What happens to pushes, as it happens, for one who watches.

20,000 outcomes a second are nothing that anybody can read: of each moment some are told one by one,
those that went wrong first, and the rest as numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from ops.web.route import Events, Problem, Request
from pushd.admin import query, shape
from pushd.api.item import Outcome as SaidOutcome
from pushd.api.item import State
from pushd.api.said import outcome_of, state_of
from pushd.attempt import NONE
from pushd.lane import Entry
from pushd.outcome import Accepted, Failed, Outcome, Rejected
from pushd.queue import Queue
from pushd.results import Settled
from pushd.search import Chosen

MOMENT: Final = 0.25
"""Seconds."""
TOLD: Final = 50
"""Events that are told one by one in a moment: 15 kB."""
ACCEPTED_TOLD: Final = 25
"""Those of them that may be good news."""
STATES: Final = (
    "queued",
    "accepted",
    "rejected",
    "failed",
    "expired",
    "cancelled",
    "collapsed",
)
MAX_REASONS: Final = 50
"""Different reasons in a summary; the others count as `other`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDesk:
    """Lets people watch."""

    queue: Queue
    clock: IReactorTime

    def events(self, request: Request) -> Events:
        """`GET /v1/events`."""
        asked = query.known(request, "credential", "topic", "state")
        state = asked.get("state") or None
        if state not in (None, *STATES):
            raise Problem(400, "`state` is none", f"give one of {', '.join(STATES)}")
        chosen = Chosen(
            credential=asked.get("credential") or None, topic=asked.get("topic") or None
        )

        def subscribe(tell: Callable[[object], None]) -> Callable[[], None]:
            watcher = Watcher(self.queue, self.clock, tell, chosen=chosen, state=state)
            return watcher.begin()

        return Events(subscribe)


class Watcher:
    """One who watches: an `Observer` of the queue."""

    def __init__(
        self,
        queue: Queue,
        clock: IReactorTime,
        tell: Callable[[object], None],
        *,
        chosen: Chosen,
        state: str | None,
    ) -> None:
        """`state` is the only one that is told of, if it is not None."""
        self._queue = queue
        self._clock = clock
        self._tell = tell
        self._chosen = chosen
        self._state = state
        self._told = 0
        self._states: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._moment: IDelayedCall | None = None

    def begin(self) -> Callable[[], None]:
        """Watch; returns what ends that."""
        stop = self._queue.observe(self)

        def end() -> None:
            stop()
            if self._moment is not None:
                self._moment.cancel()
                self._moment = None

        return end

    # What the queue tells.

    def settled(self, settled: list[Settled]) -> None:
        for entry, outcome, at, _ in settled:
            state = state_of(outcome)
            if self._is_wanted(entry, state):
                self._happened(entry, state, at, outcome)

    def failed(self, entry: Entry) -> None:
        if self._is_wanted(entry, "queued"):
            last = (entry.attempts or NONE).told[-1]
            self._happened(entry, "queued", last.at, Failed(why=last.why))

    # Its own.

    def _is_wanted(self, entry: Entry, state: str) -> bool:
        return self._state in (None, state) and self._chosen.has(entry.job.lane)

    def _happened(self, entry: Entry, state: State, at: int, outcome: Outcome) -> None:
        if self._moment is None:
            self._moment = self._clock.callLater(MOMENT, self._over)
        if self._told >= (ACCEPTED_TOLD if isinstance(outcome, Accepted) else TOLD):
            self._count(state, outcome)
            return
        self._told += 1
        lane, attempts = entry.job.lane, entry.attempts or NONE
        said = outcome_of(outcome)
        self._tell(
            shape.Event(
                event="push",
                at=at,
                id=entry.id,
                credential=lane.credential,
                topic=lane.topic,
                device=entry.device,
                state=state,
                submitted_at=entry.job.submitted_at,
                tries=attempts.tries,
                retry_at=attempts.retry_at if state == "queued" else None,
                outcome=None if said == SaidOutcome() else said,
            )
        )

    def _count(self, state: State, outcome: Outcome) -> None:
        self._states[state] += 1
        reason: str | None = None
        if isinstance(outcome, Rejected):
            reason = outcome.reason or str(outcome.status)
        elif isinstance(outcome, Failed):
            reason = outcome.why
        if reason is not None:
            known = reason in self._reasons or len(self._reasons) < MAX_REASONS
            self._reasons[reason if known else "other"] += 1

    def _over(self) -> None:
        self._moment = None
        self._told = 0
        states, self._states = self._states, Counter()
        reasons, self._reasons = self._reasons, Counter()
        if states:
            at = int(self._queue.now() * 1000)
            self._tell(
                shape.Summary(event="pushes", at=at, states=dict(states), reasons=dict(reasons))
            )
