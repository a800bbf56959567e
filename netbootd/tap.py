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
        """Raises SystemExit with the result where only a check is asked for."""
        if self["check"]:
            raise SystemExit(check(_file(self)))


def _file(options: Options) -> Path | None:
    return None if options["config"] is None else Path(options["config"])


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
        return kind(config.load(_file(options)), World(reactor=reactor))
    except (ConfigError, StartError) as error:
        raise _exit(error) from error


def _exit(error: Exception) -> SystemExit:
    return SystemExit(f"netbootd: {error}")
