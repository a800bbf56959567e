"""The real daemon, started in a host of the lab the way an operator starts it."""

from __future__ import annotations

import sys
from pathlib import Path

from .lab import Host, Process

TWISTD = str(Path(sys.executable).with_name("twistd"))
READY = "is ready: "


class Daemon:
    """`twistd --nodaemon netbootd` on a host, with its configuration, images and state.

    It serves `<folder>/images` on the ports that clients expect: a host of the lab has all of its
    ports to itself.
    """

    def __init__(self, host: Host, settings: str = "") -> None:
        """`settings` is TOML; it may not repeat the tables `images` and `state`."""
        self.host = host
        self.images = host.folder / "images"
        self.images.mkdir(exist_ok=True)
        self.config = host.folder / f"{host.name}.toml"
        self.config.write_text(
            f'{settings}\n[images]\nshare = [{{ path = "{self.images}" }}]\n'
            f'[state]\ndirectory = "{host.folder / "state"}"\n'
        )
        self.process: Process | None = None

    def start(self) -> Process:
        """Start it, and wait until it says that it serves."""
        command = (TWISTD, "--nodaemon", "--pidfile=", "netbootd", "--config", str(self.config))
        self.process = self.host.start(*command)
        self.process.wait_for(READY)
        return self.process

    def stop(self) -> int:
        """Ask it to end; its exit status."""
        assert self.process is not None
        return self.process.stop()
