"""Long lines in a table on a terminal, wrapped under their last column. What is piped elsewhere is
not for this: programs read line by line."""

from __future__ import annotations

import io
import textwrap
from typing import TextIO

LEAST: int = 20
"""Columns below which wrapping makes nothing easier to read."""


class Wrapped(io.TextIOBase):
    """Writes whole lines to `stream`; what goes beyond `width` goes on in column `indent`."""

    def __init__(self, stream: TextIO, *, width: int, indent: int) -> None:
        self._stream = stream
        self._width = width
        self._indent = indent

    def write(self, text: str) -> int:
        if self._width < self._indent + LEAST:
            return self._stream.write(text)
        for line in text.splitlines():
            parts = textwrap.wrap(
                line,
                self._width,
                subsequent_indent=" " * self._indent,
                break_long_words=False,
                break_on_hyphens=False,
            )
            self._stream.write("\n".join(parts) + "\n")
        return len(text)

    def flush(self) -> None:
        self._stream.flush()
