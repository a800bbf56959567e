"""pushd's console in a browser, of a daemon that has delivered to a simulator of Apple's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.interop.browser import Browser, Page
from tests.interop.peer import peer
from tests.pushd.console.scene import PASSWORD, Scene, scene

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One daemon for all tests here."""
    peer("chromium")
    with scene(tmp_path_factory.mktemp("pushd")) as one:
        yield one


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    peer("chromium")
    with Browser() as one:
        yield one


def logged_in(browser: Browser, known: Scene, width: int = 1440) -> Page:
    page = browser.page(width=width)
    page.open(f"{known.url}/login")
    page.submit("form.login", password=PASSWORD)
    return page


def test_all_pages(known: Scene, browser: Browser) -> None:
    """Every page loads, wide and narrow, within its policy and its window, and asks nobody else."""
    paths = ("/", "/pushes", "/queue", "/credentials", "/devices", "/status")
    for width in (1440, 390):
        page = logged_in(browser, known, width)
        for path in (*paths, f"/pushes/{known.unregistered}"):
            page.open(known.url + path)

            assert page.js("document.querySelectorAll('h1').length") == 1, path
            assert page.js("document.documentElement.scrollWidth") <= width, path
        assert page.complaints() == []
        assert all(url.startswith(known.url) for url in page.requested())


def test_the_story_of_a_push(known: Scene, browser: Browser) -> None:
    """A search by id tells all: taken in, attempts that failed, what became of it."""
    page = logged_in(browser, known)
    page.open(f"{known.url}/pushes")
    page.submit("form[role=search]", id=known.unregistered)
    gone = page.js("document.querySelector('main').textContent")

    page.open(f"{known.url}/pushes/{known.waiting}")
    waits = page.js("document.querySelector('main').textContent")

    assert "rejected" in gone
    assert "410, Unregistered" in gone
    assert "token invalid since" in gone
    assert "TooManyRequests" in waits
    assert "next try" in waits


def test_outcomes_by_reason(known: Scene, browser: Browser) -> None:
    """The first page counts what was not delivered, by Apple's reasons; it follows what comes."""
    page = logged_in(browser, known)
    page.wait_for("document.getElementById('live').dataset.state === 'on'")
    tile = "+[...document.querySelectorAll('.tile')][2].querySelector('dd').textContent"
    before = page.js(tile)

    known.more(25, first=5000)

    page.wait_for(f"{tile} === {before} + 25")
    reasons = page.js("document.getElementById('reasons').textContent")
    assert "Unregistered" in reasons
    assert "BadDeviceToken" in reasons


def test_devices_and_credentials(known: Scene, browser: Browser) -> None:
    """Invalid tokens are listed by their ends only, credentials with the days that they have."""
    page = logged_in(browser, known)
    page.open(f"{known.url}/devices")
    devices = page.js("document.querySelector('main').textContent")
    page.open(f"{known.url}/credentials")
    credentials = page.js("document.querySelector('main').textContent")

    assert "Unregistered" in devices
    assert "dead0000" not in devices
    assert " left" in credentials
    assert "com.example.app" in credentials


def test_take_back(known: Scene, browser: Browser) -> None:
    """Whoever has logged in takes a push back that waits; its story ends so."""
    page = logged_in(browser, known)
    page.open(f"{known.url}/pushes/{known.waiting}")

    page.submit(f"form[action='/pushes/{known.waiting}/cancel']")

    assert page.js("document.querySelector('.notice').textContent") == "It has been taken back."
    page.wait_for("document.querySelector('main').textContent.includes('cancelled')")
