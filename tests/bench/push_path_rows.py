"""The whole way of a push: NDJSON in, on disk, to the far end over TLS, its outcome on disk.

    curl ──batches──▶ twistd pushd ──TLS, client certificate──▶ apns_far_end.c
                          │
                       pushd.db ◀──how many have an outcome?── the bench

The daemon is the real one with its defaults, but for addresses. A push counts when its outcome is
committed. aioapns, the peer, keeps nothing; both may use all cores. The far end is the C server of
the engine's rows: neither our simulator nor nghttpd would keep up.
"""

from __future__ import annotations

import http.client
import signal
import socket
import sqlite3
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from pushd.config import DATABASE

from .apns_rows import LATENCY, STREAMS, FarEnd
from .bench import TWISTD, Bench, Row, Twice, free_port, tool

LINE = (
    b'{"device":"%064x","topic":"com.example.app","push_type":"alert","priority":10,'
    b'"payload":{"aps":{"alert":"%s"}}}\n'
)
TEXT = b"x" * 179
"""Which makes a payload of 200 bytes."""
BATCH = 10_000
BATCHES, BATCHES_DISTANT = 10, 6
CLIENTS = 2
"""That send their batches one after another."""
LOOK = 0.005
"""Seconds between two looks at the database."""
PATIENCE = 120.0
GOAL = 20_000
"""Pushes a second."""
HALF_LOAD = GOAL // 2
HALF_LOAD_SECONDS = 5
SMALL_BATCH = 100
PROGRAMS = 8
LONGEST = 100.0
"""Milliseconds."""
CONFIGURATION = """\
[api]
port = {port}
certificate = 'server.pem'
key = 'server.key'
anonymous = true

[apple]
production = "localhost"
port = {apple}
trust_roots = 'authority.pem'
connections = 1

[state]
directory = '{state}'

[[credential]]
name = "app"
certificate = 'client.pem'
key = 'client.key'
"""
SLOWEST = "SELECT settled_at - submitted_at FROM results ORDER BY 1 DESC LIMIT 1 OFFSET ?"
NEWEST = "SELECT max(seq) FROM results"
ACCEPTED = "SELECT count(*) FROM results WHERE outcome = 'accepted'"


@dataclass(frozen=True, kw_only=True)
class Run:
    """What became of the pushes, as it could be seen in the database."""

    pushes: int
    began: float
    seen: list[tuple[float, int]]
    """When so many had an outcome."""

    @property
    def rate(self) -> float:
        """Pushes a second, from the first request to the last outcome."""
        return self.pushes / (self.seen[-1][0] - self.began)

    @property
    def steady(self) -> float:
        """Pushes a second between a fifth and four fifths of them."""
        inner = [look for look in self.seen if self.pushes / 5 <= look[1] <= self.pushes * 4 / 5]
        (first, before), (last, after) = inner[0], inner[-1]
        return (after - before) / (last - first)


