"""A way through an HTTP proxy: it is asked for a tunnel, in which TLS begins (RFC 9110 §9.3.6).

    CONNECT api.push.apple.com:443 HTTP/1.1 ──▶
    Proxy-Authorization: Basic ...
                                            ◀── HTTP/1.1 200, an empty line; then the server's bytes

The proxy is not trusted with anything: what comes through it is TLS, verified as without it.
"""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
    ITCPTransport,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from ops.text import escape

MAX_HEAD: Final = 16384
"""Bytes of a proxy's answer before its empty line, of which most need a tenth."""

STATUS: Final = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: ([^\r\n]*))?\r?\n")
_END: Final = re.compile(rb"\r?\n\r?\n")


class ProxyRefused(Exception):
    """The proxy makes no tunnel; `str()` says why."""


@implementer(IStreamClientEndpoint)
class TunnelEndpoint:
    """Connects to `target` by way of the proxy that `endpoint` connects to."""

    def __init__(
        self, endpoint: IStreamClientEndpoint, target: str, authorization: bytes | None = None
    ) -> None:
        """`target` is host and port; `authorization` is `basic(...)`."""
        self._endpoint = endpoint
        self._target = target
        self._authorization = authorization

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Fails with ProxyRefused, or as the endpoint does; may be cancelled."""
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        tunnel = _Tunnel(connect_request(self._target, self._authorization), factory)
        await self._endpoint.connect(_Single(tunnel))
        return await tunnel.opened


def basic(user: str, password: str) -> bytes:
    """The value of Proxy-Authorization (RFC 7617, in UTF-8)."""
    return b"Basic " + b64encode(f"{user}:{password}".encode())


def authority(host: str, port: int) -> str:
    """Host and port as CONNECT names them."""
    return f"{bracketed(host)}:{port}"


def bracketed(host: str) -> str:
    """A host as it stands before a port: IPv6 addresses in brackets (RFC 3986 §3.2.2)."""
    return f"[{host}]" if ":" in host else host


def connect_request(target: str, authorization: bytes | None) -> bytes:
    """What asks for a tunnel to `target`, host and port; `authorization` is `basic(...)`."""
    asked = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n".encode("ascii")
    if authorization is not None:
        asked += b"Proxy-Authorization: " + authorization + b"\r\n"
    return asked + b"\r\n"


class _Single(Factory):
    """Makes one protocol, which exists already."""

    noisy = False

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        return self._protocol


class _Tunnel(Protocol):
    """Speaks with the proxy, then gives its transport to the protocol that is to be tunnelled."""

    transport: ITCPTransport

    def __init__(self, request: bytes, factory: IProtocolFactory) -> None:
        self._request = request
        self._factory = factory
        self._head = b""
        self.opened: Deferred[IProtocol] = Deferred(lambda _: self.transport.abortConnection())

    def connectionMade(self) -> None:
        self.transport.write(self._request)

    def dataReceived(self, data: bytes) -> None:
        if self.opened.called:
            return
        self._head += data
        status = STATUS.match(self._head)
        end = _END.search(self._head)
        if len(self._head) > MAX_HEAD or (status is None and b"\n" in self._head):
            self._refuse("the proxy does not answer in HTTP/1")
        elif status is not None and end is not None:
            self._answered(int(status[1]), status[2] or b"", self._head[end.end() :])

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self.opened.called:
            self.opened.errback(ProxyRefused("the proxy closed the connection without an answer"))

    def _answered(self, code: int, phrase: bytes, rest: bytes) -> None:
        if not 200 <= code < 300:
            said = f"the proxy answered {code} {escape(phrase.decode('latin-1'), 80)}".rstrip()
            if code in (401, 407):  # 401 is what tinyproxy 1.11 says to a wrong password
                said += "; check proxy.user and proxy.password_file"
            self._refuse(said)
        elif rest:
            self._refuse("the proxy sent something before we did")  # TLS begins with the client
        else:
            self._hand_over()

    def _hand_over(self) -> None:
        protocol = self._factory.buildProtocol(self.transport.getPeer())
        if protocol is None:
            self._refuse("nobody wants the connection any more")
            return
        self.transport.protocol = protocol  # type: ignore[attr-defined]
        protocol.makeConnection(self.transport)
        self.opened.callback(protocol)

    def _refuse(self, why: str) -> None:
        self.opened.errback(ProxyRefused(why))
        self.transport.abortConnection()
