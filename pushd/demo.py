"""Ten thousand pushes on this machine: a real daemon, Apple's simulator, and two accidents.

    this process                                        child process
    Simulator  ◀──────────HTTP/2 on TLS──────────────   twistd -n pushd on 127.0.0.1
    Program    ──batches of 500, NDJSON on HTTPS────▶   queue in a folder of its own

Apple sends its connections away after a quarter; after the half the daemon is killed (kill -9) and
started again. The simulator counts what it accepted; nobody else's word is taken. Nothing leaves
the loopback interface and nothing is left behind.
"""

from __future__ import annotations

import http.client
import json
import sqlite3
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure

from ops.child import Daemon
from ops.stage import StageFailed, Watcher
from pushd.config import DATABASE
from pushd.job import ordered_id
from pushd.testing import Conduct, GoAway, Simulator

PUSHES: Final = 10_000
BATCH: Final = 500
GONE_AT: Final = 0.25
"""Part of the pushes after which Apple sends its connections away."""
KILLED_AT: Final = 0.5
"""Part of them after which the daemon is killed."""
STREAMS: Final = 250
"""Pushes under way on a connection, a quarter of what Apple allows: those that a kill hits."""
LATENCY: Final = 0.02
"""Seconds that the simulator takes to answer, as Apple does at best."""
PATIENCE: Final = 120.0
"""Seconds for all pushes together; they take about ten."""
LOOK: Final = 0.05
"""Seconds between two looks at the count."""
HTTP_TIMEOUT: Final = 30.0
TOPIC: Final = "com.example.app"

CONFIGURATION: Final = """\
[api]
port = 0
certificate = 'api.pem'
key = 'api.key'
anonymous = true

[apple]
production = "localhost"
port = {port}
trust_roots = 'ca.pem'

[state]
directory = 'state'

[[credential]]
name = "app"
certificate = 'app.pem'
key = 'app.key'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the simulator counted, by id."""

    pushes: int
    repeated: int
    """Accepted more than once: the daemon died before it had Apple's answer on disk."""
    seconds: float

    def __str__(self) -> str:
        again = f"{self.repeated} sent again for lost answers" if self.repeated else "none twice"
        rate = self.pushes / self.seconds
        return f"{self.pushes} accepted, none lost, {again}; {rate:.0f} pushes/s"


def judged(
    ids: Sequence[str], accepted: dict[str, int], settled: dict[str, int], seconds: float
) -> Verdict:
    """`accepted` is how often each was, `settled` how often each had been that had its outcome on
    disk when the daemon died. Raises StageFailed if any was lost, or sent twice without need."""
    lost = sum(id not in accepted for id in ids)
    twice = sum(accepted[id] > count for id, count in settled.items())
    repeated = sum(accepted.get(id, 0) > 1 for id in ids)
    if lost or twice:
        raise StageFailed("verdict", f"{lost} pushes lost, {twice} sent twice without need")
    return Verdict(pushes=len(ids), repeated=repeated, seconds=seconds)


class Program:
    """What hands in pushes: it keeps a batch until the daemon has acknowledged it."""

    def __init__(self, authority: bytes, random: Random) -> None:
        self._tls = ssl.create_default_context(cadata=authority.decode())
        self._random = random
        self.port = 0
        """Where the daemon listens now."""

    def batches(self, pushes: int) -> Iterator[tuple[list[str], bytes]]:
        """Ids and NDJSON, a device for each push."""
        now = int(time.time() * 1000)
        for first in range(0, pushes, BATCH):
            ids, lines = [], []
            for number in range(first, min(first + BATCH, pushes)):
                ids.append(ordered_id(now, self._random.getrandbits))
                push = {
                    "id": ids[-1],
                    "device": f"{number:064x}",
                    "topic": TOPIC,
                    "alert": f"Push {number + 1} of {pushes}",
                }
                lines.append(json.dumps(push))
            yield ids, "\n".join(lines).encode()

    def hand_in_thd(self, batch: bytes) -> bool:
        """Whether the daemon has acknowledged it: it is on disk."""
        connection = http.client.HTTPSConnection(
            "localhost", self.port, context=self._tls, timeout=HTTP_TIMEOUT
        )
        try:
            headers = {"content-type": "application/x-ndjson"}
            connection.request("POST", "/v1/pushes", batch, headers)
            answer = connection.getresponse()
            results = [json.loads(line) for line in answer.read().splitlines()]
        except (OSError, http.client.HTTPException, ValueError):
            return False
        finally:
            connection.close()
        return bool(results) and all(one.get("status") in (200, 202) for one in results)


