"""What a simulated machine tells while it boots, and the error that ends it early."""

from __future__ import annotations

from ops.stage import StageFailed, Unwatched, Watcher

__all__ = ["BootFailed", "BootWatcher", "Unwatched"]

BootWatcher = Watcher
"""Who is shown the boot; what progresses is bytes."""


class BootFailed(StageFailed):
    """The machine would not boot; `str()` says at which stage and why, in one line."""
