"""What is done now and then: pushes that expired leave, outcomes that are old are forgotten."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from ops.database import StoreError
from pushd.queue import Queue

INTERVAL: Final = 60.0
"""Seconds between two rounds."""


class Housekeeping(Service):
    """Goes its rounds while the daemon runs."""

    def __init__(
        self,
        queue: Queue,
        *,
        retention: float,
        clock: IReactorTime,
        unix: Callable[[], float],
    ) -> None:
        """`retention` is how many seconds an outcome is kept; `unix` gives seconds since 1970."""
        self._queue = queue
        self._retention = retention
        self._unix = unix
        self._loop = LoopingCall(self._round)
        self._loop.clock = clock
        self._pruning: Deferred[None] = succeed(None)

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        self._loop.start(INTERVAL, now=False)

    def stopService(self) -> Deferred[None]:
        """Wait for what is under way."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._loop.running:
            self._loop.stop()
        return self._pruning

    def _round(self) -> Deferred[None]:
        self._queue.sweep()
        self._pruning = Deferred.fromCoroutine(self._prune())
        return self._pruning

    async def _prune(self) -> None:
        before = int((self._unix() - self._retention) * 1000)
        try:
            await self._queue.results.prune(before)
        except StoreError as error:
            _log.error("Old outcomes stay for now: {error}", error=error)


_log = Logger()
