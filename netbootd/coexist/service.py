"""From the start on: which other DHCP servers are there, and does a firewall keep clients out?

    bind    open the socket, list the firewall's rules      (while we are root)
    start   ask on every link, and once more, listen for 4 s, tell what answered
            half a minute later: ask again where nobody answered, then say so
    then    the same every 15 minutes, and when interfaces or settings change: what is new is told

Nobody is said to be missing before the second round: a switch port that has just come up, at the
start of a computer with its services, may not forward for 30 seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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

from netbootd.coexist.discover import REPEAT, WAIT, Search, open_socket
from netbootd.coexist.firewall import about_firewall, read_tables_thd
from netbootd.coexist.port import has_to_itself
from netbootd.coexist.ruleset import Table
from netbootd.coexist.server import about_offers, about_sharing, about_silence, leases_on
from netbootd.coexist.subnet import about_subnets
from netbootd.config import Config
from netbootd.interface import Interface
from ops.finding import Finding, Severity
from ops.owner import NOBODY, Owners, owners_of
from protocols.dhcp.route import SERVER_PORT

PAUSE: Final = 30.0
"""Seconds between the two rounds: twice the forward delay of spanning tree (802.1D)."""
AGAIN: Final = 900.0
"""Seconds from the end of one look to the next."""


class IReactor(IReactorFDSet, IReactorTime):
    """What the search needs of a reactor."""


@implementer(IReadDescriptor)
class Neighbours(Service):
    """Looks around, and tells. Reactor thread only."""

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
        owners: Callable[[str, int], Owners] = owners_of,
    ) -> None:
        """`xid`: 32 random bits."""
        self._reactor = reactor
        self._config = config
        self._interfaces = interfaces
        self._xid = xid
        self._open_socket = open_socket
        self._read_tables = read_tables
        self._owners_of = owners
        self._socket: Any = None
        self._owners = NOBODY
        self._firewall: list[Finding] = []
        self._search = Search((), xid=xid)
        self._told: frozenset[Finding] = frozenset()
        self._found: set[Finding] = set()
        self._steps: list[IDelayedCall] = []

    # What Twisted calls.

    def privilegedStartService(self) -> None:
        """Do what only root may; where we are not, nothing is looked at."""
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        if not self._links:
            return
        self._look_for_owners()
        try:
            self._socket = self._open_socket()
        except OSError:
            return
        tables = self._read_tables()
        if tables is not None:
            self._firewall = list(about_firewall(self._config, self._links, tables))

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        for finding in self._firewall:
            if finding.severity is Severity.WARNING:
                _tell(finding)
        if self._socket is not None:
            self._reactor.addReader(self)
        self._told = frozenset()
        self._look()

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

    def serve(self, interfaces: Sequence[Interface]) -> None:
        """The table of interfaces has changed."""
        self._interfaces = interfaces
        self._look_again()

    def apply(self, config: Config) -> None:
        """Go by `config` from now on."""
        self._config = config
        self._look_again()

    @property
    def _links(self) -> list[Interface]:
        return [one for one in self._interfaces if one.hardware_address is not None]

    def _look_again(self) -> None:
        if self.running:
            self._told |= self._found  # of a look that is cut short
            self._look()

    def _look(self) -> None:
        self._cancel()
        self._found = set()
        config = self._config
        self._tell_new(about_sharing(config))
        self._tell_new(one for one in about_subnets(config, self._interfaces) if _is_doubt(one))
        if self._socket is None:
            self._told = frozenset(self._found)
            return
        self._search = Search(self._links, xid=self._xid)
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

    def _ask(self) -> None:
        self._search.ask(self._socket)

    def _tell_offers(self) -> None:
        self._tell_new(about_offers(self._search.offers, leases_on(self._config, self._links)))

    def _end_first_round(self) -> None:
        self._tell_offers()
        if not self._search.silent:
            self._end()

    def _finish(self) -> None:
        self._tell_offers()
        self._look_for_owners()
        leases = leases_on(self._config, self._links)
        self._tell_new(about_silence(self._search.silent, leases, self._owners))
        self._end()

    def _end(self) -> None:
        """The look is over; what it found need not be told after the next one."""
        self._told = frozenset(self._found)
        self._cancel()
        self._steps.append(self._reactor.callLater(AGAIN, self._look))

    def _look_for_owners(self) -> None:
        """Who was seen at the start, as root, is not forgotten: later no names are to be had."""
        if not self._owners and not has_to_itself(self._config, SERVER_PORT):
            self._owners = self._owners_of("UDP", SERVER_PORT)

    def _tell_new(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            if finding not in self._told and finding not in self._found:
                _tell(finding)
            self._found.add(finding)

    def _cancel(self) -> None:
        for step in self._steps:
            if step.active():
                step.cancel()
        self._steps.clear()

    def _close(self) -> None:
        self._cancel()
        sock, self._socket = self._socket, None
        if sock is not None:
            self._reactor.removeReader(self)
            sock.close()


def _is_doubt(finding: Finding) -> bool:
    """An error would have kept us from getting here."""
    return finding.severity is Severity.WARNING


def _tell(finding: Finding) -> None:
    level = LogLevel.warn if finding.severity is Severity.WARNING else LogLevel.info
    _log.emit(level, "{subject}: {text}", subject=finding.subject, text=finding.said)


_log = Logger()
