"""Apple's answer to one push: a status and, if it is no 200, a JSON body that says why.

    HTTP/2 410
    apns-id: eabeae54-14a8-11e5-b60b-1697f925ec7b

    {"reason":"Unregistered","timestamp":1425164400000}

The same body comes as debug data of a GOAWAY. Must never trust it: sizes and types are checked.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from protocols.errors import DecodeError

MAX_BODY: Final = 4096
"""Bytes of a body that are looked at: Apple's take under 100."""
MAX_REASON: Final = 100
"""Characters of a reason: Apple's longest has 32."""
MAX_TIMESTAMP: Final = 1 << 53
"""Milliseconds since 1970 that JSON numbers carry exactly."""


class Answer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What Apple said to a push. There is one for each: a Struct takes a tenth of the time."""

    status: int
    """100 to 599."""
    reason: str | None = None
    """As written; `protocols.apns.reason` knows what it means. None with status 200."""
    timestamp: int | None = None
    """With 410: milliseconds since 1970 (UTC) at which the token was last found invalid."""
    apns_id: str | None = None
    """The push's own, or the one that Apple gave it."""
    unique_id: str | None = None
    """apns-unique-id: the development environment's, for Apple's console."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The body of an answer, or of a GOAWAY's debug data."""

    reason: str | None = None
    timestamp: int | None = None


def explanation_of(body: bytes) -> Explanation:
    """What `body` says; an empty one says nothing. Raises DecodeError if it is not Apple's JSON."""
    if not body:
        return Explanation()
    if len(body) > MAX_BODY:
        raise DecodeError("answer", MAX_BODY, f"has {len(body)} bytes, Apple's have under 100")
    try:
        said: Any = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise DecodeError("answer", 0, "is no JSON") from error
    if not isinstance(said, dict):
        raise DecodeError("answer", 0, "is no JSON object")
    reason, timestamp = said.get("reason"), said.get("timestamp")
    if reason is not None and not (isinstance(reason, str) and 0 < len(reason) <= MAX_REASON):
        raise DecodeError("reason", 0, "is no short text")
    if timestamp is not None and not _is_timestamp(timestamp):
        raise DecodeError("timestamp", 0, "is no number of milliseconds")
    return Explanation(reason=reason, timestamp=timestamp)


def _is_timestamp(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MAX_TIMESTAMP
