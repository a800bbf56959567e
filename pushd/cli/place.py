"""Which configuration a command is about, and so which daemon."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

if TYPE_CHECKING:
    from pushd.config import Config

F = TypeVar("F", bound=Callable[..., Any])

USUAL: Final = Path("/etc/pushd/pushd.toml")


def config_option(command: F) -> F:
    """`--config FILE`, as the argument `file`."""
    option = click.option(
        "-c",
        "--config",
        "file",
        type=click.Path(path_type=Path),
        envvar="PUSHD_CONFIG",
        metavar="FILE",
        help=f"pushd's configuration. Default: $PUSHD_CONFIG, {USUAL} if there is one.",
    )
    return option(command)


def chosen(file: Path | None) -> Path | None:
    """`file`, else the usual one; None: there is none, and the defaults count."""
    return USUAL if file is None and USUAL.exists() else file


def load(file: Path | None) -> Config:
    """The settings in the `chosen` file. Raises ConfigError."""
    from pushd import config

    return config.load(file)


def owner_of_state(settings: Config) -> tuple[int, int] | None:
    """User and group of what the daemon keeps; None: who we are. Raises Failed."""
    from ops.cli import Failed
    from ops.privilege import resolve_identity
    from ops.start import StartError
    from pushd.config import state_directory

    if os.name == "nt" or os.geteuid() != 0:
        return None
    try:
        identity = resolve_identity(settings.user, settings.group)
    except StartError as error:
        raise Failed(str(error)) from error
    if identity is not None:
        return identity.uid, identity.gid
    # The service manager may have made the folder for a user of its own choice.
    directory = state_directory(settings.state)
    status = directory.stat() if directory.is_dir() else None
    return None if status is None else (status.st_uid, status.st_gid)
