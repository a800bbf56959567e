"""HTTP on TLS: Twisted's TLS, the same conversation.

    dataReceived ──▶ conversation ──▶ write(head + span) ... until pauseProducing
                                 ◀── resumeProducing, when the socket has taken it

The connection is a push producer for as long as it lives: it writes until it is told to pause,
which the transport does once it holds 64 KiB. That bounds memory, and gives others their turn.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.ssl import CertificateOptions
from twisted.python.failure import Failure
from zope.interface import implementer

from netbootd.http.plain import read_at
from netbootd.http.response import Response
from netbootd.http.session import Session, TimedConnection
from netbootd.http.site import Site
from netbootd.transfer import Outcome
from ops.setting import TlsVersion
from ops.tls import TlsTransport, server_tls

CHUNK = 64 << 10
"""Bytes read and encrypted at once: four TLS records."""


@implementer(IPushProducer)
class SecureConnection(TimedConnection, Protocol):
    """One TLS connection, from its handshake on."""

    transport: TlsTransport  # type: ignore[assignment]

    def __init__(
        self, site: Site, peer: str, *, on_closed: Callable[[SecureConnection], object]
    ) -> None:
        self._session = Session(site, peer)
        self._conversation = self._session.conversation
        self._on_closed = on_closed
        self._outcome: Outcome | None = None
        self._paused = False
        self._reading = True
        self._lingering = False
        self._response: Response | None = None
        """The one on its way."""

    # What Twisted calls.

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)
        self.transport.registerProducer(self, True)

    def dataReceived(self, data: bytes) -> None:
        if not self._lingering:
            self._conversation.received(data)
            self._proceed()

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False
        response = self._response
        if response is not None and response.file is not None and response.file.changed():
            self._end(Outcome.FAILED)
        else:
            self._proceed()

    def stopProducing(self) -> None:
        """The connection is about to be lost."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        lost = Outcome.COMPLETE if self._response is None else Outcome.ABORTED
        self._response = None
        self._lingering = True
        self._session.end(self._outcome or lost)
        self._on_closed(self)

    # Our own.

    @property
    def _is_resting(self) -> bool:
        return self._response is None and not self._paused

    def _proceed(self) -> None:
        """Write until told to pause, or until all that was asked for has been answered."""
        while not (self._paused or self._lingering):
            if self._response is not None:
                self._write_on(self._response)
                continue
            self._response = self._conversation.next_response()
            if self._response is None:
                break
            self._session.begin(self._response)
        # Who does not take responses may not go on asking for them; but who is to say goodbye must
        # be heard.
        self._read(self._lingering or not self._paused)

    def _read(self, wanted: bool) -> None:
        if wanted is self._reading:
            return
        self._reading = wanted
        if wanted:
            self.transport.resumeProducing()
        else:
            self.transport.pauseProducing()

    def _write_on(self, response: Response) -> None:
        data = b""
        span = response.end - response.position
        if span:
            data = read_at(response.file_fd, min(span, CHUNK), response.position)
            if not data:  # the file has become shorter
                self._end(Outcome.FAILED)
                return
            response.position += len(data)
            self._session.sent(len(data))
        head, response.head = response.head, b""
        if len(data) == span:
            if response.later:
                response.next_segment()
            else:
                self._response = None
        self.transport.write(head + data)
        if response.close and self._response is None:
            self._lingering = True
            self.transport.unregisterProducer()
            self.transport.loseConnection()

    def _end(self, outcome: Outcome) -> None:
        self._outcome = outcome
        self._lingering = True
        self.transport.abortConnection()


class CredentialsError(Exception):
    """A certificate or key that cannot be used: which file, and why."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(path, why)
        self.path = path
        self.why = why

    def __str__(self) -> str:
        return f"{self.path}: {self.why}"


def load_credentials(
    certificate: Path, key: Path, minimum_version: TlsVersion
) -> CertificateOptions:
    """What TLS needs: the chain in `certificate` (PEM, the server's own first), its private key.

    The ciphers are Twisted's. They include RSA key exchange: UEFI firmware of 2022 speaks TLS 1.2
    only, without elliptic curves, and its other choice, DHE, needs parameters that we do not make
    (`netbootd.http.firmware_tls` says what else it needs). Raises `CredentialsError`.
    """
    chain = load_chain(certificate)
    try:
        private = load_pem_private_key(_content(key), None)
    except (ValueError, TypeError) as error:
        raise CredentialsError(key, f"is no unencrypted PEM private key ({error})") from error
    if private.public_key() != chain[0].public_key():
        raise CredentialsError(key, f"is not the key of {certificate}")
    return server_tls(
        "https",
        key=private,
        chain=chain,
        minimum_version=minimum_version,
        protocols=[b"http/1.1"],
    )


def load_chain(certificate: Path) -> list[x509.Certificate]:
    """The certificates in a PEM file, the server's own first. Raises `CredentialsError`."""
    try:
        return x509.load_pem_x509_certificates(_content(certificate))
    except ValueError as error:
        raise CredentialsError(certificate, f"is no PEM certificate ({error})") from error


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CredentialsError(path, f"cannot be read: {error.strerror}") from error
