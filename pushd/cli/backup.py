"""`pushctl backup` and `pushctl restore`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ops.backup_command import backup_command, restore_command

if TYPE_CHECKING:
    from ops.backup import State


def _state(configuration: Path | None) -> State:
    from ops.backup import State
    from pushd import __version__, config
    from pushd.statement import SCHEMA

    settings = config.load(configuration)
    return State(
        daemon="pushd", program=__version__, database=config.database(settings), schema=SCHEMA
    )


backup = backup_command("pushd", _state)
restore = restore_command("pushd", _state)
