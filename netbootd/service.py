"""The daemon's object graph, to be read from top to bottom like a parts list.

    configuration ──▶ BootService
        state       Store ── Bindings          which machine selected which image
        catalog     CatalogWatch ── CatalogBooter      what there is to boot
        timeline    Timeline ── boot_log               what happened to each machine
        history     History                            its boots, those that are over too
        port 67     DatagramService ── Port67 ── BsdpResponder
                                          ├───── DhcpService       addresses, if [dhcp] is enabled
                                          └───── PxeService        PCs, if [pxe] is enabled
        TFTP        TftpService
        HTTP        HttpService (and HTTPS)
        watch       InterfaceWatch
        neighbours  Neighbours                 other DHCP servers, firewalls
        admin       AdminService               what the command line asks
        metrics     MetricsService             what Prometheus asks, if [metrics] is enabled
        console     ConsoleService             what a browser shows, if [console] is enabled

Ports are bound first; then root is given up, if the configuration names a user; then the database
is opened, the images are read, as that user, and the sockets begin to read.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec.structs import replace
from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

from images.catalog import Catalog, Root, Snapshot
from netbootd.arrival import Arrival
from netbootd.binding import Bindings
from netbootd.boot_log import boot_log
from netbootd.booter import CatalogBooter, publication_of
from netbootd.bsdp.identity import local_server
from netbootd.bsdp.responder import Admission, BsdpResponder, LocalServer
from netbootd.bsdp.teller import BsdpTeller
from netbootd.catalog import CatalogWatch
from netbootd.coexist.service import Neighbours
from netbootd.config import Config, state_directory
from netbootd.datagram_service import DatagramService
from netbootd.descriptors import descriptors_for
from netbootd.history import History
from netbootd.interface import Interface, served
from netbootd.interface_watch import InterfaceWatch
from netbootd.link import Link
from netbootd.port67 import Answer, Port67
from netbootd.start import bind_error, nothing_to_serve, require_images
from netbootd.statement import SCHEMA
from netbootd.summary import Known, summary
from netbootd.tftp.service import TftpService
from netbootd.timeline import Timeline
from netbootd.web import web_services
from netbootd.world import World
from ops.counter import Counters
from ops.database import Database, StoreError
from ops.descriptor import want_descriptors
from ops.privilege import give_up_root, resolve_identity
from ops.start import StartError
from ops.store import Store
from ops.web.admin import FILES as ADMIN_FILES
from ops.web.admin import AdminService
from ops.web.route import Route

if TYPE_CHECKING:
    from netbootd.dhcp.service import DhcpService
    from netbootd.pxe.service import PxeService
    from ops.metrics_service import MetricsService
    from ops.web.console import ConsoleService

DATABASE = "netbootd.sqlite"

Part = TypeVar("Part", bound=Service)


class BootService(MultiService):
    """The whole daemon. Its parts are attributes, for a console or a test to look at."""

    def __init__(self, config: Config, world: World) -> None:
        """Builds everything, touches no port and no disk but the interfaces' table.

        Raises StartError.
        """
        super().__init__()  # type: ignore[no-untyped-call]
        self._log = Logger("netbootd.service")  # in the class, it would take that class's name
        self._config = config
        self._world = world
        self._bound = False
        self.status = ""
        self._identity = resolve_identity(config.user, config.group)
        self.started_at = world.utcnow()
        self._interfaces = self._served_interfaces()
        if not self._interfaces:
            raise StartError(nothing_to_serve(world.interfaces()))

        self.counters = Counters()
        self.timeline = Timeline(world.utcnow)
        self.timeline.listen(boot_log(Logger("netbootd.boot")))
        self.store = Store(
            Database(state_directory(config.state) / DATABASE, SCHEMA),
            reactor=world.reactor,
            counters=self.counters,
            prefix="netbootd",
        )
        self.bindings = Bindings(self.store, now=world.utcnow, counters=self.counters)
        self.history = self._add(
            History(config.history, store=self.store, timeline=self.timeline, clock=world.reactor)
        )
        self.publication = publication_of(config)
        self.booter = CatalogBooter(self.publication)

        self.catalog_watch = self._add(self._catalog_watch())
        self.link = self._add(Link(is_missed=config.dhcp.enabled))
        self.bsdp = self._bsdp_responder() if config.bsdp.enabled else None
        self.pxe = self._add(self._pxe_service()) if config.pxe.enabled else None
        self.dhcp = self._add(self._dhcp_service()) if config.dhcp.enabled else None
        answers = self.bsdp or self.dhcp or (self.pxe and config.pxe.proxy)
        self.port67 = self._add(self._port_67()) if answers else None
        self.tftp = self._add(self._tftp_service()) if config.tftp.enabled else None
        self.http, self.https = web_services(
            config,
            world,
            addresses=self._web_addresses(),
            open_file=self.booter.open_file,
            observer=self.timeline,
            counters=self.counters,
        )
        for web in (self.http, self.https):
            if web is not None:
                self._add(web)
        self._add(self._interface_watch())
        self.neighbours = self._add(
            Neighbours(
                reactor=world.reactor,
                config=config,
                interfaces=self._interfaces,
                xid=secrets.randbits(32),
            )
        )
        self.admin = self._add(self._admin_service()) if config.admin.enabled else None
        self.metrics = self._add(self._metrics_service()) if config.metrics.enabled else None
        self.console = self._add(self._console_service()) if config.console.enabled else None

    def _add(self, part: Part) -> Part:
        part.setServiceParent(self)  # type: ignore[no-untyped-call]
        return part

    @property
    def config(self) -> Config:
        """The settings that are gone by."""
        return self._config

    @property
    def reactor(self) -> Any:
        """The one that it runs on."""
        return self._world.reactor

    @property
    def host_name(self) -> str:
        """This computer's."""
        return self._world.host_name()

    @property
    def interfaces(self) -> tuple[Interface, ...]:
        """Those that are served."""
        return self._interfaces

    # What Twisted calls.

    def bind(self) -> None:
        """Bind every port, unless that is done. Raises StartError.

        May be called early: once twistd is in the background, the terminal hears of no error.
        """
        if self._bound:
            return
        self._bound = True
        require_images(self._config)
        want_descriptors(
            descriptors_for(self._config), "tftp.max_transfers and http.max_connections"
        )
        self.link.privilegedStartService()
        self.neighbours.privilegedStartService()
        if self.dhcp is not None:
            self.dhcp.privilegedStartService()
        config = self._config
        for part, service, kind, port in (
            (self.port67, "DHCP" if config.dhcp.enabled else "BSDP", "UDP", config.bsdp.port),
            (self.pxe, "PXE", "UDP", config.pxe.port),
            (self.tftp, "TFTP", "UDP", config.tftp.port),
            (self.http, "HTTP", "TCP", config.http.port),
            (self.https, "HTTPS", "TCP", config.https.port),
            (self.metrics, "metrics", "TCP", config.metrics.port),
            (self.console, "the console", "TCP", config.console.port),
        ):
            try:
                if part is not None:
                    part.privilegedStartService()
            except OSError as error:
                raise bind_error(error, service, kind, port) from error

    def privilegedStartService(self) -> None:
        """Bind every port, then give up root. Raises StartError."""
        self.bind()
        if self._identity is not None:
            directory = state_directory(self._config.state)
            give_up_root(self._identity, directory, DATABASE, ADMIN_FILES)
            self._identity = None  # there is no way back, nor need there be

    def startService(self) -> None:
        """Open the database and begin to serve. Raises StartError; then call `stopService`."""
        self.privilegedStartService()  # twist does not call it
        try:
            self.store.open_thd()
            self.started_at = self._world.utcnow()
            for part in (self.bindings, self.history, self.pxe, self.dhcp):
                if part is not None:
                    part.load_thd()
        except StoreError as error:
            raise StartError(str(error)) from error
        super().startService()  # type: ignore[no-untyped-call]
        # Not before the reactor hears signals: whoever waits for this line may send one.
        self._world.reactor.callWhenRunning(self._tell_ready)

    def _tell_ready(self) -> None:
        if self.running:
            known = Known(
                images=len(self.booter.snapshot.bundles),
                boot_entries=len(self.booter.snapshot.entries),
                leases=None if self.dhcp is None else len(self.dhcp.leases.table),
                machines=self.bindings.count,
            )
            self.status = summary(self._config, self._interfaces, known)
            self._log.info("{summary}", summary=self.status)

    def stopService(self) -> Deferred[None]:
        """Close the sockets, then commit what is accepted."""
        self._bound = False
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        await super().stopService()  # type: ignore[no-untyped-call]
        await self.store.close()
        self._log.info("netbootd has stopped")

    def apply(self, config: Config) -> None:
        """Go by [dhcp] and [pxe] of `config` from now on; leases and choices stay.

        What was off at the start stays off: it needs ports and sockets that only a start can open.
        Raises StartError, and changes nothing, if `config` cannot be applied.
        """
        if self.dhcp is not None and config.dhcp.enabled:
            self.dhcp.apply(config.dhcp)
        if self.pxe is not None:
            self.pxe.apply(config.pxe)
        self._config = replace(self._config, dhcp=config.dhcp, pxe=config.pxe)
        if self.dhcp is not None:
            self.dhcp.forget()  # what boot clients are told has changed
        if self.port67 is not None:
            self._port67.replace(**self._answers_67())
        self.neighbours.apply(self._config)

    # The parts.

    def _served_interfaces(self) -> tuple[Interface, ...]:
        return served(self._world.interfaces(), self._config.network.serves)

    def _interfaces_with(self, service: str) -> tuple[Interface, ...]:
        """Where `service` (`bsdp`, `tftp`, `http`) is not switched off."""
        return tuple(one for one in self._interfaces if getattr(self._config.on(one.name), service))

    def _catalog_watch(self) -> CatalogWatch:
        shares = self._config.images.shares
        reactor = self._world.reactor

        def in_thread(scan: Callable[[], Snapshot]) -> Deferred[Snapshot]:
            return deferToThreadPool(reactor, reactor.getThreadPool(), scan)

        return CatalogWatch(
            booter=self.booter,
            catalog=Catalog(
                [Root(path=share.path, share=share.name) for share in shares],
                loaders=self._config.pxe.loaders if self._config.pxe.enabled else None,
            ),
            publication=self.publication,
            interval=self._config.images.rescan,
            clock=reactor,
            in_thread=in_thread,
        )

    def _bsdp_responder(self) -> BsdpResponder:
        settings = self._config.bsdp
        return BsdpResponder(
            booter=self.booter,
            bindings=self.bindings,
            local_server=self._local_server,
            teller=BsdpTeller(self.timeline, self._world.monotonic, self.counters),
            seconds=self._world.monotonic,
            counters=self.counters,
            admission=Admission(allow=frozenset(settings.allow), deny=frozenset(settings.deny)),
        )

    def _pxe_service(self) -> PxeService:
        from netbootd.pxe.answer import WebPorts  # likewise
        from netbootd.pxe.service import PxeService

        http, https = self._config.http, self._config.https
        return PxeService(
            self._config.pxe,
            world=self._world,
            booter=self.booter,
            timeline=self.timeline,
            store=self.store,
            counters=self.counters,
            ports=WebPorts(
                http=http.port if http.enabled else None,
                https=https.port if https.enabled else None,
            ),
            interfaces=self._interfaces_with("pxe"),
            server_address=self._server_address,
            link=self.link,
        )

    def _dhcp_service(self) -> DhcpService:
        from netbootd.dhcp.service import DhcpService  # 2 MiB that only its users need

        pxe = self.pxe
        return DhcpService(
            self._config.dhcp,
            reactor=self._world.reactor,
            store=self.store,
            timeline=self.timeline,
            now=self._world.unix,
            monotonic=self._world.monotonic,
            counters=self.counters,
            interfaces=self._interfaces_with("dhcp"),
            boot=lambda arrival: None if pxe is None else pxe.boot_at(arrival),
        )

    def _port_67(self) -> DatagramService:
        self._port67 = Port67(
            bsdp=None if self.bsdp is None else self.bsdp.received,
            **self._answers_67(),
            is_on=lambda interface, service: getattr(self._config.on(interface), service),
            counters=self.counters,
        )
        return DatagramService(
            reactor=self._world.reactor,
            receive=self._port67.received,
            interfaces=self._interfaces,
            port=self._config.bsdp.port,
            share_port=self._config.bsdp.share_port,
            link=self.link,
            counters=self.counters,
            inherited=self._world.inherited,
        )

    def _answers_67(self) -> dict[str, Answer | None]:
        """Who answers on port 67 besides BSDP."""
        dhcp = self.dhcp if self._config.dhcp.enabled else None
        pxe = self.pxe if self._config.pxe.proxy else None
        return {
            "dhcp": None if dhcp is None else dhcp.received,
            "proxy": None if pxe is None else pxe.received,
        }

    def _local_server(self, arrival: Arrival) -> LocalServer:
        """Who we are to the Macs of one interface."""
        config = self._config
        return local_server(
            config.bsdp,
            config.on(arrival.interface).priority,
            address=self._server_address(arrival),
            host_name=self._world.host_name,
        )

    def _server_address(self, arrival: Arrival) -> IPv4Address:
        """Which address of ours the clients of one interface are told."""
        return self._config.on(arrival.interface).server_address or arrival.local_address

    def _tftp_service(self) -> TftpService:
        return TftpService(
            self._world.reactor,
            self._interfaces_with("tftp"),
            self._config.tftp,
            open_file=self.booter.open_file,
            observer=self.timeline,
            counters=self.counters,
            monotonic=self._world.monotonic,
            inherited=self._world.inherited,
        )

    def _web_addresses(self) -> list[str]:
        interfaces = self._interfaces_with("http")
        return [str(address.ip) for one in interfaces for address in one.addresses]

    def _admin_service(self) -> AdminService:
        def routes() -> list[Route]:
            from netbootd.admin.routes import routes  # at the first connection

            return routes(self)

        config = self._config
        return AdminService(
            self._world.reactor, config.admin, state_directory(config.state), routes=routes
        )

    def _console_service(self) -> ConsoleService:
        from netbootd.console.service import console_service  # only its users need it

        return console_service(self)

    def _metrics_service(self) -> MetricsService:
        from netbootd.metric import metrics  # 5 MiB that only its users need

        return metrics(self, self._config, self._world)

    def _interface_watch(self) -> InterfaceWatch:
        return InterfaceWatch(
            read=self._served_interfaces,
            changed=self._serve,
            current=self._interfaces,
            clock=self._world.reactor,
        )

    def _serve(self, interfaces: Sequence[Interface]) -> None:
        self._interfaces = tuple(interfaces)
        if self.bsdp is not None:
            self.bsdp.forget()
        if self.pxe is not None:
            self.pxe.serve(self._interfaces_with("pxe"))
        if self.dhcp is not None:
            self.dhcp.serve(self._interfaces_with("dhcp"))
        self.neighbours.serve(interfaces)
        if self.port67 is not None:
            self.port67.serve(interfaces)
        if self.tftp is not None:
            self.tftp.serve(self._interfaces_with("tftp"))
        for web, name in ((self.http, "HTTP"), (self.https, "HTTPS")):
            try:
                if web is not None:
                    web.serve(self._web_addresses())
            except OSError as error:
                self._log.warn(
                    "{name} is not on every address yet: {why}; restart netbootd",
                    name=name,
                    why=error.strerror or str(error),
                )
