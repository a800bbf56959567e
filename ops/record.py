"""Run something in a reactor of its own and keep what it tells, for programs: what `--json` of a
command is made of that otherwise shows stages."""

from __future__ import annotations

import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from ops.stage import StageFailed, Watcher

Run = Callable[[Any, Watcher], Awaitable[str]]


class Recorder:
    """A watcher that remembers."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._stages: list[dict[str, Any]] = []
        self._began = 0.0
        self._verdict = ""
        self.went_well = False

    def run(self, run: Run) -> None:
        """Run it to its end, well or not."""

        async def watched(reactor: Any) -> None:
            try:
                self._verdict = await run(reactor, self)
                self.went_well = True
            except StageFailed as failure:
                self._verdict = str(failure)
                self._stages.append(
                    {"stage": failure.stage, "ok": False, "result": failure.why, "seconds": None}
                )

        try:
            react(lambda reactor: Deferred.fromCoroutine(watched(reactor)))
        except SystemExit as ended:
            if ended.code:
                sys.exit(ended.code)

    def record(self) -> dict[str, Any]:
        """All of it."""
        return {
            "title": self._title,
            "ok": self.went_well,
            "result": self._verdict,
            "stages": self._stages,
        }

    def began(self, stage: str, doing: str) -> None:
        self._stage = stage
        self._began = time.monotonic()

    def progressed(self, done: int, total: int) -> None:
        pass

    def noted(self, what: str) -> None:
        pass

    def ended(self, result: str) -> None:
        self._stages.append(
            {
                "stage": self._stage,
                "ok": True,
                "result": result,
                "seconds": round(time.monotonic() - self._began, 3),
            }
        )
