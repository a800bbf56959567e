"""A server's TLS, by Twisted's: who is admitted before it begins, and what connections use of it.

It must not know what is spoken on the connections.
"""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Any, cast

from twisted.internet.interfaces import IAddress, IPushProducer, IReactorTime
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import CertificateOptions
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol


class TlsTransport(typing.Protocol):
    """What is used of Twisted's `BufferingTLSTransport`."""

    negotiatedProtocol: bytes | None

    def write(self, data: bytes) -> None: ...

    def loseConnection(self) -> None: ...

    def abortConnection(self) -> None: ...

    def pauseProducing(self) -> None: ...

    def resumeProducing(self) -> None: ...

    def registerProducer(self, producer: IPushProducer, streaming: bool) -> None: ...

    def unregisterProducer(self) -> None: ...

    def setTcpNoDelay(self, enabled: bool) -> None: ...

    def getPeerCertificate(self) -> Any: ...


class _Connections(Factory):
    """Makes connections."""

    noisy = False

    def __init__(self, connected: Callable[[str], Protocol]) -> None:
        self._connected = connected

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        return self._connected(cast(Any, addr).host)


class TlsFactory(TLSMemoryBIOFactory):
    """Puts TLS between clients and the connections that are made for them."""

    def __init__(
        self,
        credentials: CertificateOptions,
        *,
        name: str,
        admits: Callable[[str], bool],
        connected: Callable[[str], Protocol],
        clock: IReactorTime,
    ) -> None:
        """`name` is the service's in the log. `admits` and `connected` are given the client's
        address. Who is not admitted is closed at once, before TLS has cost anything."""
        super().__init__(credentials, False, _Connections(connected), clock)
        self._name = name
        self._admits = admits

    def logPrefix(self) -> str:
        return self._name

    def buildProtocol(  # type: ignore[override]
        self, addr: IAddress | None
    ) -> TLSMemoryBIOProtocol | None:
        if not self._admits(cast(Any, addr).host):
            return None
        return super().buildProtocol(addr)
