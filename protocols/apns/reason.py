"""What each of Apple's answers asks of a provider: one table.

    answer ──▶ verdict_of ──▶ what becomes of the push, of its token, of the connection

Statuses and reasons are those of Apple's "Handling notification responses from APNs". Which of them
may be tried again is Apple's do-not-retry list there (BadDeviceToken, DeviceTokenNotForTopic,
Forbidden, ExpiredToken, Unregistered, PayloadTooLarge) and, for what it does not name, what
providers have learned; each row says so. It must not wait, count or remember: it only judges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final

from protocols.apns.answer import Answer


class Reason(StrEnum):
    """The reasons of Apple's answers to pushes, as written in the JSON body."""

    BAD_COLLAPSE_ID = "BadCollapseId"
    BAD_DEVICE_TOKEN = "BadDeviceToken"  # noqa: S105 - no secret
    BAD_EXPIRATION_DATE = "BadExpirationDate"
    BAD_MESSAGE_ID = "BadMessageId"
    BAD_PRIORITY = "BadPriority"
    BAD_TOPIC = "BadTopic"
    DEVICE_TOKEN_NOT_FOR_TOPIC = "DeviceTokenNotForTopic"  # noqa: S105
    DUPLICATE_HEADERS = "DuplicateHeaders"
    IDLE_TIMEOUT = "IdleTimeout"
    INVALID_PUSH_TYPE = "InvalidPushType"
    MISSING_DEVICE_TOKEN = "MissingDeviceToken"  # noqa: S105
    MISSING_TOPIC = "MissingTopic"
    PAYLOAD_EMPTY = "PayloadEmpty"
    TOPIC_DISALLOWED = "TopicDisallowed"
    MISSING_PUSH_TYPE = "MissingPushType"
    MISSING_CHANNEL_ID = "MissingChannelId"
    BAD_CHANNEL_ID = "BadChannelId"
    CHANNEL_NOT_REGISTERED = "ChannelNotRegistered"
    FEATURE_NOT_ENABLED = "FeatureNotEnabled"
    TOPIC_MISMATCH = "TopicMismatch"
    CANNOT_CREATE_CHANNEL_CONFIG = "CannotCreateChannelConfig"
    BAD_CERTIFICATE = "BadCertificate"
    BAD_CERTIFICATE_ENVIRONMENT = "BadCertificateEnvironment"
    EXPIRED_PROVIDER_TOKEN = "ExpiredProviderToken"  # noqa: S105
    FORBIDDEN = "Forbidden"
    INVALID_PROVIDER_TOKEN = "InvalidProviderToken"  # noqa: S105
    MISSING_PROVIDER_TOKEN = "MissingProviderToken"  # noqa: S105
    UNRELATED_KEY_ID_IN_TOKEN = "UnrelatedKeyIdInToken"  # noqa: S105
    BAD_ENVIRONMENT_KEY_ID_IN_TOKEN = "BadEnvironmentKeyIdInToken"  # noqa: S105
    BAD_ENVIRONMENT_KEY_IN_TOKEN = "BadEnvironmentKeyInToken"  # noqa: S105
    """As the wire has it where Apple's page has the other (two measurements by providers)."""
    BAD_PATH = "BadPath"
    METHOD_NOT_ALLOWED = "MethodNotAllowed"
    EXPIRED_TOKEN = "ExpiredToken"  # noqa: S105
    UNREGISTERED = "Unregistered"
    PAYLOAD_TOO_LARGE = "PayloadTooLarge"
    TOO_MANY_PROVIDER_TOKEN_UPDATES = "TooManyProviderTokenUpdates"  # noqa: S105
    TOO_MANY_REQUESTS = "TooManyRequests"
    INTERNAL_SERVER_ERROR = "InternalServerError"
    SERVICE_UNAVAILABLE = "ServiceUnavailable"
    SHUTDOWN = "Shutdown"


