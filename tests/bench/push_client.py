"""Our side of the push bench: `pushd`'s connection over Twisted's TLS, an outcome for each push.

    python push_client.py FOLDER PORT STREAMS PUSHES      prints the seconds

FOLDER holds `authority.pem`, `client.pem` and `client.key`.
"""

from __future__ import annotations

import gc
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import crypto
from twisted.internet import reactor
from twisted.internet.protocol import ClientFactory
from twisted.internet.ssl import Certificate, optionsForClientTLS, trustRootFromCertificates
from twisted.protocols.tls import TLSMemoryBIOFactory

from protocols.apns.engine import Limits
from protocols.apns.event import Answered, Event
from protocols.apns.message import Notification, PushType
from protocols.apns.reason import Disposition, verdict_of
from pushd.connection import Connection
from pushd.request import Writer
from pushd.tap import COLLECTION
from pushd.world import World

TOPIC = "com.example.app"
PAYLOAD = b'{"aps":{"alert":"%s"}}' % (b"x" * 179)
"""200 bytes."""


def push(number: int) -> Notification:
    return Notification(
        device=f"{number:064x}",
        topic=TOPIC,
        push_type=PushType.ALERT,
        payload=PAYLOAD,
        apns_id=f"eabeae54-14a8-11e5-b60b-{number:012x}",
        expiration=1_900_000_000,
        priority=10,
    )


class Client:
    """Keeps all streams busy until every push has its outcome. The owner of the connection."""

    def __init__(self, pushes: int, streams: int) -> None:
        # Part of them in a turn: all at once, they would be answered at once.
        self._most = max(50, streams // 20)
        self._jobs = [push(number) for number in range(pushes)]
        self._outcomes: list[str | None] = [None] * pushes
        self._sent = 0
        self._settled = 0
        self._writer = Writer()
        self._has_turn = False
        self._began = 0.0
        self._connection: Connection | None = None

    def opened(self, connection: Connection) -> None:
        self._connection = connection
        self._began = time.monotonic()
        self.turn_soon()

    def happened(self, connection: Connection, events: Sequence[Event]) -> None:
        for event in events:
            if type(event) is Answered:
                answer = event.answer
                if verdict_of(answer).disposition is Disposition.ACCEPTED:
                    self._settle(event.key, answer.apns_id)
        self.turn_soon()

    def turn_soon(self) -> None:
        if not self._has_turn:
            self._has_turn = True
            reactor.callLater(0, self._turn)

    def closed(self, connection: Connection, why: str) -> None:
        if self._settled < len(self._jobs):
            sys.exit(f"closed after {self._settled} outcomes: {why}")

    def _settle(self, key: Any, apns_id: str | None) -> None:
        assert self._outcomes[key] is None
        self._outcomes[key] = apns_id
        self._settled += 1

    def _turn(self) -> None:
        self._has_turn = False
        connection = self._connection
        assert connection is not None
        room = min(connection.free_slots, self._most)
        end = min(len(self._jobs), self._sent + room)
        now = time.monotonic()
        while self._sent < end and connection.free_slots:
            request = self._writer.request(self._jobs[self._sent], None)
            connection.send(self._sent, request, now)
            self._sent += 1
        connection.flush()
        if self._sent == end < len(self._jobs) and connection.free_slots:
            self.turn_soon()
        if self._settled == len(self._jobs):
            assert all(self._outcomes)
            print(time.monotonic() - self._began)
            reactor.stop()


class Single(ClientFactory):
    noisy = False

    def __init__(self, protocol: Connection) -> None:
        self._protocol = protocol

    def buildProtocol(self, addr: object) -> Connection:
        return self._protocol


def main(folder: Path, port: int, streams: int, pushes: int) -> None:
    key = load_pem_private_key((folder / "client.key").read_bytes(), None)
    certificate = (folder / "client.pem").read_bytes()
    tls = optionsForClientTLS(
        "localhost",
        trustRoot=trustRootFromCertificates(
            [Certificate.loadPEM((folder / "authority.pem").read_bytes())]
        ),
        acceptableProtocols=[b"h2"],
        extraCertificateOptions={
            "privateKey": crypto.PKey.from_cryptography_key(key),
            "certificate": crypto.load_certificate(crypto.FILETYPE_PEM, certificate),
        },
    )
    client = Client(pushes, streams)
    gc.freeze()  # as the daemon does
    gc.set_threshold(COLLECTION)
    connection = Connection(
        authority=b"localhost",
        limits=Limits(streams=streams),
        world=World(
            reactor=reactor, monotonic=time.monotonic, unix=time.time, random=random.Random(1)
        ),
        owner=client,
    )
    factory = TLSMemoryBIOFactory(tls, True, Single(connection), reactor)
    reactor.connectTCP("127.0.0.1", port, factory)
    reactor.run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
