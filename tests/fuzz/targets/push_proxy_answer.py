"""Whatever a proxy sends, in whatever pieces: it makes a tunnel, is refused, or is waited for; and
it is never more than told once, nor kept beyond its bound.

The input is pieces: a byte for the length, and the bytes.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.protocol import Factory, Protocol

from pushd.proxy import MAX_HEAD, ProxyRefused, _Tunnel, connect_request


class _Transport:
    """A connection that only notes whether it was given up."""

    protocol: Any = None
    is_aborted = False

    def write(self, data: bytes) -> None:
        assert data.startswith(b"CONNECT ")

    def abortConnection(self) -> None:
        self.is_aborted = True

    def getPeer(self) -> IPv4Address:
        return IPv4Address("TCP", "127.0.0.1", 3128)


def target(data: bytes) -> None:
    transport = _Transport()
    tunnel = _Tunnel(connect_request("localhost:443", None), Factory.forProtocol(Protocol))
    told: list[Any] = []
    tunnel.opened.addBoth(told.append)
    tunnel.makeConnection(transport)  # type: ignore[arg-type]
    at = 0
    while at < len(data) and not told:
        size = data[at]
        tunnel.dataReceived(data[at + 1 : at + 1 + size])
        at += 1 + size
        assert len(tunnel._head) <= MAX_HEAD + 255
    tunnel.connectionLost()
    (result,) = told
    if transport.protocol is None:
        assert isinstance(result.value, ProxyRefused)
        assert str(result.value).isprintable()
    else:
        assert result is transport.protocol
        assert not transport.is_aborted
