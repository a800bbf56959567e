"""What the queue says of a push, in the words of the API."""

from __future__ import annotations

from typing import Final

from pushd.api.item import (
    Attempt,
    FeedResult,
    InvalidToken,
    Outcome,
    PushState,
    State,
)
from pushd.attempt import NONE
from pushd.outcome import Accepted, Cancelled, Collapsed, Expired, Failed, Rejected
from pushd.outcome import Outcome as QueueOutcome
from pushd.receipt import State as QueueState
from pushd.receipt import Status
from pushd.record import InvalidToken as QueueInvalidToken
from pushd.record import Result


def state_of(outcome: QueueOutcome) -> State:
    """The state of a push that has `outcome`."""
    match outcome:
        case Accepted():
            return "accepted"
        case Rejected():
            return "rejected"
        case Failed():
            return "failed"
        case Expired():
            return "expired"
        case Cancelled():
            return "cancelled"
        case Collapsed():
            return "collapsed"


def outcome_of(outcome: QueueOutcome) -> Outcome:
    """All that is known beside the state."""
    match outcome:
        case Accepted():
            return Outcome(status=200, unique_id=outcome.unique_id)
        case Rejected():
            return Outcome(
                status=outcome.status,
                reason=outcome.reason,
                invalid_since=outcome.invalid_since,
            )
        case Failed():
            return Outcome(reason=outcome.why)
        case Collapsed():
            return Outcome(collapsed_into=outcome.into)
        case Expired() | Cancelled():
            return Outcome()


def status_of(status: Status) -> PushState:
    """One push."""
    outcome, lane, attempts = status.outcome, status.lane, status.attempts or NONE
    return PushState(
        id=status.id,
        state=_WAITING[status.state] if outcome is None else state_of(outcome),
        submitted_at=status.submitted_at,
        credential=None if lane is None else lane.credential,
        topic=None if lane is None else lane.topic,
        attempts=tuple(Attempt(at=one.at, why=one.why) for one in attempts.told),
        tries=attempts.tries,
        retry_at=attempts.retry_at if status.state is QueueState.QUEUED else None,
        settled_at=status.settled_at,
        outcome=None if outcome is None else outcome_of(outcome),
    )


_WAITING: Final[dict[QueueState, State]] = {
    QueueState.QUEUED: "queued",
    QueueState.SENDING: "sending",
}


def line_of(result: Result) -> FeedResult:
    """A line of the feed of results."""
    state = status_of(result.status)
    return FeedResult(
        seq=result.seq,
        id=state.id,
        state=state.state,
        submitted_at=state.submitted_at,
        settled_at=state.settled_at or 0,
        credential=state.credential,
        topic=state.topic,
        tries=state.tries,
        outcome=state.outcome or Outcome(),
    )


def token_of(invalid: QueueInvalidToken) -> InvalidToken:
    """A line of the feed of invalid tokens."""
    return InvalidToken(
        seq=invalid.seq,
        device=invalid.token,
        topic=invalid.topic,
        reason=invalid.reason,
        submitted_at=invalid.sent_at,
        settled_at=invalid.settled_at,
        invalid_since=invalid.since,
    )
