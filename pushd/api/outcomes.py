"""Requests that wait for what becomes of pushes, or for anything new in a feed.

The queue tells what has been settled, once a commit; who waits for one of them is told at once, who
waits for the feed a little later, so that a thousand pollers do not each read the database after
each of a hundred commits a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from pushd.api.queue import Pushes, SettledPush
from pushd.outcome import Outcome

PAUSE: Final = 0.1
"""Seconds for which news for feeds are gathered."""

Known = dict[str, Outcome]
"""Outcomes by id."""


class Watch:
    """One request that waits for some pushes."""

    __slots__ = ("_done", "_missing", "_outcomes", "_timer", "known")

    def __init__(self, outcomes: Outcomes, ids: Iterable[str], done: Callable[[], object]) -> None:
        self._outcomes = outcomes
        self._missing = set(ids)
        self._done = done
        self._timer: IDelayedCall | None = None
        self.known: Known = {}
        """Grows until `done` is called."""

    def begin(self, seconds: float) -> None:
        """Call `done` when all are known, at the latest after `seconds`."""
        if self._missing:
            self._timer = self._outcomes.clock.callLater(seconds, self._finish)
        else:
            self._finish()

    def forget(self, ids: Iterable[str]) -> None:
        """Do not wait for these."""
        for id in ids:
            if id in self._missing:
                self._missing.discard(id)
                self._outcomes.leave(id, self)
        self._finish_if_known()

    def settled(self, id: str, outcome: Outcome) -> None:
        """One of them has an outcome."""
        self.known[id] = outcome
        if id in self._missing:
            self._missing.discard(id)
            self._outcomes.leave(id, self)
        self._finish_if_known()

    def cancel(self) -> None:
        """Nobody waits any more."""
        if self._timer is not None:
            timer, self._timer = self._timer, None
            if timer.active():
                timer.cancel()
        self.forget(tuple(self._missing))

    def _finish_if_known(self) -> None:
        if not self._missing and self._timer is not None:
            self._finish()

    def _finish(self) -> None:
        self.cancel()
        self._done()


class Outcomes:
    """All that wait."""

    def __init__(self, queue: Pushes, clock: IReactorTime) -> None:
        self.clock = clock
        self._watches: dict[str, list[Watch]] = {}
        self._readers: list[Callable[[], object]] = []
        self._timer: IDelayedCall | None = None
        queue.on_settled(self._settled)

    def watch(self, ids: Sequence[str], done: Callable[[], object]) -> Watch:
        """Outcomes of `ids` from now on; `done` is not called before `begin`."""
        watch = Watch(self, ids, done)
        for id in set(ids):
            self._watches.setdefault(id, []).append(watch)
        return watch

    def leave(self, id: str, watch: Watch) -> None:
        """`watch` does not wait for `id` any more."""
        watches = self._watches.get(id)
        if watches is not None and watch in watches:
            watches.remove(watch)
            if not watches:
                del self._watches[id]

    def news(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Call back once, soon after something was settled. Returns what undoes it."""
        self._readers.append(callback)

        def undo() -> None:
            if callback in self._readers:
                self._readers.remove(callback)

        return undo

    def stop(self) -> None:
        """Wait for nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._readers.clear()

    def _settled(self, settled: Sequence[SettledPush]) -> None:
        if self._watches:
            for push in settled:
                for watch in self._watches.pop(push.id, ()):
                    watch.settled(push.id, push.outcome)
        if self._readers and self._timer is None:
            self._timer = self.clock.callLater(PAUSE, self._tell)

    def _tell(self) -> None:
        self._timer = None
        readers, self._readers = self._readers, []
        for reader in readers:
            reader()
