"""A server certificate that nobody signed but itself: for programs that can be told to trust it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME: Final = timedelta(days=825)
"""The most that Apple's systems accept of one that an administrator trusts (support article
HT210176)."""
SLACK: Final = timedelta(hours=1)
"""By which clocks may differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfSigned:
    """Certificate and key, in PEM; the key is PKCS #8, unencrypted."""

    certificate: bytes
    key: bytes
    expires_at: datetime


def self_signed(names: Sequence[str], addresses: Sequence[str], now: datetime) -> SelfSigned:
    """A new one for these host names, the first of which is its own, and IP addresses. `now` is
    aware. Raises ValueError where one is none."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    alternative = [
        *(x509.DNSName(name) for name in names),
        *(x509.IPAddress(ip_address(address)) for address in addresses),
    ]
    begins = now.replace(microsecond=0) - SLACK
    certificate = (
        x509.CertificateBuilder()
        .issuer_name(subject)
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + LIFETIME)
        .add_extension(x509.SubjectAlternativeName(alternative), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )
    return SelfSigned(
        certificate=certificate.public_bytes(Encoding.PEM),
        key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        expires_at=begins + LIFETIME,
    )
