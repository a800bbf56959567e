"""What a service manager has to know of a daemon: how it is run, what it needs, what it may not do.

A daemon makes the plan from its settings; systemd's unit and Windows' service follow from it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

TWISTD = "from twisted.scripts.twistd import run; run()"
"""`twistd`, where the environment has no such program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """A privilege of Linux that the service keeps, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """A port that systemd may bind for the service."""

    kind: str
    """`TCP` or `UDP`."""
    address: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One daemon as a service."""

    daemon: str
    description: str
    configuration: Path
    user: str | None
    """Who it runs as; None: a user that systemd makes up (DynamicUser)."""
    capabilities: tuple[Capability, ...] = ()
    families: tuple[str, ...]
    """Address families of the sockets that it opens."""
    reads_proc_net: bool
    """Whether it looks after interfaces, which psutil reads from /proc/net."""
    speaks_tls: bool
    listens: tuple[Listen, ...]
    """The ports of the configuration that are known before the start."""
    reads: tuple[Path, ...]
    """Files and folders that the configuration names."""
    writes: tuple[Path, ...]
    """Folders that it names and the service writes to."""

    @property
    def command(self) -> list[str]:
        """The command line of the service, the same on every system."""
        python = Path(sys.executable)
        twistd = python.with_name("twistd.exe" if os.name == "nt" else "twistd")
        start = [str(twistd)] if twistd.exists() else [str(python), "-c", TWISTD]
        daemon = [self.daemon, "--config", str(self.configuration)]
        return [*start, "--nodaemon", "--pidfile=", *daemon]


def names_certificate(settings: msgspec.Struct) -> bool:
    """Whether a table of the settings has a certificate for a server of ours."""
    for name in settings.__struct_fields__:
        value = getattr(settings, name)
        if name == "certificate" and value is not None:
            return True
        if isinstance(value, msgspec.Struct) and names_certificate(value):
            return True
    return False


def paths_in(settings: object) -> Iterator[Path]:
    """Every path in a tree of settings."""
    if isinstance(settings, Path):
        yield settings
    elif isinstance(settings, msgspec.Struct):
        for name in settings.__struct_fields__:
            yield from paths_in(getattr(settings, name))
    elif isinstance(settings, tuple):
        for item in settings:
            yield from paths_in(item)
    elif isinstance(settings, dict):
        for item in settings.values():
            yield from paths_in(item)
