"""What the queue says of a push, in the words of the API."""

from __future__ import annotations

from pushd.api.item import (
    Attempt,
    FeedResult,
    InvalidToken,
    Outcome,
    PushState,
    State,
)
from pushd.api.queue import InvalidDevice, PushStatus, SettledPush
from pushd.outcome import Accepted, Cancelled, Collapsed, Expired, Failed, Rejected
from pushd.outcome import Outcome as QueueOutcome
from pushd.receipt import State as QueueState


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


def status_of(status: PushStatus) -> PushState:
    """One push."""
    outcome = status.outcome
    if outcome is not None:
        state = state_of(outcome)
    else:
        state = "sending" if status.state is QueueState.SENDING else "queued"
    return PushState(
        id=status.id,
        state=state,
        submitted_at=status.submitted_at,
        credential=status.credential,
        topic=status.topic,
        tries=status.tries,
        settled_at=status.settled_at,
        outcome=None if outcome is None else outcome_of(outcome),
        history=_history(status, state),
    )


def _history(status: PushStatus, state: State) -> tuple[Attempt, ...]:
    history = [Attempt(what="submitted", at=status.submitted_at)]
    if status.why is not None:
        retry_at = None if status.retry_at is None else int(status.retry_at * 1000)
        history.append(Attempt(what="failed", detail=status.why, retry_at=retry_at))
    if status.settled_at is not None:
        history.append(Attempt(what="settled", at=status.settled_at, detail=state))
    return tuple(history)


def line_of(push: SettledPush) -> FeedResult:
    """A line of the feed of results."""
    return FeedResult(
        seq=push.seq,
        id=push.id,
        state=state_of(push.outcome),
        credential=push.credential,
        topic=push.topic,
        device=push.device,
        submitted_at=push.submitted_at,
        settled_at=push.settled_at,
        outcome=outcome_of(push.outcome),
    )


def token_of(invalid: InvalidDevice) -> InvalidToken:
    """A line of the feed of invalid tokens."""
    return InvalidToken(
        seq=invalid.seq,
        device=invalid.device,
        topic=invalid.topic,
        reason=invalid.reason,
        noticed_at=invalid.noticed_at,
        invalid_since=invalid.invalid_since,
    )
