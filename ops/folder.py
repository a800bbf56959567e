"""Folders whose entries outlast a loss of power."""

from __future__ import annotations

import os
from pathlib import Path


def sync_folder_thd(folder: Path) -> None:
    """Have the new names in a folder on disk, too, where a folder can be opened: not on Windows.
    Raises OSError."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
