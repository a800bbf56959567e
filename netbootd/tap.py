"""What twistd and twist know of netbootd: its options, and how to make its service.

    twistd -n netbootd --config netbootd.toml
    twistd netbootd --config netbootd.toml --check

The only module of netbootd that takes the global reactor.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

from netbootd import config
from netbootd.check import check
from netbootd.config import Config
from netbootd.reload import reload_of
from netbootd.service import BootService
from netbootd.world import World
from ops import daemon
from ops.reload import HangUp
from ops.service.inherited import environment_of_start, inherited_of


class Options(daemon.Options):
    """Command line of `twistd netbootd`."""

    daemon = "netbootd"
    logs: ClassVar = {"netbootd.boot": "boot", "netbootd.dhcp": "boot"}
    longdesc = (
        "Answers BSDP, DHCP and PXE, serves TFTP and HTTP, so that Macs and PCs boot from the"
        " folders in ./images, or wherever the configuration file says they are. DHCP and PXE take"
        " a configuration that enables them."
    )

    def check(self, file: Path | None) -> int:
        return check(file)

    def load(self, file: Path | None) -> Config:
        return config.load(file)


class _Told(daemon.Told, BootService):
    pass


def makeService(options: Options) -> BootService:
    """The whole daemon, its ports bound. Raises SystemExit, with one line, where it cannot be."""
    from twisted.internet import reactor

    inherited = inherited_of(environment_of_start(), pid=os.getpid())
    world = World(reactor=reactor, inherited=inherited)
    settings = options.settings
    service = daemon.made(
        options,
        lambda: _Told(settings, world),
        _Told.bind,
        reactor=reactor,
        inherited=inherited,
    )
    how = reload_of(options.file, settings, service.apply)
    hang_up = HangUp(
        how, settings, call_soon=world.reactor.callFromThread, around=service.reloading
    )
    hang_up.setServiceParent(service)  # type: ignore[no-untyped-call]
    return service
