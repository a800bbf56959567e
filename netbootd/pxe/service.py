"""Network boot of PCs as one part of the daemon: what they are told, the files made for them.

PxeService
    choices      Choices             which entry was chosen at a machine to stay
    files        GeneratedFiles      menus and scripts, by way of the booter
    answers      PxeAnswers          for the DHCP server and for proxyDHCP
    proxy        ProxyResponder      port 67, by way of `netbootd.port67`
    port 4011    DatagramService
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address

from twisted.application.service import MultiService

from netbootd.arrival import Arrival
from netbootd.booter import CatalogBooter
from netbootd.datagram import Datagrams
from netbootd.datagram_service import DatagramService
from netbootd.interface import Interface
from netbootd.link import Link
from netbootd.pxe.answer import PxeAnswers, WebPorts
from netbootd.pxe.choice import Choices
from netbootd.pxe.proxy import ProxyResponder
from netbootd.pxe.published import GeneratedFiles
from netbootd.pxe.settings import PxeSettings
from netbootd.pxe.teller import PxeTeller
from netbootd.timeline import Timeline
from netbootd.world import World
from ops.counter import Counters
from ops.store import Store
from protocols.dhcp.server.case import BootAnswer


class PxeService(MultiService):
    """Answers PXE, HTTP boot and iPXE."""

    def __init__(
        self,
        settings: PxeSettings,
        *,
        world: World,
        booter: CatalogBooter,
        timeline: Timeline,
        store: Store,
        counters: Counters,
        ports: WebPorts,
        interfaces: Sequence[Interface],
        server_address: Callable[[Arrival], IPv4Address],
        link: Link,
    ) -> None:
        """`server_address` says which address of ours clients of an arrival are told."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._world = world
        self._booter = booter
        self._timeline = timeline
        self._counters = counters
        self._ports = ports
        self._server_address = server_address
        self._key = secrets.token_bytes(32)
        self.choices = Choices(store, now=world.utcnow, counters=counters)
        self._teller = PxeTeller(timeline, world.monotonic, counters)
        self.apply(settings)
        self._port = DatagramService(
            reactor=world.reactor,
            receive=self._received_4011,
            interfaces=interfaces,
            port=settings.port,
            link=link,
            counters=counters,
            inherited=world.inherited,
        )
        self._port.setServiceParent(self)  # type: ignore[no-untyped-call]

    def apply(self, settings: PxeSettings) -> None:
        """Answer by these settings from now on; `loaders` and `port` are those of the start."""
        self.answers = PxeAnswers(
            booter=self._booter,
            settings=settings,
            ports=self._ports,
            teller=self._teller,
            seconds=self._world.monotonic,
        )
        self.proxy = ProxyResponder(
            answers=self.answers, server_address=self._server_address, counters=self._counters
        )
        files = GeneratedFiles(
            booter=self._booter,
            choices=self.choices,
            timeline=self._timeline,
            timeout=int(settings.timeout),
            key=self._key,
        )
        self._booter.generate = files.open
        self._booter.choice = self.choices.lookup

    def load_thd(self) -> None:
        """Read the choices. Blocks; call it once the store is open. Raises StoreError."""
        self.choices.load_thd()

    def boot_at(self, arrival: Arrival) -> BootAnswer:
        """What the DHCP server tells the boot clients of an arrival."""
        return self.answers.at(self._server_address(arrival))

    def serve(self, interfaces: Sequence[Interface]) -> None:
        """The table of interfaces has changed."""
        self.proxy.forget()
        self._port.serve(interfaces)

    @property
    def port(self) -> int:
        """The bound UDP port of the boot server; only while bound."""
        return self._port.port

    def received(
        self, datagrams: Datagrams, data: bytes, peer: tuple[str, int], arrival: Arrival
    ) -> bool:
        """proxyDHCP's answer on port 67 (`netbootd.port67.Answer`)."""
        return self.proxy.received(datagrams, data, peer, arrival)

    def _received_4011(
        self, datagrams: Datagrams, data: bytes, peer: tuple[str, int], arrival: Arrival
    ) -> None:
        self.proxy.received_4011(datagrams, data, peer, arrival)
