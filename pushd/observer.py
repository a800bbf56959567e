"""Who wants to know all that happens in the queue: whoever watches, for as long as they do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.logger import Logger

from pushd.lane import Entry
from pushd.results import Settled


class Observer(Protocol):
    """Who wants to know."""

    def settled(self, settled: list[Settled]) -> None:
        """Outcomes are on disk."""

    def failed(self, entry: Entry) -> None:
        """An attempt failed: the last of `entry.attempts`."""


class Observers:
    """All of them. What one fails with is logged, and is nobody else's affair."""

    def __init__(self) -> None:
        self._all: list[Observer] = []

    def add(self, observer: Observer) -> Callable[[], None]:
        """Have it told; returns what ends that."""
        self._all.append(observer)
        return lambda: self._all.remove(observer)

    def settled(self, settled: list[Settled]) -> None:
        """Outcomes are on disk."""
        for observer in tuple(self._all):
            with _log.failuresHandled("an observer of the queue failed"):
                observer.settled(settled)

    def failed(self, entry: Entry) -> None:
        """An attempt failed."""
        for observer in tuple(self._all):
            with _log.failuresHandled("an observer of the queue failed"):
                observer.failed(entry)


_log = Logger()
