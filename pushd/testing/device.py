"""Devices, as far as Apple knows them: which tokens are good, who is reachable, what is stored.

    push ──▶ ONLINE    delivered
             SLEEPING  priority 10 delivered; 5 and 1 as if offline ("power considerations")
             OFFLINE   stored if it may be: apns-expiration in the future. One notification is
                       stored for each bundle id and device, and a newer takes its place.
         ──▶ ONLINE again: what is stored is delivered, unless it has expired

A push without apns-expiration is not stored: Apple's "storage policy" as providers of MDM met it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Final

from protocols.apns.reason import Reason
from pushd.testing.refusal import Refused
from pushd.testing.request import PushRequest

LONGEST: Final = 30 * 86400
"""Seconds for which anything is stored at most."""


class Reach(enum.Enum):
    """How a device can be reached."""

    ONLINE = "online"
    SLEEPING = "sleeping"
    OFFLINE = "offline"


class Delivery(enum.Enum):
    """What became of a push that was accepted."""

    DELIVERED = "delivered"
    STORED = "stored"
    COALESCED = "coalesced"
    """It took the place of a stored one."""
    DISCARDED = "discarded"
    """The device was not reachable, and the push not to be stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPush:
    """A push that waits for its device."""

    apns_id: str
    payload: bytes
    priority: int
    collapse_id: str | None
    expires_at: int
    """Seconds since 1970."""


@dataclass(slots=True, kw_only=True)
class Device:
    """One device token."""

    reach: Reach = Reach.ONLINE
    topics: frozenset[str] | None = None
    """Topics it was made for; None: all."""
    invalid_since: int | None = None
    """Milliseconds since 1970; None: it is registered."""
    reason: Reason = Reason.UNREGISTERED
    stored: dict[str, StoredPush] = field(default_factory=dict)
    """By bundle id."""


@dataclass(slots=True, kw_only=True)
class Devices:
    """All devices. A token of which nothing was said is registered and online, unless `closed`."""

    closed: bool = False
    """Only tokens that were registered are good; others are BadDeviceToken."""
    known: dict[str, Device] = field(default_factory=dict)
    delivered: int = 0
    stored: int = 0
    coalesced: int = 0
    expired: int = 0
    discarded: int = 0

    def register(self, token: str, *, topics: frozenset[str] | None = None) -> None:
        """Make a token good (again), for `topics` only if named."""
        self.known[token.lower()] = Device(topics=topics)

    def unregister(
        self, token: str, *, invalid_since: int, reason: Reason = Reason.UNREGISTERED
    ) -> None:
        """Let pushes to `token` be answered by 410 with that time (milliseconds since 1970)."""
        self.known[token.lower()] = Device(invalid_since=invalid_since, reason=reason)

    def reach(self, token: str, reach: Reach, *, now: float) -> list[StoredPush]:
        """Change how a device can be reached; what was stored and is delivered to it now."""
        device = self.known.setdefault(token.lower(), Device())
        device.reach = reach
        due = [
            (bundle_id, push)
            for bundle_id, push in device.stored.items()
            if _gets_through(reach, push.priority)
        ]
        delivered = []
        for bundle_id, push in due:
            del device.stored[bundle_id]
            if push.expires_at > now:
                self.delivered += 1
                delivered.append(push)
            else:
                self.expired += 1
        return delivered

    def expire(self, now: float) -> None:
        """Forget what has been stored for too long."""
        for device in self.known.values():
            dead = [name for name, push in device.stored.items() if push.expires_at <= now]
            for name in dead:
                del device.stored[name]
            self.expired += len(dead)

    def check(self, push: PushRequest) -> None:
        """Raises Refused if its token is none that its topic can be pushed to."""
        device = self.known.get(push.target)
        if device is None:
            if self.closed:
                raise Refused(400, Reason.BAD_DEVICE_TOKEN)
            return
        if device.invalid_since is not None:
            raise Refused(410, device.reason, device.invalid_since)
        if device.topics is not None and push.topic not in device.topics:
            raise Refused(400, Reason.DEVICE_TOKEN_NOT_FOR_TOPIC)

    def push(self, push: PushRequest, apns_id: str, payload: bytes, *, now: float) -> Delivery:
        """Deliver or store an accepted push."""
        device = self.known.get(push.target)
        if device is None or _gets_through(device.reach, push.priority):
            self.delivered += 1
            return Delivery.DELIVERED
        if push.expiration is None or push.expiration <= now:
            self.discarded += 1
            return Delivery.DISCARDED
        before = device.stored.get(push.bundle_id)
        device.stored[push.bundle_id] = StoredPush(
            apns_id=apns_id,
            payload=payload,
            priority=push.priority,
            collapse_id=push.collapse_id,
            expires_at=min(push.expiration, int(now) + LONGEST),
        )
        if before is None:
            self.stored += 1
            return Delivery.STORED
        if before.expires_at <= now:
            self.expired += 1
            self.stored += 1
            return Delivery.STORED
        self.coalesced += 1
        return Delivery.COALESCED


def _gets_through(reach: Reach, priority: int) -> bool:
    return reach is Reach.ONLINE or (reach is Reach.SLEEPING and priority == 10)
