"""The page of devices: tokens that Apple called invalid, pushes that wait for one."""

from __future__ import annotations

from twisted.web.template import Tag, tags

from ops.web.block import UNKNOWN, mono, panel, table, text
from ops.web.live import Part
from ops.web.route import Request
from ops.web.shell import Content
from ops.web.words import moment, number
from pushd.admin import shape
from pushd.console.piece import ROWS, push_link, search, short
from pushd.console.sources import Sources, asking, at


class Devices:
    """What it shows."""

    def __init__(self, sources: Sources) -> None:
        self._of = sources

    async def page(self, request: Request) -> Content:
        """`?device=` for the pushes of one."""
        asked = request.query.get("device", "").strip().lower()
        before = request.query.get("before", "")
        parts = [
            Part(name="search", render=lambda: search("/devices", "device", "Token", asked)),
            Part(
                name="invalid",
                render=lambda: self._invalid(before),
                version=None if before else self._of.settled,
            ),
        ]
        if asked:
            waiting = Part(
                name="waiting", render=lambda: self._waiting(asked), version=self._of.moved
            )
            parts.insert(1, waiting)
        return "Devices", parts

    async def _waiting(self, device: str) -> Tag:
        asked = asking(limit=ROWS, device=device)
        found: shape.Pushes = (await self._of.queue.pushes(asked)).value
        now = self._of.now()
        rows = [
            [push_link(p.id), text(p.topic), number(p.tries), moment(at(p.submitted_at), now)]
            for p in found.pushes
        ]
        columns = (("Push", "m"), ("Topic", ""), ("Tries", "r"), ("Since", "n"))
        nothing = "No push to this device waits."
        return panel("Pushes that wait", table("Pushes that wait", columns, rows, nothing))

    async def _invalid(self, before: str) -> Tag:
        asked = asking(limit=ROWS, before=before)
        found: shape.InvalidTokens = (await self._of.stories.tokens(asked)).value
        now = self._of.now()
        rows = [
            [
                mono(short(one.device)),
                text(one.topic),
                text(one.reason or ""),
                moment(at(one.invalid_since), now) if one.invalid_since else UNKNOWN,
                moment(at(one.settled_at), now),
            ]
            for one in found.tokens
        ]
        columns = (
            ("Token", "m"),
            ("Topic", "w"),
            ("Reason", ""),
            ("Invalid since", "n w"),
            ("Told", "n"),
        )
        shown = table("Invalid tokens", columns, rows, "Apple has called no token invalid.")
        older = tags.a("Older ones", href=f"/devices?before={found.next}")
        more = tags.p(older, class_="more") if found.next else ""
        return panel("Tokens that Apple called invalid", shown, more, note="newest first")
