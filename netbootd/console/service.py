"""netbootd's console as a service."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ops.counter import Counter
from ops.web.console import ConsoleService
from ops.web.meter import Meter

if TYPE_CHECKING:
    from netbootd.service import BootService
    from ops.web.shell import Console


def console_service(service: BootService) -> ConsoleService:
    """Not started, and with no parent. Raises StartError."""
    counters = service.counters

    def reader(counter: Counter) -> Callable[[], float]:
        return lambda: counter.value

    meter = Meter(
        service.reactor,
        growing={
            name: reader(counters.counter(f"netbootd_{name}_sent_bytes_total", ""))
            for name in ("tftp", "http")
        },
    )

    def make() -> Console:
        from netbootd import __version__
        from netbootd.console.pages import Pages
        from ops.web.live import Live
        from ops.web.shell import Brand, Console

        pages = Pages(service, meter)
        brand = Brand(daemon="netbootd", host=service.host_name, version=__version__)
        return Console(brand, pages.views(), pages.forms(), Live(service.reactor))

    made = ConsoleService(service.reactor, service.config.console, make=make)
    meter.setServiceParent(made)  # type: ignore[no-untyped-call]
    return made
