"""The root of a command line: one clear line for every expected failure, exit codes with names."""

from __future__ import annotations

import enum
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from ops.config import ConfigError

Command = TypeVar("Command", bound=Callable[..., Any])


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


NARROW = 70
"""Columns of a terminal below which help for options has one column."""


class Failed(click.ClickException):
    """An expected failure: `message` is one line for the operator."""

    exit_code = ExitCode.FAILED


class BadConfig(Failed):
    """The configuration file is wrong."""

    exit_code = ExitCode.CONFIG


class Help(click.HelpFormatter):
    """Help that is read with ease on a narrow terminal, too: below `NARROW` columns, what an option
    does stands under its name and not in a column of words."""

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        rows = list(rows)
        longest = max((len(name) for name, _ in rows), default=0)
        if self.width < NARROW and longest > self.width // 3:
            col_max = 2
        super().write_dl(rows, col_max, col_spacing)


click.Context.formatter_class = Help  # of every command, however deep


class Root(click.Group):
    """A command group that turns expected exceptions into `Failed`. Bugs keep their traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            raise BadConfig(str(error)) from error
        except KeyboardInterrupt:
            ctx.exit(ExitCode.INTERRUPTED)


def config_option(daemon: str) -> Callable[[Command], Command]:
    """`--config FILE` of a command that concerns `daemon`; the command gets `configuration`, a path
    or None.

    Without the option it is what $NETBOOTD_CONFIG names, then the file where services have it, if
    that is there; then None, for the defaults.
    """
    usual = usual_configuration(daemon)
    return click.option(
        "--config",
        "configuration",
        type=click.Path(path_type=Path),
        metavar="FILE",
        envvar=f"{daemon.upper()}_CONFIG",
        default=lambda: usual if usual.exists() else None,
        help=f"Configuration of {daemon}. Default: ${daemon.upper()}_CONFIG, or {usual}.",
    )


def config_argument(daemon: str) -> Callable[[Command], Command]:
    """FILE of a command that looks at a configuration of `daemon`; the command gets `file`, which
    is found as `config_option` finds it where it is not said."""
    usual = usual_configuration(daemon)
    return click.argument(
        "file",
        type=click.Path(path_type=Path),
        required=False,
        envvar=f"{daemon.upper()}_CONFIG",
        default=lambda: usual if usual.exists() else None,
    )


def usual_configuration(daemon: str) -> Path:
    """Where the configuration of a `daemon` that runs as a service is."""
    if os.name == "nt":
        return Path(os.environ.get("PROGRAMDATA", r"C:\ProgramData")) / daemon / f"{daemon}.toml"
    return Path("/etc") / daemon / f"{daemon}.toml"
