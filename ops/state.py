"""Where this system keeps the state of a daemon."""

from __future__ import annotations

import os
from pathlib import Path


def state_directory(configured: Path | None, daemon: str) -> Path:
    """As configured, or the folder that this system has for `daemon`."""
    if configured is not None:
        return configured
    if os.name == "nt":
        return Path(os.environ.get("PROGRAMDATA", r"C:\ProgramData")) / daemon
    if os.geteuid() == 0:
        return Path("/var/lib") / daemon
    home = os.environ.get("XDG_STATE_HOME", "")
    # XDG Base Directory: a relative value is to be ignored.
    base = Path(home) if home.startswith("/") else Path.home() / ".local" / "state"
    return base / daemon


def is_writable(directory: Path) -> bool:
    """Whether we could make files in it, or make it."""
    there = next(path for path in (directory, *directory.parents) if os.path.exists(path))
    as_we_are = os.access in os.supports_effective_ids
    return os.path.isdir(there) and os.access(there, os.W_OK | os.X_OK, effective_ids=as_we_are)


def why_unwritable(directory: Path) -> str | None:
    """Why a daemon could not keep its state there, with the remedy; None: it can."""
    if is_writable(directory):
        return None
    return f"{directory} cannot be written; set state.directory to a folder that can"
