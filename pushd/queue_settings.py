"""What an operator may set for the queue: `[queue]`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from ops.setting import ByteSize, Duration


class QueueSettings(Struct, frozen=True, kw_only=True):
    """How much may wait, for how long, and how long its outcome is kept."""

    pushes: Annotated[int, Meta(ge=1, le=100_000_000)] = 1_000_000
    """Pushes that wait at most; beyond it they are refused, and whoever sends is told when to come
    back."""
    size: ByteSize = ByteSize(1 << 30)
    """Bytes of payload that wait at most; on disk a push takes some 300 bytes more."""
    max_age: Annotated[Duration, Meta(ge=1, le=31_536_000)] = Duration(7 * 86_400)
    """A push that waited so long is not sent any more, whatever its apns-expiration."""
    retention: Annotated[Duration, Meta(ge=1, le=31_536_000)] = Duration(86_400)
    """How long the outcome of a push can be asked for, and its id is known as a duplicate."""
