"""Attempts that failed on their way to disk: those of one turn of the reactor in one write.

It is a service to whoever asks, and to the next start; no push waits for it, and a disk that fails
costs the note alone.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from ops.database import StoreError
from ops.store import Store
from ops.unit import Row, Unit
from pushd.attempt import NONE, attempts_text
from pushd.lane import Entry, Stage
from pushd.statement import SAVE_ATTEMPTS


class AttemptLog:
    """Reactor thread only."""

    def __init__(self, store: Store, *, clock: IReactorTime, unix: Callable[[], float]) -> None:
        """`unix` gives seconds since 1970."""
        self._store = store
        self._clock = clock
        self._unix = unix
        self._changed: dict[int, Entry] = {}
        """By place."""
        self._call: IDelayedCall | None = None

    def failed(self, entry: Entry, why: str, retry_at: float | None) -> None:
        """An attempt failed; `retry_at` is seconds since 1970, None: it is made again at once."""
        at = int(self._unix() * 1000)
        due = None if retry_at is None else int(retry_at * 1000)
        entry.attempts = (entry.attempts or NONE).failed(why, at=at, retry_at=due)
        self.changed(entry)

    def changed(self, entry: Entry) -> None:
        """Its attempts are others."""
        self._changed[entry.place] = entry
        if self._call is None:
            self._call = self._clock.callLater(0, self._save)

    def stop(self) -> None:
        """Hand what there is to the store now."""
        if self._call is not None:
            self._call.cancel()
            self._save()

    def _save(self) -> None:
        self._call = None
        changed, self._changed = self._changed, {}
        # What leaves takes its row along: none may come after that.
        rows: list[Row] = [
            (place, attempts_text(entry.attempts))
            for place, entry in changed.items()
            if entry.stage is not Stage.LEAVING
        ]
        if rows:
            with suppress(StoreError):
                self._store.submit_unit(Unit((SAVE_ATTEMPTS, rows)), lambda error: None)
