"""Which pages there are, and what can be done on them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from ops.web.block import facts, mono, panel, table
from ops.web.live import Part
from ops.web.meter import Meter
from ops.web.route import Request
from ops.web.shell import Content, Form, View
from ops.web.words import lasted, number, plural, size
from pushd.console.credentials import Credentials
from pushd.console.devices import Devices
from pushd.console.outcomes import Outcomes
from pushd.console.overview import Overview
from pushd.console.pushes import Pushes
from pushd.console.queue import Queue
from pushd.console.sources import Sources, at
from pushd.console.story import story_page

if TYPE_CHECKING:
    from twisted.web.template import Tag

    from pushd.service import PushService


class Pages:
    """The pages of one daemon."""

    def __init__(self, service: PushService, meter: Meter, outcomes: Outcomes) -> None:
        self._of = Sources.of(service, meter, outcomes)

    def views(self) -> list[View]:
        """In the order of the navigation."""
        sources = self._of
        return [
            View(pattern="/", content=Overview(sources).page, label="Overview"),
            View(pattern="/pushes", content=Pushes(sources).page, label="Pushes"),
            View(pattern="/pushes/{id}", content=lambda request: story_page(sources, request)),
            View(pattern="/queue", content=Queue(sources).page, label="Queue"),
            View(pattern="/credentials", content=Credentials(sources).page, label="Credentials"),
            View(pattern="/devices", content=Devices(sources).page, label="Devices"),
            View(pattern="/status", content=self._status, label="Status"),
        ]

    def forms(self) -> list[Form]:
        """What can be done with pushes that wait."""
        desk = self._of.queue

        async def retry(request: Request) -> str:
            asked = request.form()
            selection = {"credential": asked.get("credential"), "topic": asked.get("topic")}
            done = (await desk.retry(_with(request, selection))).value
            return f"{plural(done.pushes, 'push is', 'pushes are')} tried again at once."

        async def retry_one(request: Request) -> str:
            done = (await desk.retry(_with(request, {"ids": [request.path["id"]]}))).value
            return "It is tried again at once." if done.pushes else "It does not wait any more."

        async def cancel_one(request: Request) -> str:
            done = (await desk.cancel(_with(request, {"ids": [request.path["id"]]}))).value
            return "It has been taken back." if done.cancelled else "It was too late to take back."

        def story(request: Request) -> str:
            return f"/pushes/{quote(request.path['id'])}"

        return [
            Form(pattern="/queue/retry", act=retry, then=lambda r: "/queue"),
            Form(pattern="/pushes/{id}/retry", act=retry_one, then=story),
            Form(pattern="/pushes/{id}/cancel", act=cancel_one, then=story),
        ]

    def _status(self, request: Request) -> Content:
        counters = self._of.service.counters
        return "Status", [
            Part(name="known", render=self._known),
            Part(
                name="counters",
                render=self._counters,
                version=lambda: tuple(counters.snapshot().values()),
            ),
        ]

    def _known(self) -> Tag:
        status = self._of.status()
        since = at(status.started_at).astimezone()
        up = lasted((self._of.now() - since).total_seconds())
        return panel(
            "This server",
            facts(
                [
                    ("API", ", ".join(status.api) or "off"),
                    ("Runs since", f"{since:%Y-%m-%d %H:%M:%S}, for {up}"),
                    (
                        "Queue",
                        f"{number(status.waiting)} of at most {number(status.most_waiting)}"
                        f" pushes, {size(status.size)} of at most {size(status.most_size)}",
                    ),
                    ("Credentials", number(status.credentials)),
                ]
            ),
        )

    def _counters(self) -> Tag:
        rows = [
            [mono(name.removeprefix("pushd_").removesuffix("_total")), number(value)]
            for name, value in self._of.service.counters.snapshot().items()
        ]
        columns = (("Counter", ""), ("Since the start", "r"))
        shown = table("Counters", columns, rows, "None.")
        return panel("Counters", shown, note="pushd_…_total")


def _with(request: Request, selection: dict[str, Any]) -> Request:
    return replace(request, body=msgspec.json.encode(selection), query={})
