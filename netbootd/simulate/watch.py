"""What a simulated machine tells while it boots, and the error that ends it early."""

from __future__ import annotations

from ops.stage import StageFailed, Unwatched, Watcher

__all__ = ["BootFailed", "BootWatcher", "Unwatched", "size_text"]

BootWatcher = Watcher
"""Who is shown the boot; what progresses is bytes."""


class BootFailed(StageFailed):
    """The machine would not boot; `str()` says at which stage and why, in one line."""


def size_text(size: int) -> str:
    """`1.4 MiB`."""
    value, unit = float(size), "bytes"
    for larger in ("KiB", "MiB", "GiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
