"""Rows of pushd's tables, and the values they stand for.

What Apple or a connection said is kept as far as a database takes it; a push is kept as it came.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

from ops.database import StoreError
from ops.unit import Row
from protocols.apns.message import SUFFIXES, Broadcast, Notification, PushType
from pushd.attempt import Attempts, attempts_of, attempts_text
from pushd.job import Job, LaneKey
from pushd.outcome import Accepted, Cancelled, Collapsed, Expired, Failed, Outcome, Rejected
from pushd.receipt import State, Status

BROADCAST: Final = "broadcast"
"""In the place of a push type."""
MAX_REASON: Final = 100
MAX_DETAIL: Final = 500

_SIGNED: Final = struct.Struct(">q")
_LIVE: Final = SUFFIXES[PushType.LIVEACTIVITY]
_TYPES: Final = {push_type.value: push_type for push_type in PushType}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A push that has its outcome, in the order in which they became known."""

    seq: int
    """Counts up, with gaps."""
    status: Status


@dataclass(frozen=True, slots=True, kw_only=True)
class InvalidToken:
    """A device token that Apple refused. Whoever knows when it was registered decides what that
    means: see `protocols.apns.reason.drops_token`."""

    seq: int
    """Counts up, with gaps."""
    token: str
    """Lower-case hexadecimal."""
    topic: str
    reason: str | None
    """As Apple wrote it."""
    since: int | None
    """Milliseconds since 1970 at which it was last found invalid, if Apple said."""
    sent_at: int
    """Milliseconds since 1970 at which the push was submitted."""
    settled_at: int
    """Milliseconds since 1970 at which Apple answered."""
    credential: str | None
    """By which it was sent; None: not known any more."""


def collapse_of(lane: int, key: tuple[str, str]) -> int:
    """A number for `Job.collapse_key` in a lane, by which the database finds pushes that may have
    the same one."""
    digest = blake2b(f"{lane}/{key[0]}/{key[1]}".encode(), digest_size=8).digest()
    number: int = _SIGNED.unpack(digest)[0]
    return number


def push_row(job: Job, place: int, collapse: int | None = None) -> Row:
    """In the order of the table `pushes`. `collapse` is that of `collapse_of`."""
    push = job.push
    if isinstance(push, Notification):
        return (
            place,
            push.apns_id,
            push.push_type._value_,  # as `value` has it, in a fifth of the time
            push.device,
            push.payload,
            push.expiration,
            push.priority,
            push.collapse_id,
            job.submitted_at,
            job.deadline,
            collapse,
        )
    return (
        place,
        push.request_id,
        BROADCAST,
        push.channel_id,
        push.payload,
        push.expiration,
        push.priority,
        None,
        job.submitted_at,
        job.deadline,
        None,
    )


def job_of(row: tuple[Any, ...], lane: LaneKey) -> tuple[Job, Attempts | None]:
    """The job that `push_row` wrote, and its attempts that failed: a row of a query for waiting
    pushes. Raises StoreError if it makes no sense."""
    (_, id_, kind, device, payload, expiration, priority, collapse_id, submitted_at, deadline) = (
        row[:10]
    )
    attempts = attempts_of(row[10])
    push: Notification | Broadcast
    if kind == BROADCAST:
        push = Broadcast(
            bundle_id=lane.topic.removesuffix(_LIVE),
            channel_id=device,
            payload=payload,
            expiration=expiration,
            request_id=id_,
            priority=priority,
        )
    elif kind in _TYPES:
        push = Notification(
            device=device,
            topic=lane.topic,
            push_type=_TYPES[kind],
            payload=payload,
            apns_id=id_,
            expiration=expiration,
            priority=priority,
            collapse_id=collapse_id,
        )
    else:
        problem = f"push {id_!r} in the database has the type {kind!r}"
        raise StoreError(problem, "correct or delete its row in the table `pushes`")
    job = Job(
        push=push,
        credential=lane.credential,
        submitted_at=submitted_at,
        deadline=deadline,
        tries=0 if attempts is None else attempts.tries,
    )
    return job, attempts


