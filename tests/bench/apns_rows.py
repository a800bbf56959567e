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
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from .bench import HERE, Bench, Row, free_port, tool

ROOT = HERE.parent.parent
STREAMS = 1_000
PAYLOAD = b'{"aps":{"alert":"%s"}}' % (b"x" * 179)
OURS, AIOAPNS, GO, H2LOAD = 150_000, 4_000, 40_000, 400_000
"""Pushes of a run: about two seconds each."""


class FarEnd:
    """The server, and what its clients need: certificates and a port."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.folder = bench.folder / "push"
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
            self.bench.serve([program, *files, str(self._port)], is_up=self._answers)
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
        arguments = [str(self.folder), str(port), str(STREAMS), str(pushes)]
        environment = ("env", f"PYTHONPATH={ROOT}")
        printed = self.bench.load([*command, *arguments], prefix=environment)
        return pushes / float(printed)

    def ours(self) -> float:
        return self.pushes_per_second([sys.executable, str(HERE / "push_client.py")], OURS)

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
        command += ["-m", str(STREAMS), "-d", str(self.folder / "payload")]
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
    """An authority, a server `localhost` and a client of it; nobody else ever sees them."""
    authority_key, authority = _issued("authority", None)
    _write(folder, "authority", authority_key, authority)
    for name in ("server", "client"):
        _write(folder, name, *_issued(name, (authority_key, authority)))
    both = (folder / "client.pem").read_bytes() + (folder / "client.key").read_bytes()
    (folder / "client-both.pem").write_bytes(both)


Issued = tuple[ec.EllipticCurvePrivateKey, x509.Certificate]


def _issued(name: str, issuer: Issued | None) -> Issued:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer, by = (key, subject) if issuer is None else (issuer[0], issuer[1].subject)
    now = datetime.now(UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.1"))]
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
    )
    return key, built.sign(signer, hashes.SHA256())


def _write(
    folder: Path, name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate
) -> None:
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


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
