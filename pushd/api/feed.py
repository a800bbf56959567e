"""The feeds: pages of what the queue has stored, and long polls for more."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Generic, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from pushd.api.desk import Desk
from pushd.api.exchange import JSON, Exchange, Response
from pushd.api.problem import problem


class Line(Protocol):
    """What both feeds' lines have."""

    @property
    def seq(self) -> int: ...


L = TypeVar("L", bound=Line)
Read = Callable[[int, int], Coroutine[Any, Any, Sequence[L]]]
Render = Callable[[Sequence[L], int, bool], bytes]
"""Lines, the number to go on from, whether there is more."""


class Feed(Generic[L]):
    """One request for a page; a sink that expects no body."""

    def __init__(
        self,
        exchange: Exchange,
        desk: Desk,
        *,
        read: Read[L],
        shows: Callable[[L], bool],
        render: Render[L],
        after: int,
        limit: int,
        wait: int,
    ) -> None:
        self._exchange = exchange
        self._desk = desk
        self._shows = shows
        self._read = read
        self._render = render
        self._after = after
        self._limit = max(limit, 1)
        self._until = desk.clock.seconds() + wait
        self._timer: IDelayedCall | None = None
        self._undo: Callable[[], None] | None = None
        self._reading = False
        self._noticed = False
        """There was news while we read, which the page may not have."""
        self._lost = False

    def begin(self) -> None:
        """Read a page."""
        self._rest()
        if self._lost:
            return
        self._reading, self._noticed = True, False
        self._undo = self._desk.news.tell(self._on_news)
        reading = Deferred.fromCoroutine(self._read(self._after, self._limit + 1))
        reading.addCallback(self._have).addErrback(self._failed)

    def received(self, data: bytes) -> None:
        """Nothing is expected."""

    def ended(self) -> None:
        """Nothing was."""

    def lost(self) -> None:
        self._lost = True
        self._rest()

    def _rest(self) -> None:
        if self._undo is not None:
            self._undo()
            self._undo = None
        if self._timer is not None:
            timer, self._timer = self._timer, None
            if timer.active():
                timer.cancel()

    def _on_news(self) -> None:
        self._undo = None
        if self._reading:
            self._noticed = True
        else:
            self.begin()

    def _have(self, lines: Sequence[L]) -> None:
        self._reading = False
        if self._lost:
            return
        page = lines[: self._limit]
        more = len(lines) > len(page)
        if page:
            self._after = page[-1].seq
        shown = [line for line in page if self._shows(line)]
        left = self._until - self._desk.clock.seconds()
        if shown or more or left <= 0:
            self._rest()
            body = self._render(shown, self._after, more)
            self._exchange.respond(Response(status=200, headers=(JSON,), body=body))
        elif self._noticed:
            self.begin()
        else:
            self._timer = self._desk.clock.callLater(left, self.begin)

    def _failed(self, failure: Failure) -> None:
        _log.failure("api: a feed could not be read", failure)
        self._rest()
        if not self._lost:
            detail = "the feed cannot be read at the moment"
            self._exchange.respond(problem(503, "Unreadable", detail, retry_after=5))


_log = Logger()
