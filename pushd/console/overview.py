"""The first page: numbers, plots, what is in the way, what became of the last pushes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from twisted.web.template import Tag, tags

from ops.text import escape
from ops.web.block import panel, tiles
from ops.web.live import Part
from ops.web.plot import Series, area, bar
from ops.web.route import Request
from ops.web.shell import Content
from ops.web.words import number
from pushd.console.pushes import Pushes
from pushd.console.sources import Sources

RECENT: Final = "10"
"""Outcomes."""


class Overview:
    """What it shows."""

    def __init__(self, sources: Sources) -> None:
        self._of = sources
        self._pushes = Pushes(sources)

    def page(self, request: Request) -> Content:
        return "Overview", [
            Part(name="tiles", render=self._tiles, version=self._of.moved),
            Part(name="trouble", render=self._trouble, version=self._of.moved),
            Part(name="flow", render=self._flow, version=self._of.looked, is_half=True),
            Part(name="latency", render=self._latency, version=self._of.looked, is_half=True),
            Part(name="depth", render=self.depth, version=self._of.looked, is_half=True),
            Part(
                name="reasons",
                render=self._reasons,
                version=lambda: self._of.outcomes.refused,
                is_half=True,
            ),
            Part(name="recent", render=self._recent, version=self._of.settled),
        ]

    def _tiles(self) -> Tag:
        status, outcomes = self._of.status(), self._of.outcomes
        waits = "warn" if status.troubles else ""
        shown = [
            ("Waiting", number(status.waiting), waits),
            ("With Apple", number(status.sending), "busy" if status.sending else ""),
            ("Delivered", number(outcomes.accepted), "good"),
            ("Not delivered", number(outcomes.refused), "bad" if outcomes.refused else ""),
            ("Connections", number(status.connections), ""),
        ]
        if status.unusable:
            shown.append(("Unusable credentials", number(status.unusable), "bad"))
        return tiles(shown)

    def _trouble(self) -> Tag:
        status = self._of.status()
        lines = [
            tags.li(f"{escape(one.credential)}, {escape(one.topic)}: {escape(one.why)}")
            for one in status.troubles
        ]
        if status.disk_fails:
            lines.insert(0, tags.li("Outcomes cannot be stored, so nothing is sent: see the log."))
        if not lines:
            return tags.div()
        return panel("Not delivered at the moment", tags.ul(*lines, class_="list"), kind="bad")

    def _flow(self) -> Tag:
        latest, values = self._of.meter.latest, self._of.meter.values
        title = (
            "Pushes a second of late."
            f" Accepted now {number(latest('accepted'))}, taken in now {number(latest('queued'))}."
        )
        plot = self._plot(
            title,
            [
                Series(name="accepted by Apple", values=values("accepted"), kind="c"),
                Series(name="taken in", values=values("queued"), kind="a"),
                Series(name="not delivered", values=values("refused"), kind="d"),
            ],
            show=_a_second,
            least_top=10.0,
        )
        return panel("Throughput", plot)

    def _latency(self) -> Tag:
        latest, values = self._of.meter.latest, self._of.meter.values
        title = (
            "How long Apple took to answer, of late. Half of the answers now within"
            f" {_seconds(latest('half'))}, 95 of 100 within {_seconds(latest('most'))}."
        )
        plot = self._plot(
            title,
            [
                Series(name="95 of 100 within", values=values("most"), kind="b"),
                Series(name="half within", values=values("half"), kind="a"),
            ],
            show=_seconds,
            least_top=0.05,
        )
        return panel("Apple's answers", plot)

    def _plot(
        self,
        title: str,
        series: Sequence[Series],
        *,
        show: Callable[[float], str],
        least_top: float,
    ) -> Tag:
        return area(
            title,
            series,
            show=show,
            begins=self._of.meter.begins,
            ends="now",
            least_top=least_top,
        )

    def depth(self) -> Tag:
        values = self._of.meter.values("waiting")
        most = max((value for value in values if value is not None), default=0.0)
        title = (
            f"Pushes that wait: now {number(self._of.service.queue.depth)}, most {number(most)}."
        )
        plot = self._plot(
            title,
            [Series(name="waiting", values=values, kind="a")],
            show=number,
            least_top=10.0,
        )
        return panel("Queue", plot)

    def _reasons(self) -> Tag:
        outcomes = self._of.outcomes
        found = [*outcomes.rejected.most_common(), *outcomes.given_up.most_common()]
        if not found:
            nothing = tags.p("Everything was delivered.", class_="nothing")
            return panel("Not delivered, by reason", nothing, note="since the start")
        most = max(count for _, count in found)
        rows = [
            tags.li(
                tags.span(escape(reason)),
                bar(count / most, "failed" if reason in outcomes.given_up else "warn"),
                tags.span(number(count), class_="count"),
                **{"data-key": reason},
            )
            for reason, count in sorted(found, key=lambda pair: -pair[1])
        ]
        return panel(
            "Not delivered, by reason", tags.ul(*rows, class_="rows"), note="since the start"
        )

    async def _recent(self) -> Tag:
        return panel(
            "Last outcomes",
            await self._pushes.results(RECENT),
            tags.p(tags.a("All outcomes", href="/pushes"), class_="more"),
        )


def _seconds(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def _a_second(value: float) -> str:
    return f"{number(value)}/s"
