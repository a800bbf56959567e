"""The simulator on loopback, and our side's parts as they are put together against it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from protocols.apns.event import Event, Request
from protocols.apns.token import ProviderTokens
from pushd.connection import Connection
from pushd.credential import Credential, load_credential_thd
from pushd.dial import Dialer, Line, read_trust_roots_thd
from pushd.settings import AppleSettings, CredentialSettings
from pushd.testing import Simulator
from pushd.testing.authority import write_private
from pushd.world import World

MDM = "com.apple.mgmt.External.5a9b3a0c-0000-4000-8000-000000000001"
APP = "com.example.app"
TEAM, KEY = "TEAM000001", "KEY0000001"


async def until(condition: Callable[[], object]) -> None:
    """Let the reactor run until `condition` holds; the test's own timeout bounds it."""
    while not condition():
        await deferLater(reactor, 0.002)  # type: ignore[arg-type]


class Recorder:
    """The owner of a connection that notes what it is told, and flushes when it is to."""

    def __init__(self) -> None:
        self.connection: Connection | None = None
        self.events: list[Event] = []
        self.why: list[str] = []

    def opened(self, connection: Connection) -> None:
        self.connection = connection

    def happened(self, connection: Connection, events: Sequence[Event]) -> None:
        self.events += events

    def turn_soon(self) -> None:
        reactor.callLater(0, self._turn)  # type: ignore[attr-defined]

    def closed(self, connection: Connection, why: str) -> None:
        self.why.append(why)

    def _turn(self) -> None:
        if self.connection is not None:
            self.connection.flush()

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if type(event) is kind]


class AppleCase(TestCase):
    """A test with a simulator."""

    timeout = 20

    async def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir(parents=True)
        self.simulator = Simulator(reactor, random=Random(1))
        await self.simulator.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(self.simulator.stop()))

    def world(self, seed: int = 1) -> World:
        return World(reactor=reactor, random=Random(seed))

    def settings(self, **changes: Any) -> AppleSettings:
        given = {"production": "localhost", "port": self.simulator.port} | changes
        return AppleSettings(**given)

    def certificate(self, topic: str = MDM, name: str = "mdm", **changes: Any) -> Credential:
        """A new certificate for `topic`, by the simulator's authority."""
        pair = self.simulator.authority.provider(topic, **changes)
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        pair.write(certificate, key)
        return self.load(CredentialSettings(name=name, certificate=certificate, key=key))

    def signing_key(self, name: str = "app") -> Credential:
        """A new signing key, which the simulator knows."""
        path = self.folder / f"{name}.p8"
        write_private(path, self.simulator.new_key(TEAM, KEY))
        return self.load(CredentialSettings(name=name, p8=path, team_id=TEAM, key_id=KEY))

    def load(self, settings: CredentialSettings) -> Credential:
        return load_credential_thd(settings, tokens=ProviderTokens(), now=datetime.now(UTC))

    def dialer(
        self, *, trust: bytes | None = None, world: World | None = None, **changes: Any
    ) -> Dialer:
        path = self.folder / "roots.pem"
        path.write_bytes(trust or self.simulator.authority.pem)
        return Dialer(
            self.settings(**changes),
            world=world or self.world(),
            in_thread=deferToThread,
            trust_roots=read_trust_roots_thd(path),
        )

    def line(self, **changes: Any) -> Line:
        return self.dialer(**changes).line(self.certificate())


def wake(number: int = 0, token: str = "ab" * 32, topic: str = MDM) -> Request:
    """A wake of a managed device, as it is written."""
    common = (
        (b"apns-push-type", b"mdm"),
        (b"apns-topic", topic.encode()),
        (b"apns-priority", b"10"),
    )
    own = ((b"apns-id", str(UUID(int=number)).encode()),)
    return Request(b"/3/device/" + token.encode(), common, own, b'{"mdm":"x"}')
