"""What became of a push, or of one attempt to deliver it: values, no booleans.

Accepted  Rejected  Failed(retry_at=None)  Expired  Cancelled  Collapsed     final
Failed(retry_at)                                                             once more, then
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec


class Accepted(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Apple has it."""

    apns_id: str
    """As Apple echoed it: ours, but for the case of its letters."""
    unique_id: str | None = None
    """apns-unique-id, which only the development environment sends."""


class Rejected(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Apple will not have it."""

    status: int
    reason: str | None
    """As Apple wrote it; `protocols.apns.reason` knows what it means."""
    invalid_since: int | None = None
    """With 410: milliseconds since 1970 at which the token was last found invalid."""


class Failed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """It did not get an answer that settles it."""

    why: str
    """For who asks: the answer, or what happened to the connection."""
    retry_at: float | None = None
    """Seconds since 1970 at which it goes back in its lane; None: it is given up."""


class Expired(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Its deadline passed while it waited."""


class Cancelled(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Whoever submitted it took it back before it was sent."""


class Collapsed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A newer push made it pointless before it was sent."""

    into: str
    """The id of the newer one."""


Outcome: TypeAlias = Accepted | Rejected | Failed | Expired | Cancelled | Collapsed
