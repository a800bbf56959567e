"""Which pages there are, and what stands on each."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from twisted.web.template import Tag, tags

from netbootd.admin.machines import host_names, machine_key
from netbootd.boot import Boot, BootOutcome
from netbootd.console.boots import OUTCOMES, history, outcome_of, under_way
from netbootd.console.events import line_of
from netbootd.console.images import image_forms, images_page
from netbootd.console.leases import leases_page
from netbootd.history import boots_of
from netbootd.machine_list import machine_records
from netbootd.statement import BOOTS_OF, COUNT_BOOTS, LAST_BOOTS, LOAD_MACHINES, NEWEST_BOOTS
from netbootd.summary import ports
from ops.database import StoreError
from ops.text import escape
from ops.web.block import UNKNOWN, badge, facts, mono, panel, table, text, tiles
from ops.web.live import Part
from ops.web.meter import Meter
from ops.web.plot import Series, area
from ops.web.route import Problem, Request
from ops.web.shell import Content, Form, View
from ops.web.words import lasted, moment, number, plural, rate

if TYPE_CHECKING:
    from netbootd.service import BootService

MOST = 100
"""Rows of a table."""
RECENT = 8


class Pages:
    """The pages of one daemon."""

    def __init__(self, service: BootService, meter: Meter) -> None:
        self._service = service
        self._meter = meter
        self._changes = 0
        service.history.watch(self._changed)

    def _changed(self, boot: Boot) -> None:
        self._changes += 1

    def views(self) -> list[View]:
        """In the order of the navigation."""
        service = self._service
        return [
            View(pattern="/", content=self._overview, label="Overview"),
            View(pattern="/machines", content=self._machines, label="Machines"),
            View(pattern="/machines/{machine}", content=self._machine),
            View(pattern="/history", content=self._history, label="History"),
            View(pattern="/images", content=lambda r: images_page(service, r), label="Images"),
            View(pattern="/leases", content=lambda r: leases_page(service, r), label="Leases"),
            View(pattern="/status", content=self._status, label="Status"),
        ]

    def forms(self) -> list[Form]:
        return image_forms(self._service)

    # Overview

    def _overview(self, request: Request) -> Content:
        return "Overview", [
            Part(
                name="tiles", render=self._tiles, version=lambda: (self._meter.count, self._moved)
            ),
            Part(name="now", render=self._now, version=lambda: self._moved),
            Part(name="traffic", render=self._traffic, version=lambda: self._meter.count),
            Part(name="recent", render=self._recent, version=lambda: self._over),
        ]

    @property
    def _moved(self) -> object:
        return self._changes

    @property
    def _over(self) -> object:
        """Another one when a boot has ended."""
        return self._service.history.last

    def _open(self) -> list[Boot]:
        return list(reversed(self._service.history.boots.under_way()))

    def _tiles(self) -> Tag:
        service = self._service
        boots = self._open()
        booting = sum(outcome_of(boot) is BootOutcome.BOOTING for boot in boots)
        snapshot = service.booter.snapshot
        images = len(snapshot.bundles) + len(snapshot.entries)
        sending = self._meter.latest("tftp") + self._meter.latest("http")
        shown = [
            ("Booting now", number(booting), "busy" if booting else ""),
            ("Sending", rate(sending), ""),
            ("Images", number(images), "warn" if not images else ""),
            ("Machines seen", number(len(service.timeline.machines())), ""),
        ]
        if snapshot.errors:
            shown.append(("Folders with errors", number(len(snapshot.errors)), "bad"))
        if service.dhcp is not None:
            shown.append(("Leases", number(len(service.dhcp.leases.table)), ""))
        return tiles(shown)

    def _now(self) -> Tag:
        boots = self._open()
        booting = sum(outcome_of(boot) is BootOutcome.BOOTING for boot in boots)
        note = plural(booting, "machine", "machines") if booting else ""
        said = tags.p(
            f"{plural(booting, 'machine is', 'machines are')} booting",
            role="status",
            class_="hidden",
        )
        return panel("Booting now", said, under_way(boots), note=note)

    def _traffic(self) -> Tag:
        tftp, http = self._meter.values("tftp"), self._meter.values("http")
        most = max((v for v in (*tftp, *http) if v is not None), default=0.0)
        title = (
            f"Bytes sent of late. TFTP now {rate(self._meter.latest('tftp'))},"
            f" HTTP now {rate(self._meter.latest('http'))}, at most {rate(most)}."
        )
        plot = area(
            title,
            [
                Series(name="HTTP", values=http, kind="a"),
                Series(name="TFTP", values=tftp, kind="b"),
            ],
            show=rate,
            begins=self._meter.begins,
            ends="now",
            least_top=1e6,
        )
        return panel("Traffic", plot)

    async def _recent(self) -> Tag:
        boots = await self._boots(RECENT)
        return panel(
            "Last boots",
            history("Last boots", boots, self._now_at(), "No boot has ended yet."),
            tags.p(tags.a("All boots", href="/history"), class_="more"),
        )

    def _now_at(self) -> datetime:
        return self._service.timeline.now()

    async def _boots(self, most: int) -> list[Boot]:
        return list(boots_of(await self._rows(NEWEST_BOOTS, most=most)))

    async def _rows(self, statement: Any, **parameters: Any) -> list[tuple[Any, ...]]:
        try:
            return await self._service.store.read(statement, **parameters)
        except StoreError as error:
            raise Problem(503, error.problem, error.remedy) from error

    # History

    def _history(self, request: Request) -> Content:
        async def shown() -> Tag:
            boots = await self._boots(MOST)
            good = sum(boot.outcome is BootOutcome.BOOTED for boot in boots)
            note = f"{good} of {len(boots)} went well" if boots else ""
            return panel(
                "Boots that are over",
                history("Boots, newest first", boots, self._now_at(), "No boot has ended yet."),
                note=note,
            )

        return "History", [Part(name="history", render=shown, version=lambda: self._over)]

    # Machines

    def _machines(self, request: Request) -> Content:
        return "Machines", [
            Part(name="machines", render=self._machine_table, version=lambda: self._over)
        ]

    async def _records(self) -> list[dict[str, Any]]:
        return machine_records(
            last=list(boots_of(await self._rows(LAST_BOOTS))),
            under_way=self._service.history.boots.under_way(),
            bound=await self._rows(LOAD_MACHINES),
            counts=dict(await self._rows(COUNT_BOOTS)),
            names=host_names(self._service),
        )

    async def _machine_table(self) -> Tag:
        records = await self._records()
        now = self._now_at()
        rows = [
            [
                tags.a(
                    tags.strong(text(r["model"] or r["architecture"] or r["client"])),
                    " ",
                    mono(r["machine"]),
                    href=f"/machines/{quote(r['machine'])}",
                    class_="machine",
                ),
                text(r["name"]),
                r["address"],
                text(r["image"]),
                _outcome(r["outcome"]),
                number(r["boots"]),
                moment(datetime.fromisoformat(r["last_seen"]), now) if r["last_seen"] else UNKNOWN,
            ]
            for r in records[:MOST]
        ]
        columns = (
            ("Machine", ""),
            ("Name", "w"),
            ("Address", "m w"),
            ("Image", "w"),
            ("Last boot", ""),
            ("Boots", "r w"),
            ("Last seen", "n"),
        )
        note = plural(len(records), "machine", "machines")
        nothing = "No machine has been seen yet."
        return panel(
            "Machines, the one seen last first",
            table("Machines", columns, rows, nothing),
            note=note,
        )

    async def _machine(self, request: Request) -> Content:
        key = machine_key(request.path["machine"])
        for record in await self._records():
            if record["machine"] == key:
                break
        else:
            raise Problem(404, f"no machine {escape(key)} is known", "go back to the machines")
        boots = self._service.history.boots

        def now() -> Tag:
            boot = boots.of(key)
            return tags.div() if boot is None else panel("Booting now", under_way([boot]))

        async def past() -> Tag:
            found = list(boots_of(await self._rows(BOOTS_OF, machine=key, most=MOST)))
            return panel(
                "Boots that are over",
                history("Its boots", found, self._now_at(), "None of its boots is over yet."),
            )

        known = facts(
            [
                ("Address", mono(record["address"])),
                ("Name", text(record["name"])),
                ("Client", text(record["client"])),
                ("Model", text(record["model"])),
                ("Architecture", text(record["architecture"])),
                ("Image", text(record["image"])),
            ]
        )
        return key, [
            Part(name="known", render=lambda: panel("What is known", known)),
            Part(name="now", render=now, version=lambda: self._moved),
            Part(name="past", render=past, version=lambda: self._over),
            Part(name="events", render=lambda: self._events(key), version=lambda: self._moved),
        ]

    def _events(self, key: str) -> Tag:
        machine = self._service.timeline.machine(key)
        now = self._now_at()
        rows = [
            [moment(event.at, now), line_of(event)]
            for event in reversed(machine.events if machine is not None else ())
        ]
        columns = (("Time", "n"), ("Event", "line"))
        return panel(
            "Events",
            table("Events", columns, rows, "Nothing since the start."),
            note="newest first",
        )

    # Status

    def _status(self, request: Request) -> Content:
        return "Status", [
            Part(name="services", render=self._services),
            Part(
                name="counters",
                render=self._counters,
                version=lambda: tuple(self._service.counters.snapshot().values()),
            ),
        ]

    def _services(self) -> Tag:
        service = self._service
        up = (self._now_at() - service.started_at).total_seconds()
        served = ports(service.config)
        since = service.started_at.astimezone()
        addresses = [
            f"{address.ip} on {one.name}" for one in service.interfaces for address in one.addresses
        ]
        return panel(
            "This server",
            facts(
                [
                    ("Serves", ", ".join(f"{name} {port}" for name, port in served)),
                    ("Addresses", ", ".join(addresses)),
                    (
                        "Runs since",
                        f"{since:%Y-%m-%d %H:%M:%S}, for {lasted(up)}",
                    ),
                    ("Macs with an image", number(service.bindings.count)),
                ]
            ),
        )

    def _counters(self) -> Tag:
        rows = [
            [mono(name.removeprefix("netbootd_").removesuffix("_total")), number(value)]
            for name, value in self._service.counters.snapshot().items()
        ]
        columns = (("Counter", ""), ("Since the start", "r"))
        return panel("Counters", table("Counters", columns, rows, "None."), note="netbootd_…_total")


def _outcome(value: str) -> Tag:
    return badge(*OUTCOMES[BootOutcome(value)]) if value else tags.span(UNKNOWN)
