"""The page of the queue: what waits, by topic and one by one, and why."""

from __future__ import annotations

from twisted.web.template import Tag, tags

from ops.text import escape
from ops.web.block import UNKNOWN, badge, mono, panel, table, text
from ops.web.live import Part
from ops.web.route import Request
from ops.web.shell import Content, action
from ops.web.words import moment, number, plural, size
from pushd.admin import shape
from pushd.console.overview import Overview
from pushd.console.piece import ROWS, push_link, short
from pushd.console.sources import Sources, asking, at


class Queue:
    """What it shows."""

    def __init__(self, sources: Sources) -> None:
        self._of = sources
        self._overview = Overview(sources)

    def page(self, request: Request) -> Content:
        return "Queue", [
            Part(name="depth", render=self._overview.depth, version=self._of.looked),
            Part(name="lanes", render=lambda: self._lane_table(request), version=self._of.moved),
            Part(name="waiting", render=self._waiting, version=self._of.moved),
        ]

    def _lane_table(self, request: Request) -> Tag:
        found: shape.Queue = self._of.queue.lanes(asking(limit="1000")).value
        rows = [
            [
                text(lane.topic),
                text(lane.credential),
                number(lane.waiting),
                number(lane.sending),
                number(lane.retrying),
                tags.span(escape(lane.trouble), class_="why")
                if lane.trouble
                else badge("flows", "good"),
                self._retry(request, lane),
            ]
            for lane in found.lanes
        ]
        columns = (
            ("Topic", ""),
            ("Credential", "w"),
            ("Waiting", "r"),
            ("With Apple", "r w"),
            ("For another try", "r w"),
            ("State", ""),
            ("", ""),
        )
        shown = table("Topics that have pushes", columns, rows, "No push waits.")
        note = plural(found.waiting, "push waits", "pushes wait")
        return panel("By topic", shown, note=f"{note}, {size(found.size)}")

    def _retry(self, request: Request, lane: shape.Lane) -> Tag | str:
        if request.session is None or not (lane.retrying or lane.trouble):
            return ""
        title = f"Try the pushes of {lane.topic} again at once"
        which = {"credential": lane.credential, "topic": lane.topic}
        return action(request.session, "/queue/retry", "Try now", title=title, fields=which)

    async def _waiting(self) -> Tag:
        found: shape.Pushes = (await self._of.queue.pushes(asking(limit=ROWS))).value
        now = self._of.now()
        rows = [
            [
                push_link(one.id),
                badge(one.state, "busy" if one.state == "sending" else "off"),
                text(one.topic),
                mono(short(one.device)),
                number(one.tries),
                moment(at(one.submitted_at), now),
                moment(at(one.retry_at), now) if one.retry_at else UNKNOWN,
            ]
            for one in found.pushes
        ]
        columns = (
            ("Push", "m"),
            ("State", ""),
            ("Topic", "w"),
            ("Device", "w"),
            ("Tries", "r"),
            ("Since", "n w"),
            ("Next try", "n"),
        )
        note = f"the first {ROWS}" if found.next else ""
        return panel(
            "Pushes that wait", table("Pushes that wait", columns, rows, "None."), note=note
        )
