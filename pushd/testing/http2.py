"""What a connection of the simulator stands on: Twisted's TLS below, h2 for the protocol."""

from __future__ import annotations

import typing
from typing import Any, Final

from h2.connection import H2Connection
from OpenSSL.crypto import X509
from twisted.internet.interfaces import IPushProducer

SWEEP: Final = 64
"""New streams between two searches for closed ones."""


class TlsTransport(typing.Protocol):
    """What is used of Twisted's TLS transport."""

    negotiatedProtocol: bytes | None
    transport: Any
    """The TCP connection below."""

    def write(self, data: bytes) -> None: ...

    def loseConnection(self) -> None: ...

    def abortConnection(self) -> None: ...

    def pauseProducing(self) -> None: ...

    def resumeProducing(self) -> None: ...

    def registerProducer(self, producer: IPushProducer, streaming: bool) -> None: ...

    def unregisterProducer(self) -> None: ...

    def getPeerCertificate(self) -> X509 | None: ...

    def setTcpNoDelay(self, enabled: bool) -> None: ...


class Engine(H2Connection):
    """h2, with streams that somebody else counts. Its own counting visits all of them each time."""

    _asked = 0

    @property
    def open_inbound_streams(self) -> int:
        """None, as far as a limit goes. Lets h2 forget closed streams now and then."""
        self._asked += 1
        if self._asked % SWEEP == 0:
            self._open_streams(1)
        return 0


class Request:
    """A request that has not been answered."""

    __slots__ = ("body", "headers")

    def __init__(self, headers: list[tuple[bytes, bytes]]) -> None:
        self.headers = headers
        self.body = b""
