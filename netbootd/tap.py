"""What twistd and twist know of netbootd: its options, and how to make its service.

    twistd -n netbootd --config netbootd.toml
    twistd netbootd --config netbootd.toml --check

The only module that takes the global reactor.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from twisted.python import usage

from netbootd import config
from netbootd.check import check
from netbootd.config import Config
from netbootd.reload import HangUp
from netbootd.service import BootService
from netbootd.world import World
from ops import log
from ops.config import ConfigError
from ops.start import StartError


class Options(usage.Options):
    """Command line of `twistd netbootd`."""

    synopsis = "[--config FILE] [--check]"
    longdesc = (
        "Answers BSDP, serves TFTP and HTTP, so that Macs netboot from the .nbi folders in"
        " ./images, or wherever the configuration file says they are."
    )
    optParameters: ClassVar = [
        ["config", "c", None, "Configuration file (TOML); without it, defaults."]
    ]
    optFlags: ClassVar = [["check", None, "Check configuration, images and ports; start nothing."]]

    def postOptions(self) -> None:
        """Read the configuration, so that logging begins as it says.

        Raises SystemExit where only a check is asked for, or the configuration is wrong.
        """
        file = None if self["config"] is None else Path(self["config"])
        if self["check"]:
            raise SystemExit(check(file))
        try:
            self.settings = config.load(file)
        except ConfigError as error:
            raise _exit(error) from error
        log.use(self.parent, self.settings.log.format, self.settings.log.level)


SMALL_COLLECTION = 10_000
"""New objects between collections; Python's own 700 are two dozen leases on their way to disk."""


class _Told(BootService):
    """A failure to start is told where it will be read: on the terminal in the foreground, in the
    log in the background, where twistd shows its first 100 characters."""

    def __init__(self, config: Config, world: World, *, in_background: bool) -> None:
        super().__init__(config, world)
        self._in_background = in_background

    def privilegedStartService(self) -> None:
        with self._told():
            super().privilegedStartService()

    def startService(self) -> None:
        with self._told():
            super().startService()
        # What is there by now stays: collections that look through 100,000 leases and all modules
        # stop the server for 54 ms each, measured; the frequent small ones are 3 % of a lease.
        gc.freeze()
        gc.set_threshold(SMALL_COLLECTION)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except StartError as error:
            if self._in_background:
                self._log.critical("{error}", error=error)
                raise error from None
            if sys.__stderr__ is not None:  # sys.stderr is the log by now
                sys.__stderr__.write(f"netbootd: {error}\n")
            raise SystemExit(1) from None


def makeService(options: Options) -> BootService:
    """The whole daemon, its ports bound: once in the background, the terminal hears of no error.

    Raises SystemExit, with one line, where it cannot be.
    """
    from twisted.internet import reactor

    parent = options.parent
    in_background = parent is not None and parent.get("nodaemon") in (0, False)
    world = World(reactor=reactor)
    try:
        service = _Told(options.settings, world, in_background=in_background)
        service.bind()
    except StartError as error:
        raise _exit(error) from error
    file = None if options["config"] is None else Path(options["config"]).absolute()
    call_soon = world.reactor.callFromThread
    hang_up = HangUp(file, options.settings, apply=service.apply, call_soon=call_soon)
    hang_up.setServiceParent(service)  # type: ignore[no-untyped-call]
    return service


def _exit(error: Exception) -> SystemExit:
    return SystemExit(f"netbootd: {error}")
