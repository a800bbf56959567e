"""A page's parts anew, whenever they have changed, for as long as somebody looks.

Each second a part says in what version it is; it is rendered, and sent, only if that is another.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.template import Tag, flattenString

from ops.web.route import END, Events, Problem

TICK: Final = 1.0
"""Seconds between looks."""
MAX_READERS: Final = 32
"""Pages that are kept up to date at the same time."""

Rendered = Tag | Awaitable[Tag]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a page."""

    name: str
    """Its id."""
    render: Callable[[], Rendered]
    version: Callable[[], object] | None = None
    """Equal as long as nothing has changed; None: nothing does."""
    is_half: bool = False
    """Whether two such parts stand side by side where there is room."""


async def tag_of(part: Part) -> Tag:
    """The part, in an element of its own."""
    made = part.render()
    tag = made if isinstance(made, Tag) else await made
    kind = "part half" if part.is_half else "part"
    return Tag("div", attributes={"id": part.name, "class": kind})(tag)


class Live:
    """All pages that are kept up to date."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._readers = 0

    def events(self, parts: Sequence[Part], is_welcome: Callable[[], bool]) -> Events:
        """Each event holds parts by name, as long as the reader is welcome. Raises Problem if
        there are too many readers."""
        if self._readers >= MAX_READERS:
            raise Problem(503, "too many pages are kept up to date", "close some")
        moving = [part for part in parts if part.version is not None]

        def subscribe(tell: Callable[[object], None]) -> Callable[[], None]:
            reader = _Reader(moving, tell, is_welcome, self._clock)
            self._readers += 1

            def end() -> None:
                self._readers -= 1
                reader.end()

            reader.begin()
            return end

        return Events(subscribe, form="sse")


class _Reader:
    """One page that somebody has open."""

    def __init__(
        self,
        parts: Sequence[Part],
        tell: Callable[[object], None],
        is_welcome: Callable[[], bool],
        clock: IReactorTime,
    ) -> None:
        self._parts = parts
        self._tell = tell
        self._is_welcome = is_welcome
        self._clock = clock
        self._next: IDelayedCall | None = None
        self._is_over = False
        self._versions: dict[str, object] = {}
        self._sent: dict[str, bytes] = {}

    def begin(self) -> None:
        # Not at once: who reads has to know first how to end it.
        self._next = self._clock.callLater(0, self._look)

    def end(self) -> None:
        self._is_over = True
        if self._next is not None and self._next.active():
            self._next.cancel()

    def _look(self) -> None:
        looked = Deferred.fromCoroutine(self._look_once())
        looked.addErrback(self._failed)

    def _failed(self, failure: Failure) -> None:
        _log.failure("A page is not kept up to date any more", failure=failure)
        if not self._is_over:
            self._tell(END)

    async def _look_once(self) -> None:
        if not self._is_welcome():
            self._tell(END)
            return
        news = {}
        for part in self._parts:
            version = cast(Callable[[], object], part.version)()
            if part.name in self._versions and self._versions[part.name] == version:
                continue
            html = await flattenString(None, await tag_of(part))
            if self._is_over:  # by now: it may have waited for the disk
                return
            self._versions[part.name] = version
            if self._sent.get(part.name) != html:
                self._sent[part.name] = html
                news[part.name] = html.decode()
        if news:
            self._tell(news)
        if not self._is_over:
            self._next = self._clock.callLater(TICK, self._look)


_log = Logger("console")
