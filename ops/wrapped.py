"""Findings on a terminal, wrapped under their text. What is piped elsewhere is not for this:
programs read line by line."""

from __future__ import annotations

import io
import shutil
import sys
import textwrap
from typing import Any, TextIO

INDENT: int = 24
"""Where the text of a finding begins, after severity and subject."""
LEAST: int = 20
"""Columns of text below which it goes on further to the left."""
NARROW_INDENT: int = 4


class Wrapped(io.TextIOBase):
    """Writes whole lines to `stream`; what goes beyond `width` goes on under the text of the
    finding, or, where that would leave no room, a little indented."""

    def __init__(self, stream: TextIO, *, width: int) -> None:
        self._stream = stream
        self._width = width
        self._indent = " " * (INDENT if width >= INDENT + LEAST else NARROW_INDENT)

    def write(self, text: str) -> int:
        for line in text.splitlines():
            parts = textwrap.wrap(
                line,
                self._width,
                subsequent_indent=self._indent,
                break_long_words=False,
                break_on_hyphens=False,
            )
            self._stream.write("\n".join(parts) + "\n")
        return len(text)

    def flush(self) -> None:
        self._stream.flush()


def wrapped_stdout() -> Any:
    """Standard output, wrapped if it is a terminal."""
    if sys.stdout.isatty():
        return Wrapped(sys.stdout, width=shutil.get_terminal_size().columns)
    return sys.stdout
