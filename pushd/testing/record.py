"""What the simulator has seen: every push, how often each apns-id came, and sums.

All of it is bounded, so that it can run for days; the sums go on counting.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Final

import msgspec

MAX_PUSHES: Final = 100_000
"""Pushes kept whole, the latest ones: some 1 KB each, so 100 MB when all are large."""
MAX_IDS: Final = 1_000_000
"""Ids counted, some 150 bytes each. More are not counted, and `Record.ids_are_complete` says so."""


class Push(msgspec.Struct, frozen=True, kw_only=True, tag="push", tag_field="event"):
    """A push as it was received and what was done with it."""

    token: str
    """Of the device (lower case), or the id of the channel; empty if there was none."""
    topic: str | None
    """For a broadcast, the bundle id."""
    push_type: str | None
    apns_id: str
    """The request's, or the one that was given to it. For a broadcast, its apns-request-id."""
    priority: int | None
    expiration: int | None
    collapse_id: str | None
    payload: bytes
    """At most what may be sent; of longer ones the beginning."""
    status: int
    reason: str | None
    """None with status 200."""
    delivery: str | None
    """What became of it (`pushd.testing.device.Delivery`), None if it was not accepted."""
    answered: bool
    """False: in place of the answer something else was done (`Rule.instead`)."""
    processed: bool
    """False: the client is told that nothing was done with it, and nothing was."""
    connection: int
    """Connections are numbered from 1."""
    stream: int
    at: float
    """Seconds since 1970."""


class Statistics(msgspec.Struct, frozen=True, kw_only=True, tag="statistics", tag_field="event"):
    """Sums since the start."""

    received: int
    """Requests of any kind that were received whole."""
    accepted: int
    rejected: int
    unanswered: int
    """Processed, and something else done in place of the answer."""
    refused: int
    """Not processed: REFUSED_STREAM or above the last stream of a GOAWAY."""
    duplicates: int
    """Accepted pushes whose apns-id had been accepted before."""
    delivered: int
    stored: int
    coalesced: int
    expired: int
    discarded: int
    connections: int
    open_connections: int
    failed_handshakes: int
    """TLS failed, or what was agreed on was not HTTP/2."""
    rejected_by_reason: dict[str, int]


class Record:
    """Everything that was received. For one thread."""

    def __init__(self, limit: int = MAX_PUSHES) -> None:
        self.pushes: deque[Push] = deque(maxlen=limit)
        self.received = 0
        self.accepted = 0
        self.rejected = 0
        self.unanswered = 0
        self.refused = 0
        self.duplicates = 0
        self.by_reason: Counter[str] = Counter()
        self.accepted_ids: dict[str, int] = {}
        self.ids_are_complete = True

    def add(self, push: Push) -> None:
        """Count a push and keep it."""
        self.pushes.append(push)
        self.received += 1
        if not push.processed:
            self.refused += 1
            return
        if not push.answered:
            self.unanswered += 1
        if push.status == 200:
            self.accepted += 1
            self._count_id(push.apns_id.lower())
        else:
            self.rejected += 1
            self.by_reason[push.reason or ""] += 1

    def count_of(self, apns_id: str) -> int:
        """How often a push of that id was accepted, its answer lost or not."""
        return self.accepted_ids.get(apns_id.lower(), 0)

    def to(self, token: str) -> list[Push]:
        """The pushes kept of those to a device, in the order in which they came."""
        wanted = token.lower()
        return [push for push in self.pushes if push.token == wanted]

    def _count_id(self, apns_id: str) -> None:
        count = self.accepted_ids.get(apns_id)
        if count is not None:
            self.accepted_ids[apns_id] = count + 1
            self.duplicates += 1
        elif len(self.accepted_ids) < MAX_IDS:
            self.accepted_ids[apns_id] = 1
        else:
            self.ids_are_complete = False
