"""What keeps one client, or many, from taking the server away from the others."""

from __future__ import annotations

import enum
from dataclasses import dataclass

LINGER = 2.0
"""Seconds for which a connection that we end is read on, so that the client gets to see our last
response: closing while bytes arrive would have the kernel send a reset, which may overtake it
(RFC 9112, 9.6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one service; times are in seconds. The defaults are those of `[http]`."""

    idle_timeout: float = 75.0
    """Between two requests."""
    request_timeout: float = 20.0
    """From the first byte of a request (for a connection's first request: from accept) to its
    end."""
    stall_timeout: float = 60.0
    """Without the client taking a byte of a response."""
    max_request: int = 16384
    """Bytes of a request's line and header."""


class Admission:
    """How many connections there are; may be shared by several services."""

    def __init__(self, *, total: int = 2000, per_peer: int = 200) -> None:
        self._total = total
        self._per_peer = per_peer
        self._peers: dict[str, int] = {}
        self.connections = 0

    def admit(self, peer: str) -> bool:
        """Count a connection in, unless that would be one too many."""
        there = self._peers.get(peer, 0)
        if self.connections >= self._total or there >= self._per_peer:
            return False
        self._peers[peer] = there + 1
        self.connections += 1
        return True

    def leave(self, peer: str) -> None:
        """Count a connection out that was admitted."""
        self.connections -= 1
        there = self._peers.pop(peer) - 1
        if there:
            self._peers[peer] = there


class Phase(enum.Enum):
    """What a connection waits for."""

    IDLE = enum.auto()
    """The first byte of another request."""
    REQUEST = enum.auto()
    """The rest of a request."""
    RESPONSE = enum.auto()
    """The client to take the response."""
    LINGER = enum.auto()
    """The client to close."""


class Patience:
    """For how long a connection has made no headway; looked at by a sweep, never by traffic."""

    __slots__ = ("_mark", "_since", "_timeouts")

    def __init__(self, limits: Limits, now: float) -> None:
        self._timeouts = {
            Phase.IDLE: limits.idle_timeout,
            Phase.REQUEST: limits.request_timeout,
            Phase.RESPONSE: limits.stall_timeout,
            Phase.LINGER: LINGER,
        }
        self._mark = (Phase.REQUEST, 0)
        self._since = now

    def exhausted(self, phase: Phase, headway: int, now: float) -> bool:
        """Whether it has been in `phase` too long with `headway` standing still."""
        mark = (phase, headway)
        if mark != self._mark:
            self._mark = mark
            self._since = now
            return False
        return now - self._since >= self._timeouts[phase]
