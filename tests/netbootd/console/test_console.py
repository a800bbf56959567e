"""netbootd's console in a browser: what people see, and what strangers do not get."""

from __future__ import annotations

import http.client
import json
import plistlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from netbootd.event import TransferProgressed
from ops.web import session
from tests.interop.browser import Browser, Page
from tests.interop.peer import peer
from tests.netbootd.console.scene import PASSWORD, Scene
from tests.netbootd.temporary import folder

T = TypeVar("T")

pytestmark = pytest.mark.timeout(900)
PAGES = ("/", "/machines", "/history", "/images", "/leases", "/status")
IMAC = "a8:20:66:12:9e:01"


class ConsoleTestCase(TestCase):
    """A daemon with machines, in this process; its guests are in threads."""

    timeout = 800

    def scene(self, *, has_password: bool = True) -> Scene:
        """A daemon that runs, with a boot that is over and some that are not."""
        from twisted.internet import reactor

        scene = Scene(folder(self), reactor, has_password=has_password)
        self.addCleanup(scene.service.stopService)
        scene.service.privilegedStartService()
        scene.service.startService()
        return scene

    def in_thread(self, work: Callable[..., T], *arguments: Any, **named: Any) -> Deferred[T]:
        done: Deferred[T] = deferToThread(work, *arguments, **named)
        return done


def ask(
    url: str, method: str, path: str, body: str = "", **headers: str
) -> tuple[int, dict[str, str], str]:
    """Status, headers, body of an answer, as no browser would get it."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    if body:
        fields.setdefault("content-type", "application/x-www-form-urlencoded")
    connection.request(method, path, body or None, fields)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, {k.lower(): v for k, v in response.getheaders()}, text


def log_in(page: Page, url: str) -> None:
    page.open(f"{url}/login")
    page.submit("form.login", password=PASSWORD)


class LookTests(ConsoleTestCase):
    async def test_all_pages(self) -> None:
        """Every page loads, wide and narrow, with no violation of its policy, no request to
        anybody else, one main heading, a title, and nothing that runs out of the window."""
        peer("chromium")
        scene = self.scene()
        await scene.boot(0)
        scene.service.history.boots.end_all()
        scene.under_way()

        def visit() -> list[Any]:
            seen = []
            with Browser() as browser:
                for width in (1440, 390):
                    page = browser.page(width=width)
                    log_in(page, scene.url)
                    for path in (*PAGES, f"/machines/{IMAC}"):
                        page.open(scene.url + path)
                        seen.append(
                            (
                                path,
                                page.js("document.querySelectorAll('h1').length"),
                                page.js("document.title.includes('netbootd')"),
                                page.js("document.documentElement.scrollWidth") <= width,
                            )
                        )
                    hosts = {urlsplit(url).netloc for url in page.requested()}
                    seen.append((page.complaints(), hosts))
            return seen

        for one in await self.in_thread(visit):
            if isinstance(one[0], str):
                self.assertEqual(one[1:], (1, True, True), one[0])
            else:
                self.assertEqual(one, ([], {urlsplit(scene.url).netloc}))

    async def test_bars_move(self) -> None:
        """A bar of a page that is open follows its machine, in the element that was there."""
        peer("chromium")
        scene = self.scene()
        scene.under_way()
        width = (
            f"+[...document.querySelectorAll('.boot')].find(b => b.textContent.includes('{IMAC}'))"
            ".querySelectorAll('.fill')[3].getAttribute('width')"
        )

        def progress() -> None:
            scene.service.timeline.record(
                TransferProgressed(
                    at=scene.service.timeline.now(),
                    machine=IMAC,
                    address="10.0.2.31",
                    service="http",
                    name="High Sierra.nbi/NetInstall.dmg",
                    role="root_image",
                    size=4_900_000_000,
                    sent=4_410_000_000,
                )
            )

        def watch() -> tuple[float, float, bool, str]:
            with Browser() as browser:
                page = browser.page()
                log_in(page, scene.url)
                page.wait_for("document.getElementById('live').dataset.state === 'on'")
                before = page.js(width)
                page.js("document.querySelectorAll('.fill').forEach(f => f.isOld = true)")
                scene.reactor.callFromThread(progress)
                page.wait_for(f"{width} === 90")
                is_same = page.js("[...document.querySelectorAll('.fill')].every(f => f.isOld)")
                return (
                    before,
                    page.js(width),
                    is_same,
                    page.js("document.getElementById('live').textContent"),
                )

        self.assertEqual(await self.in_thread(watch), (37, 90, True, "Live"))

    async def test_without_script(self) -> None:
        """All is there: machines, bars, images, and the way to log in and out."""
        peer("chromium")
        scene = self.scene(has_password=False)
        scene.under_way()

        def visit() -> tuple[str, str]:
            with Browser() as browser:
                page = browser.page(script=False)
                page.open(scene.url)
                overview = page.html()
                page.open(f"{scene.url}/images")
                return overview, page.html()

        overview, images = await self.in_thread(visit)
        for text in (IMAC, "Debian 12 installer", 'width="37.0"', "root image", "<svg"):
            self.assertIn(text, overview)
        self.assertIn("Install macOS 10.13.6", images)
        self.assertNotIn("<form", images)

    async def test_a_screen_reader(self) -> None:
        """There are landmarks, the bars' words, column headings and names of all controls."""
        peer("chromium")
        scene = self.scene()
        await scene.boot(0)
        scene.service.history.boots.end_all()
        scene.under_way()

        def listen() -> tuple[list[tuple[str, str]], list[tuple[str, str]], str]:
            with Browser() as browser:
                page = browser.page()
                log_in(page, scene.url)
                overview = page.tree()
                page.open(f"{scene.url}/images")
                images = page.tree()
                page.ask(
                    "Input.dispatchKeyEvent",
                    type="keyDown",
                    key="Tab",
                    code="Tab",
                    windowsVirtualKeyCode=9,
                )
                return overview, images, page.js("document.activeElement.textContent")

        overview, images, first = await self.in_thread(listen)
        roles = {role for role, _ in overview}
        self.assertLessEqual(
            {"banner", "navigation", "main", "contentinfo", "table", "columnheader", "rowheader"},
            roles,
        )
        self.assertIn(("heading", "Booting now"), overview)
        self.assertIn("status", roles)
        self.assertTrue(any("37 %" in name for _, name in overview))
        buttons = [name for role, name in images if role == "button"]
        self.assertIn("Switch Imaging off", buttons)
        self.assertTrue(all(buttons))
        self.assertEqual(first, "Skip to content")


