"""The whole way of a push: NDJSON in, on disk, to the far end over TLS, its outcome on disk.

    curl ──batches──▶ twistd pushd ──TLS, client certificate──▶ apns_far_end.c
                          │
                       pushd.db ◀──how many have an outcome?── the bench

The daemon is the real one with its defaults, but for addresses. A push counts when its outcome is
committed. aioapns, the peer, keeps nothing; both may use all cores. The far end is the C server of
the engine's rows: neither our simulator nor nghttpd would keep up.
"""

from __future__ import annotations

import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pushd.config import DATABASE

from .apns_rows import STREAMS, FarEnd
from .bench import TWISTD, Bench, Row, free_port, tool

LINE = (
    b'{"device":"%064x","topic":"com.example.app","push_type":"alert","priority":10,'
    b'"payload":{"aps":{"alert":"%s"}}}\n'
)
TEXT = b"x" * 179
"""Which makes a payload of 200 bytes."""
BATCH = 10_000
BATCHES = 10
CLIENTS = 2
"""That send their batches one after another."""
LOOK = 0.005
"""Seconds between two looks at the database."""
PATIENCE = 120.0
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

    def run(self) -> Run:
        """`BATCHES` batches through a new daemon with an empty database."""
        with self.daemon() as (url, database):
            began = time.monotonic()
            clients = [self._client(n, url) for n in range(CLIENTS)]
            seen = followed(database, BATCH * BATCHES)
            for client in clients:
                said = client.communicate()[0]
                assert said == b"202" * (BATCHES // CLIENTS), said
        return Run(pushes=BATCH * BATCHES, began=began, seen=seen)

    def _client(self, number: int, url: str) -> subprocess.Popen[bytes]:
        """One that sends its share of the batches."""
        command = [tool("curl", "curl")]
        for batch in range(number, BATCHES, CLIENTS):
            command += [
                *("--silent", "--cacert", str(self.far_end.folder / "authority.pem")),
                *("-o", "/dev/null", "-w", "%{http_code}", "-H", "expect:", "--http1.1"),
                *("-H", "content-type: application/x-ndjson"),
                *("--data-binary", f"@{batches(self.bench.folder)[batch]}", url, "--next"),
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


def listens(port: int) -> bool:
    """Whether somebody does."""
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def followed(database: Path, pushes: int) -> list[tuple[float, int]]:
    """Look until all have been accepted."""
    seen: list[tuple[float, int]] = []
    end = time.monotonic() + PATIENCE
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        while not seen or seen[-1][1] < pushes:
            if time.monotonic() > end:
                raise SystemExit(f"{seen[-1][1]} of {pushes} pushes have an outcome")
            time.sleep(LOOK)
            count = connection.execute(NEWEST).fetchone()[0] or 0
            seen.append((time.monotonic(), count))
        accepted = connection.execute(ACCEPTED).fetchone()[0]
    assert accepted == pushes, f"{accepted} of {pushes} were accepted"
    return seen


@cache
def batches(folder: Path) -> list[Path]:
    """Files of pushes, each to another device."""
    files = [folder / f"batch-{n}.ndjson" for n in range(BATCHES)]
    for n, file in enumerate(files):
        file.write_bytes(b"".join(LINE % (n * BATCH + m, TEXT) for m in range(BATCH)))
    return files


def rows(bench: Bench) -> Iterator[Row]:
    whole = Whole(bench)
    yield Row(
        name="whole path, durable",
        unit="pushes/s",
        peer_name="aioapns, not durable",
        goal=8.0,
        ours=whole.rate,
        peer=whole.far_end.aioapns,
    )
