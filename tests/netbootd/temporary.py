"""Folders of one test, gone with it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase


def folder(test: SynchronousTestCase) -> Path:
    """An empty folder that every user may enter."""
    made = tempfile.TemporaryDirectory(prefix="netbootd-test-")
    test.addCleanup(made.cleanup)
    path = Path(made.name)
    path.chmod(0o755)
    return path
