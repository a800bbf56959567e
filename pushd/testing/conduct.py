"""How a connection behaves on the wire, good or bad, whatever is said by it.

The defaults are Apple's as users have seen them (pushy 709, 878).
"""

from __future__ import annotations

from typing import Literal

import msgspec

APPLE_WINDOW = 65535
APPLE_STREAMS = 1000


class CutAt(msgspec.Struct, frozen=True, kw_only=True):
    """Where a connection is cut through."""

    count: int
    """So many units pass, and no more. The client's preface counts as a frame, the first."""
    unit: Literal["frames", "bytes"] = "frames"
    direction: Literal["received", "sent"] = "received"
    """By the simulator."""
    abort: bool = False
    """By a TCP reset rather than FIN. (A reset may overtake what was sent before it.)"""

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError("count: is not at least 0")


class Conduct(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One connection's conduct."""

    streams: int = APPLE_STREAMS
    """SETTINGS_MAX_CONCURRENT_STREAMS."""
    first_streams: int = 1
    """The same for a client without a certificate, until its first push is accepted."""
    lowers: bool = False
    """Go back to one stream after a rejection (other than 410), and up after an acceptance."""
    excess: Literal["refuse", "goaway"] = "refuse"
    """Streams beyond the limit get REFUSED_STREAM, or end the connection by GOAWAY, error code 7,
    "Maximum active streams violated" (forum 54407). Those that were on their way when the limit
    sank are served."""
    table_size: int = 4096
    """SETTINGS_HEADER_TABLE_SIZE."""
    header_list: int = 8000
    """SETTINGS_MAX_HEADER_LIST_SIZE."""
    window: int = APPLE_WINDOW
    """SETTINGS_INITIAL_WINDOW_SIZE."""
    widens: bool = True
    """Send WINDOW_UPDATE for what was received."""
    pongs: bool = True
    """Acknowledge PING."""
    settings: bool = True
    """Send SETTINGS at all."""
    latency: float = 0.0
    """Seconds from request to answer."""
    jitter: float = 0.0
    """Up to so many more, at random."""
    idle: float | None = None
    """Seconds without a request after which the connection is closed: GOAWAY, IdleTimeout."""
    rejections: int | None = None
    """The connection is closed after so many (other than 410), as Apple does after too many."""
    tls: Literal["accept", "close", "alert", "silent"] = "accept"
    """What is done with a connection before TLS: served, closed at once, refused by a handshake
    failure alert, or left without an answer."""
    cut: CutAt | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.window <= 0x7FFFFFFF:
            raise ValueError("window: is not between 0 and 2147483647")
        if min(self.streams, self.first_streams, self.table_size, self.header_list) < 0:
            raise ValueError("a setting is negative")
