"""A reactor for code with a thread of its own: what the thread calls back waits in a queue."""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from zope.interface import implementer


@implementer(IReactorFromThreads)
class Mailbox:
    """The reactor thread's queue of calls, emptied by hand."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[tuple[Callable[..., Any], tuple[Any, ...]]]
        self._calls = queue.SimpleQueue()

    def callFromThread(self, callable: Callable[..., Any], *args: Any) -> None:
        self._calls.put((callable, args))

    def until(self, *deferreds: Deferred[None]) -> None:
        """Run what threads asked for, until all of `deferreds` have fired."""
        while not all(deferred.called for deferred in deferreds):
            call, args = self._calls.get(timeout=30)
            call(*args)
