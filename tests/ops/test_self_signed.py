"""Certificates that sign themselves."""

from __future__ import annotations

import socket
import ssl
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ops.self_signed import self_signed


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_who_trusts_it_connects(tmp_path: Path, name: str) -> None:
    """A client that is told to trust it verifies it, by name and by address."""
    made = self_signed(["localhost"], ["127.0.0.1"], datetime.now(UTC))
    (tmp_path / "pem").write_bytes(made.certificate + made.key)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(tmp_path / "pem")
    client = ssl.create_default_context(cadata=made.certificate.decode())
    ours, theirs = socket.socketpair()

    def serve() -> None:
        with server.wrap_socket(theirs, server_side=True) as tls:
            tls.sendall(b"hello")

    thread = threading.Thread(target=serve)
    thread.start()
    with client.wrap_socket(ours, server_hostname=name) as tls:
        said = tls.recv(5)
    thread.join(60)

    assert said == b"hello"


def test_each_is_another() -> None:
    """No key is made twice."""
    made = self_signed(["localhost"], [], datetime.now(UTC))
    other = self_signed(["localhost"], [], datetime.now(UTC))

    assert made.key != other.key


def test_an_address_that_is_none() -> None:
    """It is refused."""
    with pytest.raises(ValueError, match="does not appear to be"):
        self_signed(["localhost"], ["nowhere"], datetime.now(UTC))