def result_row(
    seq: int,
    job: Job,
    outcome: Outcome,
    settled_at: int,
    *,
    lane: int,
    attempts: Attempts | None,
) -> Row:
    """In the order of the table `results`. `outcome` is final; `lane` is the lane's number."""
    id_ = job.id
    told = None if attempts is None else attempts_text(attempts)
    if type(outcome) is Accepted and outcome.apns_id == id_ and outcome.unique_id is None:
        at = job.submitted_at  # nearly all of them
        return (
            seq,
            id_,
            "accepted",
            None,
            None,
            None,
            None,
            None,
            at,
            settled_at,
            lane,
            told,
            None,
        )
    status: int | None = None
    since: int | None = None
    reason = echo = detail = None
    match outcome:
        case Accepted(apns_id=apns_id, unique_id=unique_id):
            kind = "accepted"
            echo = None if apns_id == id_ else _text(apns_id, 36)
            detail = None if unique_id is None else _text(unique_id, MAX_DETAIL)
        case Rejected(status=status, reason=said, invalid_since=since):
            kind = "rejected"
            reason = None if said is None else _text(said, MAX_REASON)
        case Failed(why=why):
            kind, detail = "failed", _text(why, MAX_DETAIL)
        case Expired():
            kind = "expired"
        case Cancelled():
            kind = "cancelled"
        case Collapsed(into=into):
            kind, detail = "collapsed", into
    return (
        seq,
        id_,
        kind,
        status,
        reason,
        since,
        echo,
        detail,
        job.submitted_at,
        settled_at,
        lane,
        told,
        device_kept(job, outcome),
    )


def device_kept(job: Job, outcome: Outcome) -> str | None:
    """The device that is kept with an outcome: 64 characters are nothing for the few that went
    wrong, and much for the thousands a second that went well."""
    return None if type(outcome) is Accepted else job.order_key


def result_of(row: tuple[Any, ...], lanes: Mapping[int, LaneKey]) -> Result:
    """The result that `result_row` wrote; `lanes` by number. Raises StoreError if the row makes no
    sense."""
    seq, id_, kind, status, reason, since, echo, detail, submitted_at = row[:9]
    settled_at, lane, told, device = row[9:]
    outcome: Outcome
    match kind:
        case "accepted":
            outcome = Accepted(apns_id=echo or id_, unique_id=detail)
        case "rejected":
            outcome = Rejected(status=status, reason=reason, invalid_since=since)
        case "failed":
            outcome = Failed(why=detail)
        case "expired":
            outcome = Expired()
        case "cancelled":
            outcome = Cancelled()
        case "collapsed":
            outcome = Collapsed(into=detail)
        case _:
            problem = f"push {id_!r} in the database has the outcome {kind!r}"
            raise StoreError(problem, "correct or delete its row in the table `results`")
    status_ = Status(
        id=id_,
        state=State.SETTLED,
        submitted_at=submitted_at,
        lane=lanes.get(lane),
        device=device,
        attempts=attempts_of(told),
        outcome=outcome,
        settled_at=settled_at,
    )
    return Result(seq=seq, status=status_)


def invalid_token_row(seq: int, job: Job, rejected: Rejected, settled_at: int) -> Row:
    """In the order of the table `invalid_tokens`."""
    reason = None if rejected.reason is None else _text(rejected.reason, MAX_REASON)
    since = rejected.invalid_since
    lane = job.lane
    return (
        seq,
        job.order_key,
        lane.topic,
        reason,
        since,
        job.submitted_at,
        settled_at,
        lane.credential,
    )


def invalid_token_of(row: tuple[Any, ...]) -> InvalidToken:
    """The token that `invalid_token_row` wrote."""
    seq, token, topic, reason, since, sent_at, settled_at, credential = row
    return InvalidToken(
        seq=seq,
        token=token,
        topic=topic,
        reason=reason,
        since=since,
        sent_at=sent_at,
        settled_at=settled_at,
        credential=credential,
    )


def _text(said: str, most: int) -> str:
    """A peer's text as every database takes it: no lone surrogates, no NUL."""
    return said.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")[:most]
