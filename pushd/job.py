"""A push that somebody asked us to deliver: what to send, whose credential, until when.

A job is a value. Where it stands in the queue, and how often it was tried, is the queue's to know.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

import msgspec

from protocols.apns.message import Broadcast, Notification, PushType, topic_for

Push: TypeAlias = Notification | Broadcast

DEFAULT_PRIORITY: Final = 10
"""Apple's, where a push names none."""


_MDM: Final = PushType.MDM


class LaneKey(NamedTuple):
    """Pushes that share a lane share their fate: one bad lane keeps no other waiting."""

    credential: str
    topic: str


class Job(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One push to be delivered."""

    push: Push
    credential: str
    """Its name in the configuration."""
    submitted_at: int
    """Milliseconds since 1970, UTC."""
    deadline: int
    """Seconds since 1970, UTC: from then on it is not sent any more. See `deadline_of`."""
    tries: int = 0
    """Attempts that failed; what a back-off counts."""

    @property
    def id(self) -> str:
        """The apns-id, or a broadcast's request id: the same in every attempt."""
        push = self.push
        return push.apns_id if type(push) is Notification else push.request_id  # type: ignore[union-attr]

    @property
    def lane(self) -> LaneKey:
        push = self.push
        if isinstance(push, Notification):
            return LaneKey(self.credential, push.topic)
        return LaneKey(self.credential, topic_for(push.bundle_id, PushType.LIVEACTIVITY))

    def is_of(self, lane: LaneKey | None) -> bool:
        """Whether that is its lane, as far as can be seen at a glance."""
        push = self.push
        return (
            lane is not None
            and type(push) is Notification
            and push.topic == lane[1]
            and self.credential == lane[0]
        )

    @property
    def order_key(self) -> str:
        """The device, or the channel: of those that share it, one is in flight at a time."""
        push = self.push
        return push.device if isinstance(push, Notification) else push.channel_id

    @property
    def priority(self) -> int:
        """10, 5 or 1."""
        return self.push.priority or DEFAULT_PRIORITY

    @property
    def collapse_key(self) -> tuple[str, str] | None:
        """Of two waiting pushes with the same one only the newer is sent; None: always sent.

        A wake of a managed device says nothing but "ask your server", so a second says no more.
        """
        push = self.push
        if isinstance(push, Broadcast):
            return None
        if push.push_type is _MDM:
            return push.device, ""
        return None if push.collapse_id is None else (push.device, push.collapse_id)


def deadline_of(push: Push, *, submitted_at: int, max_age: float) -> int:
    """Until when `push` is worth sending, seconds since 1970: until its `apns-expiration`, and
    `max_age` seconds at most. An expiration of 0 tells Apple not to store the push, not us."""
    latest = int(submitted_at / 1000 + max_age)
    return min(push.expiration, latest) if push.expiration else latest


def ordered_id(now: int, random_bits: Callable[[int], int]) -> str:
    """A new UUID (version 7, RFC 9562 §5.7) in canonical form, lower case.

    `now` is milliseconds since 1970; `random_bits(n)` a random number of n bits. Ids that grow with
    time are appended to a database's index, where random ones each find a page of their own.
    """
    number = (now & 0xFFFF_FFFF_FFFF) << 80 | 0x7 << 76 | 0b10 << 62
    random = random_bits(74)
    digits = f"{number | random >> 62 << 64 | random & (1 << 62) - 1:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


class OrderedIds:
    """Makes many of them: those of one millisecond count on from a random number (RFC 9562 §6.2),
    which takes a tenth of the time."""

    __slots__ = ("_begin", "_count", "_now", "_random_bits")

    def __init__(self, random_bits: Callable[[int], int]) -> None:
        """`random_bits(n)` gives a random number of n bits."""
        self._random_bits = random_bits
        self._now = -1
        self._begin = ""
        self._count = 0

    def new(self, now: int) -> str:
        """Another id; `now` is milliseconds since 1970."""
        if now != self._now:
            self._now = now
            first = ordered_id(now, self._random_bits)
            # Half of 48 bits: nobody asks for so many in a millisecond that they were used up.
            self._begin, self._count = first[:24], int(first[24:], 16) >> 1
        self._count += 1
        return f"{self._begin}{self._count:012x}"
