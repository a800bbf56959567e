"""Once after the start: which other DHCP servers are there, and does a firewall keep clients out?

    bind    open the socket, list the firewall's rules      (while we are root)
    start   ask on every link, and once more, listen for 4 s, tell what answered
            half a minute later: ask again where nobody answered, then say so

Nobody is said to be missing before the second round: a switch port that has just come up, at the
start of a computer with its services, may not forward for 30 seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.interfaces import (
    IDelayedCall,
    IReactorFDSet,
    IReactorTime,
    IReadDescriptor,
)
from twisted.logger import Logger, LogLevel
from zope.interface import implementer

from netbootd.coexist.discover import REPEAT, WAIT, Offer, Search, open_socket
from netbootd.coexist.firewall import about_firewall, read_tables_thd
from netbootd.coexist.ruleset import Table
from netbootd.coexist.server import about_offers, about_silence, leases_on
from netbootd.config import Config
from netbootd.interface import Interface
from ops.finding import Finding, Severity
from ops.owner import NOBODY, owners_of
from protocols.dhcp.route import SERVER_PORT

PAUSE: Final = 30.0
"""Seconds between the two rounds: twice the forward delay of spanning tree (802.1D)."""


class IReactor(IReactorFDSet, IReactorTime):
    """What the search needs of a reactor."""


@implementer(IReadDescriptor)
class Neighbours(Service):
    """Looks around once, and tells. Reactor thread only."""

    name = "neighbours"

    def __init__(
        self,
        *,
        reactor: IReactor,
        config: Config,
        interfaces: Sequence[Interface],
        xid: int,
        open_socket: Callable[[], Any] = open_socket,
        read_tables: Callable[[], Sequence[Table] | None] = read_tables_thd,
    ) -> None:
        """`xid`: 32 random bits."""
        self._reactor = reactor
        self._config = config
        self._links = [one for one in interfaces if one.hardware_address is not None]
        self._xid = xid
        self._open_socket = open_socket
        self._read_tables = read_tables
        self._socket: Any = None
        self._owners = NOBODY
        self._firewall: list[Finding] = []
        self._steps: list[IDelayedCall] = []

    # What Twisted calls.

    def privilegedStartService(self) -> None:
        """Do what only root may; where we are not, nothing is looked at."""
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        if not self._links:
            return
        try:
            self._socket = self._open_socket()
        except OSError:
            return
        bsdp = self._config.bsdp
        if bsdp.share_port or bsdp.port != SERVER_PORT:  # else nobody else can have it
            self._owners = owners_of("UDP", SERVER_PORT)
        tables = self._read_tables()
        if tables is not None:
            self._firewall = list(about_firewall(self._config, self._links, tables))

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        if self._socket is None:
            return
        for finding in self._firewall:
            if finding.severity is Severity.WARNING:
                _tell(finding)
        self._search = Search(self._links, xid=self._xid)
        self._told: set[Offer] = set()
        self._reactor.addReader(self)
        second = WAIT + PAUSE
        for delay, step in (
            (0.0, self._ask),
            (REPEAT, self._ask),
            (WAIT, self._end_first_round),
            (second, self._ask),
            (second + REPEAT, self._ask),
            (second + WAIT, self._finish),
        ):
            self._steps.append(self._reactor.callLater(delay, step))

    def stopService(self) -> None:
        super().stopService()  # type: ignore[no-untyped-call]
        self._close()

    def fileno(self) -> int:
        number: int = self._socket.fileno() if self._socket is not None else -1
        return number

    def logPrefix(self) -> str:
        return "neighbours"

    def doRead(self) -> None:
        self._search.read(self._socket)

    def connectionLost(self, reason: object) -> None:
        """The reactor gives the socket up; `stopService` closes it."""

    # Our own.

    def _ask(self) -> None:
        self._search.ask(self._socket)

    def _tell_offers(self) -> None:
        """Those that have not been told of."""
        offers = [offer for offer in self._search.offers if offer not in self._told]
        self._told.update(offers)
        for finding in about_offers(offers, leases_on(self._config, self._links)):
            _tell(finding)

    def _end_first_round(self) -> None:
        self._tell_offers()
        if not self._search.silent:
            self._close()

    def _finish(self) -> None:
        self._tell_offers()
        leases = leases_on(self._config, self._links)
        for finding in about_silence(self._search.silent, leases, self._owners):
            _tell(finding)
        self._close()

    def _close(self) -> None:
        for step in self._steps:
            if step.active():
                step.cancel()
        self._steps.clear()
        sock, self._socket = self._socket, None
        if sock is not None:
            self._reactor.removeReader(self)
            sock.close()


def _tell(finding: Finding) -> None:
    level = LogLevel.warn if finding.severity is Severity.WARNING else LogLevel.info
    _log.emit(level, "{subject}: {text}", subject=finding.subject, text=finding.text)


_log = Logger()
