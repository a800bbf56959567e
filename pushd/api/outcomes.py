"""Requests that wait for what becomes of pushes, or for anything new in a feed.

The queue tells of each push that is watched, and that there is something new. Who waits for the
feed is told a little later, so that a thousand pollers do not each read the database after each of
a hundred commits a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from pushd.job import LaneKey
from pushd.outcome import Outcome
from pushd.queue import Queue
from pushd.receipt import Status
from pushd.results import Results

PAUSE: Final = 0.1
"""Seconds for which news for feeds are gathered."""


class Watch:
    """One request that waits for its pushes."""

    def __init__(
        self,
        queue: Queue,
        clock: IReactorTime,
        ids: Iterable[str],
        done: Callable[[], object],
        *,
        sees: Callable[[LaneKey | None], bool],
    ) -> None:
        """From now on; `done` is not called before `begin`. `sees` says whether who waits may know
        of a push of that lane: an id may be another client's."""
        self._clock = clock
        self._sees = sees
        self._done = done
        self._timer: IDelayedCall | None = None
        self._missing = {id: self._watched(queue, id) for id in ids}
        self.known: dict[str, Outcome] = {}
        """Outcomes by id. Grows until `done` is called."""

    def begin(self, seconds: float) -> None:
        """Call `done` when all are known, at the latest after `seconds`."""
        self._timer = self._clock.callLater(seconds, self._finish)
        self._finish_if_known()

    def forget(self, id: str) -> None:
        """Do not wait for this one."""
        watched = self._missing.pop(id, None)
        if watched is not None:
            watched.cancel()
            self._finish_if_known()

    def found(self, id: str, outcome: Outcome) -> None:
        """It was settled before we watched it."""
        self.known[id] = outcome
        self.forget(id)

    def cancel(self) -> None:
        """Nobody waits any more."""
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()
        missing, self._missing = self._missing, {}
        for watched in missing.values():
            watched.cancel()

    def _watched(self, queue: Queue, id: str) -> Deferred[None]:
        return queue.watch(id).addCallbacks(self._settled, _cancelled)

    def _settled(self, status: Status) -> None:
        if status.outcome is not None and self._sees(status.lane):
            self.known[status.id] = status.outcome
        self._missing.pop(status.id, None)
        self._finish_if_known()

    def _finish_if_known(self) -> None:
        if not self._missing and self._timer is not None:
            self._finish()

    def _finish(self) -> None:
        self.cancel()
        self._done()


def _cancelled(failure: Failure) -> None:
    failure.trap(CancelledError)  # type: ignore[no-untyped-call]


class News:
    """Those that wait for the feeds to grow."""

    def __init__(self, results: Results, clock: IReactorTime) -> None:
        self._clock = clock
        self._readers: list[Callable[[], object]] = []
        self._timer: IDelayedCall | None = None
        results.listen(self._noticed)

    def tell(self, reader: Callable[[], object]) -> Callable[[], None]:
        """Call `reader` once, soon after there is something new. Returns what undoes it."""
        self._readers.append(reader)

        def undo() -> None:
            if reader in self._readers:
                self._readers.remove(reader)

        return undo

    def stop(self) -> None:
        """Tell nobody any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._readers.clear()

    def _noticed(self) -> None:
        if self._readers and self._timer is None:
            self._timer = self._clock.callLater(PAUSE, self._tell)

    def _tell(self) -> None:
        self._timer = None
        readers, self._readers = self._readers, []
        for reader in readers:
            reader()
