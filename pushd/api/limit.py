"""What keeps one client, or many, from taking the API away from the others."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

LINGER: Final = 2.0
"""Seconds for which a connection that we end is read on, so that the client gets to see our last
response (RFC 9112 §9.6)."""
SLOWEST: Final = 1024
"""Bytes a second of a body, at least, once its first `request_timeout` has passed."""
MAX_ITEM: Final = 64 << 10
"""Bytes of one push as JSON: ten times Apple's largest payload, were every byte of it escaped."""
MAX_PROVIDER_BODY: Final = 16 << 10
"""Bytes of a request to Apple's face that are read at all: three times Apple's largest payload."""
ITEM_COST: Final = 1024
"""Bytes of memory that a push takes beside its text, until it is on disk (measured: 900)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of the API; times are in seconds. The defaults are those of `[api]`."""

    idle_timeout: float = 600.0
    """A connection without a request."""
    request_timeout: float = 20.0
    """From accept, or a request's first byte, to the end of its head; then see SLOWEST."""
    stall_timeout: float = 60.0
    """Without the client taking a byte of a response."""
    max_head: int = 16384
    """Bytes of a request's line and headers; of HTTP/2's header list."""
    max_array: int = 8 << 20
    """Bytes of a JSON body that is no NDJSON: it is held until it is complete."""
    max_body: int = 64 << 20
    """Bytes of an NDJSON body, of which only a line is held."""
    max_items: int = 50_000
    """Pushes in one request, which is one commit."""
    max_streams: int = 500
    """HTTP/2 requests at the same time on one connection."""
    max_wait: float = 300.0
    """Seconds for which a client may have us wait."""


class Ration:
    """Memory that all requests share while their bodies are read and their pushes are stored."""

    def __init__(self, size: int) -> None:
        """`size` is bytes."""
        self._left = size

    def take(self, amount: int) -> bool:
        """Whether there was that much."""
        if amount > self._left:
            return False
        self._left -= amount
        return True

    def give(self, amount: int) -> None:
        self._left += amount

    @property
    def left(self) -> int:
        return self._left


class Admission:
    """How many connections there are."""

    def __init__(self, *, total: int, per_client: int) -> None:
        self._total = total
        self._per_client = per_client
        self._clients: dict[str, int] = {}
        self.connections = 0

    def admit(self, address: str) -> bool:
        """Count a connection in, unless that would be one too many."""
        there = self._clients.get(address, 0)
        if self.connections >= self._total or there >= self._per_client:
            return False
        self._clients[address] = there + 1
        self.connections += 1
        return True

    def leave(self, address: str) -> None:
        """Count a connection out that was admitted."""
        self.connections -= 1
        there = self._clients.pop(address) - 1
        if there:
            self._clients[address] = there


class Throttle:
    """Failed logins by address: after `failures` within `period` nothing of it is looked at."""

    MAX_ADDRESSES: Final = 10_000
    """Remembered at most, the oldest forgotten first: 2 MB."""

    def __init__(self, *, failures: int = 10, period: float = 60.0) -> None:
        """`period` is seconds."""
        self._failures = failures
        self._period = period
        self._seen: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait(self, address: str, now: float) -> float:
        """Seconds for which `address` is not listened to; 0: it is. `now` is monotonic."""
        count, since = self._seen.get(address, (0, now))
        return max(0.0, since + self._period - now) if count >= self._failures else 0.0

    def failed(self, address: str, now: float) -> None:
        count, since = self._seen.pop(address, (0, now))
        if now - since >= self._period:
            count, since = 0, now
        self._seen[address] = (count + 1, since)
        if len(self._seen) > self.MAX_ADDRESSES:
            self._seen.popitem(last=False)
