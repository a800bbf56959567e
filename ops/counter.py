"""Counters that a packet path can afford: one attribute addition, no lock, no label lookup.

A counter is created once, when its owner is built, and incremented on the reactor thread only.
Names follow `netbootd_<thing>_<unit>_total`. Labels are from sets that are closed when the daemon
is built (`family`, `group`), so a peer can never add a series. What is no count is read when
somebody asks (`gauge`, `histogram`), and costs nothing until then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass


class Counter:
    """A number that only grows; `value` is read by whoever reports it."""

    __slots__ = ("help", "name", "value")

    def __init__(self, name: str, help: str) -> None:
        self.name = name
        self.help = help
        self.value = 0

    def inc(self, by: int = 1) -> None:
        """Count one more, or `by`."""
        self.value += by

    def __repr__(self) -> str:
        return f"<Counter {self.name}={self.value}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Counters that are shown under one name, told apart by one label."""

    name: str
    help: str
    label: str
    members: Mapping[str, Counter]
    """By the label's value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """A number that goes up and down."""

    name: str
    help: str
    read: Callable[[], float | Mapping[str, float] | None]
    """Its value now, or several by the label's value; None: there is none at present."""
    label: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """How many of something were how large."""

    name: str
    help: str
    buckets: Callable[[], Iterable[tuple[float | None, int]]]
    """Upper bound (None: no bound) and number of each bucket, none in two."""
    total: Callable[[], float]
    """The sum of all that were counted."""
    members: frozenset[str]
    """Names of counters that are its buckets, and not to be shown twice."""


class Counters:
    """What one daemon counts, in the order in which it was declared."""

    def __init__(self) -> None:
        self._by_name: dict[str, Counter] = {}
        self._families: dict[str, Family] = {}
        self.gauges: dict[str, Gauge] = {}
        self.histograms: dict[str, Histogram] = {}

    def counter(self, name: str, help: str) -> Counter:
        """Declare a counter; a name declared twice is the same counter."""
        existing = self._by_name.get(name)
        if existing is None:
            existing = self._by_name[name] = Counter(name, help)
        return existing

    def family(
        self, name: str, help: str, label: str, values: Iterable[str]
    ) -> Mapping[str, Counter]:
        """Declare a counter for each of `values`, which are all that `label` will ever have. In a
        snapshot `netbootd_boots_total` of `kernel` is `netbootd_boots_kernel_total`."""
        stem = name.removesuffix("_total")
        members = {value: self.counter(f"{stem}_{value}_total", help) for value in values}
        self._families[name] = Family(name=name, help=help, label=label, members=members)
        return members

    def group(self, name: str, help: str, label: str, members: Mapping[str, str]) -> None:
        """Show the counters `members` (their names, by the label's value) as one family; those that
        nobody has declared, because their part is off, are left out."""
        found = {
            value: self._by_name[member]
            for value, member in members.items()
            if member in self._by_name
        }
        if found:
            self._families[name] = Family(name=name, help=help, label=label, members=found)

    def gauge(
        self,
        name: str,
        help: str,
        read: Callable[[], float | Mapping[str, float] | None],
        *,
        label: str | None = None,
    ) -> None:
        """Declare what `read` gives whenever somebody asks: one number, or, with a `label` whose
        values are what the configuration names, a number for each."""
        self.gauges[name] = Gauge(name=name, help=help, read=read, label=label)

    def histogram(
        self,
        name: str,
        help: str,
        *,
        buckets: Callable[[], Iterable[tuple[float | None, int]]],
        total: Callable[[], float],
        members: Iterable[str] = (),
    ) -> None:
        """Declare a distribution that its owner keeps; `members` are the counters in it."""
        self.histograms[name] = Histogram(
            name=name, help=help, buckets=buckets, total=total, members=frozenset(members)
        )

    @property
    def families(self) -> list[Family]:
        """All labelled counters."""
        return list(self._families.values())

    @property
    def plain(self) -> list[Counter]:
        """The counters that are in no family and in no histogram."""
        labelled = {id(one) for family in self.families for one in family.members.values()}
        bucketed = {name for one in self.histograms.values() for name in one.members}
        return [
            counter
            for name, counter in self._by_name.items()
            if id(counter) not in labelled and name not in bucketed
        ]

    def snapshot(self) -> dict[str, int]:
        """All counters' values by name, at this moment."""
        return {name: counter.value for name, counter in self._by_name.items()}
