"""What became of a push, or of one attempt to deliver it: values, no booleans.

Accepted  Rejected  Failed(retry_at=None)  Expired  Cancelled  Collapsed     final
Failed(retry_at)                                                             once more, then
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """Apple has it."""

    apns_id: str
    """As Apple echoed it: ours, but for the case of its letters."""
    unique_id: str | None = None
    """apns-unique-id, which only the development environment sends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """Apple will not have it."""

    status: int
    reason: str | None
    """As Apple wrote it; `protocols.apns.reason` knows what it means."""
    invalid_since: int | None = None
    """With 410: milliseconds since 1970 at which the token was last found invalid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """It did not get an answer that settles it."""

    why: str
    """For who asks: the answer, or what happened to the connection."""
    retry_at: float | None = None
    """Seconds since 1970 at which it goes back in its lane; None: it is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """Its deadline passed while it waited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """Whoever submitted it took it back before it was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collapsed:
    """A newer push made it pointless before it was sent."""

    into: str
    """The id of the newer one."""


Outcome: TypeAlias = Accepted | Rejected | Failed | Expired | Cancelled | Collapsed


def is_final(outcome: Outcome) -> bool:
    """Whether the push is not tried again."""
    return not isinstance(outcome, Failed) or outcome.retry_at is None
