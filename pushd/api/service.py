"""The API as a service: it binds, accepts, looks for timeouts, drains and stops.

privilegedStartService   bind every address
startService             accept; look at all connections twice a second
stopService              accept no more, answer what was asked, then close; it can be started again
"""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate
from random import SystemRandom
from typing import Any, cast

from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IListeningPort, IReactorTCP, IReactorTime
from twisted.internet.ssl import CertificateOptions
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from ops.counter import Counters
from ops.service.inherited import Inherited, listen
from ops.tls import TlsFactory
from pushd.api.access import Access, ClientsFile
from pushd.api.access_log import AccessLog
from pushd.api.connection import ApiConnection
from pushd.api.desk import Desk
from pushd.api.exchange import Client, Link, Opener, Session
from pushd.api.http1 import Http1Session
from pushd.api.http2 import Http2Session
from pushd.api.intake import MAX_AGE, CredentialChoice
from pushd.api.json_face import JsonFace
from pushd.api.limit import Admission, Limits, Ration, Throttle
from pushd.api.outcomes import News
from pushd.api.provider import ProviderFace
from pushd.api.settings import ApiSettings
from pushd.api.site import ApiCounters, Site
from pushd.job import OrderedIds
from pushd.queue import Queue

BACKLOG = 511
SWEEP_INTERVAL = 0.5
"""Seconds between two looks at all connections: timeouts are late by this much at most."""
DRAIN = 5.0
"""Seconds for which requests may end when the service stops."""


_random_bits = SystemRandom().getrandbits


