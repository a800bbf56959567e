"""What programs send and are sent, as types: the JSON of the API, and its OpenAPI document.

A key that is not here is an error. Times are milliseconds since 1970 (UTC), as in Apple's answers,
but for `expiration`, which is seconds, as in Apple's header.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw, Struct, field

from protocols.apns.message import PushType

Index = Annotated[int, Meta(ge=0, description="Place in the batch, from 0.")]
Milliseconds = Annotated[int, Meta(ge=0, description="Milliseconds since 1970, UTC.")]
Id = Annotated[str, Meta(description="The push's apns-id: a UUID, lower case.")]
Payload = Annotated[Raw, Meta(description="Sent as it is.", extra_json_schema={"type": "object"})]
Text = Annotated[str, Meta(description="Shown to people.")]

State = Literal[
    "queued",
    "sending",
    "accepted",
    "rejected",
    "failed",
    "expired",
    "cancelled",
    "collapsed",
]


class Alert(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is shown."""

    body: Text | None = None
    title: Text | None = None
    subtitle: Text | None = None


class Wake(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Has a managed device ask its server for commands, as its TokenUpdate message said how."""

    push_magic: Annotated[str, Meta(min_length=1, description="PushMagic")]
    token: Annotated[str, Meta(description="Token, in hexadecimal or base64")]
    topic: Annotated[str, Meta(description="Topic: com.apple.mgmt.…")]


class BroadcastTo(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A channel instead of a device."""

    bundle_id: str
    channel_id: Annotated[str, Meta(description="As Apple gave it, base64.")]


class Push(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One push: either `mdm`; or `device` (or `broadcast`) with `payload` or `alert`."""

    device: Annotated[str, Meta(description="The device token, hexadecimal.")] = ""
    topic: Annotated[str, Meta(description="The bundle id with the suffix of the push type.")] = ""
    push_type: PushType | None = None
    """Default: what the topic's suffix says, else `alert`."""
    payload: Payload = field(default_factory=Raw)
    alert: str | Alert | None = None
    """Makes the payload {"aps":{"alert":…}}."""
    mdm: Wake | None = None
    broadcast: BroadcastTo | None = None
    id: Annotated[str, Meta(description="A UUID of yours: sent twice, it is one push.")] = ""
    expiration: (
        Annotated[int, Meta(description="Seconds since 1970; 0: Apple stores nothing.")] | None
    ) = None
    priority: Annotated[int, Meta(description="10, 5 or 1.")] | None = None
    collapse_id: str | None = None
    credential: Annotated[
        str, Meta(description="Its name, where several may send to the topic.")
    ] = ""


class Outcome(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a push."""

    status: Annotated[int, Meta(description="Apple's.")] | None = None
    reason: Annotated[str, Meta(description="Apple's, or why it failed.")] | None = None
    invalid_since: Milliseconds | None = None
    """With status 410: when Apple last found the token invalid."""
    unique_id: Annotated[str, Meta(description="apns-unique-id (development only).")] | None = None
    collapsed_into: Id | None = None


class Attempt(Struct, frozen=True, kw_only=True):
    """An attempt that failed."""

    at: Milliseconds
    why: Annotated[str, Meta(description="What Apple, or the connection, said.")]


class Result(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one push of a request."""

    index: Index
    status: Annotated[
        int, Meta(description="202 queued, 200 settled or a duplicate, else why not.")
    ]
    id: Id | None = None
    state: State | None = None
    duplicate: Annotated[bool, Meta(description="The id was known; nothing was queued.")] = False
    outcome: Outcome | None = None
    reason: Annotated[str, Meta(description="One word, Apple's if it has one.")] | None = None
    detail: str | None = None
    path: Annotated[str, Meta(description="JSONPath of what is wrong.")] | None = None
    retry_after: Annotated[float, Meta(description="Seconds.")] | None = None


class BatchResult(Struct, frozen=True, kw_only=True):
    """The answer to a JSON array; an NDJSON body is answered by the results alone, one a line."""

    results: tuple[Result, ...]


class PushState(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One push, as far as it got."""

    id: Id
    state: State
    submitted_at: Milliseconds
    credential: str | None = None
    topic: str | None = None
    attempts: tuple[Attempt, ...] = ()
    """Those that failed: the first, and the last nine."""
    tries: Annotated[int, Meta(ge=0, description="Attempts that failed and were put off.")] = 0
    retry_at: Milliseconds | None = None
    """Of the next attempt."""
    settled_at: Milliseconds | None = None
    outcome: Outcome | None = None


class FeedResult(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A push that has an outcome."""

    seq: Annotated[int, Meta(ge=0, description="Grows; ask for what is after it.")]
    id: Id
    state: State
    submitted_at: Milliseconds
    settled_at: Milliseconds
    credential: str | None = None
    topic: str | None = None
    tries: Annotated[int, Meta(ge=0, description="Attempts that failed and were put off.")] = 0
    outcome: Outcome = Outcome()


class Results(Struct, frozen=True, kw_only=True):
    """A page of the feed of results, in the order in which they were stored."""

    results: tuple[FeedResult, ...]
    next: Annotated[int, Meta(ge=0, description="Ask for what is after this one.")]
    more: Annotated[bool, Meta(description="There is more already.")]


class InvalidToken(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A token that Apple called invalid. A device that has registered since may have it again."""

    seq: Annotated[int, Meta(ge=0)]
    device: str
    topic: str
    submitted_at: Annotated[
        int, Meta(ge=0, description="Of the push. Who registered later is not meant.")
    ]
    settled_at: Milliseconds
    reason: str | None = None
    invalid_since: Milliseconds | None = None


class InvalidTokens(Struct, frozen=True, kw_only=True):
    """A page of the feed of invalid tokens."""

    tokens: tuple[InvalidToken, ...]
    next: Annotated[int, Meta(ge=0, description="Ask for what is after this one.")]
    more: Annotated[bool, Meta(description="There is more already.")]


class Health(Struct, frozen=True, kw_only=True):
    """The daemon takes pushes."""

    status: Literal["ok"]
    version: str
    waiting: Annotated[int, Meta(ge=0, description="Pushes that have no outcome yet.")]


def encoded(value: Any) -> bytes:
    """`value` as JSON."""
    return _ENCODER.encode(value)


def encoded_lines(values: list[Any]) -> bytes:
    """`values` as NDJSON."""
    return _ENCODER.encode_lines(values)


_ENCODER = msgspec.json.Encoder()
