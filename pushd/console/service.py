"""pushd's console as a service."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from ops.web.console import ConsoleService
from ops.web.meter import Meter
from pushd.console.outcomes import Outcomes, Quantile

if TYPE_CHECKING:
    from ops.web.shell import Console
    from pushd.service import PushService


def console_service(service: PushService) -> ConsoleService:
    """Not started, and with no parent. Raises StartError."""
    reactor, outcomes = service.world.reactor, Outcomes()
    service.queue.observe(outcomes)
    queued = service.counters.counter("pushd_queue_pushes_total", "")
    buckets = service.dispatcher.meter.latency.buckets
    meter = Meter(
        reactor,
        growing={
            "accepted": lambda: outcomes.accepted,
            "refused": lambda: outcomes.refused,
            "queued": lambda: queued.value,
        },
        level={
            "waiting": lambda: service.queue.depth,
            "half": Quantile(buckets, 0.5),
            "most": Quantile(buckets, 0.95),
        },
    )

    def make() -> Console:
        from ops.web.live import Live
        from ops.web.shell import Brand, Console
        from pushd import __version__
        from pushd.console.pages import Pages

        pages = Pages(service, meter, outcomes)
        brand = Brand(daemon="pushd", host=socket.gethostname(), version=__version__)
        return Console(brand, pages.views(), pages.forms(), Live(reactor))

    made = ConsoleService(reactor, service.config.console, make=make)
    meter.setServiceParent(made)  # type: ignore[no-untyped-call]
    return made
