"""The syntax that dhcpd.conf and dhcpd.leases share: statements, which may hold statements.

    host printer {                      Statement(words=("host", "printer"), body=(
      hardware ethernet 08:00:07:26:c0:a5;    Statement(words=("hardware", "ethernet", "08:…")),
      uid "\\001\\010\\000";                    Statement(words=("uid", b"\\x01\\x08\\x00")),
    }                                   ))

Source: dhcpd.conf(5) and common/conflex.c of ISC DHCP 4.4. Says nothing of what statements mean.
What is broken is told, and reading goes on behind it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from netbootd.dhcp.importer.found import Tell, shown

MAX_NESTING: Final = 32
"""Blocks in blocks. shared-network, group, subnet, pool, host, if and else are seven."""

Word = str | bytes
"""A bare word is text; what stood in quotes is bytes, its escapes resolved."""

_TOKEN = re.compile(
    rb"""
      (?P<newline> \n)
    | (?P<nothing> [ \t\r\f\v]+ | \#[^\n]*)
    | "(?P<quoted> (?: [^"\\\n] | \\. )*)"
    | (?P<mark> [{};])
    | (?P<word> [,=()] | [^\s{};,="\#()]+)
    | (?P<wrong> .)
    """,
    re.VERBOSE,
)
_ESCAPE = re.compile(rb"\\(?:([0-7]{3})|x([0-9A-Fa-f]{2})|(.))")
_CONTROL = {b"t": b"\t", b"r": b"\r", b"n": b"\n", b"b": b"\b"}


@dataclass(frozen=True, slots=True)
class Statement:
    """Words up to `;`, or up to a block."""

    line: int
    words: tuple[Word, ...]
    body: tuple[Statement, ...] | None
    """What stood in braces; None for a statement that ended with `;`."""

    def __str__(self) -> str:
        return shown(" ".join(w if isinstance(w, str) else f'"{shown(w)}"' for w in self.words))


@dataclass(slots=True)
class _Open:
    """A block whose end was not met yet."""

    line: int
    words: tuple[Word, ...]
    body: list[Statement] = field(default_factory=list)


def statements(data: bytes, tell: Tell) -> Iterator[Statement]:
    """The outermost statements, each when it is complete."""
    blocks: list[_Open] = []
    words: list[Word] = []
    begun = 1
    too_deep = 0  # blocks that are open beyond MAX_NESTING
    for line, token in _tokens(data, tell):
        if token not in (b"{", b"}", b";") or isinstance(token, _Quoted):
            if not words:
                begun = line
            words.append(bytes(token) if isinstance(token, _Quoted) else _text(token))
            continue
        complete: Statement | None = None
        if token == b"{":
            if len(blocks) == MAX_NESTING:
                if not too_deep:
                    tell(line, f"blocks are nested more than {MAX_NESTING} deep")
                too_deep += 1
            else:
                blocks.append(_Open(begun if words else line, tuple(words)))
        elif token == b";":
            if words:
                complete = Statement(begun, tuple(words), None)
        else:
            if words:
                tell(begun, f"`{shown(_joined(words))}` ends without `;`")
            if too_deep:
                too_deep -= 1
            elif blocks:
                block = blocks.pop()
                complete = Statement(block.line, block.words, tuple(block.body))
            else:
                tell(line, "`}` closes nothing")
        words.clear()
        if complete is not None and not too_deep:
            if blocks:
                blocks[-1].body.append(complete)
            else:
                yield complete
    for block in blocks:
        tell(block.line, f"the block of `{shown(_joined(block.words))}` has no end; left out")
    if words:
        tell(begun, f"`{shown(_joined(words))}` ends without `;`; left out")


class _Quoted(bytes):
    """A text that stood in quotes."""


def _tokens(data: bytes, tell: Tell) -> Iterator[tuple[int, bytes]]:
    line = 1
    for match in _TOKEN.finditer(data):
        kind = match.lastgroup
        if kind == "newline":
            line += 1
        elif kind == "quoted":
            yield line, _Quoted(_ESCAPE.sub(_unescaped, match["quoted"]))
        elif kind == "wrong":
            tell(line, "a quote has no end on its line")
        elif kind != "nothing":
            yield line, match[0]


def _unescaped(match: re.Match[bytes]) -> bytes:
    octal, hexadecimal, character = match.groups()
    if octal:
        return bytes((int(octal, 8) & 0xFF,))
    if hexadecimal:
        return bytes((int(hexadecimal, 16),))
    return _CONTROL.get(character, character)


def _text(word: bytes) -> str:
    return word.decode("utf-8", "backslashreplace")


def _joined(words: tuple[Word, ...] | list[Word]) -> str:
    return " ".join(word if isinstance(word, str) else f'"{shown(word)}"' for word in words)
