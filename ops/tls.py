"""A server's TLS, by Twisted's: certificate and key, the oldest version that is accepted, who is
admitted before it begins, and what connections use of it.

It must not know what is spoken on the connections.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL
from twisted.internet.interfaces import (
    IAcceptableCiphers,
    IAddress,
    IOpenSSLServerConnectionCreator,
    IPushProducer,
    IReactorTime,
)
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import AcceptableCiphers, CertificateOptions, TLSVersion
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from zope.interface import implementer

from ops.config import ConfigError
from ops.setting import TlsVersion

FLOORS: Final = {
    "TLSv1.3": TLSVersion.TLSv1_3,
    "TLSv1.2": TLSVersion.TLSv1_2,
    "TLSv1.2OrLater": TLSVersion.TLSv1_2,
    "TLSv1.1": TLSVersion.TLSv1_1,
    "TLSv1.0": TLSVersion.TLSv1_0,
}
"""The oldest version that each value of the setting accepts. All newer ones are accepted, too."""
INSECURE: Final = frozenset({"TLSv1.0", "TLSv1.1"})
"""What RFC 8996 says must not be used. Their handshake is signed with SHA-1, which OpenSSL allows
at its security level 0 only."""

CIPHERS: Final = (
    "ECDH+AESGCM:ECDH+CHACHA20:DH+AESGCM:DH+CHACHA20:ECDH+AES256:DH+AES256:"
    "ECDH+AES128:DH+AES:RSA+AESGCM:RSA+AES:!aNULL:!MD5:!DSS"
)
"""For INSECURE: what Twisted takes otherwise (it does not export its list)."""


@dataclass(frozen=True, slots=True)
class _Word:
    """A word of OpenSSL's list of ciphers."""

    fullName: str


@implementer(IAcceptableCiphers)
class _AnyDigest:
    """CIPHERS, at the security level that SHA-1 needs."""

    def selectCiphers(self, availableCiphers: Any) -> Any:
        ciphers = AcceptableCiphers.fromOpenSSLCipherString(CIPHERS)  # type: ignore[no-untyped-call]
        return (*ciphers.selectCiphers(availableCiphers), _Word("@SECLEVEL=0"))


def server_tls(
    table: str,
    *,
    key: PrivateKeyTypes,
    chain: Sequence[x509.Certificate],
    minimum_version: TlsVersion,
    protocols: Sequence[bytes],
) -> CertificateOptions:
    """What a server needs: its private key; its certificate, then the intermediates; the names of
    what is spoken (ALPN), the one liked best first. `table` of the configuration is named in the
    warning that an insecure version deserves."""
    own, *intermediates = chain
    if minimum_version in INSECURE:
        text = (
            "{table}.minimum_version = {version}: versions of TLS that are known to be broken are"
            " accepted (RFC 8996), and signatures with SHA-1; set TLSv1.2 as soon as every client"
            " speaks it"
        )
        _log.warn(text, table=table, version=minimum_version)
    # Twisted's annotations still name pyOpenSSL's own types, which pyOpenSSL deprecates.
    return CertificateOptions(
        privateKey=cast(Any, key),
        certificate=cast(Any, own),
        extraCertChain=cast(Any, intermediates),
        insecurelyLowerMinimumTo=FLOORS[minimum_version],
        # Twisted refuses every client that offers ALPN, as curl does, when nothing is said here.
        acceptableProtocols=list(protocols),
        acceptableCiphers=_AnyDigest() if minimum_version in INSECURE else None,
    )


def load_server_tls(
    table: str,
    *,
    certificate: Path,
    key: Path,
    minimum_version: TlsVersion,
    protocols: Sequence[bytes],
) -> CertificateOptions:
    """The same from PEM files, named by `certificate` and `key` of a `table` of the configuration.
    Raises ConfigError."""
    chain = read_certificates(f"{table}.certificate", certificate)
    where = f"{table}.key"
    try:
        private = load_pem_private_key(_content(where, key), None)
    except (ValueError, TypeError):
        raise _unfit(where, key, "no unencrypted PEM private key") from None
    if private.public_key() != chain[0].public_key():
        raise _unfit(where, key, f"not the key of {certificate}")
    return server_tls(
        table, key=private, chain=chain, minimum_version=minimum_version, protocols=protocols
    )


def read_certificates(key: str, file: Path) -> list[x509.Certificate]:
    """The certificates in a PEM file that `key` of the configuration names. Raises ConfigError."""
    try:
        return x509.load_pem_x509_certificates(_content(key, file))
    except ValueError:
        raise _unfit(key, file, "no PEM certificate") from None


def _content(key: str, file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        problem = f"{file} cannot be read ({error.strerror})"
        raise ConfigError(None, key, problem, "name a PEM file that exists") from None


def _unfit(key: str, file: Path, what: str) -> ConfigError:
    return ConfigError(None, key, f"{file} is {what}", "name the right PEM file")


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


@implementer(IOpenSSLServerConnectionCreator)
class _Credentials:
    """Those that are used now."""

    def __init__(self, credentials: CertificateOptions) -> None:
        self.current = credentials

    def serverConnectionForTLS(self, protocol: object) -> SSL.Connection:
        return SSL.Connection(self.current.getContext(), None)


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
        self._credentials = _Credentials(credentials)
        super().__init__(self._credentials, False, _Connections(connected), clock)
        self._name = name
        self._admits = admits

    def replace(self, credentials: CertificateOptions) -> None:
        """Use these for connections from now on."""
        self._credentials.current = credentials

    def logPrefix(self) -> str:
        return self._name

    def buildProtocol(  # type: ignore[override]
        self, addr: IAddress | None
    ) -> TLSMemoryBIOProtocol | None:
        if not self._admits(cast(Any, addr).host):
            return None
        return super().buildProtocol(addr)


_log = Logger()
