"""Connections to the simulator, to servers that are none, and by way of proxies."""

from __future__ import annotations

import socket
import time
from base64 import b64decode
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL
from twisted.internet import reactor
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import CancelledError
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import IOpenSSLContextFactory
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import CertificateOptions
from zope.interface import implementer

from protocols.apns.event import Answered, Closed
from pushd.credential import CredentialError
from pushd.dial import ConnectFailed, Dialer, read_trust_roots_thd
from pushd.settings import CredentialSettings, ProxySettings
from pushd.testing import Authority, Conduct
from pushd.testing.authority import write_private
from pushd.testing.simulator import Simulator
from pushd.world import World
from tests.pushd.apple import AppleCase, Recorder, until, wake


class DialTests(AppleCase):
    """Straight to a server."""

    async def test_opened(self) -> None:
        """A connection is opened once Apple's SETTINGS have come, and pushes go through it."""
        owner = Recorder()

        connection = await self.line()(owner)
        connection.send("key", wake(7), time.monotonic())
        connection.flush()
        await until(lambda: owner.of(Answered))

        assert owner.connection is connection
        assert connection.limit == 1000
        assert owner.of(Answered)[0].answer.apns_id == "00000000-0000-0000-0000-000000000007"
        assert self.simulator.statistics.accepted == 1
        await self.close(connection, owner)

    async def test_drained(self) -> None:
        """A connection that is drained answers what is under way and closes by itself."""
        self.simulator.conduct = Conduct(latency=0.05)
        owner = Recorder()
        connection = await self.line()(owner)

        connection.send("key", wake(), time.monotonic())
        connection.drain()
        is_open = connection.is_open
        await until(lambda: owner.why)

        assert not is_open
        assert [type(event) for event in owner.events[1:]] == [Answered, Closed]
        assert owner.why == ["all requests are answered"]
        assert self.simulator.violations == type(self.simulator.violations)()

    async def test_wrong_name(self) -> None:
        """A server whose certificate is for another name gets no byte of HTTP/2."""
        server = self.simulator.authority.server(["push.example.com"], [])

        why = await self.refused_by(server=server)

        assert "another name" in why

    async def test_wrong_address(self) -> None:
        """An address must be in the certificate, as a name must."""
        server = self.simulator.authority.server(["localhost"], [])

        why = await self.refused_by(server=server, host="127.0.0.1")

        assert "another name" in why

    async def test_untrusted(self) -> None:
        """A server of an authority that is not trusted is refused, and the log says what to do."""
        why = await self.refused(trust=Authority().pem)

        assert "not trusted; check trust_roots" in why
        assert self.simulator.statistics.received == 0

    async def test_no_alpn(self) -> None:
        """A server that does not offer h2 by ALPN is none of Apple's."""
        port = self.serve(alpn=None)

        why = await self.refused(port=port)

        assert why == "the server does not offer HTTP/2 (no h2 by ALPN)"

    async def test_other_alpn(self) -> None:
        """A server that offers HTTP/1.1 alone is none of Apple's."""
        port = self.serve(alpn=b"http/1.1")

        why = await self.refused(port=port)

        assert "no h2 by ALPN" in why or "TLS failed" in why

    async def test_old_tls(self) -> None:
        """TLS 1.1 is not spoken."""
        port = self.serve(alpn=b"h2", newest=SSL.TLS1_1_VERSION)

        why = await self.refused(port=port)

        assert "TLS failed" in why
        assert "protocol version" in why or "unsupported protocol" in why

    async def test_tls_1_2(self) -> None:
        """TLS 1.2 is spoken, as Apple asks for at least."""
        self.simulator.conduct = Conduct()
        await self.simulator.stop()
        options = Simulator._options

        def older(simulator: Simulator) -> CertificateOptions:
            made = options(simulator)
            made.getContext().set_max_proto_version(SSL.TLS1_2_VERSION)
            return made

        self.patch(Simulator, "_options", older)
        await self.simulator.start()
        owner = Recorder()

        connection = await self.line()(owner)

        assert connection.is_open
        await self.close(connection, owner)

    async def test_conducts(self) -> None:
        """Servers that close, alert, or break off say what happened."""
        expected = {"close": "closed the connection", "alert": "handshake failure"}
        for tls, words in expected.items():
            self.simulator.conduct = Conduct(tls=tls)  # type: ignore[arg-type]

            why = await self.refused()

            assert words in why or "connection was lost" in why, why

    async def test_silence(self) -> None:
        """A server that does not say anything is waited for no longer than the settings say."""
        for conduct in (Conduct(tls="silent"), Conduct(settings=False)):
            self.simulator.conduct = conduct

            why = await self.refused(connect_timeout=0.2)

            assert why == "it took longer than 0.2 seconds"
        await self.simulator.until(lambda: not self.simulator.connections)

    async def test_cancelled(self) -> None:
        """Dialling may be called off at any time, and leaves nothing behind."""
        self.simulator.conduct = Conduct(settings=False)
        dialled = self.line()(Recorder())
        await self.simulator.until(lambda: bool(self.simulator.connections))

        dialled.cancel()

        with pytest.raises(CancelledError):
            await dialled
        await self.simulator.until(lambda: not self.simulator.connections)

    async def test_nobody_listens(self) -> None:
        """A port that nobody listens on is told with its address."""
        port = free_port()

        why = await self.refused(production="127.0.0.1", port=port)

        assert f"127.0.0.1 port {port}: Connection was refused" in why

    async def test_second_address(self) -> None:
        """All addresses of a name are tried: one that does not answer is passed over."""
        connection, owner, _ = await self.resolved("::1", "127.0.0.1", times=1)

        assert connection.is_open
        await self.close(connection, owner)

    async def test_looked_up_each_time(self) -> None:
        """A name is looked up for each connection: Apple moves."""
        connection, owner, resolver = await self.resolved("127.0.0.1", times=3)

        assert resolver.asked == ["localhost"] * 3
        await self.close(connection, owner)

    async def test_no_such_name(self) -> None:
        """A name that nobody knows is told as such."""
        for addresses in ((), None):
            with pytest.raises(ConnectFailed) as caught:
                await self.resolved(*(addresses or ()), fails=addresses is None)

            assert "localhost" in str(caught.value)

    async def test_certificate_refused(self) -> None:
        """A server that does not like our certificate says so; that is what we tell."""
        stranger = Authority().provider("com.example.other")
        stranger.write(self.folder / "mdm.pem", self.folder / "mdm.key")
        credential = self.load(
            CredentialSettings(
                name="x", certificate=self.folder / "mdm.pem", key=self.folder / "mdm.key"
            )
        )

        with pytest.raises(ConnectFailed) as caught:
            await self.dialer().line(credential)(Recorder())

        assert "TLS failed" in str(caught.value)
        assert "unknown ca" in str(caught.value)

    # What the tests above share.

    async def refused(self, **changes: Any) -> str:
        owner = Recorder()
        with pytest.raises(ConnectFailed) as caught:
            await self.line(**changes)(owner)
        assert (owner.connection, owner.events, owner.why) == (None, [], [])
        return str(caught.value)

    async def refused_by(self, server: Any, host: str = "localhost") -> str:
        other = Simulator(reactor, authority=self.simulator.authority, server=server)
        await other.start()
        try:
            return await self.refused(production=host, port=other.port)
        finally:
            assert other.statistics.received == 0
            await other.stop()

    def serve(self, *, alpn: bytes | None, newest: int = SSL.TLS1_3_VERSION) -> int:
        """A TLS server that says nothing, by OpenSSL alone; its port."""
        pair = self.simulator.server
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.use_certificate(x509.load_pem_x509_certificate(pair.certificate))
        context.use_privatekey(load_pem_private_key(pair.key, None))  # type: ignore[arg-type]
        context.set_min_proto_version(SSL.TLS1_VERSION)
        context.set_max_proto_version(newest)
        context.set_cipher_list(b"ALL:@SECLEVEL=0")
        if alpn is not None:
            context.set_alpn_select_callback(lambda connection, offered: alpn)
        listening: Any = reactor
        port = listening.listenSSL(
            0, Factory.forProtocol(Protocol), _Fixed(context), interface="127.0.0.1"
        )
        self.addCleanup(port.stopListening)
        return int(port.getHost().port)

    async def resolved(
        self, *addresses: str, times: int = 1, fails: bool = False
    ) -> tuple[Any, Recorder, Resolver]:
        resolver = Resolver(addresses, fails)
        world = World(reactor=_Resolving(reactor, resolver))
        self.certificate()
        roots = self.folder / "roots.pem"
        roots.write_bytes(self.simulator.authority.pem)
        dialer = Dialer(
            self.settings(),
            world=world,
            in_thread=self.fail,  # type: ignore[arg-type]
            trust_roots=read_trust_roots_thd(roots),
        )
        line = dialer.line(self.certificate())
        for number in range(times):
            owner = Recorder()
            connection = await line(owner)
            if number + 1 < times:
                await self.close(connection, owner)
        return connection, owner, resolver

    async def close(self, connection: Any, owner: Recorder) -> None:
        connection.drain()
        connection.flush()
        await until(lambda: owner.why)


