"""A simulator in a process of its own, for tests that take time or kill things.

    with simulator_process("--latency", "0.04") as simulator:
        simulator.order({"do": "rules", "add": [{"prefix": "dead", "status": 410, ...}]})
        ... push to localhost, simulator.ready["port"] ...
        assert simulator.statistics()["duplicates"] == 0

It ends with the process that started it, however that ends.
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Final

PATIENCE: Final = 30.0
"""Seconds until something that must happen counts as failed."""
COMMAND: Final = "from pushd.cli import main; main()"


class SimulatorProcess:
    """A running `pushctl apns-simulator --control`."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._replies: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._listener = threading.Thread(target=self._listen_thd, daemon=True)
        self.pushes: list[dict[str, Any]] = []
        """The events of pushes, with `--json`."""
        self.ready: dict[str, Any] = {}
        """Where it listens, and where its files are (`pushd.testing.command.Ready`)."""

    def start(self) -> None:
        """Wait until it listens. Raises RuntimeError."""
        self._listener.start()
        self.ready = self._next()

    def order(self, order: dict[str, Any]) -> Any:
        """Give an order (`pushd.testing.control`); its result. Raises RuntimeError."""
        stdin = self._process.stdin
        if stdin is None:
            raise RuntimeError("the simulator has no standard input")
        stdin.write(json.dumps(order).encode() + b"\n")
        stdin.flush()
        reply = self._next()
        if reply["error"] is not None:
            raise RuntimeError(reply["error"])
        return reply["result"]

    def statistics(self) -> dict[str, Any]:
        """The sums (`pushd.testing.record.Statistics`)."""
        said: dict[str, Any] = self.order({"do": "statistics"})
        return said

    def counts(self, *ids: str) -> dict[str, int]:
        """How often pushes of these ids were accepted."""
        said: dict[str, int] = self.order({"do": "count", "ids": list(ids)})["counts"]
        return said

    def stop(self) -> None:
        """End it, and wait for that."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join(PATIENCE)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _next(self) -> dict[str, Any]:
        try:
            reply = self._replies.get(timeout=PATIENCE)
        except queue.Empty:
            raise RuntimeError("the simulator does not answer") from None
        if reply is None:
            raise RuntimeError("the simulator has ended")
        return reply

    def _listen_thd(self) -> None:
        stdout: IO[bytes] | None = self._process.stdout
        for line in stdout or ():
            said = json.loads(line)
            if said["event"] == "push":
                self.pushes.append(said)
            elif said["event"] in ("ready", "reply"):
                self._replies.put(said)
        self._replies.put(None)


@contextmanager
def simulator_process(*arguments: str) -> Iterator[SimulatorProcess]:
    """`pushctl apns-simulator` with those arguments, on a free port unless they say which."""
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", COMMAND, "apns-simulator", "--control", "--port=0", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    simulator = SimulatorProcess(process)
    try:
        simulator.start()
        yield simulator
    finally:
        simulator.stop()
