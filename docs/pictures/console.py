"""Make the pictures of netbootd's console: a daemon, simulated Macs that boot from it, Chromium.

    PYTHONPATH=. python docs/pictures/console.py [--all] [FOLDER]

With `--all` it is every page, wide and narrow, light and dark, for a critical eye.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from tests.interop.browser import Browser
from tests.netbootd.console.scene import MACS, PASSWORD, Scene

reactor: Any = global_reactor

STEADY = "(document.getElementById('live') || {dataset: {state: 'on'}}).dataset.state === 'on'"
"""What moves has begun to."""

SHOTS = (
    ("console", "/", 1440, False),
    ("console-dark", "/", 1440, True),
    ("console-images", "/images", 1440, False),
)
PATHS = (
    "/",
    "/machines",
    f"/machines/{MACS[0][0]}",
    "/history",
    "/images",
    "/leases",
    "/status",
    "/login",
    "/nowhere",
)


def all_shots() -> tuple[tuple[str, str, int, bool], ...]:
    """Every page in every form."""
    return tuple(
        (f"{_name(path)}-{width}{'-dark' * dark}", path, width, dark)
        for path in PATHS
        for width in (1440, 390)
        for dark in (False, True)
    )


def _name(path: str) -> str:
    return path.strip("/").replace("/", "-").replace(":", "") or "overview"


def photograph_thd(url: str, folder: Path, shots: tuple[tuple[str, str, int, bool], ...]) -> None:
    """All `shots`: name, path, width, whether it is dark."""
    with Browser() as browser:
        for name, path, width, dark in shots:
            page = browser.page(width=width, height=844, dark=dark, still=True)
            page.open(f"{url}/login")
            if path != "/login":
                page.submit("form.login", password=PASSWORD)
                page.open(url + path)
                page.wait_for(STEADY)
            page.picture(folder / f"{name}.png")


async def main(folder: Path, shots: tuple[tuple[str, str, int, bool], ...]) -> None:
    """Set the scene, and photograph it."""
    with tempfile.TemporaryDirectory(prefix="netbootd-pictures-") as name:
        scene = Scene(Path(name), reactor, root_image_size=48 << 20)
        scene.service.privilegedStartService()
        scene.service.startService()
        try:
            for number in range(len(MACS)):
                await scene.boot(number)
                scene.service.history.boots.end_all()
            scene.under_way()
            scene.traffic()
            await deferToThread(photograph_thd, scene.url, folder, shots)
        finally:
            await scene.service.stopService()


if __name__ == "__main__":
    folders = [Path(word) for word in sys.argv[1:] if not word.startswith("--")]
    target = folders[0] if folders else Path(__file__).parent
    failures: list[Any] = []

    def begin() -> None:
        done = Deferred.fromCoroutine(main(target, all_shots() if "--all" in sys.argv else SHOTS))
        done.addErrback(failures.append)
        done.addBoth(lambda _: reactor.stop())

    reactor.callWhenRunning(begin)
    reactor.run()
    if failures:
        failures[0].raiseException()
