"""Make the pictures of pushd's console: a daemon that delivers for three minutes, a simulator of
Apple's, Chromium.

    PYTHONPATH=. python docs/pictures/push_console.py [FOLDER]
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from random import Random

from tests.interop.browser import Browser
from tests.pushd.console.scene import PASSWORD, Scene, scene

SECONDS = 180


def deliver(one: Scene) -> None:
    """Pushes in waves."""
    random, first = Random(3), 10_000  # noqa: S311 - no secret
    began = time.monotonic()
    while (passed := time.monotonic() - began) < SECONDS:
        wave = 60 if int(passed) // 30 % 2 else 15
        count = wave + random.randrange(20)
        one.more(count, first=first)
        first += count
        time.sleep(0.5)


def photograph(one: Scene, folder: Path) -> None:
    """What the documentation shows."""
    with Browser() as browser:
        for name, path, width, dark in (
            ("push-console", "/", 1440, False),
            ("push-console-story", f"/pushes/{one.waiting}", 900, True),
        ):
            page = browser.page(width=width, height=400, dark=dark, still=True)
            page.open(f"{one.url}/login")
            page.submit("form.login", password=PASSWORD)
            page.open(one.url + path)
            page.wait_for("document.getElementById('live').dataset.state === 'on'")
            page.picture(folder / f"{name}.png")


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    with tempfile.TemporaryDirectory(prefix="pushd-pictures-") as name, scene(Path(name)) as shown:
        deliver(shown)
        photograph(shown, target)