class ApiService(Service):
    """The API on one port of each address."""

    def __init__(
        self,
        reactor: Any,
        settings: ApiSettings,
        *,
        tls: CertificateOptions,
        clients: ClientsFile,
        queue: Queue,
        credentials: CredentialChoice,
        counters: Counters,
        version: str,
        unix: Callable[[], float],
        monotonic: Callable[[], float],
        random_bits: Callable[[int], int] = _random_bits,
        max_age: float = MAX_AGE,
        inherited: Inherited | None = None,
    ) -> None:
        """`unix` gives seconds since 1970. `max_age`: seconds for which a push is tried. Port 0 has
        the system choose, for each address anew (see `bound`). `inherited` has sockets that are
        bound already."""
        self._tcp: IReactorTCP = reactor
        self._clock: IReactorTime = reactor
        self._settings = settings
        self._inherited = inherited
        self._unix = unix
        self._monotonic = monotonic
        self._limits = limits_of(settings)
        self._throttle = Throttle(failures=settings.max_failed_logins)
        self._admission = Admission(
            total=settings.max_connections, per_client=settings.max_connections_per_client
        )
        self._counters = ApiCounters.declared_in(counters)
        self._news = News(queue.results, self._clock)
        desk = Desk(
            queue=queue,
            news=self._news,
            credentials=credentials,
            limits=self._limits,
            ration=Ration(settings.max_memory),
            clock=self._clock,
            unix=unix,
            ids=OrderedIds(random_bits),
            max_age=max_age,
        )
        faces = settings.faces
        wait = settings.provider_wait
        self._site = site = Site(
            access=self._access(clients),
            json=JsonFace(desk, version=version) if "json" in faces else None,
            provider=ProviderFace(desk, wait=wait) if "provider" in faces else None,
            counters=self._counters,
        )
        self._opener: Opener = AccessLog(site) if settings.access_log else site
        self._factory = TlsFactory(
            tls, name="API", admits=self._admits, connected=self._connected, clock=self._clock
        )
        self._date = (0, b"")
        self._connections: set[ApiConnection] = set()
        self._ports: list[IListeningPort] = []
        self._sweeping: LoopingCall | None = None
        self._emptied: Deferred[None] | None = None

    @property
    def bound(self) -> list[tuple[str, int]]:
        """The addresses and ports that are listened on."""
        hosts: list[Any] = [port.getHost() for port in self._ports]
        return [(host.host, host.port) for host in hosts]

    def replace_clients(self, clients: ClientsFile) -> None:
        """Those of a file that has changed; requests that were begun go on."""
        self._site.access = self._access(clients)

    def replace_tls(self, tls: CertificateOptions) -> None:
        """For connections from now on."""
        self._factory.replace(tls)

    # What Twisted calls.

    def privilegedStartService(self) -> None:
        """Bind all addresses; raises OSError, with nothing left bound, if one cannot be."""
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        try:
            for address in self._settings.addresses:
                self._listen(address)
        except OSError:
            self._stop_listening()
            raise

    def startService(self) -> None:
        if not self._ports:
            self.privilegedStartService()
        super().startService()  # type: ignore[no-untyped-call]
        self._sweeping = LoopingCall(self._sweep)
        self._sweeping.clock = self._clock
        self._sweeping.start(SWEEP_INTERVAL, now=False)

    def stopService(self) -> Deferred[None]:
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._stop())

    # Our own.

    async def _stop(self) -> None:
        await self._stop_listening()
        for connection in tuple(self._connections):
            connection.drain()
        if self._connections:
            self._emptied = Deferred()
            late = self._clock.callLater(DRAIN, self._abort)
            await self._emptied
            if late.active():
                late.cancel()
        if self._sweeping is not None:
            self._sweeping.stop()
            self._sweeping = None
        self._news.stop()

    def _abort(self) -> None:
        for connection in tuple(self._connections):
            connection.abort()

    def _listen(self, address: str) -> None:
        port = listen(
            self._tcp,
            self._factory,
            address=address,
            port=self._settings.port,
            backlog=BACKLOG,
            inherited=self._inherited,
        )
        self._ports.append(port)

    def _stop_listening(self) -> Deferred[Any]:
        ports, self._ports = self._ports, []
        return gatherResults([cast("Deferred[None]", port.stopListening()) for port in ports])

    def _access(self, clients: ClientsFile) -> Access:
        return Access(
            clients,
            anonymous=self._settings.anonymous,
            throttle=self._throttle,
            monotonic=self._monotonic,
            unix=self._unix,
        )

    def _admits(self, address: str) -> bool:
        if self._admission.admit(address):
            return True
        self._counters.refused.inc()
        return False

    def _connected(self, address: str) -> ApiConnection:
        connection = ApiConnection(
            address,
            make_session=self._session,
            monotonic=self._monotonic,
            handshake_timeout=self._limits.request_timeout,
            on_closed=self._closed,
        )
        self._connections.add(connection)
        self._counters.connections.inc()
        return connection

    def _session(self, protocol: bytes, link: Link, client: Client) -> Session:
        make = Http2Session if protocol == b"h2" else Http1Session
        return make(
            self._opener,
            link,
            client,
            limits=self._limits,
            counters=self._counters,
            monotonic=self._monotonic,
            date=self._http_date,
        )

    def _closed(self, connection: ApiConnection) -> None:
        self._connections.discard(connection)
        self._admission.leave(connection.address)
        if not self._connections and self._emptied is not None:
            emptied, self._emptied = self._emptied, None
            emptied.callback(None)

    def _sweep(self) -> None:
        now = self._monotonic()
        for connection in tuple(self._connections):
            try:
                connection.sweep(now)
            except Exception:
                _log.failure("api: a connection could not be looked at; it is closed")
                connection.abort()

    def _http_date(self) -> bytes:
        now = int(self._unix())
        if now != self._date[0]:
            self._date = now, formatdate(now, usegmt=True).encode()
        return self._date[1]


def limits_of(settings: ApiSettings) -> Limits:
    """The bounds that an operator may set."""
    return Limits(
        idle_timeout=settings.idle_timeout,
        request_timeout=settings.request_timeout,
        stall_timeout=settings.stall_timeout,
        max_array=settings.max_body // 8,
        max_body=settings.max_body,
        max_items=settings.max_batch,
        max_streams=settings.max_streams,
    )


_log = Logger()
