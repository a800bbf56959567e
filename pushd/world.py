"""What the daemon takes from its surroundings; a test passes its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random, SystemRandom
from typing import Any

from ops.service.inherited import Inherited


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Reactor, clocks, chance."""

    reactor: Any
    """Twisted's: TCP, names, time, threads."""
    monotonic: Callable[[], float] = time.monotonic
    """Seconds that nobody sets. The reactor's own clock is the wall's: it is told delays only."""
    unix: Callable[[], float] = time.time
    """Seconds since 1970, UTC: what deadlines and Apple go by."""
    random: Random = field(default_factory=SystemRandom)
    """For back-off and the order of addresses."""
    inherited: Inherited = field(default_factory=Inherited)
    """Sockets that are bound already."""
