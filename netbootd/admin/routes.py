"""The routes of netbootd's admin API. Made at the first connection: what is imported here costs an
idle daemon nothing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from netbootd import __version__
from netbootd.admin.images import image_routes
from netbootd.admin.leases import lease_routes
from netbootd.admin.machines import machine_routes
from netbootd.admin.shape import Served, Status
from netbootd.admin.told import subscription
from netbootd.summary import ports
from ops.setting import MacAddress
from ops.web.route import Events, Json, Problem, Request, Route

if TYPE_CHECKING:
    from netbootd.service import BootService


def routes(service: BootService) -> list[Route]:
    """All of them; each part of netbootd brings its own."""
    return [
        Route("GET", "/v1/status", lambda request: Json(status(service))),
        Route("GET", "/v1/events", lambda request: _events(service, request)),
        *machine_routes(service),
        *lease_routes(service),
        *image_routes(service),
    ]


def status(service: BootService) -> Status:
    """How netbootd is."""
    snapshot = service.booter.snapshot
    return Status(
        version=__version__,
        pid=os.getpid(),
        started_at=service.started_at,
        interfaces={
            one.name: tuple(str(address.ip) for address in one.addresses)
            for one in service.interfaces
        },
        services=tuple(Served(service=name, port=port) for name, port in ports(service.config)),
        images=len(snapshot.bundles),
        boot_entries=len(snapshot.entries),
        disabled=len(snapshot.disabled),
        errors=len(snapshot.errors),
        leases=None if service.dhcp is None else len(service.dhcp.leases.table),
        machines=service.bindings.count,
        seen=len(service.timeline.machines()),
        counters=service.counters.snapshot(),
    )


def _events(service: BootService, request: Request) -> Events:
    """`?mac=` for those of one machine."""
    mac = request.query.get("mac")
    if mac is None:
        return Events(subscription(service.timeline))
    try:
        return Events(subscription(service.timeline, str(MacAddress.parse(mac))))
    except ValueError:
        raise Problem(400, "mac is no Ethernet address", "write 00:16:cb:aa:bb:cc") from None
