"""The attempts to deliver a push that failed: when, and why; kept over a restart.

Only a failed attempt costs anything: a push that Apple accepts at once has none of this.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from ops.database import StoreError
from ops.text import escape

MAX_TOLD: Final = 10
"""Attempts that are remembered, the first and the last nine: 2.5 kB a push."""
MAX_WHY: Final = 200
"""Characters."""


class Attempt(Struct, frozen=True, array_like=True):
    """One that failed."""

    at: int
    """Milliseconds since 1970, UTC."""
    why: str


class Attempts(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Those of one push, oldest first."""

    tries: int = 0
    """How many were put off until later; what is sent again at once is told, and not counted."""
    retry_at: int | None = None
    """Milliseconds since 1970, UTC: when the next one is due."""
    told: tuple[Attempt, ...] = ()

    def failed(self, why: str, *, at: int, retry_at: int | None) -> Attempts:
        """With one more. None: it is made again at once."""
        told = (*self.told, Attempt(at, escape(why, MAX_WHY)))
        if len(told) > MAX_TOLD:
            told = (told[0], *told[2:])
        tries = self.tries if retry_at is None else self.tries + 1
        return Attempts(tries=tries, retry_at=retry_at, told=told)


NONE: Final = Attempts()
"""Those of a push that was never put off."""


def attempts_text(attempts: Attempts | None) -> str | None:
    """As a database keeps them."""
    return None if attempts is None else _ENCODER.encode(attempts).decode()


def attempts_of(text: str | None) -> Attempts | None:
    """What `attempts_text` wrote. Raises StoreError if it makes no sense."""
    if text is None:
        return None
    try:
        return _DECODER.decode(text)
    except msgspec.DecodeError as error:
        problem = f"attempts in the database cannot be read ({error})"
        raise StoreError(problem, "delete their row in the table `attempts`") from None


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Attempts)
