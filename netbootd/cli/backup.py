"""`netbootctl backup` and `netbootctl restore`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ops.backup_command import backup_command, restore_command

if TYPE_CHECKING:
    from ops.backup import State


def _state(configuration: Path | None) -> State:
    from netbootd import __version__, config
    from netbootd.service import DATABASE
    from netbootd.statement import SCHEMA
    from ops.backup import State

    settings = config.load(configuration)
    return State(
        daemon="netbootd",
        program=__version__,
        database=config.state_directory(settings.state) / DATABASE,
        schema=SCHEMA,
    )


backup = backup_command("netbootd", _state)
restore = restore_command("netbootd", _state)
