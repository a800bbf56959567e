"""Pieces that pages of any daemon are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from twisted.web.template import Tag, tags

from ops.text import escape

UNKNOWN: Final = "–"  # noqa: RUF001
"""Stands where there is nothing to say."""


def text(value: str) -> str:
    """What a peer has said, made safe."""
    return escape(value) or UNKNOWN


def panel(title: str, *children: Any, note: str = "", kind: str = "", level: int = 2) -> Tag:
    """A part of a page under its heading."""
    heading = tags.h2 if level == 2 else tags.h3
    return tags.section(
        tags.div(heading(title), tags.span(note, class_="note") if note else "", class_="head"),
        *children,
        class_=f"panel {kind}".strip(),
    )


def tiles(facts: Sequence[tuple[str, str, str]]) -> Tag:
    """Numbers to be seen from afar: name, value, kind (`good`, `bad`, `` …)."""
    return tags.dl(
        *(
            tags.div(tags.dt(name), tags.dd(value), class_=f"tile {kind}".strip())
            for name, value, kind in facts
        ),
        class_="tiles",
    )


def facts(pairs: Sequence[tuple[str, Any]]) -> Tag:
    """Names and what is so."""
    return tags.dl(
        *(tags.div(tags.dt(name), tags.dd(value)) for name, value in pairs), class_="facts"
    )


def table(
    caption: str, columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[Any]], nothing: str
) -> Tag:
    """`columns`: heading, and classes: `r` right-aligned, `w` left out on narrow screens, `m` fixed
    pitch. The first cell of a row is its heading."""
    if not rows:
        return tags.p(nothing, class_="nothing")
    head = tags.tr(*(tags.th(name, scope="col", class_=kind) for name, kind in columns))
    body = [
        tags.tr(
            tags.th(row[0], scope="row", class_=columns[0][1]),
            *(
                tags.td(cell, class_=kind)
                for cell, (_, kind) in zip(row[1:], columns[1:], strict=True)
            ),
        )
        for row in rows
    ]
    return tags.div(
        tags.table(tags.caption(caption, class_="hidden"), tags.thead(head), tags.tbody(*body)),
        class_="scroll",
        role="region",
        tabindex="0",
        **{"aria-label": caption},
    )


def badge(text: str, kind: str) -> Tag:
    """A word with a colour and a mark: `good`, `bad`, `busy`, `off`, `warn`."""
    return tags.span(text, class_=f"badge {kind}")


def mono(text: str) -> Tag:
    """An address, an id."""
    return tags.span(text, class_="m")
