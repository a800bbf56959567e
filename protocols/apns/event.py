"""What goes into the engine of a connection to Apple, and what comes out of it: values."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from protocols.apns.answer import Answer, Explanation
from protocols.apns.hpack import Header, Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What we allow a connection."""

    streams: int = 1500
    """Requests under way at most, whatever the peer allows."""
    answer: float = 60.0
    """Seconds that an answer may take."""
    quiet: float = 45.0
    """Seconds without a byte from the peer after which it is asked for a sign of life (PING)."""
    pong: float = 15.0
    """Seconds that the sign of life may take."""


class Request(NamedTuple):
    """A push as it is written."""

    path: bytes
    shape: Shape
    """Headers that many pushes have in common: `apns-push-type`, `apns-topic`, `apns-priority`."""
    own: tuple[Header, ...]
    """`apns-id`, `apns-expiration`, `apns-collapse-id`."""
    body: bytes
    authorization: bytes | None = None


class Answered(msgspec.Struct, frozen=True, gc=False):
    """Apple's answer to the push `key`."""

    key: Hashable
    answer: Answer


class Unprocessed(msgspec.Struct, frozen=True):
    """Apple has not looked at the push `key`."""

    key: Hashable


class Uncertain(msgspec.Struct, frozen=True):
    """Nobody knows whether Apple has the push `key`."""

    key: Hashable
    why: str


class SlotsChanged(msgspec.Struct, frozen=True):
    """The peer's SETTINGS: so many requests may be under way."""

    limit: int


class GoingAway(msgspec.Struct, frozen=True):
    """The peer takes no more requests; what it has, it answers."""

    code: int
    explanation: Explanation
    debug: str


class Closed(msgspec.Struct, frozen=True):
    """Nothing more comes: what is outgoing is to be sent, then the connection closed."""

    why: str


Event = Answered | Unprocessed | Uncertain | SlotsChanged | GoingAway | Closed
