"""A page's parts anew, whenever they have changed, for as long as somebody looks.

Each second a part says in what version it is; it is rendered, and sent, only if that is another.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.web.template import Tag, flattenString

from ops.web.route import Events, Problem

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

    def events(self, parts: Sequence[Part]) -> Events:
        """Each event holds parts by name. Raises Problem if there are too many readers."""
        if self._readers >= MAX_READERS:
            raise Problem(503, "too many pages are kept up to date", "close some")
        moving = [part for part in parts if part.version is not None]

        def subscribe(tell: Callable[[object], None]) -> Callable[[], None]:
            self._readers += 1
            going = Deferred.fromCoroutine(self._go(moving, tell))
            going.addErrback(_ended)

            def end() -> None:
                self._readers -= 1
                going.cancel()

            return end

        return Events(subscribe, form="sse")

    async def _go(self, parts: Sequence[Part], tell: Callable[[object], None]) -> None:
        versions: dict[str, Any] = {}
        sent: dict[str, bytes] = {}
        while True:
            news = {}
            for part in parts:
                version = cast(Callable[[], object], part.version)()
                if part.name in versions and versions[part.name] == version:
                    continue
                html = await flattenString(None, await tag_of(part))
                versions[part.name] = version
                if sent.get(part.name) != html:
                    sent[part.name] = html
                    news[part.name] = html.decode()
            if news:
                tell(news)
            await self._tick()

    async def _tick(self) -> None:
        waited: Deferred[None] = Deferred(lambda _: call.cancel())
        call = self._clock.callLater(TICK, waited.callback, None)
        await waited


def _ended(failure: Any) -> None:
    if failure.check(CancelledError) is None:
        _log.failure("A page is not kept up to date any more", failure=failure)


_log = Logger("console")
