"""Throw-away certificates and signing keys: what a test needs to be Apple, and to be a provider.

    Authority ──▶ server certificate            the simulator's own
              ──▶ provider certificates         UID and topics as Apple's have them
    new_signing_key ──▶ the content of a .p8

Nothing here is kept unless somebody writes it to a folder, and none of it is worth keeping.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pushd.testing.certificate import Environment, encode_topics

SERVER_NAMES: Final = (
    "localhost",
    "api.push.apple.com",
    "api.sandbox.push.apple.com",
    "api.development.push.apple.com",
)
"""Apple's too: a client may be led here by its resolver and still find the name it wants."""
SERVER_ADDRESSES: Final = ("127.0.0.1", "::1")
YEAR: Final = timedelta(days=365)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """A certificate and its key, in PEM; the key is PKCS #8, unencrypted."""

    certificate: bytes
    key: bytes

    def write(self, certificate: Path, key: Path) -> None:
        """Write both; the key is readable by its owner alone. Raises OSError."""
        write_private(key, self.key)
        certificate.write_bytes(self.certificate)


class Authority:
    """A certification authority that lives as long as this object."""

    def __init__(self, now: datetime | None = None) -> None:
        """Certificates begin an hour before `now` (aware) and last a year."""
        self._now = now or datetime.now(UTC)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name(
            [x509.NameAttribute(NameOID.COMMON_NAME, "APNs simulator (trust nothing it signs)")]
        )
        self.certificate: Final = (
            self._begin(self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False
            )
            .sign(self._key, SHA256())
        )

    @property
    def pem(self) -> bytes:
        """What clients are to trust, in PEM."""
        return self.certificate.public_bytes(Encoding.PEM)

    def server(
        self,
        names: Sequence[str] = SERVER_NAMES,
        addresses: Sequence[str] = SERVER_ADDRESSES,
        lifetime: timedelta = YEAR,
    ) -> KeyPair:
        """A server certificate for these names and addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        literal: list[IPv4Address | IPv6Address] = [ip_address(text) for text in addresses]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        builder = self._begin(subject, key.public_key(), lifetime).add_extension(
            x509.SubjectAlternativeName(
                [*(x509.DNSName(name) for name in names), *(x509.IPAddress(a) for a in literal)]
            ),
            critical=False,
        )
        return self._finish(builder, key, ExtendedKeyUsageOID.SERVER_AUTH)

    def provider(
        self,
        uid: str | None,
        *,
        topics: Sequence[str] = (),
        environments: Sequence[Environment] = tuple(Environment),
        lifetime: timedelta = YEAR,
    ) -> KeyPair:
        """A push certificate: `uid` is its topic, unless `topics` are named.

        MDM's has a UID of `com.apple.mgmt.External.<uuid>` and nothing else. Without either it is
        good for nothing. `lifetime` below an hour makes one that has expired.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.NameAttribute(NameOID.COMMON_NAME, f"Apple Push Services: {uid}"[:64])]
        if uid is not None:
            names.append(x509.NameAttribute(NameOID.USER_ID, uid))
        subject = x509.Name(names)
        builder = self._begin(subject, key.public_key(), lifetime)
        for environment in environments:
            builder = builder.add_extension(
                x509.UnrecognizedExtension(environment.extension, b"\x05\x00"),  # NULL
                critical=False,
            )
        if topics:
            builder = builder.add_extension(encode_topics(topics), critical=False)
        return self._finish(builder, key, ExtendedKeyUsageOID.CLIENT_AUTH)

    def _begin(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, lifetime: timedelta = YEAR
    ) -> x509.CertificateBuilder:
        begins = self._now.replace(microsecond=0) - timedelta(hours=1)
        return (
            x509.CertificateBuilder()
            .issuer_name(self._name)
            .subject_name(subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(begins + lifetime)
        )

    def _finish(
        self,
        builder: x509.CertificateBuilder,
        key: ec.EllipticCurvePrivateKey,
        usage: x509.ObjectIdentifier,
    ) -> KeyPair:
        signed = (
            builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .sign(self._key, SHA256())
        )
        return KeyPair(certificate=signed.public_bytes(Encoding.PEM), key=pem_of(key))


def new_signing_key() -> bytes:
    """A key for provider tokens, as the .p8 file of Apple's developer site has it."""
    return pem_of(ec.generate_private_key(ec.SECP256R1()))


def pem_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    """PKCS #8 in PEM."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def write_private(path: Path, content: bytes) -> None:
    """Write a file that its owner alone can read, at no time anybody else. Raises OSError."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
