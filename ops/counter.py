"""Counters that a packet path can afford: one attribute addition, no lock, no label lookup.

A counter is created once, when its owner is built, and incremented on the reactor thread only.
Names follow `netbootd_<thing>_<unit>_total`; there are no labels, so a peer can never add a series.
"""

from __future__ import annotations


class Counter:
    """A number that only grows; `value` is read by whoever reports it."""

    __slots__ = ("help", "name", "value")

    def __init__(self, name: str, help: str) -> None:
        self.name = name
        self.help = help
        self.value = 0

    def inc(self, by: int = 1) -> None:
        self.value += by

    def __repr__(self) -> str:
        return f"<Counter {self.name}={self.value}>"


class Counters:
    """The counters of one daemon, in the order in which they were declared."""

    def __init__(self) -> None:
        self._by_name: dict[str, Counter] = {}

    def counter(self, name: str, help: str) -> Counter:
        """Declare a counter; a name declared twice is the same counter."""
        existing = self._by_name.get(name)
        if existing is None:
            existing = self._by_name[name] = Counter(name, help)
        return existing

    def snapshot(self) -> dict[str, int]:
        """All values by name, at this moment."""
        return {name: counter.value for name, counter in self._by_name.items()}