class ActTests(ConsoleTestCase):
    async def test_switch_off_and_on(self) -> None:
        """Whoever has logged in switches images; the file says so, and so does the page."""
        peer("chromium")
        scene = self.scene()
        form = "form[action='/images/NetBootSP0/AutoDMG.nbi/{}']"

        def act() -> tuple[str, bool, str, bool]:
            info = scene.folder / "images/AutoDMG.nbi/NBImageInfo.plist"
            with Browser() as browser:
                page = browser.page()
                log_in(page, scene.url)
                page.open(f"{scene.url}/images")
                page.submit(form.format("disable"))
                off = page.js("document.querySelector('.notice').textContent"), _enabled(info)
                page.submit(form.format("enable"))
                on = page.js("document.querySelector('.notice').textContent"), _enabled(info)
                return (*off, *on)

        self.assertEqual(
            await self.in_thread(act),
            ("“Imaging” is switched off.", False, "“Imaging” is switched on.", True),
        )

    async def test_make_default(self) -> None:
        """One image is the default, and no other."""
        peer("chromium")
        scene = self.scene()

        def act() -> list[bool]:
            with Browser() as browser:
                page = browser.page()
                log_in(page, scene.url)
                page.open(f"{scene.url}/images")
                page.submit("form[action='/images/NetBootSP0/AutoDMG.nbi/default']")
                folders = ("AutoDMG.nbi", "High Sierra.nbi")
                files = [scene.folder / "images" / n / "NBImageInfo.plist" for n in folders]
                return [bool(plistlib.loads(f.read_bytes()).get("IsDefault")) for f in files]

        self.assertEqual(await self.in_thread(act), [True, False])


