"""Lists of domain names in the compressed form of DNS (RFC 1035 §4.1.4, RFC 3397 §2).

A name is a row of labels, each behind its length, closed by an empty label or by a pointer to
labels that came before. It must never follow a pointer forwards: what a pointer may name are labels
of names already complete, so there is nothing to loop.

Bounds: a name has at most 255 bytes (RFC 1035 §2.3.4) and takes at least two, so a value of 4080
bytes (`layout.VALUE_LIMIT`) unfolds to 510 KiB at most, and pointers, which reach 16 KiB, reach all
of it.
"""

from __future__ import annotations

from typing import Any, Final

from construct import (
    Byte,
    Bytes,
    ExprAdapter,
    GreedyRange,
    Struct,
    Switch,
    Tell,
    ValidationError,
    this,
)

LABEL_LIMIT: Final = 63
NAME_LIMIT: Final = 255
POINTER: Final = 0b11

LABEL: Final = Struct(
    "at" / Tell,
    "head" / Byte,
    "text" / Switch(this.head >> 6, {0: Bytes(this.head), POINTER: Bytes(1)}, default=Bytes(0)),
)
"""`head` is a length of 0..63 and `text` the label, or `head` is 11xxxxxx and `text` the low byte
of a pointer. 01 and 10 are unassigned."""


def _names(labels: list[Any], _context: Any) -> tuple[str, ...]:
    names: list[str] = []
    known: dict[int, tuple[list[bytes], int]] = {}
    name: list[bytes] = []
    starts: list[int] = []
    for label in labels:
        starts.append(label.at)
        if 0 < label.head <= LABEL_LIMIT:
            name.append(label.text)
            continue
        if label.head >> 6 == POINTER:
            target, first = known.get((label.head << 8 | label.text[0]) - 0xC000, (None, 0))
            if target is None:
                raise ValidationError("a pointer that does not lead back to a label")
            name += target[first:]
        elif label.head:
            raise ValidationError("a label of an unassigned type")
        names.append(_text(name))
        known.update((at, (name, index)) for index, at in enumerate(starts))
        name, starts = [], []
    if starts or not names:
        raise ValidationError("the last name has no end")
    return tuple(names)


def _text(name: list[bytes]) -> str:
    if sum(map(len, name)) + len(name) + 1 > NAME_LIMIT or any(b"." in label for label in name):
        raise ValidationError("a name too long or with a dot inside a label")
    return b".".join(name).decode("utf-8", "surrogateescape")


def _labels(names: tuple[str, ...], _context: Any) -> list[dict[str, Any]]:
    if not names:
        raise ValidationError("a list of no names")
    labels: list[dict[str, Any]] = []
    known: dict[tuple[bytes, ...], int] = {}
    at = 0
    for name in names:
        rest = tuple(name.encode("utf-8", "surrogateescape").split(b".")) if name else ()
        if any(not 0 < len(label) <= LABEL_LIMIT for label in rest):
            raise ValidationError(f"{name!r} has an empty or overlong label")
        _text(list(rest))
        while rest and rest not in known:
            known[rest] = at
            labels.append({"head": len(rest[0]), "text": rest[0]})
            at += 1 + len(rest[0])
            rest = rest[1:]
        if rest:
            pointer = 0xC000 | known[rest]
            labels.append({"head": pointer >> 8, "text": bytes((pointer & 0xFF,))})
            at += 2
        else:
            labels.append({"head": 0, "text": b""})
            at += 1
    return labels


DOMAIN_NAMES: Final = ExprAdapter(GreedyRange(LABEL), _names, _labels)
"""One name or more, as `str` without the final dot."""
