"""Provider tokens as APNs clients make them, verified as Apple would.

    authorization: bearer {"alg":"ES256","kid":KEY}.{"iss":TEAM,"iat":SECONDS}.R||S

An unmodified client signs with a .p8 file. It is given one of ours, whose public half is in the
clients file, and so it logs in the way it always has.
"""

from __future__ import annotations

import base64
import binascii
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from protocols.apns.reason import Reason
from pushd.api.identity import Identity

LIFETIME: Final = 3600
"""Seconds for which Apple takes a token."""
AHEAD: Final = 300
"""Seconds by which a client's clock may be fast."""
MAX_TOKEN: Final = 1000
"""Characters: Apple's clients make 200."""
MAX_KNOWN: Final = 1000
"""Tokens whose signature has been verified, 300 bytes each. A client has a new one every 20
minutes at most."""


class _Head(msgspec.Struct):
    alg: str
    kid: str


class _Claims(msgspec.Struct):
    iss: str
    iat: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderKey:
    """The public half of a key that a client signs with."""

    team_id: str
    key_id: str
    key: EllipticCurvePublicKey
    identity: Identity


def load_public_key(pem: str) -> EllipticCurvePublicKey:
    """Raises ValueError."""
    key = load_pem_public_key(pem.encode())
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise ValueError("is no key on curve P-256")
    return key


class ProviderKeys:
    """All such keys. A token is verified once (60 us) and then remembered."""

    def __init__(self, keys: Mapping[tuple[str, str], ProviderKey]) -> None:
        """By team id and key id."""
        self._keys = keys
        self._known: OrderedDict[str, tuple[Identity, int]] = OrderedDict()

    def identify(self, token: str, utc: int) -> Identity | Reason:
        """Who signed `token`; what Apple would say if it is not good. `utc` is seconds."""
        known = self._known.get(token)
        if known is None:
            known = self._verified(token)
            if known is None:
                return Reason.INVALID_PROVIDER_TOKEN
            self._known[token] = known
            if len(self._known) > MAX_KNOWN:
                self._known.popitem(last=False)
        identity, issued_at = known
        if issued_at > utc + AHEAD:
            return Reason.INVALID_PROVIDER_TOKEN
        return identity if utc - issued_at <= LIFETIME else Reason.EXPIRED_PROVIDER_TOKEN

    def _verified(self, token: str) -> tuple[Identity, int] | None:
        parts = token.split(".")
        if len(token) > MAX_TOKEN or len(parts) != 3:
            return None
        try:
            head = msgspec.json.decode(_bytes(parts[0]), type=_Head)
            claims = msgspec.json.decode(_bytes(parts[1]), type=_Claims)
            signature = _bytes(parts[2])
        except (ValueError, RecursionError):  # DecodeError and binascii.Error are ValueErrors
            return None
        entry = self._keys.get((claims.iss, head.kid))
        if entry is None or head.alg != "ES256" or len(signature) != 64:
            return None
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        signed = token.rpartition(".")[0].encode()
        try:
            entry.key.verify(encode_dss_signature(r, s), signed, ECDSA(SHA256()))
        except InvalidSignature:
            return None
        return entry.identity, claims.iat


def _bytes(part: str) -> bytes:
    data = part.encode("ascii")
    try:
        return base64.b64decode(data + b"=" * (-len(data) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("is no base64url") from error