class Demo:
    """The whole of it, in a folder that is empty."""

    def __init__(self, reactor: Any, folder: Path, watcher: Watcher, random: Random) -> None:
        """`reactor` gives TCP, time, threads and processes."""
        self._reactor = reactor
        self._folder = folder
        self._watcher = watcher
        self._simulator = Simulator(
            reactor, conduct=Conduct(streams=STREAMS, latency=LATENCY), random=random, record=1
        )
        self._program = Program(self._simulator.authority.pem, random)
        self._daemon = Daemon(reactor, "pushd", folder / "pushd.toml")
        self._settled: dict[str, int] = {}

    async def run(self, pushes: int = PUSHES) -> str:
        """The verdict, one line. Raises StageFailed."""
        try:
            await self._start()
            ids = await self._push(pushes)
            verdict = judged(ids, self._simulator.record.accepted_ids, self._settled, self._took)
            return str(verdict)
        finally:
            if self._daemon.transport is not None:
                await self._daemon.stop()
            await self._simulator.stop()

    async def _start(self) -> None:
        watcher, folder, authority = self._watcher, self._folder, self._simulator.authority
        watcher.began("simulator", "Apple's push service")
        await self._simulator.start()
        (folder / "ca.pem").write_bytes(authority.pem)
        authority.server().write(folder / "api.pem", folder / "api.key")
        authority.provider(TOPIC).write(folder / "app.pem", folder / "app.key")
        port = self._simulator.port
        (folder / "pushd.toml").write_text(CONFIGURATION.format(port=port))
        watcher.ended(f"Apple's rules on TLS and HTTP/2, localhost:{port}")
        watcher.began("daemon", "twistd -n pushd")
        await self._start_daemon()
        watcher.ended(f"API on localhost:{self._program.port}")

    async def _start_daemon(self) -> None:
        await self._daemon.start()
        said = self._daemon.said_ready
        self._program.port = int(said.partition(": API ")[2].split()[0])

    async def _push(self, pushes: int) -> list[str]:
        """Hand in everything, with both accidents on the way; the ids."""
        self._watcher.began("pushes", f"{pushes} in batches of {BATCH}")
        began = time.monotonic()
        ids: list[str] = []
        handing_in = Deferred.fromCoroutine(self._hand_in(pushes, ids))
        try:
            await self._until(lambda: self._accepted >= pushes * GONE_AT, pushes)
            self._go_away()
            await self._until(lambda: self._accepted >= pushes * KILLED_AT, pushes)
            await self._kill()
            await self._until(lambda: self._accepted >= pushes and handing_in.called, pushes)
        finally:
            handing_in.addErrback(_cancelled)
            handing_in.cancel()
        self._took = time.monotonic() - began
        connections = self._simulator.statistics.connections
        self._watcher.ended(f"{pushes} accepted on {connections} connections")
        return ids

    @property
    def _accepted(self) -> int:
        """How many were, each counted once."""
        return len(self._simulator.record.accepted_ids)

    async def _hand_in(self, pushes: int, ids: list[str]) -> None:
        """As a careful program does: what is not acknowledged is handed in again, with its id."""
        pool = self._reactor.getThreadPool()
        for batch_ids, batch in self._program.batches(pushes):
            ids += batch_ids
            while not await deferToThreadPool(
                self._reactor, pool, self._program.hand_in_thd, batch
            ):
                await deferLater(self._reactor, LOOK)

    def _go_away(self) -> None:
        self._watcher.noted("Apple sends its connections away: GOAWAY")
        for connection in self._simulator.connections:
            if connection.is_open:
                connection.goaway(GoAway(reason="Shutdown"))

    async def _kill(self) -> None:
        await self._daemon.kill()
        # What was sent before the end may still be on its way to the simulator.
        await self._simulator.until(lambda: not self._simulator.statistics.open_connections)
        counts = self._simulator.record.accepted_ids
        self._settled = {id: counts[id] for id in self._ids_on_disk() if id in counts}
        self._watcher.noted(f"kill -9, with {len(self._settled)} outcomes on disk; started again")
        self._daemon = Daemon(self._reactor, "pushd", self._folder / "pushd.toml")
        await self._start_daemon()

    def _ids_on_disk(self) -> list[str]:
        with closing(sqlite3.connect(self._folder / "state" / DATABASE)) as database:
            return [id for (id,) in database.execute("SELECT id FROM results")]

    async def _until(self, condition: Callable[[], bool], pushes: int) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                why = f"{self._accepted} of {pushes} accepted after {PATIENCE:.0f} s"
                raise StageFailed("pushes", f"{why}: {self._daemon.last_words()}")
            self._watcher.progressed(self._accepted, pushes)
            await deferLater(self._reactor, LOOK)


def _cancelled(failure: Failure) -> None:
    failure.trap(CancelledError)  # type: ignore[no-untyped-call]
