"""Which lanes there are, and their numbers, by which rows name them.

A number is never given twice: outcomes of pushes that left long ago have it. So lanes without a
push stay known, the newest of them, and come back under the number that they had.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ops.unit import Row
from pushd.job import LaneKey
from pushd.lane import Entry, Lane
from pushd.place import LEVELS, MAX_LANES, SEQ_BITS


class Lanes:
    """All of them."""

    def __init__(self, make: Callable[[LaneKey, int], Lane]) -> None:
        """`make` makes the lane of a number."""
        self._make = make
        self._by_number: dict[int, Lane] = {}
        self._last = 0
        self._idle: dict[LaneKey, int] = {}
        """Numbers of those on disk that have no push."""
        self.by_key: dict[LaneKey, Lane] = {}
        """Those that have or had pushes since we started."""
        self.keys: dict[int, LaneKey] = {}
        """By number, whether they have pushes or had some once."""

    def load(self, rows: Iterable[Row]) -> None:
        """Those of the table: number, credential, topic."""
        self.keys.update((int(row[0] or 0), LaneKey(str(row[1]), str(row[2]))) for row in rows)
        self._last = max(self.keys, default=0)

    def has_pushes(self, number: int) -> Lane:
        """The lane, of which there are pushes on disk."""
        key = self.keys[number]
        lane = self.by_key.get(key) or self._add(key, number)
        lane.is_saved = True
        return lane

    def forget_surplus(self) -> list[Row]:
        """Once it is known which have pushes: the numbers of the oldest of too many without."""
        idle = sorted(number for number in self.keys if number not in self._by_number)
        # The newest stays, whatever its age: numbers go on after it.
        surplus = [number for number in idle[:-MAX_LANES] if number != self._last]
        for number in surplus:
            del self.keys[number]
        self._idle = {self.keys[number]: number for number in idle if number in self.keys}
        return [(number,) for number in surplus]

    def find(self, key: LaneKey) -> Lane | None:
        """The lane, new if need be; None: there are too many."""
        lane = self.by_key.get(key)
        if lane is None and len(self.by_key) < MAX_LANES:
            number = self._idle.pop(key, 0)
            if not number:
                number = self._last = self._last + 1
                self.keys[number] = key
            lane = self._add(key, number)
        return lane

    def of(self, entry: Entry) -> Lane:
        """The lane of a push."""
        return self._by_number[entry.level.number // LEVELS]

    def at(self, place: int) -> Lane:
        """Likewise, of one that stands at `place`."""
        return self._by_number[(place >> SEQ_BITS) // LEVELS]

    def _add(self, key: LaneKey, number: int) -> Lane:
        lane = self.by_key[key] = self._by_number[number] = self._make(key, number)
        return lane
