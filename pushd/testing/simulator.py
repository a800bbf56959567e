"""Apple's push service on a port of this computer: what tests and demonstrations push to.

    simulator = Simulator(reactor)
    await simulator.start()
    ... a client that trusts `simulator.authority.pem` pushes to localhost, `simulator.port` ...
    assert simulator.record.count_of(apns_id) == 1
    await simulator.stop()

It judges what it is sent as Apple documents it, and misbehaves as told: `rules` for pushes,
`conduct` for connections. It knows nothing of any client. Everything runs on the reactor's thread;
what is asked for (`record`, `statistics`, `connections`) is there at once.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final, cast

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL.crypto import X509
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import IAddress, IListeningPort, ITCPTransport
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import CertificateOptions, TLSVersion
from twisted.protocols.tls import TLSMemoryBIOFactory

from pushd.testing.authority import Authority, KeyPair, new_signing_key
from pushd.testing.certificate import Environment
from pushd.testing.conduct import Conduct
from pushd.testing.connection import ALPN, ApnsConnection
from pushd.testing.provider_token import SigningKey, SigningKeys
from pushd.testing.record import MAX_PUSHES, Push, Record, Statistics
from pushd.testing.rule import Rules
from pushd.testing.service import PushService

HANDSHAKE_FAILURE: Final = bytes.fromhex("15 0303 0002 02 28")
"""TLS record: alert, fatal, handshake_failure (RFC 8446 §6)."""


class Simulator:
    """The service and its port."""

    def __init__(
        self,
        reactor: Any,
        *,
        environment: Environment = Environment.PRODUCTION,
        topics: frozenset[str] | None = None,
        conduct: Conduct | None = None,
        authority: Authority | None = None,
        server: KeyPair | None = None,
        trusts: Sequence[bytes] = (),
        record: int = MAX_PUSHES,
        unix: Callable[[], float] = time.time,
        random: Random | None = None,
    ) -> None:
        """A simulator that does not listen yet.

        `topics`: bundle ids and topics of MDM that exist, all if None. `authority` signs `server`,
        its certificate, and those of providers; `trusts` are further authorities of providers'
        certificates, in PEM. `record` is how many pushes are kept.
        """
        self.authority = authority or Authority()
        self.server = server or self.authority.server()
        self.conduct = conduct or Conduct()
        """Of connections to come."""
        self.service = PushService(
            random=random or Random(),  # noqa: S311 - for ids and jitter
            environment=environment,
            topics=topics,
            record=Record(record),
        )
        self.violations: deque[str] = deque(maxlen=100)
        """What clients did that is not HTTP/2, the latest."""
        self.on_connection: Callable[[ApnsConnection], object] | None = None
        """Told when HTTP/2 begins on a connection and when it is over."""
        self._reactor = reactor
        self._unix = unix
        self._trusts = [self.authority.pem, *trusts]
        self._script: deque[Conduct] = deque()
        self._connections: dict[int, ApnsConnection] = {}
        self._begun = 0
        self._agreed: set[int] = set()
        """Connections that are open and have got as far as HTTP/2."""
        self._failed_handshakes = 0
        self._waiting: list[tuple[Callable[[], bool], Deferred[None]]] = []
        self._port: IListeningPort | None = None

    # To set it up.

    @property
    def rules(self) -> Rules:
        """The scripted answers."""
        return self.service.rules

    @property
    def keys(self) -> SigningKeys:
        """The signing keys that teams have registered."""
        return self.service.keys

    def new_key(
        self, team_id: str = "TEAM000001", key_id: str = "KEY0000001", **bounds: Any
    ) -> bytes:
        """Register a new signing key; its .p8 file. `bounds` are those of `SigningKey`."""
        pem = new_signing_key()
        self.keys.add(SigningKey.from_p8(pem, team_id=team_id, key_id=key_id, **bounds))
        return pem

    def script(self, *conducts: Conduct) -> None:
        """Conducts of the next connections, one each; those after them have `conduct`."""
        self._script.extend(conducts)

    # To run it.

    async def start(self, port: int = 0, interface: str = "127.0.0.1") -> None:
        """Listen, on a free port by default. Raises CannotListenError."""
        listen: Any = TCP4ServerEndpoint  # Twisted's endpoints have no annotations
        endpoint = listen(self._reactor, port, backlog=1024, interface=interface)
        self._port = await endpoint.listen(_TlsFactory(self, self._options(), self._reactor))

    async def stop(self) -> None:
        """Close the port and all connections."""
        if self._port is not None:
            port, self._port = self._port, None
            stopped = port.stopListening()
            if stopped is not None:
                await stopped
        for connection in self.connections:
            connection.transport.abortConnection()
        await self.until(lambda: not self._connections)

    @property
    def port(self) -> int:
        """The TCP port. Raises RuntimeError if it is not listening."""
        if self._port is None:
            raise RuntimeError("the simulator does not listen; start() it")
        return cast(int, cast(Any, self._port.getHost()).port)

    # To see what happened.

    @property
    def record(self) -> Record:
        """Every push that was received."""
        return self.service.record

    @property
    def pushes(self) -> list[Push]:
        """The pushes that are kept, in the order in which they came."""
        return list(self.record.pushes)

    @property
    def connections(self) -> list[ApnsConnection]:
        """The open connections, oldest first."""
        return list(self._connections.values())

    def until(self, condition: Callable[[], bool]) -> Deferred[None]:
        """Fires once `condition` holds; looked at whenever something was received or closed."""
        waiting: Deferred[None] = Deferred()
        self._waiting.append((condition, waiting))
        self._look()
        return waiting

    @property
    def statistics(self) -> Statistics:
        """Sums since the start."""
        record, devices = self.record, self.service.devices
        devices.expire(self._unix())
        unagreed = len(self._connections) - len(self._agreed)
        return Statistics(
            received=record.received,
            accepted=record.accepted,
            rejected=record.rejected,
            unanswered=record.unanswered,
            refused=record.refused,
            duplicates=record.duplicates,
            delivered=devices.delivered,
            stored=devices.stored,
            coalesced=devices.coalesced,
            expired=devices.expired,
            discarded=devices.discarded,
            connections=self._begun - unagreed - self._failed_handshakes,
            open_connections=len(self._agreed),
            failed_handshakes=self._failed_handshakes,
            rejected_by_reason=dict(record.by_reason),
        )

    # What its connections tell it.

    def next_conduct(self) -> Conduct:
        """How the connection that is being made behaves."""
        return self._script.popleft() if self._script else self.conduct

    def connected(self, conduct: Conduct) -> ApnsConnection:
        """A connection whose TLS handshake begins."""
        self._begun += 1
        connection = ApnsConnection(
            self.service,
            number=self._begun,
            conduct=conduct,
            clock=self._reactor,
            unix=self._unix,
            random=self.service.random,
            watcher=self,
        )
        self._connections[self._begun] = connection
        return connection

    def begun(self, connection: ApnsConnection) -> None:
        """HTTP/2 was agreed on."""
        self._agreed.add(connection.number)
        if self.on_connection is not None:
            self.on_connection(connection)
        self._look()

    def received(self, connection: ApnsConnection) -> None:
        """Something was received; the last thing, if it was no HTTP/2."""
        if connection.violation is not None:
            self.violations.append(connection.violation)
        self._look()

    def over(self, connection: ApnsConnection) -> None:
        """A connection has ended."""
        del self._connections[connection.number]
        if connection.number in self._agreed:
            self._agreed.remove(connection.number)
            if self.on_connection is not None:
                self.on_connection(connection)
        else:
            self._failed_handshakes += 1
        self._look()

    def _look(self) -> None:
        if not self._waiting:
            return
        met = [pair for pair in self._waiting if pair[0]()]
        self._waiting = [pair for pair in self._waiting if pair not in met]
        for _, waiting in met:
            waiting.callback(None)

    def _options(self) -> CertificateOptions:
        chain = x509.load_pem_x509_certificates(self.server.certificate)
        authorities = [
            authority for pem in self._trusts for authority in x509.load_pem_x509_certificates(pem)
        ]
        # Twisted's annotations still name pyOpenSSL's own types, which pyOpenSSL deprecates.
        return CertificateOptions(
            privateKey=cast(Any, load_pem_private_key(self.server.key, None)),
            certificate=cast(Any, chain[0]),
            extraCertChain=cast(Any, chain[1:]),
            verify=True,
            caCerts=[X509.from_cryptography(authority) for authority in authorities],
            requireCertificate=False,
            insecurelyLowerMinimumTo=TLSVersion.TLSv1_2,
            acceptableProtocols=[ALPN],
        )


class _Unserved(Protocol):
    """A connection that does not get as far as TLS."""

    transport: ITCPTransport

    def __init__(self, conduct: Conduct) -> None:
        self._conduct = conduct

    def connectionMade(self) -> None:
        if self._conduct.tls == "close":
            self.transport.loseConnection()

    def dataReceived(self, data: bytes) -> None:
        if self._conduct.tls == "alert":
            self.transport.write(HANDSHAKE_FAILURE)
            self.transport.loseConnection()


class _Connections(Factory):
    noisy = False

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self.conduct = simulator.conduct

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        return self._simulator.connected(self.conduct)


class _TlsFactory(TLSMemoryBIOFactory):
    """Puts TLS between clients and connections, or nothing where there are to be none."""

    noisy = False

    def __init__(self, simulator: Simulator, options: CertificateOptions, clock: Any) -> None:
        self._simulator = simulator
        self._connections = _Connections(simulator)
        super().__init__(options, False, self._connections, clock)

    def buildProtocol(self, addr: IAddress | None) -> Any:
        conduct = self._simulator.next_conduct()
        if conduct.tls != "accept":
            return _Unserved(conduct)
        self._connections.conduct = conduct
        return super().buildProtocol(addr)
