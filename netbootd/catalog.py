"""Keeps the booter's catalog true to the disks: looks every few seconds, off the reactor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger, LogLevel

from images.catalog import Catalog, Published, Snapshot
from images.entry import BootEntry
from images.errors import shown
from netbootd.booter import (
    CatalogBooter,
    Publication,
    why_entry_not_offered,
    why_not_offered,
)

Defer = Callable[[Callable[[], Snapshot]], Deferred[Snapshot]]
"""Runs a function in a thread: `twisted.internet.threads.deferToThread`, or at once in a test."""

LOOKS = 3
"""After which a rescan is answered though a folder goes on changing."""
UNREADABLE = "The image folders could not be read; the last catalog stays"


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
        self._booter = booter
        self._catalog = catalog
        self._publication = publication
        self._in_thread = in_thread
        self._interval = interval
        self._loop = LoopingCall(self._look)
        self._loop.clock = clock
        self._turn = DeferredLock()
        """Of the one scan that may be under way."""
        self._waiting: list[_Waiting] = []
        self._told: frozenset[_News] = frozenset()

    def startService(self) -> None:
        """The first scan is waited for: no machine is told of an empty catalog."""
        super().startService()  # type: ignore[no-untyped-call]
        try:
            self._publish(self._catalog.scan_thd())
        except Exception:
            _log.failure(UNREADABLE)
        done = self._loop.start(self._interval, now=False)
        done.addErrback(lambda failure: _log.failure("Catalog watch ended", failure=failure))

    def stopService(self) -> Deferred[None]:
        """Wait for a scan that is under way."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._loop.running:
            self._loop.stop()
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            one.done.callback(self._booter.snapshot)
        return self._turn.run(lambda: None)

    async def rescan(self) -> Snapshot:
        """Look at the folders at once; what there is when all that has changed is taken up."""
        await self._scan()
        if self._catalog.is_settled or not self.running:
            return self._booter.snapshot
        one = _Waiting(looks=LOOKS - 1, done=Deferred())
        self._waiting.append(one)
        return await one.done

    def _look(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._look_again())

    async def _look_again(self) -> None:
        await self._scan()
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            one.looks -= 1
            if self._catalog.is_settled or not one.looks:
                one.done.callback(self._booter.snapshot)
            else:
                self._waiting.append(one)

    async def _scan(self) -> None:
        await self._turn.acquire()
        try:
            self._publish(await self._in_thread(self._catalog.scan_thd))
        except Exception:
            # A folder may do anything while it is read; the last snapshot goes on serving.
            _log.failure(UNREADABLE)
        finally:
            self._turn.release()

    def _publish(self, snapshot: Snapshot) -> None:
        changed = snapshot is not self._booter.snapshot
        self._booter.publish(snapshot)
        if changed:
            self._tell(snapshot)

    def _tell(self, snapshot: Snapshot) -> None:
        """Log what is new since the last snapshot: images, what is wrong, what is gone."""
        news = list(self._news_of(snapshot))
        there = {one.folder for one in news}
        for folder in sorted({one.folder for one in self._told} - there):
            _log.info("{folder}: gone", folder=shown(folder))
        for one in news:
            if one not in self._told:
                _log.emit(one.level, "{news}", news=one.line)
        self._told = frozenset(news)

    def _news_of(self, snapshot: Snapshot) -> Iterator[_News]:
        for bundle in snapshot.bundles:
            reason = why_not_offered(bundle, self._publication)
            if reason is None:
                yield _News(bundle.path, LogLevel.info, f"{_what(bundle)} is served")
            else:
                yield _News(bundle.path, LogLevel.warn, f"{_what(bundle)} is not offered: {reason}")
            for warning in bundle.warnings:
                yield _News(bundle.path, LogLevel.warn, f"{shown(bundle.path)}: {warning}")
        for entry in snapshot.entries:
            reason = why_entry_not_offered(entry, self._publication)
            if reason is None:
                yield _News(entry.path, LogLevel.info, f"{_what(entry)} is served")
            else:
                yield _News(entry.path, LogLevel.warn, f"{_what(entry)} is not offered: {reason}")
            for warning in entry.warnings:
                yield _News(entry.path, LogLevel.warn, f"{shown(entry.path)}: {warning}")
        if snapshot.loaders is not None:
            path, count = snapshot.loaders.path, len(snapshot.loaders.files)
            yield _News(path, LogLevel.info, f"{shown(path)}: {count} loader files are served")
            for warning in snapshot.loaders.warnings:  # Debian's folder of iPXE has such links
                yield _News(path, LogLevel.info, warning)
        for disabled in snapshot.disabled:
            yield _News(disabled.path, LogLevel.info, f"{_what(disabled)} is disabled")
        for error in snapshot.errors:
            yield _News(error.folder, LogLevel.warn, str(error))


@dataclass(slots=True)
class _Waiting:
    """Somebody who waits for what has changed to be taken up."""

    looks: int
    """That are left until they are answered, come what may."""
    done: Deferred[Snapshot]


@dataclass(frozen=True, slots=True)
class _News:
    """One thing that a snapshot has to say of one folder, as it is logged."""

    folder: Path
    level: LogLevel
    line: str


def _what(published: Published) -> str:
    """An image or entry as the log names it."""
    if isinstance(published, BootEntry):
        machines = ", ".join(sorted(published.platforms))
        return f'{shown(published.path)}: boot entry "{published.title}" ({machines})'
    return f'{shown(published.path)}: image {published.index} "{published.title}"'


_log = Logger()
