"""The names of images for a shell that completes them: folders are listed, none is read."""

from __future__ import annotations

import os
from pathlib import Path

from images.bundle import SUFFIX
from images.entry import is_entry_folder_thd
from netbootd import config
from ops.config import ConfigError


def names(configuration: Path | None) -> list[str]:
    """The folders of images and boot entries, `.nbi` left out. Never raises: somebody is typing."""
    found: list[str] = []
    try:
        for share in config.load(configuration).images.shares:
            found += (
                name.removesuffix(SUFFIX)
                for name in os.listdir(share.path)
                if name.endswith(SUFFIX) or is_entry_folder_thd(share.path / name)
            )
    except (ConfigError, OSError):
        pass
    return sorted(found)
