"""A reactor in the hands of a test: real descriptors, virtual time, one turn at a time."""

from __future__ import annotations

import select
from collections.abc import Callable

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor, IWriteDescriptor
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

PATIENCE = 60.0
"""Real seconds until something that must happen counts as failed."""


@implementer(IReactorFDSet)
class TurningReactor(Clock):
    """Nothing happens but in `turn`; `advance` moves the time."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: set[IReadDescriptor] = set()
        self.writers: set[IWriteDescriptor] = set()

    def addReader(self, reader: IReadDescriptor) -> None:
        self.readers.add(reader)

    def removeReader(self, reader: IReadDescriptor) -> None:
        self.readers.discard(reader)

    def addWriter(self, writer: IWriteDescriptor) -> None:
        self.writers.add(writer)

    def removeWriter(self, writer: IWriteDescriptor) -> None:
        self.writers.discard(writer)

    def removeAll(self) -> list[object]:
        everything: list[object] = [*self.readers, *self.writers]
        self.readers.clear()
        self.writers.clear()
        return everything

    def getReaders(self) -> list[IReadDescriptor]:
        return list(self.readers)

    def getWriters(self) -> list[IWriteDescriptor]:
        return list(self.writers)

    def turn(self, patience: float = PATIENCE) -> bool:
        """Serve what is ready, waiting for it if need be; whether anything was."""
        readable, writable, _ = select.select(self.readers, self.writers, [], patience)
        for reader in readable:
            if reader in self.readers and reader.doRead():
                reader.connectionLost(Failure(ConnectionDone()))
        for writer in writable:
            if writer in self.writers and writer.doWrite():
                writer.connectionLost(Failure(ConnectionDone()))
        return bool(readable or writable)

    def turn_until(self, condition: Callable[[], bool]) -> None:
        """Turn until it holds; an AssertionError if nothing more comes."""
        while not condition():
            assert self.turn(), "nothing happened"

    def settle(self) -> None:
        """Turn until nothing is ready."""
        while self.turn(0.0):
            pass
