"""Pushes on disk only that a newer one makes pointless.

A lane collapses what it has in memory. Of the rest, the table is asked, by a partial index: when a
push is committed in a lane of which some is on disk only, or an attempt has failed there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TypeAlias

from ops.database import StoreError
from ops.store import Store
from ops.unit import Row, Unit
from pushd.lane import Entry
from pushd.place import LEVELS, SEQ_MASK
from pushd.record import collapse_of
from pushd.statement import FIND_COLLAPSING

Pointless: TypeAlias = Callable[[Entry, Entry], object]


class Collapsing:
    """Reactor thread only."""

    def __init__(
        self, store: Store, *, entry_of: Callable[[Row], Entry], pointless: Pointless
    ) -> None:
        """`entry_of` reads a row of a query for waiting pushes; `pointless` is told of an older
        push and the newest, as the table has them."""
        self._store = store
        self._entry_of = entry_of
        self._pointless = pointless

    def look_for(self, entries: Iterable[Entry]) -> None:
        """Look for pushes that collapse with one of these."""
        wanted: dict[int, Row] = {}
        for entry in entries:
            if entry.collapse_key is not None:
                number = collapse_of(entry.level.number // LEVELS, entry.collapse_key)
                wanted[number] = (number,)
        # The writer is asked: what it sees is still there when we hear of it, or is leaving.
        question = Unit(questions=((FIND_COLLAPSING, list(wanted.values())),))

        def answered(error: StoreError | None) -> None:
            if error is None:
                self._found(question.answers[0])

        with suppress(StoreError):  # they are sent, then, which is no more than a nuisance
            self._store.submit_unit(question, answered)

    def _found(self, rows: Sequence[Row]) -> None:
        newest: dict[tuple[int, tuple[str, str] | None], Entry] = {}
        for entry in sorted(map(self._entry_of, rows), key=_number, reverse=True):
            key = entry.level.number // LEVELS, entry.collapse_key
            newer = newest.setdefault(key, entry)
            if newer is not entry:
                self._pointless(entry, newer)


def _number(entry: Entry) -> int:
    return entry.place & SEQ_MASK
