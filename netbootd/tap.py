"""What twistd and twist know of netbootd: its options, and how to make its service.

    twistd -n netbootd --config netbootd.toml
    twistd netbootd --config netbootd.toml --check

The only module that takes the global reactor.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from twisted.python import usage

from netbootd import config
from netbootd.check import check
from netbootd.service import BootService, World
from netbootd.start import StartError
from ops import log
from ops.config import ConfigError


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


class _Told(BootService):
    """In the foreground a failure to start is one line on the terminal, not a traceback.

    In the background twistd reports the exception to the terminal it was started from.
    """

    def privilegedStartService(self) -> None:
        try:
            super().privilegedStartService()
        except StartError as error:
            raise _exit(error) from error

    def startService(self) -> None:
        try:
            super().startService()
        except StartError as error:
            raise _exit(error) from error


def makeService(options: Options) -> BootService:
    """The whole daemon. Raises SystemExit, with one line, where it cannot be."""
    from twisted.internet import reactor

    parent = options.parent
    in_background = parent is not None and parent.get("nodaemon") in (0, False)
    kind = BootService if in_background else _Told
    try:
        return kind(options.settings, World(reactor=reactor))
    except StartError as error:
        raise _exit(error) from error


def _exit(error: Exception) -> SystemExit:
    return SystemExit(f"netbootd: {error}")
