"""A service on loopback, for tests that run in its reactor."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from netbootd.http.limit import Admission, Limits
from netbootd.http.plain import SENDFILE
from netbootd.http.service import SWEEP_INTERVAL, HttpService
from netbootd.transfer import Outcome
from tests.netbootd.http.client import connect
from tests.netbootd.http.site import Place

MIB = 1 << 20
DISK = Random(1).randbytes(16 * MIB)
"""More than the sockets of one connection hold, so that a client can keep a response waiting."""
LIMITS = Limits(idle_timeout=75, request_timeout=20, stall_timeout=60)


async def until(condition: Callable[[], object]) -> None:
    """Let the reactor run until `condition` holds; the test's own timeout bounds it."""
    while not condition():
        await deferLater(reactor, 0.005)  # type: ignore[arg-type]


def in_thread(function: Callable[..., Any], *args: Any) -> Deferred[Any]:
    """Run a blocking client beside the reactor."""
    return deferToThread(function, *args)


class Served(TestCase):
    """A service on loopback, with a clock of its own for its timeouts."""

    timeout = 60
    copies = False

    def setUp(self) -> None:
        self.clock = Clock()
        self.place = Place(
            Path(self.mktemp()),
            files={"NetInstall.dmg": DISK},
            limits=LIMITS,
            admission=Admission(total=8, per_peer=6),
        )
        self.service = HttpService(
            reactor,  # type: ignore[arg-type]
            self.clock,
            self.place.site,
            addresses=["127.0.0.1"],
            port=0,
            sendfile=None if self.copies else SENDFILE,
        )
        self.service.privilegedStartService()
        self.service.startService()
        self.address = self.service.bound[0]

    def tearDown(self) -> None:
        if self.service.running:
            self.service.stopService()
        self.assertEqual(self.service.connections, 0)
        self.assertEqual(self.place.admission.connections, 0)
        self.assertEqual(len(self.place.site.files), 0)

    def connected(self, **options: int) -> socket.socket:
        """A client's socket, closed when the test is over."""
        sock = connect(self.address, **options)
        self.addCleanup(sock.close)
        return sock

    def later(self, seconds: float) -> None:
        """Time goes by, for the service."""
        self.place.later(seconds)
        self.clock.advance(SWEEP_INTERVAL)

    @property
    def outcomes(self) -> list[Outcome | None]:
        return [transfer.outcome for transfer in self.place.observer.ended]
