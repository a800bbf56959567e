"""Keeps the booter's catalog true to the disks: looks every few seconds, off the reactor."""

from __future__ import annotations

from collections.abc import Callable

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from images.catalog import Catalog, Snapshot
from images.errors import BundleError
from netbootd.booter import CatalogBooter, Publication, why_not_offered

Defer = Callable[[Callable[[], Snapshot]], Deferred[Snapshot]]
"""Runs a function in a thread: `twisted.internet.threads.deferToThread`, or at once in a test."""


class CatalogWatch(Service):
    """Scans at start, then every `interval` seconds; a scan that takes longer delays the next."""

    def __init__(
        self,
        *,
        booter: CatalogBooter,
        catalog: Catalog,
        publication: Publication,
        interval: float,
        clock: IReactorTime,
        in_thread: Defer,
    ) -> None:
        self._log = Logger("netbootd.catalog")  # in the class, it would take that class's name
        self._booter = booter
        self._catalog = catalog
        self._publication = publication
        self._in_thread = in_thread
        self._interval = interval
        self._loop = LoopingCall(self._rescan)
        self._loop.clock = clock
        self._scanning: Deferred[None] | None = None
        self._told: dict[str, str] = {}

    def privilegedStartService(self) -> None:
        """The first scan is awaited: no machine is told of an empty catalog."""
        self._publish(self._catalog.scan_thd())

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        done = self._loop.start(self._interval, now=False)
        done.addErrback(lambda failure: self._log.failure("Catalog watch ended", failure=failure))

    def stopService(self) -> Deferred[None] | None:
        """Wait for a scan that is under way."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._loop.running:
            self._loop.stop()
        return self._scanning

    def _rescan(self) -> Deferred[None]:
        self._scanning = Deferred.fromCoroutine(self._scan())
        return self._scanning

    async def _scan(self) -> None:
        try:
            snapshot = await self._in_thread(self._catalog.scan_thd)
        except Exception:
            # A folder may do anything while it is read; the last snapshot goes on serving.
            self._log.failure("The image folders could not be read; the last catalog stays")
            return
        finally:
            self._scanning = None
        self._publish(snapshot)

    def _publish(self, snapshot: Snapshot) -> None:
        changed = snapshot is not self._booter.snapshot
        self._booter.publish(snapshot)
        if changed:
            self._tell(snapshot)

    def _tell(self, snapshot: Snapshot) -> None:
        """Log what is new since the last snapshot: images, what is wrong, what is gone."""
        news: dict[str, str] = {}
        for bundle in snapshot.bundles:
            news[str(bundle.path)] = f'image {bundle.index} "{bundle.title}" is served'
            reason = why_not_offered(bundle, self._publication)
            if reason is not None:
                news[str(bundle.path)] = f'image "{bundle.title}" is not offered: {reason}'
            for warning in bundle.warnings:
                news[f"{bundle.path} {warning}"] = warning
        for bundle in snapshot.disabled:
            news[str(bundle.path)] = f'image "{bundle.title}" is disabled'
        errors = {str(error.path): error for error in snapshot.errors}
        for path in self._told.keys() - news.keys() - errors.keys():
            if path.endswith(".nbi"):
                self._log.info("{path}: gone", path=path)
        for path, text in news.items():
            if self._told.get(path) != text:
                self._log.info("{path}: {news}", path=path.partition(".nbi ")[0], news=text)
        for path, error in errors.items():
            news[path] = str(error)
            if self._told.get(path) != news[path]:
                self._warn(error)
        self._told = news

    def _warn(self, error: BundleError) -> None:
        self._log.warn("{error}", error=error)
