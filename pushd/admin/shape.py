"""What the admin API says and is told, as types: JSON by msgspec.

Times are milliseconds since 1970 (UTC). A key that is absent has its default: false, empty, none.
Tokens of devices are told whole: whoever may ask may read the database, too.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from pushd.api.item import Attempt, Outcome, State

Cursor = str
"""Where a page ended; given as `after`, the next begins there. Empty: there is no more."""

Where = Literal["queued", "waiting", "sending"]
"""Where a push without an outcome is: in line, waiting for its next attempt, or with Apple."""


class Trouble(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why pushes of one credential and topic do not leave."""

    credential: str
    topic: str
    why: str


class Bucket(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Answers that took longer than the bucket before, and at most so long."""

    seconds: float | None = None
    """None: any longer."""
    answers: int = 0


class Status(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`GET /v1/status`: how pushd is."""

    version: str
    pid: int
    started_at: int
    api: tuple[str, ...] = ()
    """Where the API listens: `127.0.0.1:8443`. Empty: it is off."""
    waiting: int
    """Pushes without an outcome, those that Apple has not answered among them."""
    size: int
    """Bytes of their payloads."""
    most_waiting: int
    most_size: int
    """Beyond either, pushes are refused."""
    sending: int
    """Pushes that Apple has not answered."""
    connections: int
    """To Apple, open."""
    lanes: int
    """Credentials and topics together that have, or had, pushes."""
    credentials: int
    unusable: int = 0
    """Credentials with which nothing can be sent."""
    disk_fails: bool = False
    """Outcomes cannot be stored, so nothing is sent."""
    troubles: tuple[Trouble, ...] = ()
    """The first hundred."""
    answers: tuple[Bucket, ...]
    """How long Apple took, since the start."""
    counters: dict[str, int]
    """All counters, by name, since the start."""


class Lane(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Pushes of one credential and topic."""

    credential: str
    topic: str
    waiting: int
    """Without an outcome; the next three are parts of it."""
    sending: int = 0
    retrying: int = 0
    """Waiting for their next attempt, of those in memory."""
    on_disk: int = 0
    """Not in memory yet."""
    trouble: str | None = None
    """Why nothing leaves."""


class Queue(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`GET /v1/queue?credential=&topic=&after=&limit=`: lanes that have pushes, by name."""

    waiting: int
    """In all lanes."""
    size: int
    lanes: tuple[Lane, ...]
    next: Cursor = ""


class Waiting(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A push without an outcome."""

    id: str
    state: Where
    credential: str
    topic: str
    device: str
    """The token, hexadecimal; of a broadcast the channel."""
    push_type: str
    """As in apns-push-type, or `broadcast`."""
    priority: int
    collapse_id: str | None = None
    size: int
    """Bytes of its payload."""
    submitted_at: int
    deadline: int
    """From then on it is not sent any more."""
    tries: int = 0
    """Attempts that failed."""
    retry_at: int | None = None
    """Of the next attempt, after one that failed."""
    why: str | None = None
    """Why the last attempt failed."""


class Pushes(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`GET /v1/queue/pushes?credential=&topic=&device=&state=&after=&limit=`: pushes without an
    outcome, lane by lane, in the order in which they leave. A page may have less than `limit`, even
    nothing, and go on: what is asked for may be far apart in a long queue."""

    pushes: tuple[Waiting, ...]
    next: Cursor = ""


class Story(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`GET /v1/pushes/{id}`: all that is known of a push. What is only known while it waits is
    absent after that; of those that Apple just accepted, the device, too."""

    id: str
    state: State
    submitted_at: int
    credential: str | None = None
    topic: str | None = None
    device: str | None = None
    push_type: str | None = None
    priority: int | None = None
    collapse_id: str | None = None
    size: int | None = None
    deadline: int | None = None
    tries: int = 0
    attempts: tuple[Attempt, ...] = ()
    """Those that failed: the first, and the last nine."""
    retry_at: int | None = None
    settled_at: int | None = None
    outcome: Outcome | None = None


class Selection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`POST /v1/queue/retry` and `/v1/queue/cancel`: which pushes. Either `ids`, or all that match
    every one of the others, or `everything`."""

    ids: tuple[str, ...] = ()
    """1,000 at most."""
    credential: str | None = None
    topic: str | None = None
    device: str | None = None
    """A token, hexadecimal."""
    everything: bool = False
    after: Cursor = ""
    """Where to go on: `next` of the answer before."""


class Retried(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Pushes that are tried again at once; their topics are, too, if Apple refused them, or could
    not be reached."""

    pushes: int
    """Those in memory; what is on disk only follows without being counted."""
    lanes: int


class Cancelled(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of those that were to be taken back."""

    cancelled: int
    too_late: int = 0
    """With Apple, or settled."""
    unknown: int = 0
    """Ids that nothing is known of."""
    next: Cursor = ""
    """If not empty, there may be more: ask again with it as `after`."""


class Result(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A push that has its outcome."""

    seq: int
    """Grows with gaps, in the order in which they were stored."""
    id: str
    state: State
    submitted_at: int
    settled_at: int
    credential: str | None = None
    topic: str | None = None
    device: str | None = None
    """Absent where Apple just accepted it."""
    tries: int = 0
    outcome: Outcome | None = None


class Results(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`GET /v1/results?before=&limit=`: the newest first; `before` a number of the last page."""

    results: tuple[Result, ...]
    next: int = 0
    """For `before`; 0: there is no more."""


class InvalidToken(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A token that Apple called invalid."""

    seq: int
    device: str
    topic: str
    reason: str | None = None
    invalid_since: int | None = None
    submitted_at: int
    """Of the push. Who registered later is not meant."""
    settled_at: int


class InvalidTokens(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`GET /v1/tokens?before=&limit=`: likewise."""

    tokens: tuple[InvalidToken, ...]
    next: int = 0


class CredentialProblem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a credential, or its newest files, cannot be used."""

    file: str
    why: str
    remedy: str


class Credential(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One `[[credential]]`."""

    name: str
    kind: Literal["certificate", "key"]
    environment: str
    usable: bool
    topics: tuple[str, ...] = ()
    """Empty: any."""
    fingerprint: str | None = None
    expires_at: int | None = None
    days_left: int | None = None
    """Below zero: it has expired. None: it does not."""
    files: tuple[str, ...]
    problem: CredentialProblem | None = None
    waiting: int = 0
    """Pushes without an outcome that are to be sent with it."""
    sending: int = 0


class Credentials(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`GET /v1/credentials`, in the order of the configuration."""

    credentials: tuple[Credential, ...]


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`GET /v1/events?credential=&topic=&state=`: a push got its outcome, or an attempt failed
    (`queued`, then: it is tried again)."""

    event: Literal["push"]
    at: int
    id: str
    credential: str
    topic: str
    device: str
    state: State
    submitted_at: int
    tries: int = 0
    retry_at: int | None = None
    outcome: Outcome | None = None


class Summary(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Likewise: outcomes of the last moment that were too many to be told one by one."""

    event: Literal["pushes"]
    at: int
    states: dict[str, int]
    reasons: dict[str, int] = {}
    """Of those that were rejected or failed."""
