"""The root of a command line: one clear line for every expected failure, exit codes with names."""

from __future__ import annotations

import enum
from typing import Any

import click

from ops.config import ConfigError


class ExitCode(enum.IntEnum):
    """What the process ends with; the same for every command."""

    OK = 0
    FAILED = 1
    """The command could not do it; the last line on standard error says why."""
    USAGE = 2
    """The command line itself was wrong."""
    CONFIG = 3
    """The configuration file is wrong; the line names the key and the remedy."""
    INTERRUPTED = 130
    """Ctrl-C, as shells report it."""


class Failed(click.ClickException):
    """An expected failure: `message` is one line for the operator."""

    exit_code = ExitCode.FAILED


class BadConfig(Failed):
    """The configuration file is wrong."""

    exit_code = ExitCode.CONFIG


class Root(click.Group):
    """A command group that turns expected exceptions into `Failed`. Bugs keep their traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            raise BadConfig(str(error)) from error
        except KeyboardInterrupt:
            ctx.exit(ExitCode.INTERRUPTED)