@implementer(IOpenSSLContextFactory)
class _Fixed:
    """Gives Twisted a context that is made already."""

    def __init__(self, context: SSL.Context) -> None:
        self._context = context

    def getContext(self) -> SSL.Context:
        return self._context


class Resolver:
    """Knows one name."""

    def __init__(self, addresses: tuple[str, ...], fails: bool) -> None:
        self.addresses = addresses
        self.fails = fails
        self.asked: list[str] = []

    def resolveHostName(self, receiver: Any, name: str, port: int, *rest: Any) -> None:
        if self.fails:
            raise DNSLookupError("no such name")
        self.asked.append(name)
        receiver.resolutionBegan(None)
        for text in self.addresses:
            kind = IPv6Address if ":" in text else IPv4Address
            receiver.addressResolved(kind("TCP", text, port))
        receiver.resolutionComplete()


class _Resolving:
    """The reactor, with another resolver."""

    def __init__(self, real: Any, resolver: Resolver) -> None:
        self._real = real
        self.nameResolver = resolver

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class Proxy(Protocol):
    """An HTTP proxy that knows CONNECT, or answers what it is told to."""

    transport: Any

    def __init__(self, case: ProxyTests) -> None:
        self._case = case
        self._head = b""
        self._other: Any = None

    def dataReceived(self, data: bytes) -> None:
        if self._other is not None:
            self._other.write(data)
            return
        self._head += data
        if b"\r\n\r\n" not in self._head:
            return
        self._case.asked.append(self._head)
        if self._case.answer is not None:
            self.transport.write(self._case.answer)
            if self._case.hangs_up:
                self.transport.loseConnection()
            return
        port = self._case.simulator.port
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
        endpoint.connect(Factory.forProtocol(lambda: _Far(self))).addErrback(self._case.fail)

    def connectionLost(self, reason: object = None) -> None:
        if self._other is not None:
            self._other.loseConnection()

    def joined(self, other: Any) -> None:
        self._other = other
        for part in self._case.tunnel:
            self.transport.write(part)


