"""Pushes over one connection beside aioapns, Go's net/http and h2load, an outcome for each.

All speak to the same far end, a small C server (`apns_far_end.c`): nghttpd answers POSTs from disk
and would be the bottleneck. TLS with a client certificate (h2load: without, it knows none), 1,000
streams, payloads of 200 bytes. The far end has the first core, the client the second.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from pushd.testing.authority import Authority

from .bench import HERE, Bench, Row, free_port, tool

ROOT = HERE.parent.parent
TOPIC = "com.example.app"
STREAMS = 1_000
PAYLOAD = b'{"aps":{"alert":"%s"}}' % (b"x" * 179)
OURS, AIOAPNS, GO, H2LOAD = 150_000, 4_000, 40_000, 400_000
"""Pushes of a run: about two seconds each."""
LATENCY = 40
"""Milliseconds, as far as Apple is from Europe."""


class FarEnd:
    """The server, and what its clients need: certificates and a port."""

    def __init__(self, bench: Bench, *, streams: int = STREAMS, latency: int = 0) -> None:
        """`latency` is milliseconds until each answer."""
        self.bench = bench
        self.folder = bench.folder / f"push-{streams}-{latency}"
        self.streams = streams
        self._latency = latency
        self._port = 0

    @property
    def port(self) -> int:
        if not self._port:
            self.folder.mkdir()
            write_certificates(self.folder)
            (self.folder / "payload").write_bytes(PAYLOAD)
            self._port = free_port(socket.SOCK_STREAM)
            program = self.bench.compiled("apns_far_end", "ssl", "crypto")
            names = ("server.pem", "server.key", "authority.pem")
            files = [str(self.folder / name) for name in names]
            conduct = [str(self._port), str(self.streams), str(self._latency)]
            self.bench.serve([program, *files, *conduct], is_up=self._answers)
        return self._port

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self._port), 1):
                return True
        except OSError:
            return False

    def pushes_per_second(self, command: list[str], pushes: int) -> float:
        """Of a client that is given folder, port, streams and pushes, and prints the seconds."""
        port = self.port
        arguments = [str(self.folder), str(port), str(self.streams), str(pushes)]
        environment = ("env", f"PYTHONPATH={ROOT}")
        printed = self.bench.load([*command, *arguments], prefix=environment)
        return pushes / float(printed)

    def ours(self) -> float:
        return self.pushes_per_second([sys.executable, str(HERE / "push_client.py")], OURS)

    def bound(self) -> float:
        """Pushes a second that so many streams let through, whoever uses them."""
        return self.streams * 1_000 / self._latency

    def aioapns(self) -> float:
        script = str(HERE / "push_client_aioapns.py")
        return self.pushes_per_second([sys.executable, script], AIOAPNS)

    def go(self) -> float:
        return self.pushes_per_second([self._go_client()], GO)

    def _go_client(self) -> str:
        program = self.bench.folder / "push_client"
        if not program.exists():
            go = tool("go", "golang-go")
            cache = self.bench.folder / "go"
            places = {"GOCACHE": str(cache), "GOPATH": str(cache), "GO111MODULE": "off"}
            source = HERE / "push_client.go"
            command = [go, "build", "-o", str(program), str(source)]
            subprocess.run(command, check=True, env={**os.environ, **places})
        return str(program)

    def h2load(self) -> float:
        url = f"https://localhost:{self.port}/3/device/{'0123456789abcdef' * 4}"
        command = [tool("h2load", "nghttp2-client"), "-n", str(H2LOAD), "-c", "1", "-t", "1"]
        command += ["-m", str(self.streams), "-d", str(self.folder / "payload")]
        for header in (
            "apns-topic: com.example.app",
            "apns-push-type: alert",
            "apns-priority: 10",
            "apns-expiration: 1900000000",
            "apns-id: eabeae54-14a8-11e5-b60b-1697f925ec7b",
        ):
            command += ["-H", header]
        printed = self.bench.load([*command, url])
        if f"{H2LOAD} succeeded" not in printed:
            raise SystemExit(f"h2load failed: {printed}")
        rate = re.search(r"finished in [^,]*, ([\d.]+) req/s", printed)
        assert rate is not None, printed
        return float(rate[1])


def write_certificates(folder: Path) -> None:
    """An authority, a server `localhost` and a provider of it; nobody else ever sees them."""
    authority = Authority()
    (folder / "authority.pem").write_bytes(authority.pem)
    authority.server().write(folder / "server.pem", folder / "server.key")
    client = authority.provider(TOPIC)
    client.write(folder / "client.pem", folder / "client.key")
    (folder / "client-both.pem").write_bytes(client.certificate + client.key)


def rows(bench: Bench) -> Iterator[Row]:
    far_end = FarEnd(bench)
    for peer_name, goal, peer in (
        ("aioapns", 20.0, far_end.aioapns),
        ("Go net/http", 4.0, far_end.go),
        ("h2load", 0.3, far_end.h2load),
    ):
        yield Row(
            name="pushes by one connection",
            unit="pushes/s",
            peer_name=peer_name,
            goal=goal,
            ours=far_end.ours,
            peer=peer,
        )
    distant = FarEnd(bench, streams=1_500, latency=LATENCY)
    yield Row(
        name=f"pushes by one connection, 1,500 streams, {LATENCY} ms to an answer",
        unit="pushes/s",
        peer_name="streams / latency",
        goal=0.9,
        ours=distant.ours,
        peer=distant.bound,
    )
