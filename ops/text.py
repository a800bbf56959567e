"""Text from outside made safe to show: on a terminal, in a log line, in an error.

A peer chooses its host name and file names; it must never choose the colour of the operator's
terminal, fake a second log line or reverse the reading direction of the first.
"""

from __future__ import annotations

import re

_PASSWORD = re.compile(r"(://[^/\s:@\"']*):[^/\s\"']*@")


def escape(text: str, limit: int = 256) -> str:
    """`text` with everything but printable characters written as `\\x1b`, `\\u202e` …, cut at
    `limit` characters of the original.

    `str.isprintable` is false for controls, separators other than the space, format characters
    (which include the bidirectional overrides) and surrogates.
    """
    shown = text[:limit]
    if not (shown.isprintable() and "\\" not in shown):
        shown = "".join(_escape(character) for character in shown)
    return shown if len(text) <= limit else shown + "…"


def _escape(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode("ascii")


def mask_passwords(text: str) -> str:
    """`text` with the password of every URL in it (`afp://user:password@host`) made unreadable."""
    return _PASSWORD.sub(r"\1:***@", text) if "://" in text else text
