"""Which pages there are, and what stands on each."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import msgspec
from twisted.web.template import Tag, tags

from ops.text import escape
from ops.web.block import UNKNOWN, badge, facts, mono, panel, table, text, tiles
from ops.web.live import Part
from ops.web.meter import Meter
from ops.web.plot import Series, area, bar
from ops.web.route import Request
from ops.web.shell import Content, Form, View, action
from ops.web.words import lasted, moment, number, plural, size
from pushd.admin import shape
from pushd.admin.credentials import CredentialDesk
from pushd.admin.queue import QueueDesk
from pushd.admin.status import StatusDesk
from pushd.admin.story import StoryDesk
from pushd.api.item import Outcome
from pushd.console.outcomes import Outcomes
from pushd.console.story import STATES, story_page

if TYPE_CHECKING:
    from pushd.service import PushService

ROWS: Final = "50"
RECENT: Final = "10"
SOON: Final = 30
"""Days before the end of a certificate in which it is warned of."""
NEAR: Final = 7


class Pages:
    """The pages of one daemon."""

    def __init__(self, service: PushService, meter: Meter, outcomes: Outcomes) -> None:
        self._service = service
        self._meter = meter
        self._outcomes = outcomes
        queue, store = service.queue, service.store
        self._queue = QueueDesk(queue=queue, store=store, dispatcher=service.dispatcher)
        self._stories = StoryDesk(queue=queue, store=store)
        self._credentials = CredentialDesk(
            queue=queue, credentials=service.credentials, unix=service.world.unix
        )
        self._status_desk = StatusDesk(service=service)

    def views(self) -> list[View]:
        """In the order of the navigation."""
        return [
            View(pattern="/", content=self._overview, label="Overview"),
            View(pattern="/pushes", content=self._pushes, label="Pushes"),
            View(
                pattern="/pushes/{id}",
                content=lambda r: story_page(self._stories, r, self._now()),
            ),
            View(pattern="/queue", content=self._lanes, label="Queue"),
            View(pattern="/credentials", content=self._credential_page, label="Credentials"),
            View(pattern="/devices", content=self._devices, label="Devices"),
            View(pattern="/status", content=self._status_page, label="Status"),
        ]

    def forms(self) -> list[Form]:
        """What can be done with pushes that wait."""

        async def retry(request: Request) -> str:
            asked = request.form()
            selection = {"credential": asked.get("credential"), "topic": asked.get("topic")}
            done = (await self._queue.retry(_with(request, selection))).value
            return f"{plural(done.pushes, 'push is', 'pushes are')} tried again at once."

        async def retry_one(request: Request) -> str:
            done = (await self._queue.retry(_with(request, {"ids": [request.path["id"]]}))).value
            return "It is tried again at once." if done.pushes else "It does not wait any more."

        async def cancel_one(request: Request) -> str:
            done = (await self._queue.cancel(_with(request, {"ids": [request.path["id"]]}))).value
            return "It has been taken back." if done.cancelled else "It was too late to take back."

        def story(request: Request) -> str:
            return f"/pushes/{quote(request.path['id'])}"

        return [
            Form(pattern="/queue/retry", act=retry, then=lambda r: "/queue"),
            Form(pattern="/pushes/{id}/retry", act=retry_one, then=story),
            Form(pattern="/pushes/{id}/cancel", act=cancel_one, then=story),
        ]

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._service.world.unix(), UTC)

    # Overview

    def _overview(self, request: Request) -> Content:
        def looked() -> object:
            return self._meter.count

        return "Overview", [
            Part(name="tiles", render=self._tiles, version=self._moved),
            Part(name="trouble", render=self._trouble, version=self._moved),
            Part(name="flow", render=self._flow, version=looked, is_half=True),
            Part(name="latency", render=self._latency, version=looked, is_half=True),
            Part(name="depth", render=self._depth, version=looked, is_half=True),
            Part(
                name="reasons",
                render=self._reasons,
                version=lambda: self._outcomes.refused,
                is_half=True,
            ),
            Part(name="recent", render=self._recent, version=self._settled),
        ]

    def _moved(self) -> object:
        status = self._service.dispatcher
        queue = self._service.queue
        return queue.depth, status.under_way, status.connections, self._settled()

    def _settled(self) -> object:
        return self._outcomes.accepted, self._outcomes.refused

    def _status(self) -> shape.Status:
        status: shape.Status = self._status_desk.status(Request(method="GET")).value
        return status

    def _tiles(self) -> Tag:
        status, outcomes = self._status(), self._outcomes
        waits = "warn" if status.troubles else ""
        shown = [
            ("Waiting", number(status.waiting), waits),
            ("With Apple", number(status.sending), "busy" if status.sending else ""),
            ("Delivered since the start", number(outcomes.accepted), "good"),
            ("Not delivered", number(outcomes.refused), "bad" if outcomes.refused else ""),
            ("Connections", number(status.connections), ""),
        ]
        if status.unusable:
            shown.append(("Unusable credentials", number(status.unusable), "bad"))
        return tiles(shown)

    def _trouble(self) -> Tag:
        status = self._status()
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
        latest = self._meter.latest
        title = (
            "Pushes a second of late."
            f" Accepted now {number(latest('accepted'))}, taken in now {number(latest('queued'))}."
        )
        plot = area(
            title,
            [
                Series(name="accepted by Apple", values=self._meter.values("accepted"), kind="c"),
                Series(name="taken in", values=self._meter.values("queued"), kind="a"),
                Series(name="not delivered", values=self._meter.values("refused"), kind="d"),
            ],
            show=_a_second,
            begins=self._meter.begins,
            ends="now",
            least_top=10.0,
        )
        return panel("Throughput", plot)

    def _latency(self) -> Tag:
        latest = self._meter.latest
        title = (
            "How long Apple took to answer, of late. Half of the answers now within"
            f" {_seconds(latest('half'))}, 95 of 100 within {_seconds(latest('most'))}."
        )
        plot = area(
            title,
            [
                Series(name="95 of 100 within", values=self._meter.values("most"), kind="b"),
                Series(name="half within", values=self._meter.values("half"), kind="a"),
            ],
            show=_seconds,
            begins=self._meter.begins,
            ends="now",
            least_top=0.05,
        )
        return panel("Apple's answers", plot)

    def _depth(self) -> Tag:
        values = self._meter.values("waiting")
        most = max((value for value in values if value is not None), default=0.0)
        title = f"Pushes that wait: now {number(self._service.queue.depth)}, most {number(most)}."
        plot = area(
            title,
            [Series(name="waiting", values=values, kind="a")],
            show=number,
            begins=self._meter.begins,
            ends="now",
            least_top=10.0,
        )
        return panel("Queue", plot)

    def _reasons(self) -> Tag:
        outcomes = self._outcomes
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
            await self._results(RECENT),
            tags.p(tags.a("All outcomes", href="/pushes"), class_="more"),
        )

    async def _results(self, most: str, before: str = "") -> Tag:
        query = {"limit": most} | ({"before": before} if before else {})
        found: shape.Results = (await self._stories.results(_asking(query))).value
        now = self._now()
        rows = [
            [
                push_link(one.id),
                [tags.span(_outcome(one.state, one.outcome)), _why(one.outcome)],
                text(one.topic or ""),
                text(one.credential or ""),
                lasted((one.settled_at - one.submitted_at) / 1000),
                moment(_at(one.settled_at), now),
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
        if not found.next or most == RECENT:
            return shown
        older = tags.a("Older ones", href=f"/pushes?before={found.next}")
        return tags.div(shown, tags.p(older, class_="more"))

    # Pushes

    async def _pushes(self, request: Request) -> Content:
        asked = request.query.get("id", "").strip()
        before = request.query.get("before", "")
        if asked:
            title, parts = await story_page(
                self._stories, replace(request, path={"id": asked}), self._now()
            )
            return title, [Part(name="search", render=lambda: _search(asked)), *parts]

        async def results() -> Tag:
            return panel("Outcomes", await self._results(ROWS, before))

        version = None if before else self._settled
        return "Pushes", [
            Part(name="search", render=lambda: _search("")),
            Part(name="results", render=results, version=version),
        ]

    # Queue

    def _lanes(self, request: Request) -> Content:
        return "Queue", [
            Part(name="depth", render=self._depth, version=lambda: self._meter.count),
            Part(name="lanes", render=lambda: self._lane_table(request), version=self._moved),
            Part(name="waiting", render=self._waiting, version=self._moved),
        ]

    def _lane_table(self, request: Request) -> Tag:
        found: shape.Queue = self._queue.lanes(_asking({"limit": "1000"})).value
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
        found: shape.Pushes = (await self._queue.pushes(_asking({"limit": ROWS}))).value
        now = self._now()
        rows = [
            [
                push_link(one.id),
                badge(one.state, "busy" if one.state == "sending" else "off"),
                text(one.topic),
                mono(_short(one.device)),
                number(one.tries),
                moment(_at(one.submitted_at), now),
                moment(_at(one.retry_at), now) if one.retry_at else UNKNOWN,
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

    # Credentials

    def _credential_page(self, request: Request) -> Content:
        def shown() -> Tag:
            found: shape.Credentials = self._credentials.all(_asking({})).value
            cards = [self._card(one) for one in found.credentials]
            nothing = tags.p("There is none: nothing can be sent.", class_="nothing")
            return panel("Credentials", tags.ul(*cards, class_="cards") if cards else nothing)

        return "Credentials", [
            Part(name="credentials", render=shown, version=lambda: self._meter.count)
        ]

    def _card(self, one: shape.Credential) -> Tag:
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

    # Devices

    async def _devices(self, request: Request) -> Content:
        asked = request.query.get("device", "").strip().lower()
        before = request.query.get("before", "")

        def search() -> Tag:
            return _form("/devices", "device", "Token", asked)

        async def waiting() -> Tag:
            query = {"limit": ROWS, "device": asked}
            found: shape.Pushes = (await self._queue.pushes(_asking(query))).value
            now = self._now()
            rows = [
                [push_link(p.id), text(p.topic), number(p.tries), moment(_at(p.submitted_at), now)]
                for p in found.pushes
            ]
            columns = (("Push", "m"), ("Topic", ""), ("Tries", "r"), ("Since", "n"))
            nothing = "No push to this device waits."
            return panel("Pushes that wait", table("Pushes that wait", columns, rows, nothing))

        async def invalid() -> Tag:
            query = {"limit": ROWS} | ({"before": before} if before else {})
            found: shape.InvalidTokens = (await self._stories.tokens(_asking(query))).value
            now = self._now()
            rows = [
                [
                    mono(_short(one.device)),
                    text(one.topic),
                    text(one.reason or ""),
                    moment(_at(one.invalid_since), now) if one.invalid_since else UNKNOWN,
                    moment(_at(one.settled_at), now),
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

        version = None if before else self._settled
        parts = [Part(name="invalid", render=invalid, version=version)]
        if asked:
            parts.insert(0, Part(name="waiting", render=waiting, version=self._moved))
        return "Devices", [Part(name="search", render=search), *parts]

    # Status

    def _status_page(self, request: Request) -> Content:
        def known() -> Tag:
            status = self._status()
            since = _at(status.started_at).astimezone()
            up = lasted((self._now() - since).total_seconds())
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

        def counters() -> Tag:
            rows = [
                [mono(name.removeprefix("pushd_").removesuffix("_total")), number(value)]
                for name, value in self._service.counters.snapshot().items()
            ]
            columns = (("Counter", ""), ("Since the start", "r"))
            shown = table("Counters", columns, rows, "None.")
            return panel("Counters", shown, note="pushd_…_total")

        return "Status", [
            Part(name="known", render=known),
            Part(
                name="counters",
                render=counters,
                version=lambda: tuple(self._service.counters.snapshot().values()),
            ),
        ]


def push_link(id: str) -> Tag:
    """The end of an id, leading to the push's story."""
    return tags.a(mono(f"…{id[-12:]}"), href=f"/pushes/{quote(id)}", title=id)


