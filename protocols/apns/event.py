"""What goes into the engine of a connection to Apple, and what comes out of it: values."""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

from protocols.apns.answer import Answer, Explanation
from protocols.apns.hpack import Header, Shape


class Request(NamedTuple):
    """A push as it is written."""

    path: bytes
    shape: Shape
    """Headers that many pushes have in common: `apns-push-type`, `apns-topic`, `apns-priority`."""
    own: tuple[Header, ...]
    """`apns-id`, `apns-expiration`, `apns-collapse-id`."""
    body: bytes
    authorization: bytes | None = None


class Answered(NamedTuple):
    """Apple's answer to the push `key`."""

    key: Hashable
    answer: Answer


class Unprocessed(NamedTuple):
    """Apple has not looked at the push `key`."""

    key: Hashable


class Uncertain(NamedTuple):
    """Nobody knows whether Apple has the push `key`."""

    key: Hashable
    why: str


class SlotsChanged(NamedTuple):
    """The peer's SETTINGS: so many requests may be under way."""

    limit: int


class GoingAway(NamedTuple):
    """The peer takes no more requests; what it has, it answers."""

    code: int
    explanation: Explanation
    debug: str


class Closed(NamedTuple):
    """Nothing more comes: what is outgoing is to be sent, then the connection closed."""

    why: str


Event = Answered | Unprocessed | Uncertain | SlotsChanged | GoingAway | Closed
