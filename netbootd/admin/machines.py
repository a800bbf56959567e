"""Routes about machines and their boots."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from netbootd.admin.told import told
from netbootd.boot import Boot
from netbootd.history import boots_of
from netbootd.machine_list import machine_records
from netbootd.statement import (
    BOOTS_OF,
    COUNT_BOOTS,
    LAST_BOOTS,
    LOAD_MACHINES,
    NEWEST_BOOTS,
)
from ops.database import StoreError
from ops.setting import MacAddress
from ops.web.route import Events, Json, Problem, Request, Route

if TYPE_CHECKING:
    from netbootd.service import BootService

MOST = 1000
"""Boots in one answer."""


def machine_routes(service: BootService) -> list[Route]:
    """What there is to know of machines."""

    async def machines(request: Request) -> Json:
        return Json(await _records(service))

    async def machine(request: Request) -> Json:
        return Json(await _one(service, machine_key(request.path["mac"])))

    async def boots(request: Request) -> Json:
        rows = await service.store.read(NEWEST_BOOTS, most=_most(request))
        under_way = [boot.record() for boot in reversed(service.history.boots.under_way())]
        return Json([*under_way, *(boot.record() for boot in boots_of(rows))])

    return [
        Route("GET", "/v1/machines", machines),
        Route("GET", "/v1/machines/{mac}", machine),
        Route("GET", "/v1/boots", boots),
        Route("GET", "/v1/boots/events", lambda request: Events(boot_events(service))),
    ]


def boot_events(service: BootService) -> Callable[[Callable[[object], None]], Callable[[], None]]:
    """What tells all boots under way, that these were all, then each that goes on or ends: a record
    each."""

    def subscribe(tell: Callable[[object], None]) -> Callable[[], None]:
        under_way = service.history.boots.under_way()
        for boot in under_way:
            tell(boot.record())
        tell({"event": "watching", "boots": len(under_way)})
        return service.history.watch(lambda boot: tell(boot.record()))

    return subscribe


async def _records(service: BootService) -> list[dict[str, Any]]:
    try:
        last = list(boots_of(await service.store.read(LAST_BOOTS)))
        counts: dict[str, int] = dict(await service.store.read(COUNT_BOOTS))
        bound = await service.store.read(LOAD_MACHINES)
    except StoreError as error:
        raise Problem(503, error.problem, error.remedy) from error
    return machine_records(
        last=last,
        under_way=service.history.boots.under_way(),
        bound=bound,
        counts=counts,
        names=host_names(service),
    )


def host_names(service: BootService) -> dict[str, str]:
    """What machines call themselves when they ask for an address, by hardware address."""
    if service.dhcp is None:
        return {}
    return {
        lease.hardware.hex(":"): lease.host_name
        for lease in service.dhcp.leases.table
        if lease.host_name
    }


async def _one(service: BootService, key: str) -> dict[str, Any]:
    for record in await _records(service):
        if record["machine"] == key:
            break
    else:
        raise Problem(404, f"no machine {key} is known", "`netbootctl machines list` has them all")
    rows = await service.store.read(BOOTS_OF, machine=key, most=MOST)
    under_way = service.history.boots.of(key)
    boots: list[Boot] = [*([under_way] if under_way else []), *boots_of(rows)]
    seen = service.timeline.machine(key)
    return record | {
        "history": [boot.record() for boot in boots],
        "events": [told(event) for event in seen.events] if seen else [],
    }


def machine_key(text: str) -> str:
    """A machine as the timeline calls it: its hardware address in our form, or what it is."""
    try:
        return str(MacAddress.parse(text))
    except ValueError:
        return text


def _most(request: Request) -> int:
    text = request.query.get("most", "100")
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= MOST):
        raise Problem(400, "most is no number of boots", f"give 1 to {MOST}")
    return int(text)
