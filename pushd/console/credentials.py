"""The page of credentials: a card each, with the days it has left."""

from __future__ import annotations

from typing import Final

from twisted.web.template import Tag, tags

from ops.text import escape
from ops.web.block import badge, facts, panel
from ops.web.live import Part
from ops.web.plot import bar
from ops.web.route import Request
from ops.web.shell import Content
from ops.web.words import number, plural
from pushd.admin import shape
from pushd.console.sources import Sources, asking

SOON: Final = 30
"""Days before the end of a certificate in which it is warned of."""
NEAR: Final = 7


class Credentials:
    """What it shows."""

    def __init__(self, sources: Sources) -> None:
        self._of = sources

    def page(self, request: Request) -> Content:
        def shown() -> Tag:
            found: shape.Credentials = self._of.credentials.all(asking()).value
            cards = [_card(one) for one in found.credentials]
            nothing = tags.p("There is none: nothing can be sent.", class_="nothing")
            return panel("Credentials", tags.ul(*cards, class_="cards") if cards else nothing)

        return "Credentials", [Part(name="credentials", render=shown, version=self._of.looked)]


def _card(one: shape.Credential) -> Tag:
    mark = badge("usable", "good") if one.usable else badge("unusable", "bad")
    topics = [escape(topic) for topic in one.topics[:5]]
    if len(one.topics) > len(topics):
        topics.append(f"and {len(one.topics) - len(topics)} more")
    problem = one.problem
    return tags.li(
        tags.div(tags.h3(escape(one.name)), tags.span(mark, class_="marks"), class_="head"),
        _left(one.days_left),
        tags.p(
            f"{escape(problem.file)}: {escape(problem.why)}; {escape(problem.remedy)}",
            class_="why",
        )
        if problem is not None
        else "",
        facts(
            [
                ("Kind", "certificate" if one.kind == "certificate" else "signing key"),
                ("For", one.environment),
                ("Topics", ", ".join(topics) or "any"),
                ("Waiting", number(one.waiting)),
                ("Files", ", ".join(map(escape, one.files))),
            ]
        ),
        class_="card",
        **{"data-key": one.name},
    )


def _left(days: int | None) -> Tag | str:
    """The time that a certificate has left, as words and as a bar of a year."""
    if days is None:
        return tags.p("Does not expire.", class_="note")
    if days < 0:
        return tags.p(f"Expired {plural(-days, 'day', 'days')} ago.", class_="why")
    kind = "failed" if days < NEAR else "warn" if days < SOON else "done"
    words = tags.strong(plural(days, "day", "days"))
    return tags.div(tags.p(words, " left"), bar(min(1.0, days / 365), kind))
