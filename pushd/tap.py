"""What twistd and twist know of pushd: its options, and how to make its service.

    twistd -n pushd --config pushd.toml
    twistd pushd --config pushd.toml --check

The only module of pushd that takes the global reactor.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import ClassVar

from ops import daemon
from ops.reload import HangUp
from ops.service.inherited import environment_of_start, inherited_of
from pushd import config
from pushd.config import Config
from pushd.reload import reload_of
from pushd.service import PushService
from pushd.world import World

TURN = 0.0005
"""Seconds for which a thread of ours keeps the interpreter while another wants it. The writer's
thread wants it back after each statement, and Python's own 5 ms are as long as a commit takes."""
COLLECTION = 100_000
"""New objects between collections. Pushes, jobs and outcomes are none of the collector's business;
what is, at ten thousand a time, took a tenth of the throughput."""


class Options(daemon.Options):
    """Command line of `twistd pushd`."""

    daemon = "pushd"
    logs: ClassVar = {"pushd.api.*": "access"}
    longdesc = (
        "Takes Apple push notifications from programs, keeps them on disk until Apple has answered,"
        " and delivers them over HTTP/2."
    )

    def check(self, file: Path | None) -> int:
        from pushd.check import check

        return check(file)

    def load(self, file: Path | None) -> Config:
        return config.load(file)


class _Told(daemon.Told, PushService):
    collection = COLLECTION

    def startService(self) -> None:
        super().startService()
        sys.setswitchinterval(TURN)


def makeService(options: Options) -> PushService:
    """The whole daemon, its port bound. Raises SystemExit, with one line, where it cannot be."""
    from twisted.internet import reactor

    inherited = inherited_of(environment_of_start(), pid=os.getpid())
    world = World(reactor=reactor, inherited=inherited)
    settings: Config = options.settings
    service = daemon.made(
        options,
        lambda: _Told(settings, world),
        _Told.bind,
        reactor=reactor,
        inherited=inherited,
    )
    how = reload_of(options.file, service.apply)
    hang_up = HangUp(
        how, settings, call_soon=world.reactor.callFromThread, around=service.reloading
    )
    hang_up.setServiceParent(service)  # type: ignore[no-untyped-call]
    return service
