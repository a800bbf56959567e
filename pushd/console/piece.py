"""Pieces that several pages of pushd have."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from twisted.web.template import Tag, tags

from ops.text import escape
from ops.web.block import badge, mono
from pushd.api.item import Outcome

ROWS: Final = "50"
"""Of a table."""
STATES: Final = {
    "queued": "busy",
    "accepted": "good",
    "rejected": "bad",
    "failed": "bad",
    "expired": "warn",
    "cancelled": "off",
    "collapsed": "off",
}


def push_link(id: str) -> Tag:
    """The end of an id, leading to the push's story."""
    return tags.a(mono(f"…{id[-12:]}"), href=f"/pushes/{quote(id)}", title=id)


def state(name: str) -> Tag:
    """What became of a push."""
    return badge(name, STATES.get(name, "off"))


def reason(outcome: Outcome | None) -> Tag | str:
    """Why, if there is a why."""
    if outcome is None or not outcome.reason:
        return ""
    return tags.span(" ", escape(outcome.reason), class_="note")


def short(device: str) -> str:
    """A token's end; the whole of it is nobody's business on a screen."""
    return f"…{escape(device[-6:])}"


def search(target: str, name: str, label: str, value: str) -> Tag:
    """A form that looks something up."""
    return tags.form(
        tags.label(label, for_=name),
        tags.input(type="search", name=name, id=name, value=value, maxlength="200"),
        tags.button("Find", type="submit", class_="quiet"),
        role="search",
        class_="search",
        action=target,
    )
