"""Who has logged in to the console, and how often somebody tried in vain.

Both are bounded, and forgotten when the daemon stops.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

MAX_SESSIONS: Final = 256
"""The one unused for longest goes."""
IDLE: Final = 8 * 3600.0
LIFE: Final = 24 * 3600.0
"""Seconds without a request, and in all, after which one has to log in again."""

MAX_FAILED: Final = 5
"""Attempts of one address that may fail within WINDOW."""
MAX_FAILED_TOGETHER: Final = 50
"""Of all addresses together: whoever has many gets no further."""
WINDOW: Final = 60.0
MAX_PEERS: Final = 1024


@dataclass(slots=True, eq=False)
class Session:
    """Somebody who has logged in."""

    csrf: str
    """In every form of the session."""
    password: str
    """The line of the password file that let it in: with another password it ends."""
    began: float
    seen: float
    said: list[str] = field(default_factory=list)
    """What the next page is to tell, once."""

    def is_own(self, token: str) -> bool:
        """Whether a form is one of this session's."""
        return hmac.compare_digest(self.csrf.encode(), token.encode("utf-8", "replace"))


class Sessions:
    """By the hash of what the cookie holds."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._sessions: OrderedDict[bytes, Session] = OrderedDict()

    def open(self, password: str) -> str:
        """A new session; what its cookie holds."""
        token = secrets.token_urlsafe(32)
        now = self._seconds()
        self._sessions[_key(token)] = Session(
            csrf=secrets.token_urlsafe(32), password=password, began=now, seen=now
        )
        if len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)
        return token

    def find(self, token: str | None, password: str, *, is_request: bool = True) -> Session | None:
        """The session of a cookie, if it is still good. A request makes it last; that a page is
        open somewhere does not."""
        if token is None:
            return None
        key = _key(token)
        session = self._sessions.get(key)
        if session is None:
            return None
        now = self._seconds()
        if now - session.seen > IDLE or now - session.began > LIFE or session.password != password:
            del self._sessions[key]
            return None
        if is_request:
            session.seen = now
            self._sessions.move_to_end(key)
        return session

    def close(self, token: str | None) -> None:
        if token is not None:
            self._sessions.pop(_key(token), None)


def _key(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


class Attempts:
    """Failed logins of the last minute."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._by_peer: OrderedDict[str, deque[float]] = OrderedDict()
        self._all: deque[float] = deque(maxlen=MAX_FAILED_TOGETHER)

    def wait(self, peer: str) -> float:
        """Seconds until `peer` may try again; 0: at once."""
        return max(
            self._left(self._by_peer.get(peer), MAX_FAILED),
            self._left(self._all, MAX_FAILED_TOGETHER),
        )

    def _left(self, times: deque[float] | None, most: int) -> float:
        if times is None or len(times) < most:
            return 0.0
        return max(0.0, times[0] + WINDOW - self._seconds())

    def begin(self, peer: str) -> None:
        """Count an attempt before it is known how it ends: many at once must not slip through."""
        now = self._seconds()
        times = self._by_peer.setdefault(peer, deque(maxlen=MAX_FAILED))
        times.append(now)
        self._all.append(now)
        self._by_peer.move_to_end(peer)
        if len(self._by_peer) > MAX_PEERS:
            self._by_peer.popitem(last=False)

    def succeeded(self, peer: str) -> None:
        self._by_peer.pop(peer, None)
        if self._all:
            self._all.pop()
