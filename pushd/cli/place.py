"""Whose files a command is to make."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pushd.config import Config


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
