"""Opens connections to Apple for one credential, from the look-up of the name to its SETTINGS.

    name ──▶ TCP ──(CONNECT)──▶ TLS >= 1.2, identity verified ──▶ h2 ──▶ SETTINGS ──▶ Connection

TLS is Twisted's and verifies with service_identity against the system's authorities, or those of
the configuration. It is never possible to switch that off.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import (
    IAddress,
    IOpenSSLClientConnectionCreator,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory
from twisted.internet.ssl import Certificate, optionsForClientTLS, trustRootFromCertificates
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol

from protocols.apns.engine import Limits
from protocols.apns.event import Event
from pushd.address import NamedEndpoint, NotReached
from pushd.connection import H2, Connection, Owner
from pushd.credential import Credential, CredentialError, read_password_thd
from pushd.proxy import ProxyRefused, TunnelEndpoint, authority, basic, bracketed
from pushd.settings import AppleSettings
from pushd.world import World

InThread = Callable[[Callable[[], str]], Deferred[str]]
"""Runs a function in a thread."""


class ConnectFailed(Exception):
    """No connection; `str()` says why."""


@dataclass(frozen=True, slots=True)
class TrustRoots:
    """The authorities in a PEM file."""

    content: bytes
    """Of the file."""
    roots: Any = field(compare=False)
    """As Twisted wants them."""


def read_trust_roots_thd(path: Path) -> TrustRoots:
    """The authorities in a PEM file. Raises CredentialError."""
    remedy = "name a PEM file of the authorities' certificates"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CredentialError(path, f"cannot be read ({error.strerror})", remedy) from error
    try:
        x509.load_pem_x509_certificates(content)
    except ValueError as error:
        raise CredentialError(path, f"has no PEM certificate ({error})", remedy) from error
    begin = b"-----BEGIN CERTIFICATE-----"
    parts = [begin + part for part in content.split(begin)[1:]]
    roots = trustRootFromCertificates(  # type: ignore[no-untyped-call]
        [Certificate.loadPEM(part) for part in parts]
    )
    return TrustRoots(content, roots)


class Dialer:
    """Opens connections as the settings say."""

    def __init__(
        self,
        settings: AppleSettings,
        *,
        world: World,
        in_thread: InThread,
        trust_roots: TrustRoots | None = None,
    ) -> None:
        """`trust_roots`: None: the system's."""
        self._settings = settings
        self._world = world
        self._in_thread = in_thread
        self._trust_roots = trust_roots
        self._limits = Limits(
            streams=settings.streams,
            answer=settings.answer_timeout,
            quiet=settings.ping,
            pong=settings.pong_timeout,
        )

    def replace_trust_roots(self, trust_roots: TrustRoots | None) -> bool:
        """Trust these from now on; whether they are others. A line that is there stays as it is."""
        before, self._trust_roots = self._trust_roots, trust_roots
        return before != trust_roots

    def line(self, credential: Credential) -> Line:
        """The way to Apple with `credential`."""
        host = self._settings.host(credential.environment)
        identity, roots = credential.identity, self._trust_roots
        tls = optionsForClientTLS(
            host,
            trustRoot=None if roots is None else roots.roots,
            acceptableProtocols=[H2],
            extraCertificateOptions={} if identity is None else identity.options(),
        )
        return Line(self._settings, self._world, self._in_thread, self._limits, host, tls)


class Line:
    """The way to Apple with one credential; its TLS settings are made once."""

    def __init__(
        self,
        settings: AppleSettings,
        world: World,
        in_thread: InThread,
        limits: Limits,
        host: str,
        tls: IOpenSSLClientConnectionCreator,
    ) -> None:
        self._settings = settings
        self._world = world
        self._in_thread = in_thread
        self._limits = limits
        self._host = host
        self._tls = tls

    def __call__(self, owner: Owner) -> Deferred[Connection]:
        """Dial. Fires with a connection of which `owner` has been told that it is opened; fails
        with ConnectFailed. May be cancelled."""
        return Deferred.fromCoroutine(self._dial(owner))

    async def _dial(self, owner: Owner) -> Connection:
        port = self._settings.port
        name = bracketed(self._host) if port == 443 else authority(self._host, port)
        opening = _Opening(owner)
        connection = Connection(
            authority=name.encode("ascii"),
            limits=self._limits,
            world=self._world,
            owner=opening,
        )
        opened = Deferred.fromCoroutine(self._open(connection, opening))
        opened.addTimeout(self._settings.connect_timeout, self._world.reactor, _timed_out)
        try:
            await opened
        except Exception as error:
            opening.give_up()
            connection.abort(str(error))
            raise
        return connection

    async def _open(self, connection: Connection, opening: _Opening) -> None:
        try:
            endpoint = await self._endpoint()
            await endpoint.connect(_Secure(self._tls, _Single(connection), self._world.reactor))
        except (NotReached, ProxyRefused, ConnectError, CredentialError) as error:
            raise ConnectFailed(str(error)) from error
        await opening.done

    async def _endpoint(self) -> IStreamClientEndpoint:
        settings, reactor, random = self._settings, self._world.reactor, self._world.random
        proxy = settings.proxy
        if proxy.host is None:
            return NamedEndpoint(reactor, self._host, settings.port, random)
        header = None
        if proxy.user is not None and proxy.password_file is not None:
            path = proxy.password_file
            header = basic(proxy.user, await self._in_thread(lambda: read_password_thd(path)))
        way = NamedEndpoint(reactor, proxy.host, proxy.port, random)
        return TunnelEndpoint(way, authority(self._host, settings.port), header)


class _Opening:
    """The owner of a connection, told nothing of one that never opened: who dials is."""

    def __init__(self, owner: Owner) -> None:
        self._owner: Owner | None = owner
        self._is_open = False
        self.done: Deferred[None] = Deferred()

    def give_up(self) -> None:
        """Nobody wants the connection any more."""
        self._owner = None
        self.done.addErrback(lambda failure: None)  # whatever becomes of it now

    def opened(self, connection: Connection) -> None:
        self._is_open = True
        if self._owner is not None:
            self._owner.opened(connection)
            self.done.callback(None)

    def happened(self, connection: Connection, events: Sequence[Event]) -> None:
        if self._is_open and self._owner is not None:
            self._owner.happened(connection, events)

    def turn_soon(self) -> None:
        if self._is_open and self._owner is not None:
            self._owner.turn_soon()

    def closed(self, connection: Connection, why: str) -> None:
        if not self._is_open and not self.done.called:
            self.done.errback(ConnectFailed(why))
        elif self._owner is not None:
            self._owner.closed(connection, why)


class _Single(Factory):
    """Makes one protocol, which exists already."""

    noisy = False

    def __init__(self, protocol: Connection) -> None:
        self._protocol = protocol

    def buildProtocol(self, addr: IAddress | None) -> Connection:
        return self._protocol


class _Secure(TLSMemoryBIOFactory):
    """TLS without Twisted's buffer: we write once a turn already."""

    protocol = TLSMemoryBIOProtocol

    def __init__(self, tls: IOpenSSLClientConnectionCreator, wrapped: Factory, clock: Any) -> None:
        super().__init__(tls, True, wrapped, clock)


def _timed_out(result: object, timeout: float) -> object:
    raise ConnectFailed(f"it took longer than {timeout:g} seconds")
