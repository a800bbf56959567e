"""What a simulated machine tells while it boots, and the error that ends it early."""

from __future__ import annotations

from typing import Protocol


class BootFailed(Exception):
    """The machine would not boot; `str()` says at which stage and why, in one line."""

    def __init__(self, stage: str, why: str) -> None:
        super().__init__(stage, why)
        self.stage = stage
        self.why = why

    def __str__(self) -> str:
        return f"{self.stage}: {self.why}"


class BootWatcher(Protocol):
    """Who is shown the boot. Stages come one after the other."""

    def began(self, stage: str, doing: str) -> None:
        """A stage (`LIST`, `booter`, `root image`) begins; `doing` says what."""

    def progressed(self, done: int, total: int) -> None:
        """Bytes of the current stage, `total` of them in all."""

    def noted(self, what: str) -> None:
        """Something about the current stage, which goes on."""

    def ended(self, result: str) -> None:
        """The current stage is done; `result` says with what."""


class Unwatched:
    """A watcher that looks away."""

    def began(self, stage: str, doing: str) -> None:
        pass

    def progressed(self, done: int, total: int) -> None:
        pass

    def noted(self, what: str) -> None:
        pass

    def ended(self, result: str) -> None:
        pass


def size_text(size: int) -> str:
    """`1.4 MiB`."""
    value, unit = float(size), "bytes"
    for larger in ("KiB", "MiB", "GiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
