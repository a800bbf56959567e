"""What the file services tell about their work: one `Transfer` per file being read by one peer.

TFTP: one transfer per read request. HTTP: one per connection and file, so that the many range
requests with which a Mac reads its root image add up to one. The services create and update it, and
tell a `TransferObserver`; they never learn who listens.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Protocol

PROGRESS_INTERVAL = 0.5
"""Seconds between two `progressed` calls for one transfer, at least."""


class Outcome(enum.Enum):
    """How a transfer ended."""

    COMPLETE = "complete"
    PROBE = "probe"
    """The peer asked for the size, then stopped: firmware does this before the real read."""
    ABORTED = "aborted"
    """The peer stopped in the middle (TFTP ERROR, TCP close)."""
    TIMEOUT = "timeout"
    FAILED = "failed"
    """Our side could not go on (a read error, for one)."""
    STOPPED = "stopped"
    """The service was stopped."""


@dataclass(slots=True, eq=False)
class Transfer:
    """One file on its way to one peer. Mutable, owned by the service that serves it."""

    service: str
    """`tftp`, `http` or `https`."""
    peer: str
    """IPv4 address of the reader, dotted."""
    name: str
    """Published name: `<bundle>.nbi/<path below it>`."""
    role: str
    """What the file is to a boot: an `images.paths.Role` value."""
    size: int
    """Bytes in the whole file."""
    started_at: float
    """Monotonic seconds."""
    sent: int = 0
    """Bytes sent, repeats not counted for TFTP; may exceed `size` over HTTP (ranges read twice)."""
    outcome: Outcome | None = None
    ended_at: float = 0.0
    """Monotonic seconds, set with `outcome`."""
    told_at: float = field(default=0.0, repr=False)
    """When `progressed` was last called."""


class TransferObserver(Protocol):
    """Who wants to know. Calls are synchronous, on the reactor thread, and must be cheap."""

    def started(self, transfer: Transfer) -> None: ...

    def progressed(self, transfer: Transfer) -> None:
        """At most once per `PROGRESS_INTERVAL` and transfer."""

    def finished(self, transfer: Transfer) -> None:
        """`transfer.outcome` is set."""

    def missing(self, service: str, peer: str, name: str, why: str) -> None:
        """`peer` asked for `name` (already safe to show), which is not published."""
