"""Follows the machine's interfaces: an address that comes or goes is served or not within seconds.

BSDP and TFTP follow where one socket hears all interfaces (Linux, by IP_PKTINFO); elsewhere they
stay on the addresses of their start. HTTP binds what comes, as far as it still may.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger, LogLevel

from netbootd.interface import Interface

INTERVAL = 5.0
"""Seconds between two looks; one takes about a millisecond."""


class InterfaceWatch(Service):
    """Tells `changed` of each new table of served interfaces."""

    def __init__(
        self,
        *,
        read: Callable[[], tuple[Interface, ...]],
        changed: Callable[[Sequence[Interface]], None],
        current: tuple[Interface, ...],
        clock: IReactorTime,
    ) -> None:
        self._read = read
        self._changed = changed
        self._current = current
        self._loop = LoopingCall(self._look)
        self._loop.clock = clock

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        done = self._loop.start(INTERVAL, now=False)
        done.addErrback(lambda failure: _log.failure("Interface watch ended", failure=failure))

    def stopService(self) -> None:
        super().stopService()  # type: ignore[no-untyped-call]
        if self._loop.running:
            self._loop.stop()

    def _look(self) -> None:
        try:
            found = self._read()
            if found != self._current:
                self._tell(found)
                self._changed(found)
                self._current = found
        except Exception:  # the table may be readable, or the change possible, at the next look
            _log.failure("The interfaces could not be followed")

    def _tell(self, found: tuple[Interface, ...]) -> None:
        shown = [f"{address.ip} [{one.name}]" for one in found for address in one.addresses]
        level = LogLevel.info if shown else LogLevel.warn  # without an address nobody is served
        told = "Interfaces changed; serving {addresses}"
        _log.emit(level, told, addresses=", ".join(shown) or "none")


_log = Logger()
