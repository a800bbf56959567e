"""Certificates for the tests, made as they are needed."""

from __future__ import annotations

import datetime
import functools
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Files as an operator has them."""

    certificate: Path
    key: Path
    authority: Path


@functools.cache
def rsa_key(serial: int) -> rsa.RSAPrivateKey:
    """RSA keys take a while, so the tests share them."""
    return rsa.generate_private_key(65537, 2048)


def write_credentials(
    folder: Path, key: Key | None = None, *, address: str = "127.0.0.1"
) -> Credentials:
    """A certificate for `address`, by an intermediate authority, by a root."""
    folder.mkdir(parents=True, exist_ok=True)
    key = key or rsa_key(0)
    root = _certificate("Root", rsa_key(1), "Root", rsa_key(1))
    middle = _certificate("Middle", rsa_key(2), "Root", rsa_key(1))
    own = _certificate(address, key, "Middle", rsa_key(2), address=address)
    credentials = Credentials(
        certificate=folder / "certificate.pem",
        key=folder / "key.pem",
        authority=folder / "authority.pem",
    )
    credentials.certificate.write_bytes(
        own.public_bytes(Encoding.PEM) + middle.public_bytes(Encoding.PEM)
    )
    credentials.authority.write_bytes(root.public_bytes(Encoding.PEM))
    credentials.key.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return credentials


def _certificate(
    subject: str, key: Key, issuer: str, issuer_key: rsa.RSAPrivateKey, *, address: str = ""
) -> x509.Certificate:
    """An authority's certificate, or that of the server at `address`."""
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=not address, path_length=None), critical=True)
    )
    if address:
        names = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(address))])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(issuer_key, hashes.SHA256())