class GuardTests(ConsoleTestCase):
    async def test_a_stranger(self) -> None:
        """Who has not logged in gets the login page, no events, and nothing done."""
        scene = self.scene()

        page = await self.in_thread(ask, scene.url, "GET", "/images")
        live = await self.in_thread(ask, scene.url, "GET", "/live?at=/")
        act = await self.in_thread(
            ask, scene.url, "POST", "/images/NetBootSP0/AutoDMG.nbi/disable", "csrf=x"
        )

        self.assertEqual((page[0], page[1]["location"]), (303, "/login?next=/images"))
        self.assertEqual((live[0], act[0]), (401, 403))
        self.assertTrue(_enabled(scene.folder / "images/AutoDMG.nbi/NBImageInfo.plist"))

    async def test_a_forged_form(self) -> None:
        """A form without the session's token, or from another site, is refused."""
        scene = self.scene()
        _, headers, _ = await self.in_thread(
            ask, scene.url, "POST", "/login", f"password={PASSWORD.replace(' ', '+')}"
        )
        cookie = headers["set-cookie"].partition(";")[0]
        path = "/images/NetBootSP0/AutoDMG.nbi/disable"
        _, _, page = await self.in_thread(ask, scene.url, "GET", "/images", cookie=cookie)
        token = page.partition('name="csrf" value="')[2].partition('"')[0]
        token = token or page.partition('value="')[2].partition('"')[0]

        without = await self.in_thread(ask, scene.url, "POST", path, "a=b", cookie=cookie)
        foreign = await self.in_thread(
            ask, scene.url, "POST", path, f"csrf={token}", cookie=cookie, origin="http://evil.test"
        )
        own = await self.in_thread(ask, scene.url, "POST", path, f"csrf={token}", cookie=cookie)

        self.assertEqual((without[0], foreign[0], own[0]), (403, 403, 303))

    async def test_guessing(self) -> None:
        """After five wrong passwords in a minute even the right one has to wait."""
        self.patch(session, "WINDOW", 3600.0)  # the machine may be slow
        scene = self.scene()

        wrong = [
            (await self.in_thread(ask, scene.url, "POST", "/login", "password=guess"))[0]
            for _ in range(5)
        ]
        right = await self.in_thread(
            ask, scene.url, "POST", "/login", f"password={PASSWORD.replace(' ', '+')}"
        )

        self.assertEqual(wrong, [403] * 5)
        self.assertEqual(right[0], 429)

    async def test_another_name(self) -> None:
        """A name that is none of ours gets nothing, whatever address it leads to."""
        scene = self.scene(has_password=False)

        status, _, text = await self.in_thread(ask, scene.url, "GET", "/", host="evil.test")

        self.assertEqual(status, 403)
        self.assertNotIn("Booting now", text)

    async def test_looking_only(self) -> None:
        """Without a password, whoever is on this computer sees all, and changes nothing."""
        scene = self.scene(has_password=False)

        page = await self.in_thread(ask, scene.url, "GET", "/images")
        act = await self.in_thread(
            ask, scene.url, "POST", "/images/NetBootSP0/AutoDMG.nbi/disable", "csrf=x"
        )

        self.assertEqual((page[0], act[0]), (200, 403))
        self.assertIn("default-src 'none'", page[1]["content-security-policy"])
        self.assertNotIn("unsafe", page[1]["content-security-policy"])

    async def test_events(self) -> None:
        """The stream tells parts of the page as HTML, and ends with the daemon."""
        scene = self.scene(has_password=False)
        scene.under_way()

        def first() -> tuple[dict[str, str], bytes]:
            connection = http.client.HTTPConnection(urlsplit(scene.url).netloc, timeout=60)
            connection.request("GET", "/live?at=/")
            response = connection.getresponse()
            line = b""
            while not line.startswith(b"data: "):
                line = response.readline()
            parts = json.loads(line[6:])
            told.callback(None)
            try:
                rest = response.read()
            except http.client.HTTPException:
                rest = b""
            connection.close()
            return parts, rest

        told = _FromThread(scene.reactor)
        reading = self.in_thread(first)
        await told.deferred
        await scene.service.stopService()

        parts, _ = await reading
        self.assertIn(IMAC, parts["now"])
        self.assertEqual(set(parts), {"tiles", "now", "traffic", "recent"})


class _FromThread:
    """A Deferred that a thread may call back."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self.deferred: Deferred[None] = Deferred()

    def callback(self, value: None) -> None:
        self._reactor.callFromThread(self.deferred.callback, value)


def _enabled(info: Path) -> bool:
    return bool(plistlib.loads(info.read_bytes()).get("IsEnabled", True))
