"""The API of pushd over TLS, into the real queue: requests with one push, and batches.

The peer is aiohttp with SQLite (`push_api_peer`). Ours does more: logins, limits, Apple's rules for
each push, ids that are known once. Nothing is sent to Apple by either.
"""

from __future__ import annotations

import re
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.pushd.api.authority import Authority
from tests.pushd.api.running import ROOT

from .bench import Bench, Row, Twice, free_port, tool

ONE = (
    b'{"device":"%064x","topic":"com.example.app","push_type":"alert","priority":10,'
    b'"payload":{"aps":{"alert":"%s"}}}\n'
)
TEXT = b"x" * 179
"""Which makes a payload of 200 bytes."""
REQUESTS = 8_000
BATCH = 20_000
BATCHES = 3


def rows(bench: Bench) -> Iterator[Row]:
    authority = Authority()
    authority.write(bench.folder / "authority.pem")
    authority.server().write(bench.folder)
    (bench.folder / "one.json").write_bytes(ONE % (1, TEXT))
    batch = b"".join(ONE % (number, TEXT) for number in range(BATCH))
    (bench.folder / "batch.ndjson").write_bytes(batch)
    ours = Server(bench, lambda folder, port: ["tests.pushd.api.process", str(folder), str(port)])
    peer = Server(bench, lambda folder, port: ["tests.bench.push_api_peer", str(folder), str(port)])
    singles = Twice(lambda: ours.singles("--h1"))
    yield Row(
        name="push API, one push a request, 64 connections",
        unit="requests/s",
        peer_name="aiohttp + SQLite",
        goal=1.5,
        ours=singles.first,
        peer=lambda: peer.singles("--h1"),
    )
    yield Row(
        name="push API, one push a request, 64 connections: at least",
        unit="requests/s",
        peer_name="2,000/s",
        goal=1.0,
        ours=singles.again,
        peer=lambda: 2_000.0,
    )
    yield Row(
        name="push API, one push a request, HTTP/2",
        unit="requests/s",
        peer_name="aiohttp + SQLite (HTTP/1.1)",
        goal=0.7,
        ours=lambda: ours.singles("-m", "1"),
        peer=lambda: peer.singles("--h1"),
    )
    yield Row(
        name=f"push API, NDJSON, {BATCH:,} a batch",
        unit="pushes/s",
        peer_name="aiohttp + SQLite",
        goal=0.5,
        ours=ours.batches,
        peer=peer.batches,
    )


class Server:
    """One of the two; a new one, with an empty database, for each measurement."""

    def __init__(self, bench: Bench, module: Callable[[Path, int], list[str]]) -> None:
        self._bench = bench
        self._module = module
        self._runs = 0

    def singles(self, *options: str) -> float:
        """Requests a second of 64 connections."""
        url = self._fresh()
        media = "content-type: application/x-ndjson"
        said = self._bench.load(
            [
                *(tool("h2load", "nghttp2-client"), *options, "-n", str(REQUESTS), "-c", "64"),
                *("-H", media, "-d", str(self._bench.folder / "one.json"), url),
            ]
        )
        assert f"{REQUESTS} 2xx" in said, said
        match = re.search(r"finished in [^,]+, ([0-9.]+) req/s", said)
        assert match is not None, said
        return float(match[1])

    def batches(self) -> float:
        """Pushes a second, one batch after another."""
        url = self._fresh()
        curl = tool("curl", "curl")
        began = time.perf_counter()
        for _ in range(BATCHES):
            said = self._bench.load(
                [
                    *(curl, "--silent", "--cacert", str(self._bench.folder / "authority.pem")),
                    *("-o", "/dev/null", "-w", "%{http_code}", "-H", "expect:"),
                    *("-H", "content-type: application/x-ndjson"),
                    *("--data-binary", f"@{self._bench.folder / 'batch.ndjson'}", url),
                ]
            )
            assert said == "202", said
        return BATCH * BATCHES / (time.perf_counter() - began)

    def _fresh(self) -> str:
        self._runs += 1
        folder = self._bench.folder / f"{self._module.__hash__()}-{self._runs}"
        folder.mkdir()
        for name in ("certificate.pem", "key.pem"):
            (folder / name).write_bytes((self._bench.folder / name).read_bytes())
        port = free_port(socket.SOCK_STREAM)
        command = [sys.executable, "-m", *self._module(folder, port)]
        self._bench.serve(
            command, prefix=["env", f"PYTHONPATH={ROOT}"], is_up=lambda: answers(port)
        )
        return f"https://127.0.0.1:{port}/v1/pushes"


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0
