"""What a demonstration or a simulation tells while it runs, and the error that ends it early."""

from __future__ import annotations

from typing import Protocol


class StageFailed(Exception):
    """It did not go on; `str()` says at which stage and why, in one line."""

    def __init__(self, stage: str, why: str) -> None:
        super().__init__(stage, why)
        self.stage = stage
        self.why = why

    def __str__(self) -> str:
        return f"{self.stage}: {self.why}"


class Watcher(Protocol):
    """Who is shown it. Stages come one after the other."""

    def began(self, stage: str, doing: str) -> None:
        """A stage (`LIST`, `daemon`, `root image`) begins; `doing` says what."""

    def progressed(self, done: int, total: int) -> None:
        """How far the current stage is, of `total` in all."""

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
