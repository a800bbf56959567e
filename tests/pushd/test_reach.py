"""The way to Apple, tried step by step: by the simulator, and by servers that are not Apple."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from protocols.apns.token import ProviderTokens
from pushd.credential import Identity, load_credential_thd
from pushd.dial import read_trust_roots_thd
from pushd.reach import Reached, Unreached, reach_thd
from pushd.settings import AppleSettings, CredentialSettings
from pushd.testing import Authority
from pushd.testing.authority import KeyPair
from pushd.testing.background import Background, simulator_in_background

APP = "com.example.app"


class Way:
    """From us to a port on loopback."""

    def __init__(self, folder: Path, port: int, authority: Authority) -> None:
        self._folder = folder
        self._port = port
        self._authority = authority

    def reach(
        self, *, host: str = "localhost", by: Authority | None = None, patience: float = 10.0
    ) -> Reached:
        """`by` is who made our certificate."""
        (self._folder / "ca.pem").write_bytes(self._authority.pem)
        return reach_thd(
            AppleSettings(production=host, port=self._port),
            "production",
            identity=None if by is None else self.identity(by),
            trust_roots=read_trust_roots_thd(self._folder / "ca.pem"),
            patience=patience,
        )

    def unreached(self, **given: Any) -> Unreached:
        with pytest.raises(Unreached) as caught:
            self.reach(**given)
        return caught.value

    def identity(self, authority: Authority) -> Identity:
        certificate, key = self._folder / "app.pem", self._folder / "app.key"
        authority.provider(APP).write(certificate, key)
        settings = CredentialSettings(name="app", certificate=certificate, key=key)
        loaded = load_credential_thd(settings, tokens=ProviderTokens(), now=datetime.now(UTC))
        assert loaded.identity is not None
        return loaded.identity


class TestSimulator:
    @pytest.fixture
    def apple(self) -> Iterator[Background]:
        with simulator_in_background() as apple:
            yield apple

    @pytest.fixture
    def way(self, tmp_path: Path, apple: Background) -> Way:
        return Way(tmp_path, apple.port, apple.simulator.authority)

    def test_reached(self, way: Way, apple: Background) -> None:
        """It tells address, TLS, authority, and what a certificate lets us do."""
        anonymous = way.reach()
        known = way.reach(by=apple.simulator.authority)

        assert (anonymous.address, anonymous.tls) == ("127.0.0.1", "TLSv1.3")
        assert (anonymous.streams, known.streams) == (1, 1000)
        assert anonymous.root == "APNs simulator (trust nothing it signs)"
        assert anonymous.expires_at > datetime.now(UTC)

    def test_no_push_is_sent(self, way: Way, apple: Background) -> None:
        """To be reached costs Apple a connection and nothing else."""
        way.reach(by=apple.simulator.authority)

        apple.until(lambda simulator: not simulator.statistics.open_connections)
        assert apple.run(lambda simulator: simulator.record.accepted) == 0

    def test_an_address(self, way: Way) -> None:
        """Where the host is an address, the certificate has to be for that."""
        assert way.reach(host="127.0.0.1").tls == "TLSv1.3"

    def test_a_certificate_of_somebody_else(self, way: Way) -> None:
        """In TLS 1.3 it is refused after the handshake; so the answer is waited for."""
        refused = way.unreached(by=Authority())

        assert refused.step == "certificate"
        assert "Apple refuses ours" in refused.why


class TestOthers:
    """What stands between, or in the place of, Apple."""

    @pytest.fixture
    def authority(self) -> Authority:
        return Authority()

    def test_nobody_listens(self, tmp_path: Path, authority: Authority) -> None:
        """The port is told, for a firewall to be opened."""
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            refused = Way(tmp_path, closed.getsockname()[1], authority).unreached()

        assert refused.step == "TCP"
        assert "Connection refused" in refused.why
        assert refused.remedy.startswith("let TCP port ")

    def test_no_such_name(self, tmp_path: Path, authority: Authority) -> None:
        """The resolver is what to look at."""
        refused = Way(tmp_path, 443, authority).unreached(host="apple.invalid")

        assert refused.step == "name"
        assert "apple.invalid cannot be looked up" in refused.why

    def test_an_authority_that_is_not_trusted(self, tmp_path: Path, authority: Authority) -> None:
        """It is named: a proxy that looks into TLS is found by it."""
        with server(tmp_path, Authority().server()) as port:
            refused = Way(tmp_path, port, authority).unreached()

        assert refused.step == "trust"
        assert "its authority is not trusted" in refused.why
        assert "issued by APNs simulator" in refused.why

    def test_another_name(self, tmp_path: Path, authority: Authority) -> None:
        """Who is trusted for another name is not Apple."""
        with server(tmp_path, authority.server(names=["other.example"], addresses=[])) as port:
            refused = Way(tmp_path, port, authority).unreached()

        assert (refused.step, refused.why) == (
            "trust",
            "the server's certificate is for another name",
        )

    def test_an_expired_certificate(self, tmp_path: Path, authority: Authority) -> None:
        """Most often it is our clock that is wrong."""
        with server(tmp_path, authority.server(lifetime=timedelta(minutes=30))) as port:
            refused = Way(tmp_path, port, authority).unreached()

        assert refused.why.endswith("it has expired")
        assert refused.remedy.startswith("check this computer's clock, which says ")

    def test_no_http2(self, tmp_path: Path, authority: Authority) -> None:
        """A proxy that ends TLS often speaks HTTP/1.1 only."""
        with server(tmp_path, authority.server(), alpn=["http/1.1"]) as port:
            refused = Way(tmp_path, port, authority).unreached()

        assert (refused.step, "no h2 by ALPN" in refused.why) == ("HTTP/2", True)

    def test_closed_after_the_handshake(self, tmp_path: Path, authority: Authority) -> None:
        """Whoever hangs up says so by that alone."""
        with server(tmp_path, authority.server()) as port:
            refused = Way(tmp_path, port, authority).unreached()

        assert refused.step in ("HTTP/2", "TLS")

    def test_no_tls(self, tmp_path: Path) -> None:
        """What answers in clear is not Apple."""
        with listener(lambda tcp: tcp.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port:
            refused = Way(tmp_path, port, Authority()).unreached()

        assert refused.step == "TLS"

    def test_silence(self, tmp_path: Path) -> None:
        """Who takes the connection and says nothing is waited for, but not for ever."""
        done = threading.Event()
        with listener(lambda tcp: done.wait(60)) as port:
            refused = Way(tmp_path, port, Authority()).unreached(patience=0.2)
            done.set()

        assert (refused.step, refused.why) == ("TLS", "the server does not answer")


@contextmanager
def listener(serve: Callable[[socket.socket], object]) -> Iterator[int]:
    """A port of loopback at which `serve` is given each connection, in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(60)

        def accept() -> None:
            with suppress(OSError):
                tcp, _ = listening.accept()
                with tcp:
                    tcp.settimeout(60)
                    serve(tcp)

        thread = threading.Thread(target=accept)
        thread.start()
        yield listening.getsockname()[1]
        thread.join(60)


@contextmanager
def server(folder: Path, pair: KeyPair, alpn: list[str] | None = None) -> Iterator[int]:
    """A TLS server that hangs up after the handshake."""
    pair.write(folder / "server.pem", folder / "server.key")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    context.set_alpn_protocols(alpn or ["h2"])

    def serve(tcp: socket.socket) -> None:
        with suppress(OSError), context.wrap_socket(tcp, server_side=True) as tls:
            tls.recv(1)

    with listener(serve) as port:
        yield port
