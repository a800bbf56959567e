"""Pages that are kept up to date."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.web.template import Tag, tags

from ops.web.live import MAX_READERS, TICK, Live, Part
from ops.web.route import END, Events, Problem


class Page:
    """A part that shows a number, and what a reader of it is told."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.live = Live(self.clock)
        self.number = 1
        self.rendered = 0
        self.told: list[Any] = []
        self.is_welcome = True
        self.slow: Deferred[Tag] | None = None

    def render(self) -> Any:
        self.rendered += 1
        return self.slow or tags.p(str(self.number))

    def events(self) -> Events:
        part = Part(name="n", render=self.render, version=lambda: self.number)
        still = Part(name="still", render=lambda: tags.p("still"))
        return self.live.events([part, still], lambda: self.is_welcome)

    def open(self) -> Callable[[], None]:
        end = self.events().subscribe(self.told.append)
        self.clock.advance(0)
        return end


@pytest.fixture
def page() -> Page:
    return Page()


def test_what_has_changed_is_told(page: Page) -> None:
    """At first all that moves; then a part when its version is another, and only then."""
    page.open()
    first = page.told.copy()

    page.clock.advance(TICK)
    page.number = 2
    page.clock.advance(TICK)

    assert first == [{"n": '<div id="n" class="part"><p>1</p></div>'}]
    assert page.told[1:] == [{"n": '<div id="n" class="part"><p>2</p></div>'}]
    assert page.rendered == 2


def test_who_has_gone_costs_nothing(page: Page) -> None:
    """Nothing is rendered after that, and nothing is left behind."""
    end = page.open()

    end()

    assert not page.clock.getDelayedCalls()


def test_gone_while_the_disk_was_asked(page: Page) -> None:
    """What comes then is told to nobody."""
    page.slow = Deferred()
    end = page.open()

    end()
    page.slow.callback(tags.p("late"))

    assert page.told == []
    assert not page.clock.getDelayedCalls()


def test_not_welcome_any_more(page: Page) -> None:
    """Whose session has ended is told of the end, and nothing else."""
    page.open()

    page.is_welcome = False
    page.number = 2
    page.clock.advance(TICK)

    assert page.told[1:] == [END]
    assert not page.clock.getDelayedCalls()


def test_too_many(page: Page) -> None:
    """Beyond the bound a page stands still; when another is closed there is room."""
    ends = [page.open() for _ in range(MAX_READERS)]

    with pytest.raises(Problem, match="too many"):
        page.events()
    ends[0]()

    page.open()
