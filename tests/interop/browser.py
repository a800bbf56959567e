"""Headless Chromium, driven over its DevTools protocol on two pipes: no port, no driver program.

with Browser() as browser:
    page = browser.page(width=390)
    page.open("http://127.0.0.1:8067/")
    page.js("document.title")
"""

from __future__ import annotations

import base64
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from tests.interop.peer import peer

PATIENCE = 90.0
"""Seconds until something that must come is given up; the machine may be busy."""

LAUNCH = """\
import fcntl, os, sys
ends = [fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3]]
os.dup2(ends[0], 3)
os.dup2(ends[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Chromium reads commands from descriptor 3 and writes to 4."""


class BrowserError(Exception):
    """Chromium would not do it."""


class Browser:
    """One Chromium with a profile of its own."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(
            prefix="netbootd-chromium-", ignore_cleanup_errors=True
        )
        to_them, self._out = os.pipe()
        self._in, from_them = os.pipe()
        command = [
            sys.executable,
            "-c",
            LAUNCH,
            str(to_them),
            str(from_them),
            peer("chromium"),
            "--headless=new",
            "--no-sandbox",  # tests run as root, and look at our own pages only
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-extensions",
            "--hide-scrollbars",
            "--force-color-profile=srgb",
            "--remote-debugging-pipe",
            f"--user-data-dir={self._folder.name}",
            "about:blank",
        ]
        self._process = subprocess.Popen(
            command,
            pass_fds=(to_them, from_them),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(to_them)
        os.close(from_them)
        self._number = 0
        self._buffer = b""
        self._events: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._out)
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        with suppress(ProcessLookupError):  # its helpers, should one have stayed
            os.killpg(self._process.pid, signal.SIGKILL)
        os.close(self._in)
        self._folder.cleanup()

    def ask(self, method: str, session: str | None = None, **parameters: Any) -> Any:
        """Have `method` done; its result. Raises BrowserError."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + PATIENCE
        while True:
            answer = self._next(deadline)
            if answer.get("id") == self._number:
                break
            self._events.append(answer)
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']}")
        return answer["result"]

    def events(self, session: str) -> list[dict[str, Any]]:
        """What has happened in a page since the last look."""
        self.ask("Browser.getVersion")  # brings what waits
        own = [one for one in self._events if one.get("sessionId") == session]
        self._events = [one for one in self._events if one.get("sessionId") != session]
        return own

    def _next(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._in], [], [], left)[0]:
                raise BrowserError("Chromium does not answer")
            data = os.read(self._in, 1 << 16)
            if not data:
                raise BrowserError("Chromium has ended")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message

    def page(
        self,
        *,
        width: int = 1440,
        height: int = 900,
        dark: bool = False,
        script: bool = True,
        still: bool = False,
    ) -> Page:
        """A window of its own, with cookies of its own."""
        context = self.ask("Target.createBrowserContext")["browserContextId"]
        target = self.ask("Target.createTarget", url="about:blank", browserContextId=context)
        attached = self.ask("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        page = Page(self, attached["sessionId"], width, height)
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.ask(f"{domain}.enable")
        page.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if width < 600 else 1,
            mobile=width < 600,
        )
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        if still:
            features.append({"name": "prefers-reduced-motion", "value": "reduce"})
        page.ask("Emulation.setEmulatedMedia", features=features)
        if not script:
            page.ask("Emulation.setScriptExecutionDisabled", value=True)
        return page


class Page:
    """A window of the browser."""

    def __init__(self, browser: Browser, session: str, width: int, height: int) -> None:
        self._browser = browser
        self._session = session
        self._width = width
        self._height = height
        self.history: list[dict[str, Any]] = []
        """All that has happened in it."""

    def ask(self, method: str, **parameters: Any) -> Any:
        return self._browser.ask(method, self._session, **parameters)

    def open(self, url: str) -> None:
        """Go there, and wait until it is there. Raises BrowserError."""
        self.look()
        before = len(self.history)
        said = self.ask("Page.navigate", url=url)
        if "errorText" in said:
            raise BrowserError(f"{url}: {said['errorText']}")
        self.until(lambda: self._has_loaded(before))

    def _has_loaded(self, before: int) -> bool:
        self.look()
        return any(one["method"] == "Page.loadEventFired" for one in self.history[before:])

    def look(self) -> None:
        """Take up what has happened."""
        self.history += self._browser.events(self._session)

    def until(self, is_so: Callable[[], object]) -> None:
        """Wait for something. Raises BrowserError when patience has ended."""
        deadline = time.monotonic() + PATIENCE
        while not is_so():
            if time.monotonic() > deadline:
                raise BrowserError("it did not come to that")
            time.sleep(0.05)

    def js(self, expression: str) -> Any:
        """The value of an expression. Raises BrowserError."""
        said = self.ask(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in said:
            raise BrowserError(str(said["exceptionDetails"]))
        return said["result"].get("value")

    def wait_for(self, expression: str) -> None:
        """Until the expression is true, whatever page is there by then."""
        self.until(lambda: self._is_true(expression))

    def _is_true(self, expression: str) -> bool:
        try:
            return bool(self.js(expression))
        except BrowserError:  # a page is just going
            return False

    def html(self) -> str:
        """The document as it is; this works without script, too."""
        root = self.ask("DOM.getDocument", depth=0)["root"]["nodeId"]
        found: str = self.ask("DOM.getOuterHTML", nodeId=root)["outerHTML"]
        return found

    def submit(self, form: str, **fields: str) -> None:
        """Fill in and send a form as a person does, and wait for the page that comes."""
        self.look()
        before = len(self.history)
        for name, value in fields.items():
            field = json.dumps(f"{form} [name={name}]")
            self.js(f"document.querySelector({field}).value = {json.dumps(value)}")
        button = json.dumps(f"{form} button")
        self.js(f"document.querySelector({button}).click()")
        self.until(lambda: self._has_loaded(before))

    def complaints(self) -> list[str]:
        """Errors and warnings on the console: violations of the policy, scripts that failed."""
        self.look()
        said = []
        for one in self.history:
            if one["method"] == "Log.entryAdded":
                entry = one["params"]["entry"]
                if entry["level"] in ("error", "warning"):
                    said.append(f"{entry['text']} {entry.get('url', '')}")
            elif one["method"] == "Runtime.exceptionThrown":
                said.append(str(one["params"]["exceptionDetails"]))
        return said

    def requested(self) -> list[str]:
        """The URL of each request."""
        self.look()
        return [
            one["params"]["request"]["url"]
            for one in self.history
            if one["method"] == "Network.requestWillBeSent"
        ]

    def tree(self) -> list[tuple[str, str]]:
        """Role and name of all that a screen reader is told."""
        nodes = self.ask("Accessibility.getFullAXTree")["nodes"]
        return [
            (node["role"]["value"], node.get("name", {}).get("value", ""))
            for node in nodes
            if not node["ignored"]
        ]

    def picture(self, file: Path, *, whole: bool = True) -> None:
        """A screenshot; `whole` has what is below the window, too."""
        size = self.ask("Page.getLayoutMetrics")["cssContentSize"]
        height = size["height"] if whole else self._height
        clip = {"x": 0, "y": 0, "width": self._width, "height": height, "scale": 1}
        data = self.ask("Page.captureScreenshot", clip=clip, captureBeyondViewport=whole)["data"]
        file.write_bytes(base64.b64decode(data))
