"""What the daemon takes from its surroundings; a test passes its own."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from netbootd.interface import Interface, read_interfaces
from ops.service.inherited import Inherited


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Reactor, clocks, interfaces, name."""

    reactor: Any
    """Twisted's: descriptors, TCP, time, threads."""
    monotonic: Callable[[], float] = time.monotonic
    unix: Callable[[], float] = time.time
    """Seconds since 1970, UTC: what a lease goes by. A packet's price of `utcnow` is five times
    that."""
    utcnow: Callable[[], datetime] = lambda: datetime.now(UTC)
    interfaces: Callable[[], tuple[Interface, ...]] = read_interfaces
    host_name: Callable[[], str] = socket.gethostname
    inherited: Inherited = field(default_factory=Inherited)
    """Sockets that are bound already."""
