"""NDJSON as it arrives: pieces of bytes in, complete lines out.

Only the line that is not complete yet is held. One that is longer than a push can be is cut off
there: what is left of it still says that it is too long.
"""

from __future__ import annotations

from typing import Final

from pushd.api.limit import MAX_ITEM

_BLANK: Final = b" \t\r"


class Lines:
    """Splits one body."""

    def __init__(self, longest: int = MAX_ITEM) -> None:
        """A line of more than `longest` bytes comes out cut, one byte longer than that."""
        self._longest = longest
        self._begun: list[bytes] = []
        self._size = 0

    @property
    def held(self) -> int:
        """Bytes of the line that is not complete."""
        return self._size

    def received(self, data: bytes) -> list[bytes]:
        """The lines that are complete now, without blank ones."""
        first, *rest = data.split(b"\n")
        if not rest:
            self._hold(first)
            return []
        self._hold(first)
        *lines, last = [self._taken(), *rest]
        self._hold(last)
        return [line for line in lines if line.strip(_BLANK)]

    def ended(self) -> list[bytes]:
        """The last line, if nothing ended it."""
        line = self._taken()
        return [line] if line.strip(_BLANK) else []

    def _hold(self, part: bytes) -> None:
        room = self._longest + 1 - self._size
        if part and room:
            self._begun.append(part[:room])
            self._size += min(len(part), room)

    def _taken(self) -> bytes:
        line = b"".join(self._begun)
        self._begun.clear()
        self._size = 0
        return line