class Disposition(Enum):
    """What becomes of the push."""

    ACCEPTED = "accepted"
    """Apple has it."""
    DROP_TOKEN = "drop token"  # noqa: S105
    """The token is dead, if `drops_token` agrees."""
    BAD_TOKEN = "bad token"  # noqa: S105
    """No token of this environment; not to be tried again."""
    CALLER_FAULT = "caller's fault"
    """The push is wrong, as it will be next time."""
    TOPIC_FAULT = "topic's fault"
    """The topic does not suit the credential or the token: many of these stop the topic."""
    CREDENTIAL_FAULT = "credential's fault"
    """Nothing can be sent until somebody changes the credential."""
    RETRY = "retry"
    """Later, after the verdict's delay."""
    MOVE = "move"
    """At once, by another connection."""


class Connection(Enum):
    """What becomes of the connection that the answer came by."""

    KEEP = "keep"
    REPLACE = "replace"
    """No new push by it; those under way are waited for, then it is closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Seconds before each try again: the first, doubled each time up to the longest, each to be
    shortened at random by up to a half so that many do not come back together."""

    first: float
    longest: float

    def delay(self, tries: int, jitter: float) -> float:
        """The delay after `tries` (1 or more) failed; `jitter` is random, 0 to below 1."""
        doublings = min(tries - 1, 32)
        return min(self.first * (1 << doublings), self.longest) * (1 - jitter / 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What an answer asks of the provider."""

    disposition: Disposition
    connection: Connection = Connection.KEEP
    backoff: Backoff | None = None
    """For RETRY."""
    retries: int | None = 0
    """Tries again at most; None: until the push expires."""
    mints: bool = False
    """A new provider token is asked for, as far as `protocols.apns.token` lets."""


SOON: Final = Backoff(first=1.0, longest=60.0)
SAME_TOKEN: Final = Backoff(first=30.0, longest=960.0)
"""Too many pushes to one device."""
LATE: Final = Backoff(first=2.0, longest=900.0)
"""Apple, of 5xx: "after 15 minutes"; before it two quick tries, which is what most need."""

_ACCEPTED: Final = Verdict(disposition=Disposition.ACCEPTED)
_CALLER: Final = Verdict(disposition=Disposition.CALLER_FAULT)
_TOPIC: Final = Verdict(disposition=Disposition.TOPIC_FAULT)
_BAD_TOKEN: Final = Verdict(disposition=Disposition.BAD_TOKEN)
_DROP: Final = Verdict(disposition=Disposition.DROP_TOKEN)
_CREDENTIAL: Final = Verdict(
    disposition=Disposition.CREDENTIAL_FAULT, connection=Connection.REPLACE
)
_LATER: Final = Verdict(disposition=Disposition.RETRY, backoff=LATE, retries=None)
_ELSEWHERE: Final = Verdict(
    disposition=Disposition.MOVE, connection=Connection.REPLACE, retries=None
)

VERDICTS: Final[Mapping[tuple[int, Reason], Verdict]] = {
    (400, Reason.BAD_COLLAPSE_ID): _CALLER,
    (400, Reason.BAD_DEVICE_TOKEN): _BAD_TOKEN,
    (400, Reason.BAD_EXPIRATION_DATE): _CALLER,
    (400, Reason.BAD_MESSAGE_ID): _CALLER,
    (400, Reason.BAD_PRIORITY): _CALLER,
    (400, Reason.BAD_TOPIC): _CALLER,
    (400, Reason.DEVICE_TOKEN_NOT_FOR_TOPIC): _TOPIC,
    (400, Reason.DUPLICATE_HEADERS): _CALLER,
    (400, Reason.IDLE_TIMEOUT): _ELSEWHERE,
    (400, Reason.INVALID_PUSH_TYPE): _CALLER,
    (400, Reason.MISSING_DEVICE_TOKEN): _CALLER,
    (400, Reason.MISSING_TOPIC): _CALLER,
    (400, Reason.MISSING_PUSH_TYPE): _CALLER,
    (400, Reason.PAYLOAD_EMPTY): _CALLER,
    (400, Reason.TOPIC_DISALLOWED): _TOPIC,
    (400, Reason.TOPIC_MISMATCH): _TOPIC,
    (400, Reason.MISSING_CHANNEL_ID): _CALLER,
    (400, Reason.BAD_CHANNEL_ID): _CALLER,
    (400, Reason.CHANNEL_NOT_REGISTERED): _CALLER,
    (400, Reason.FEATURE_NOT_ENABLED): _TOPIC,
    (400, Reason.CANNOT_CREATE_CHANNEL_CONFIG): _CALLER,
    (403, Reason.BAD_CERTIFICATE): _CREDENTIAL,
    (403, Reason.BAD_CERTIFICATE_ENVIRONMENT): _CREDENTIAL,
    # A connection that has seen an expired token recovers by nothing (pushy, TokenAuthentication).
    (403, Reason.EXPIRED_PROVIDER_TOKEN): Verdict(
        disposition=Disposition.MOVE, connection=Connection.REPLACE, retries=1, mints=True
    ),
    (403, Reason.FORBIDDEN): _CALLER,
    (403, Reason.INVALID_PROVIDER_TOKEN): _CREDENTIAL,
    (403, Reason.MISSING_PROVIDER_TOKEN): _CREDENTIAL,
    # Apple, February 2025: the first token of a connection binds it to team and key.
    (403, Reason.UNRELATED_KEY_ID_IN_TOKEN): Verdict(
        disposition=Disposition.MOVE, connection=Connection.REPLACE, retries=1
    ),
    (403, Reason.BAD_ENVIRONMENT_KEY_ID_IN_TOKEN): _CREDENTIAL,
    (403, Reason.BAD_ENVIRONMENT_KEY_IN_TOKEN): _CREDENTIAL,
    (404, Reason.BAD_PATH): _CALLER,
    (405, Reason.METHOD_NOT_ALLOWED): _CALLER,
    (410, Reason.EXPIRED_TOKEN): _DROP,
    (410, Reason.UNREGISTERED): _DROP,
    (413, Reason.PAYLOAD_TOO_LARGE): _CALLER,
    # Apple counts tokens by connection: another one, with the token that we have.
    (429, Reason.TOO_MANY_PROVIDER_TOKEN_UPDATES): Verdict(
        disposition=Disposition.RETRY, connection=Connection.REPLACE, backoff=SOON, retries=None
    ),
    (429, Reason.TOO_MANY_REQUESTS): Verdict(
        disposition=Disposition.RETRY, backoff=SAME_TOKEN, retries=None
    ),
    (500, Reason.INTERNAL_SERVER_ERROR): _LATER,
    (503, Reason.SERVICE_UNAVAILABLE): _LATER,
    (503, Reason.SHUTDOWN): _ELSEWHERE,
}
"""What Apple documents, row by row."""

BY_STATUS: Final[Mapping[int, Verdict]] = {
    200: _ACCEPTED,
    403: _CREDENTIAL,
    410: _DROP,
    429: Verdict(disposition=Disposition.RETRY, backoff=SAME_TOKEN, retries=None),
}
"""What a status means with a reason that is not in `VERDICTS`, or with none."""

_BY_NAME: Final = {str(reason): reason for reason in Reason}


def reason_of(answer: Answer) -> Reason | None:
    """The reason, if Apple documents it."""
    return _BY_NAME.get(answer.reason or "")


def verdict_of(answer: Answer) -> Verdict:
    """What `answer` asks of us, whatever is in it."""
    reason = reason_of(answer)
    verdict = None if reason is None else VERDICTS.get((answer.status, reason))
    if verdict is not None:
        return verdict
    known = BY_STATUS.get(answer.status)
    if known is not None:
        return known
    return _LATER if answer.status >= 500 else _CALLER


def drops_token(answer: Answer, *, registered_at: int, sent_at: int) -> bool:
    """Whether a 410 ends a registration: the token may have been registered anew since.

    Milliseconds since 1970: `registered_at` of the registration we have now, `sent_at` of the push,
    which counts where Apple gave no timestamp.
    """
    if verdict_of(answer).disposition is not Disposition.DROP_TOKEN:
        return False
    invalid_since = answer.timestamp if answer.timestamp is not None else sent_at
    return registered_at <= invalid_since
