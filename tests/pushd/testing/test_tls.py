"""TLS and ALPN: what is agreed on, and with whom."""

from __future__ import annotations

import socket
import ssl
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from pushd.testing import Authority, Conduct
from pushd.testing.background import Background
from tests.interop.peer import peer
from tests.pushd.testing.conftest import Connect
from tests.pushd.testing.hand import TOPIC, Hand


def s_client(apple: Background, authority: Authority, folder: Path, *options: str) -> str:
    """What `openssl s_client` says."""
    trusted = folder / "ca.pem"
    trusted.write_bytes(authority.pem)
    finished = subprocess.run(
        [
            peer("openssl"),
            "s_client",
            "-connect",
            f"127.0.0.1:{apple.port}",
            "-servername",
            "api.push.apple.com",
            "-verify_hostname",
            "api.push.apple.com",
            "-CAfile",
            str(trusted),
            *options,
        ],
        input=b"",
        capture_output=True,
        timeout=30,
        check=False,
    )
    return (finished.stdout + finished.stderr).decode("latin-1")


@pytest.mark.parametrize(("option", "version"), [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")])
def test_versions(
    apple: Background, authority: Authority, tmp_path: Path, option: str, version: str
) -> None:
    """TLS 1.2 and 1.3 with HTTP/2, for the name that a client expects of Apple."""
    said = s_client(apple, authority, tmp_path, option, "-alpn", "h2")

    assert version in said
    assert "ALPN protocol: h2" in said
    assert "Verification: OK" in said


@pytest.mark.parametrize("option", ["-tls1", "-tls1_1"])
def test_older_versions_are_refused(
    apple: Background, authority: Authority, tmp_path: Path, option: str
) -> None:
    """TLS 1.2 is the floor."""
    said = s_client(apple, authority, tmp_path, option, "-cipher", "DEFAULT:@SECLEVEL=0")

    assert "alert protocol version" in said


@pytest.mark.parametrize("alpn", [(), ("http/1.1",)])
def test_http_2_is_demanded(apple: Background, connect: Connect, alpn: tuple[str, ...]) -> None:
    """A client that does not offer h2 is not served."""
    with pytest.raises((AssertionError, ssl.SSLError, ConnectionError)):
        connect(alpn=alpn)

    apple.until(lambda simulator: simulator.statistics.failed_handshakes == 1)
    assert apple.run(lambda simulator: simulator.statistics).connections == 0


def test_a_certificate_of_another_authority(apple: Background, connect: Connect) -> None:
    """Certificates of providers are ours, or of an authority that was named."""
    with pytest.raises((AssertionError, ssl.SSLError, ConnectionError)):
        connect(certificate=Authority().provider(TOPIC))


def test_an_expired_certificate(connect: Connect, authority: Authority) -> None:
    """TLS refuses it."""
    old = authority.provider(TOPIC, lifetime=timedelta(minutes=30))

    with pytest.raises((AssertionError, ssl.SSLError, ConnectionError)):
        connect(certificate=old)


OTHER = Authority()


@pytest.mark.parametrize("options", [{"trusts": [OTHER.pem]}])
def test_another_authority_that_was_named(connect: Connect) -> None:
    """Its certificates are as good as ours."""
    assert connect(certificate=OTHER.provider(TOPIC)).push().status == 200


class TestRefusal:
    """Connections that do not get as far as HTTP/2."""

    def begin(self, apple: Background, tls: str) -> socket.socket:
        conduct = Conduct(tls=tls)  # type: ignore[arg-type]
        apple.run(lambda simulator: simulator.script(conduct))
        return socket.create_connection(("127.0.0.1", apple.port), 10)

    def shake(self, plain: socket.socket) -> None:
        context = ssl._create_unverified_context()
        context.wrap_socket(plain, server_hostname="localhost").close()

    def test_closed(self, apple: Background) -> None:
        """Closed at once."""
        with self.begin(apple, "close") as plain:
            assert plain.recv(1) == b""

    def test_alert(self, apple: Background) -> None:
        """Refused by an alert."""
        with (
            self.begin(apple, "alert") as plain,
            pytest.raises(ssl.SSLError, match=r"(?i)handshake.failure"),
        ):
            self.shake(plain)

    def test_silence(self, apple: Background) -> None:
        """Left without an answer."""
        with self.begin(apple, "silent") as plain:
            plain.settimeout(0.2)

            with pytest.raises(TimeoutError):
                self.shake(plain)

    def test_the_next_is_served(self, apple: Background, connect: Connect) -> None:
        """A script is for one connection."""
        with self.begin(apple, "close"):
            hand: Hand = connect()

        assert hand.push().status == 200