class Whole:
    """pushd before a far end."""

    def __init__(self, bench: Bench, *, streams: int = STREAMS, latency: int = 0) -> None:
        self.bench = bench
        self.far_end = FarEnd(bench, streams=streams, latency=latency)
        self._runs = 0

    def rate(self) -> float:
        return self.run().rate

    def run(self, batches: int = BATCHES) -> Run:
        """So many batches through a new daemon with an empty database."""
        with self.daemon() as (url, database):
            began = time.monotonic()
            clients = [self._client(url, range(n, batches, CLIENTS)) for n in range(CLIENTS)]
            try:
                seen = followed(database, BATCH * batches)
            except SystemExit as stuck:  # was a batch refused, or is it on its way?
                raise SystemExit(
                    f"{stuck}; curl: {[answers(client) for client in clients]}"
                ) from None
            for client in clients:
                said = client.communicate()[0]
                assert said == b"202" * (batches // CLIENTS), said
        return Run(pushes=BATCH * batches, began=began, seen=seen)

    def steady(self) -> float:
        """Pushes a second once the first are through, until the last come."""
        return self.run(BATCHES_DISTANT).steady

    def bound(self) -> float:
        """Pushes a second that so many streams let through, whoever uses them."""
        return self.far_end.bound()

    def queue_time(self) -> float:
        """Milliseconds that 99 of 100 pushes spend with us at half load."""
        pushes = HALF_LOAD * HALF_LOAD_SECONDS
        with self.daemon() as (url, database):
            Steady(self.far_end.folder, url).send()
            followed(database, pushes)
            with closing(opened(database)) as connection:
                slowest = connection.execute(SLOWEST, (pushes // 100,)).fetchone()[0]
        return float(slowest - LATENCY)

    def _client(self, url: str, share: range) -> subprocess.Popen[bytes]:
        """One that sends its share of the batches."""
        command = [tool("curl", "curl")]
        for batch in share:
            command += [
                *("--silent", "--cacert", str(self.far_end.folder / "authority.pem")),
                *("-o", "/dev/null", "-w", "%{http_code}", "-H", "expect:", "--http1.1"),
                *("-H", "content-type: application/x-ndjson"),
                *("--data-binary", f"@{prepared(self.bench.folder)[batch]}", url, "--next"),
            ]
        return subprocess.Popen(command[:-1], stdout=subprocess.PIPE)

    @contextmanager
    def daemon(self) -> Iterator[tuple[str, Path]]:
        """Its URL and its database."""
        apple = self.far_end.port
        self._runs += 1
        folder = self.far_end.folder
        state = folder / f"state-{self._runs}"
        port = free_port(socket.SOCK_STREAM)
        text = CONFIGURATION.format(port=port, apple=apple, state=state)
        (folder / "pushd.toml").write_text(text)
        command = [TWISTD, "-n", "--pidfile=", "pushd", "--config", str(folder / "pushd.toml")]
        database = state / DATABASE
        process = self.bench.serve(
            command,
            cores=self.bench.all_cores,
            is_up=lambda: database.exists() and listens(port),
        )
        try:
            yield f"https://localhost:{port}/v1/pushes", database
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)


def answers(client: subprocess.Popen[bytes]) -> str:
    """What a client was answered, and whether it still waits for more."""
    is_over = client.poll() is not None
    client.terminate()
    return client.communicate()[0].decode() + ("" if is_over else " …")


class Steady:
    """Programs that send small batches at their time, however long the answers take."""

    def __init__(self, folder: Path, url: str) -> None:
        self._tls = ssl.create_default_context(cafile=str(folder / "authority.pem"))
        self._url = urlsplit(url)
        self._failures: list[str] = []

    def send(self) -> None:
        """All of them."""
        programs = [threading.Thread(target=self._program_thd, args=(n,)) for n in range(PROGRAMS)]
        self._began = time.monotonic()
        for program in programs:
            program.start()
        for program in programs:
            program.join()
        if self._failures:
            raise SystemExit(self._failures[0])

    def _program_thd(self, number: int) -> None:
        url = self._url
        connection = http.client.HTTPSConnection(
            str(url.hostname), url.port, context=self._tls, timeout=PATIENCE
        )
        headers = {"content-type": "application/x-ndjson"}
        with closing(connection):
            for batch in range(number, HALF_LOAD * HALF_LOAD_SECONDS // SMALL_BATCH, PROGRAMS):
                first = batch * SMALL_BATCH
                body = b"".join(LINE % (first + n, TEXT) for n in range(SMALL_BATCH))
                due = self._began + first / HALF_LOAD
                time.sleep(max(0.0, due - time.monotonic()))
                connection.request("POST", url.path, body, headers)
                answer = connection.getresponse()
                answer.read()
                if answer.status != 202:
                    self._failures.append(f"a batch was answered {answer.status}")
                    return


def listens(port: int) -> bool:
    """Whether somebody does."""
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def followed(database: Path, pushes: int) -> list[tuple[float, int]]:
    """Look until all have been accepted."""
    seen: list[tuple[float, int]] = []
    end = time.monotonic() + PATIENCE
    with closing(opened(database)) as connection:
        while not seen or seen[-1][1] < pushes:
            if time.monotonic() > end:
                raise SystemExit(f"{seen[-1][1]} of {pushes} pushes have an outcome")
            time.sleep(LOOK)
            count = connection.execute(NEWEST).fetchone()[0] or 0
            seen.append((time.monotonic(), count))
        accepted = connection.execute(ACCEPTED).fetchone()[0]
    assert accepted == pushes, f"{accepted} of {pushes} were accepted"
    return seen


def opened(database: Path) -> sqlite3.Connection:
    """To be looked at."""
    return sqlite3.connect(f"file:{database}?mode=ro", uri=True)


@cache
def prepared(folder: Path) -> list[Path]:
    """Files of pushes, each to another device."""
    files = [folder / f"batch-{n}.ndjson" for n in range(BATCHES)]
    for n, file in enumerate(files):
        file.write_bytes(b"".join(LINE % (n * BATCH + m, TEXT) for m in range(BATCH)))
    return files


def rows(bench: Bench) -> Iterator[Row]:
    whole = Whole(bench)
    rate = Twice(whole.rate)
    yield Row(
        name="whole path, durable",
        unit="pushes/s",
        peer_name="aioapns, not durable",
        goal=8.0,
        ours=rate.first,
        peer=whole.far_end.aioapns,
    )
    yield Row(
        name="whole path, durable: at least",
        unit="pushes/s",
        peer_name=f"{GOAL:,}/s",
        goal=1.0,
        ours=rate.again,
        peer=lambda: float(GOAL),
    )
    distant = Whole(bench, streams=500, latency=LATENCY)
    yield Row(
        name=f"whole path, durable, 500 streams, {LATENCY} ms to an answer",
        unit="pushes/s",
        peer_name="streams / latency",
        goal=0.9,
        ours=distant.steady,
        peer=distant.bound,
    )
    wide = Whole(bench, streams=1_500, latency=LATENCY)
    yield Row(
        name=f"whole path, {HALF_LOAD:,} pushes/s: time in the queue, 99 of 100 within",
        unit="ms",
        peer_name=f"{LONGEST:.0f} ms",
        goal=1.0,
        ours=wide.queue_time,
        peer=lambda: LONGEST,
        less_is_better=True,
    )
