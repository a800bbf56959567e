"""A UDP port of the daemon: sockets up, datagrams to whoever answers them, sockets down."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorFDSet

from netbootd.datagram import Datagrams, Receive, open_datagrams
from netbootd.interface import Interface
from netbootd.link import Link
from ops.counter import Counters
from ops.service.inherited import Inherited


class DatagramService(Service):
    """Owns the sockets of one port on all served interfaces."""

    def __init__(
        self,
        *,
        reactor: IReactorFDSet,
        receive: Receive,
        interfaces: Sequence[Interface],
        port: int,
        share_port: bool = False,
        link: Link | None = None,
        counters: Counters | None = None,
        inherited: Inherited | None = None,
    ) -> None:
        """`link`, `counters` and `inherited` as of `open_datagrams`."""
        self._reactor = reactor
        self._receive = receive
        self._interfaces = tuple(interfaces)
        self._port = port
        self._share_port = share_port
        self._link = link
        self._counters = counters
        self._inherited = inherited
        self._sockets: list[Datagrams] = []

    @property
    def port(self) -> int:
        """The bound UDP port; only while bound."""
        return self._sockets[0].port

    def privilegedStartService(self) -> None:
        """Bind. Raises OSError."""
        self._sockets = open_datagrams(
            self._reactor,
            self._interfaces,
            self._port,
            self._receive,
            share_port=self._share_port,
            link=self._link,
            counters=self._counters,
            inherited=self._inherited,
        )

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        for datagrams in self._sockets:
            datagrams.start()

    def stopService(self) -> None:
        super().stopService()  # type: ignore[no-untyped-call]
        sockets, self._sockets = self._sockets, []
        for datagrams in sockets:
            datagrams.stop()

    def serve(self, interfaces: Sequence[Interface]) -> None:
        """The table of interfaces has changed."""
        self._interfaces = tuple(interfaces)
        for datagrams in self._sockets:
            datagrams.serve(interfaces)
