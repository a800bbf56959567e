"""What is wrong with a boot image, said so that the person who runs the server can put it right."""

from __future__ import annotations

import os
from pathlib import Path


class BundleError(Exception):
    """A folder that is not published, why it is not, and what to do about it.

    It is raised while one bundle is read and kept as a value in a catalog snapshot, so one broken
    bundle never hides the others.
    """

    def __init__(self, path: Path, why: str, remedy: str) -> None:
        super().__init__(path, why, remedy)
        self.path = path
        self.folder = path
        """The folder in question, which `path` may lie in; the catalog tells."""
        self.why = why
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{shown(self.path)}: {self.why}; {self.remedy}"


class HostUnknown(BundleError):
    """The same for a host name that could not be looked up: nothing in the folder has to change."""


def shown(path: Path | str) -> str:
    r"""The path as text that any terminal and log can carry: bytes outside UTF-8 become `\xNN`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
