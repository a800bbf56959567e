"""A key, and the request by which Apple makes a push certificate for it (PKCS #10, RFC 2986).

Apple's portals take RSA keys of 2048 bits and look at the key alone: topic and dates are theirs to
choose ("Certificate Signing Request" in Apple's developer help). The key never leaves this
computer. For MDM Apple wants the request signed by a vendor, which is not done here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

KEY_BITS: Final = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Requester:
    """Who asks. Apple shows it to nobody but the one who looks into the request."""

    common_name: str
    email: str | None = None
    country: str | None = None
    """Two letters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAndRequest:
    """Both in PEM; the key is PKCS #8, unencrypted."""

    key: bytes
    request: bytes


def new_request(requester: Requester) -> KeyAndRequest:
    """A new key, and a request that is signed with it. Raises ValueError for a name that a
    certificate cannot hold."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    named = (
        (NameOID.EMAIL_ADDRESS, requester.email),
        (NameOID.COMMON_NAME, requester.common_name),
        (NameOID.COUNTRY_NAME, requester.country),
    )
    subject = x509.Name([x509.NameAttribute(oid, value) for oid, value in named if value])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, SHA256())
    return KeyAndRequest(
        key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        request=request.public_bytes(Encoding.PEM),
    )
