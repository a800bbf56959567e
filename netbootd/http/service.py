"""The HTTP and HTTPS services: they bind, accept, sweep and stop.

privilegedStartService   bind every address (port 80 needs privilege)
startService             accept; sweep twice a second
stopService              close everything; it can be started again
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from typing import cast

from twisted.application.service import Service
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IListeningPort, IReactorFDSet, IReactorTCP, IReactorTime
from twisted.internet.ssl import CertificateOptions
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from netbootd.http.plain import SENDFILE, PlainConnection, PlainListener, Sendfile
from netbootd.http.secure import SecureConnection
from netbootd.http.session import Connection
from netbootd.http.site import Site
from netbootd.poll import PollGroup, poll_group
from ops.service.inherited import EVERYWHERE, Inherited, listen
from ops.tls import TlsFactory

BACKLOG = 511
"""Connections that may wait to be accepted: a room full of machines switched on at once."""
SWEEP_INTERVAL = 0.5
"""Seconds between two looks at all connections: timeouts are late by this much at most, and
progress is told this often."""


class _WebService(Service):
    """What the two services have in common."""

    def __init__(
        self,
        clock: IReactorTime,
        site: Site,
        *,
        addresses: Sequence[str],
        port: int,
        inherited: Inherited | None,
    ) -> None:
        self._clock = clock
        self._site = site
        self._addresses = tuple(addresses)
        self._port = port
        self._inherited = inherited or Inherited()
        self._connections: set[Connection] = set()
        self._sweeping: LoopingCall | None = None

    @property
    def connections(self) -> int:
        """Connections at this moment."""
        return len(self._connections)

    def _new(self, addresses: Sequence[str]) -> list[str]:
        return [address for address in addresses if address not in self._addresses]

    def _start_sweeping(self) -> None:
        self._sweeping = LoopingCall(self._sweep)
        self._sweeping.clock = self._clock
        self._sweeping.start(SWEEP_INTERVAL, now=False)

    def _stop_sweeping(self) -> None:
        if self._sweeping is not None:
            self._sweeping.stop()
            self._sweeping = None

    def _sweep(self) -> None:
        now = self._site.monotonic()
        for connection in tuple(self._connections):
            try:
                connection.sweep(now)
            except Exception:
                _log.failure("a connection could not be looked at; it is closed")
                connection.stop()

    def _stop_connections(self) -> None:
        for connection in tuple(self._connections):
            connection.stop()


class HttpService(_WebService):
    """HTTP on one port of each address."""

    def __init__(
        self,
        reactor: IReactorFDSet,
        clock: IReactorTime,
        site: Site,
        *,
        addresses: Sequence[str],
        port: int,
        sendfile: Sendfile | None = SENDFILE,
        inherited: Inherited | None = None,
    ) -> None:
        """`port` 0 has the system choose, for each address anew (see `bound`). `inherited` has
        sockets that are bound already, one for each address or one for all of them."""
        super().__init__(clock, site, addresses=addresses, port=port, inherited=inherited)
        self._reactor = reactor
        self._sendfile = sendfile
        self._sockets: list[socket.socket] = []
        self._hears_all = False
        """Whether the socket is one that hears on addresses that we do not serve, too."""
        self._listeners: list[PlainListener] = []
        self._group: PollGroup | None = None

    @property
    def bound(self) -> list[tuple[str, int]]:
        """The addresses and ports that are listened on."""
        return [sock.getsockname() for sock in self._sockets]

    def privilegedStartService(self) -> None:
        """Bind all addresses; raises OSError, with nothing left bound, if one cannot be."""
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        everywhere = self._inherited.take(socket.SOCK_STREAM, EVERYWHERE, self._port)
        self._hears_all = everywhere is not None and EVERYWHERE not in self._addresses
        self._sockets = (
            _listening(self._addresses, self._port, self._inherited)
            if everywhere is None
            else [everywhere]
        )

    def startService(self) -> None:
        if not self._sockets:
            self.privilegedStartService()
        super().startService()  # type: ignore[no-untyped-call]
        self._group = poll_group(self._reactor)
        for sock in self._sockets:
            self._listeners.append(PlainListener(self._group, sock, self._accepted))
        self._resume_listeners()
        self._start_sweeping()

    def serve(self, addresses: Sequence[str]) -> None:
        """Listen on those that are new, too; raises OSError if one cannot be bound. An address that
        has gone stays bound: nobody reaches it, and it may be back."""
        for address in self._new(addresses):
            if self._hears_all:
                self._addresses += (address,)
                continue
            (sock,) = _listening([address], self._port, self._inherited)
            self._addresses += (address,)
            self._sockets.append(sock)
            if self._group is not None:
                self._listeners.append(PlainListener(self._group, sock, self._accepted))
        self._resume_listeners()

    def stopService(self) -> None:
        super().stopService()  # type: ignore[no-untyped-call]
        self._stop_sweeping()
        for listener in self._listeners:
            listener.close()
        for sock in self._sockets:
            sock.close()
        self._listeners, self._sockets = [], []
        self._stop_connections()
        if self._group is not None:
            self._group.close()
            self._group = None

    def _sweep(self) -> None:
        super()._sweep()
        self._resume_listeners()

    def _resume_listeners(self) -> None:
        for listener in self._listeners:
            listener.resume()

    def _accepted(self, sock: socket.socket, peer: str) -> None:
        group = self._group
        if self._hears_all and sock.getsockname()[0] not in self._addresses:
            sock.close()
            return
        if group is None or not self._site.admission.admit(peer):
            self._site.counters.refused.inc()
            sock.close()
            return
        connection = PlainConnection(
            self._site,
            group,
            sock,
            peer,
            on_closed=self._connections.discard,
            sendfile=self._sendfile,
        )
        self._connections.add(connection)


class HttpsService(_WebService):
    """HTTPS on one port of each address."""

    def __init__(
        self,
        reactor: IReactorTCP,
        clock: IReactorTime,
        site: Site,
        *,
        credentials: CertificateOptions,
        addresses: Sequence[str],
        port: int,
        inherited: Inherited | None = None,
    ) -> None:
        """`port` 0 has the system choose, for each address anew (see `bound`). `inherited` has
        sockets that are bound already, one for each address."""
        super().__init__(clock, site, addresses=addresses, port=port, inherited=inherited)
        self._reactor = reactor
        self._factory = TlsFactory(
            credentials,
            name="HTTPS",
            admits=self._admits,
            connected=self._connected,
            clock=cast(IReactorTime, reactor),
        )
        self._ports: list[IListeningPort] = []

    @property
    def bound(self) -> list[tuple[str, int]]:
        """The addresses and ports that are listened on."""
        hosts = [cast(IPv4Address, port.getHost()) for port in self._ports]
        return [(host.host, host.port) for host in hosts]

    def privilegedStartService(self) -> None:
        """Bind all addresses; raises OSError, with nothing left bound, if one cannot be."""
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        try:
            for address in self._addresses:
                self._listen(address)
        except OSError:
            self._stop_listening()
            raise

    def _listen(self, address: str) -> None:
        port = listen(
            self._reactor,
            self._factory,
            address=address,
            port=self._port,
            backlog=BACKLOG,
            inherited=self._inherited,
        )
        self._ports.append(port)

    def startService(self) -> None:
        if not self._ports:
            self.privilegedStartService()
        super().startService()  # type: ignore[no-untyped-call]
        self._start_sweeping()

    def serve(self, addresses: Sequence[str]) -> None:
        """As `HttpService.serve`."""
        for address in self._new(addresses):
            self._listen(address)
            self._addresses += (address,)

    def stopService(self) -> Deferred[list[None]]:
        super().stopService()  # type: ignore[no-untyped-call]
        self._stop_sweeping()
        self._stop_connections()
        return self._stop_listening()

    def _stop_listening(self) -> Deferred[list[None]]:
        ports, self._ports = self._ports, []
        return gatherResults([cast(Deferred[None], port.stopListening()) for port in ports])

    def _admits(self, peer: str) -> bool:
        if self._site.admission.admit(peer):
            return True
        self._site.counters.refused.inc()
        return False

    def _connected(self, peer: str) -> SecureConnection:
        connection = SecureConnection(self._site, peer, on_closed=self._connections.discard)
        self._connections.add(connection)
        return connection


def _listening(addresses: Sequence[str], port: int, inherited: Inherited) -> list[socket.socket]:
    """A listening socket for each address, or OSError and none."""
    sockets: list[socket.socket] = []
    try:
        for address in addresses:
            taken = inherited.take(socket.SOCK_STREAM, address, port)
            if taken is not None:
                sockets.append(taken)
                continue
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            sockets.append(sock)
            sock.setblocking(False)
            if os.name == "posix":  # elsewhere it would let us share the port with another program
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((address, port))
            sock.listen(BACKLOG)
    except OSError:
        for sock in sockets:
            sock.close()
        raise
    return sockets


_log = Logger()