def _search(asked: str) -> Tag:
    return _form("/pushes", "id", "Push id", asked)


def _form(target: str, name: str, label: str, value: str) -> Tag:
    return tags.form(
        tags.label(label, for_=name),
        tags.input(type="search", name=name, id=name, value=value, maxlength="200"),
        tags.button("Find", type="submit", class_="quiet"),
        role="search",
        class_="search",
        action=target,
    )


def _outcome(state: str, outcome: Outcome | None) -> Tag:
    return badge(state, STATES.get(state, "off"))


def _why(outcome: Outcome | None) -> Tag | str:
    if outcome is None or not outcome.reason:
        return ""
    return tags.span(" ", escape(outcome.reason), class_="note")


def _left(days: int | None) -> Tag | str:
    """The time that a certificate has left, as words and as a bar of a year."""
    if days is None:
        return tags.p("Does not expire.", class_="note")
    if days < 0:
        return tags.p(f"Expired {plural(-days, 'day', 'days')} ago.", class_="why")
    kind = "failed" if days < NEAR else "warn" if days < SOON else "done"
    words = tags.strong(plural(days, "day", "days"))
    return tags.div(tags.p(words, " left"), bar(min(1.0, days / 365), kind))


def _with(request: Request, selection: dict[str, Any]) -> Request:
    return replace(request, body=msgspec.json.encode(selection), query={})


def _asking(query: dict[str, str]) -> Request:
    return Request(method="GET", query=query)


def _at(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _short(device: str) -> str:
    """A token's end; the whole of it is nobody's business on a screen."""
    return f"…{escape(device[-6:])}"


def _seconds(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def _a_second(value: float) -> str:
    return f"{number(value)}/s"
