"""What the queue tells whoever submits a push, and whoever asks for one later."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

import msgspec

from pushd.attempt import Attempts
from pushd.job import LaneKey
from pushd.outcome import Outcome


class State(Enum):
    """Where a push is."""

    QUEUED = "queued"
    """It waits to be sent, or for its next attempt."""
    SENDING = "sending"
    """Apple has not answered yet."""
    SETTLED = "settled"
    """It has an outcome."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """All that is known of one push."""

    id: str
    state: State
    submitted_at: int
    """Milliseconds since 1970, UTC."""
    lane: LaneKey | None = None
    """Its credential and topic; None: not known any more, of one that was settled long ago."""
    device: str | None = None
    """Of one with an outcome, unless Apple just accepted it: the token, or a broadcast's
    channel."""
    attempts: Attempts | None = None
    """Those that failed, if any did."""
    outcome: Outcome | None = None
    """With SETTLED, and only then."""
    settled_at: int | None = None
    """Milliseconds since 1970, UTC."""


class Queued(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """It is on disk, and will be sent."""

    id: str


class Duplicate(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """This id was submitted before; that push is what counts, and this one was not taken."""

    id: str
    state: State


class Full(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Too much waits already; it was not taken."""

    retry_after: float
    """Seconds."""


class Unstored(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The disk would not have it; it was not taken."""

    why: str


Receipt: TypeAlias = Queued | Duplicate | Full | Unstored
