"""What UEFI firmware cannot take about a certificate, for whoever is to make a better one.

Firmware of 2022 (EDK2, capture `ovmf-https4`) offers TLS 1.2 with RSA and DHE key exchange and RSA
signatures: no elliptic curves anywhere. It compares the host of its URL with the certificate's
subject alternative names, and gives no reason when it closes the connection. Must never decide
anything: browsers and kernels take such certificates all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import AddressValueError, IPv4Address

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509.oid import SignatureAlgorithmOID

_RSA_SIGNATURES = frozenset(
    {
        SignatureAlgorithmOID.RSA_WITH_SHA256,
        SignatureAlgorithmOID.RSA_WITH_SHA384,
        SignatureAlgorithmOID.RSA_WITH_SHA512,
        SignatureAlgorithmOID.RSASSA_PSS,
    }
)


def objections(chain: Sequence[x509.Certificate], hosts: Iterable[str]) -> list[str]:
    """Why firmware that is told a URL of one of `hosts` (names or IPv4 addresses, as in the URL)
    would not load from us; each with a remedy. `chain` is the server's certificate, then its
    intermediates (`netbootd.http.secure.load_chain`)."""
    own = chain[0]
    found = []
    if not isinstance(own.public_key(), RSAPublicKey):
        found.append("its key is no RSA key; make one of 2048 bits (openssl genrsa 2048)")
    for certificate in chain:
        if certificate.signature_algorithm_oid not in _RSA_SIGNATURES:
            name = certificate.subject.rfc4514_string()
            found.append(
                f"{name} is not signed with RSA and SHA-2; have an RSA authority sign it again"
            )
    names = _names(own)
    for host in hosts:
        if not any(_covers(name, host) for name in names):
            has = ", ".join(map(str, names)) or "none"
            found.append(
                f"{host} is not among its subject alternative names ({has}); have it made for"
                f" {_written(host)}"
            )
    return found


def _names(certificate: x509.Certificate) -> list[str | IPv4Address]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    addresses = extension.value.get_values_for_type(x509.IPAddress)
    own = [address for address in addresses if isinstance(address, IPv4Address)]
    return [*extension.value.get_values_for_type(x509.DNSName), *own]


def _covers(name: str | IPv4Address, host: str) -> bool:
    if isinstance(name, IPv4Address):
        return str(name) == host
    name, host = name.lower(), host.lower()
    # RFC 6125, 6.4.3: a star stands for one label, the first.
    return name == host or (name.startswith("*.") and name[2:] == host.partition(".")[2])


def _written(host: str) -> str:
    """As openssl's subjectAltName has it."""
    try:
        return f"IP:{IPv4Address(host)}"
    except AddressValueError:
        return f"DNS:{host}"