class _Far(Protocol):
    """The proxy's connection to the server."""

    transport: Any

    def __init__(self, near: Proxy) -> None:
        self._near = near

    def connectionMade(self) -> None:
        self._near.joined(self.transport)

    def dataReceived(self, data: bytes) -> None:
        self._near.transport.write(data)

    def connectionLost(self, reason: object = None) -> None:
        self._near.transport.loseConnection()


class ProxyTests(AppleCase):
    """By way of a proxy."""

    async def setUp(self) -> None:
        await super().setUp()
        self.asked: list[bytes] = []
        self.answer: bytes | None = None
        self.hangs_up = False
        self.tunnel = [b"HTTP/1.1 200 Connection established\r\n\r\n"]
        listening: Any = reactor
        factory = Factory.forProtocol(lambda: Proxy(self))  # type: ignore[arg-type]
        self.port = listening.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(self.port.stopListening)

    def proxy(self, **changes: Any) -> ProxySettings:
        return ProxySettings(host="127.0.0.1", port=self.port.getHost().port, **changes)

    async def test_tunnel(self) -> None:
        """The proxy is asked for the server and port; TLS is with the server, by its name."""
        owner = Recorder()

        connection = await self.line(proxy=self.proxy())(owner)

        target = f"localhost:{self.simulator.port}"
        assert self.asked == [f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode()]
        assert connection.is_open
        await self.close(connection, owner)

    async def test_slow_answer(self) -> None:
        """The proxy's answer may have headers and come in pieces."""
        head = b"HTTP/1.0 200 OK\r\nVia: 1.1 proxy\r\nContent-Length: 5\r\n\r\n"
        self.tunnel = [head[at : at + 1] for at in range(len(head))]
        owner = Recorder()

        connection = await self.line(proxy=self.proxy())(owner)

        assert connection.is_open
        await self.close(connection, owner)

    async def test_authentication(self) -> None:
        """User and password are sent as Basic, and the password is read for each connection."""
        path = self.folder / "proxy.password"
        line = self.line(proxy=self.proxy(user="pushd", password_file=path))

        for password in ("first: with colon", "second"):
            write_private(path, password.encode() + b"\n")
            owner = Recorder()
            await self.close(await line(owner), owner)

        headers = [head.split(b"Proxy-Authorization: Basic ")[1] for head in self.asked]
        assert [b64decode(header.split(b"\r\n")[0]) for header in headers] == [
            b"pushd:first: with colon",
            b"pushd:second",
        ]

    async def test_password_file(self) -> None:
        """Without its password file no connection is tried."""
        path = self.folder / "missing"

        why = await self.refused(user="pushd", password_file=path)

        assert f"{path}: cannot be read" in why
        assert self.asked == []

    async def test_refusals(self) -> None:
        """What a proxy answers instead is told; of 407 also what to check."""
        for answer, words in (
            (b"HTTP/1.1 403 Filtered\r\n\r\n", "the proxy answered 403 Filtered"),
            (b"HTTP/1.1 407\r\n\r\n", "the proxy answered 407; check proxy.user"),
            (b"HTTP/1.1 502 \x1b[31m\r\n\r\n", "the proxy answered 502 \\x1b[31m"),
            (b"SSH-2.0-OpenSSH_9\r\n", "the proxy does not answer in HTTP/1"),
            (b"x" * 20000, "the proxy does not answer in HTTP/1"),
            (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 20000, "the proxy does not answer in HTTP/1"),
            (b"HTTP/1.1 200 OK\r\n\r\nearly", "the proxy sent something before we did"),
        ):
            self.answer = answer

            why = await self.refused()

            assert why.startswith(words), why

    async def test_hangs_up(self) -> None:
        """A proxy that closes the connection is told."""
        self.answer, self.hangs_up = b"HTTP/1.1 200", True

        assert await self.refused() == "the proxy closed the connection without an answer"

    async def test_silence(self) -> None:
        """A proxy that does not answer is waited for as long as a server."""
        self.answer = b""

        assert await self.refused(connect_timeout=0.2) == "it took longer than 0.2 seconds"

    async def refused(self, **changes: Any) -> str:
        timeout = changes.pop("connect_timeout", 20)
        line = self.line(proxy=self.proxy(**changes), connect_timeout=timeout)
        with pytest.raises(ConnectFailed) as caught:
            await line(Recorder())
        return str(caught.value)

    async def close(self, connection: Any, owner: Recorder) -> None:
        connection.drain()
        connection.flush()
        await until(lambda: owner.why)


@pytest.mark.parametrize("content", [None, b"", b"garbage"])
def test_trust_roots(tmp_path: Any, content: bytes | None) -> None:
    """A file of authorities that has none is refused when it is read."""
    path = tmp_path / "roots.pem"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(CredentialError):
        read_trust_roots_thd(path)
