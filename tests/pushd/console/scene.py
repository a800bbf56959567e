"""pushd as an admin may have it, its console on, with pushes that Apple liked and did not like."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.web.password import hashed_thd
from pushd.testing import Rule
from pushd.testing.background import simulator_in_background
from tests.pushd.daemon import Daemon, Site, pushes, wait_until

PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Scene:
    """A daemon with a past."""

    url: str
    daemon: Daemon
    delivered: list[str]
    unregistered: str
    """The push whose device was gone."""
    waiting: str
    """The push that Apple wants later."""

    def more(self, count: int, first: int) -> None:
        """More pushes, for devices that are there."""
        self.daemon.api().batch(pushes(count, first=first))


@contextmanager
def scene(folder: Path, *, count: int = 40, has_password: bool = True) -> Iterator[Scene]:
    """It runs."""
    with simulator_in_background() as apple:
        apple.run(
            lambda simulator: simulator.rules.add(
                Rule(prefix="dead", status=410, reason="Unregistered", timestamp=1_790_000_000_000),
                Rule(prefix="bad", status=400, reason="BadDeviceToken"),
                Rule(prefix="ff", status=429, reason="TooManyRequests"),
            )
        )
        site = Site(folder, apple)
        text = "enabled = true\nport = 0"
        if has_password:
            (folder / "password").write_text(hashed_thd(PASSWORD))
            text += '\npassword_file = "password"'
        site.add("console", text)
        with site.daemon() as daemon:
            items = pushes(count + 8)
            for item in items[:4]:
                item["device"] = "dead" + item["device"][4:]
            for item in items[4:6]:
                item["device"] = "bad0" + item["device"][4:]
            for item in items[6:8]:
                item["device"] = "ff00" + item["device"][4:]
            daemon.api().batch(items)
            ids = [item["id"] for item in items]
            wait_until(lambda: _settled(daemon, [*ids[:6], *ids[8:]]))
            wait_until(lambda: _state(daemon, ids[6]).get("tries", 0) > 0)
            line = daemon.wait_for("The console is on ")
            yield Scene(
                url=line.rpartition(" ")[2],
                daemon=daemon,
                delivered=ids[8:],
                unregistered=ids[0],
                waiting=ids[6],
            )


def _state(daemon: Daemon, id: str) -> Any:
    return daemon.api().json("GET", f"/v1/pushes/{id}")[1]


def _settled(daemon: Daemon, ids: list[str]) -> bool:
    return all(
        "outcome" in _state(daemon, id) or _state(daemon, id)["state"] == "accepted"
        for id in (ids[0], ids[-1])
    )
