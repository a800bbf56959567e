"""One TLS connection: what it agreed to speak, and Twisted's side of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from cryptography import x509
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from ops.tls import TlsTransport
from pushd.api.exchange import Client, Link, Session

MakeSession = Callable[[bytes, Link, Client], Session]
"""The ALPN protocol (`h2` or `http/1.1`), the link, the client."""


@implementer(IPushProducer)
class ApiConnection(Protocol):
    """A `Link`, and what tells the session of it."""

    transport: TlsTransport  # type: ignore[assignment]

    def __init__(
        self,
        address: str,
        *,
        make_session: MakeSession,
        monotonic: Callable[[], float],
        handshake_timeout: float,
        on_closed: Callable[[ApiConnection], object],
    ) -> None:
        """`handshake_timeout`: seconds until the first byte of HTTP."""
        self.address = address
        self._make_session = make_session
        self._begin_by = monotonic() + handshake_timeout
        self._on_closed = on_closed
        self._session: Session | None = None
        self._first = b""  # what came while we could not tell the protocol
        self._reading = True
        self._finished = False
        self.writable = True

    # What Twisted calls.

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)
        self.transport.registerProducer(self, True)

    def dataReceived(self, data: bytes) -> None:
        if self._session is None:
            data = self._first = self._first + data
            protocol = self.transport.negotiatedProtocol or _guess(data)
            if protocol is None:
                return
            self._first = b""
            client = Client(address=self.address, certificate=self._certificate())
            self._session = self._make_session(protocol, self, client)
        self._session.received(data)

    def pauseProducing(self) -> None:
        self.writable = False

    def resumeProducing(self) -> None:
        self.writable = True
        if self._session is not None:
            self._session.resume()

    def stopProducing(self) -> None:
        """The connection is about to be lost."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.writable = False
        if self._session is not None:
            self._session.lost()
        self._on_closed(self)

    # What the session calls.

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    def read(self, wanted: bool) -> None:
        if wanted is self._reading:
            return
        self._reading = wanted
        if wanted:
            self.transport.resumeProducing()
        else:
            self.transport.pauseProducing()

    def finish(self) -> None:
        if not self._finished:
            self._finished = True
            self.transport.unregisterProducer()
            self.transport.loseConnection()

    def abort(self) -> None:
        self.transport.abortConnection()

    # What the service calls.

    def sweep(self, now: float) -> None:
        """Look at what has taken too long."""
        if self._session is not None:
            self._session.sweep(now)
        elif now >= self._begin_by:
            self.abort()

    def drain(self) -> None:
        """Close as soon as that does no harm."""
        if self._session is None:
            self.abort()
        else:
            self._session.drain()

    def _certificate(self) -> x509.Certificate | None:
        shown = self.transport.getPeerCertificate()
        return None if shown is None else cast(x509.Certificate, shown.to_cryptography())


def _guess(data: bytes) -> bytes | None:
    """What a client speaks that negotiated nothing, as aioapns does: HTTP/2 begins with a preface
    that is no request of HTTP/1.1 (RFC 9113 §3.4). None: it cannot be told yet."""
    start = data[: len(_PREFACE)]
    if start == _PREFACE:
        return b"h2"
    return None if _PREFACE.startswith(start) else b"http/1.1"


_PREFACE = b"PRI "
