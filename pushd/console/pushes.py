"""The page of pushes: outcomes, and a search that leads to a story."""

from __future__ import annotations

from dataclasses import replace

from twisted.web.template import Tag, tags

from ops.web.block import panel, table, text
from ops.web.live import Part
from ops.web.route import Request
from ops.web.shell import Content
from ops.web.words import lasted, moment
from pushd.admin import shape
from pushd.console.piece import ROWS, push_link, reason, search, state
from pushd.console.sources import Sources, asking, at
from pushd.console.story import story_page


class Pushes:
    """What it shows."""

    def __init__(self, sources: Sources) -> None:
        self._of = sources

    async def page(self, request: Request) -> Content:
        asked = request.query.get("id", "").strip()
        before = request.query.get("before", "")
        if asked:
            title, parts = await story_page(self._of, replace(request, path={"id": asked}))
            return title, [Part(name="search", render=lambda: _find(asked)), *parts]

        async def results() -> Tag:
            return panel("Outcomes", await self.results(ROWS, before))

        version = None if before else self._of.settled
        return "Pushes", [
            Part(name="search", render=lambda: _find("")),
            Part(name="results", render=results, version=version),
        ]

    async def results(self, most: str, before: str = "") -> Tag:
        asked = asking(limit=most, before=before)
        found: shape.Results = (await self._of.stories.results(asked)).value
        now = self._of.now()
        rows = [
            [
                push_link(one.id),
                [state(one.state), reason(one.outcome)],
                text(one.topic or ""),
                text(one.credential or ""),
                lasted((one.settled_at - one.submitted_at) / 1000),
                moment(at(one.settled_at), now),
            ]
            for one in found.results
        ]
        columns = (
            ("Push", "m"),
            ("Outcome", ""),
            ("Topic", "w"),
            ("Credential", "w"),
            ("Took", "r w"),
            ("When", "n"),
        )
        shown = table("Outcomes, newest first", columns, rows, "No push has had its outcome yet.")
        if not found.next or most != ROWS:
            return shown
        older = tags.a("Older ones", href=f"/pushes?before={found.next}")
        return tags.div(shown, tags.p(older, class_="more"))


def _find(asked: str) -> Tag:
    return search("/pushes", "id", "Push id", asked)
