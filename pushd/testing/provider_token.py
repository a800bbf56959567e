"""Provider tokens as Apple judges them: ES256, one team to a connection, a new one now and then.

    authorization: bearer <head>.<claims>.<R||S>
      {"alg":"ES256","kid":KEY}  {"iss":TEAM,"iat":SECONDS}

Source: Apple's "Establishing a token-based connection to APNs" and, for what binds a token to a
connection, Apple's engineers in its forums (674772, 702056, 770438; news of February 2025).
"""

from __future__ import annotations

import base64
import binascii
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from protocols.apns.reason import Reason
from pushd.testing.certificate import Environment
from pushd.testing.refusal import Refused

LIFETIME: Final = 3600
"""Seconds after `iat` for which a token is good."""
PAUSE: Final = 1200
"""Seconds that must lie between two tokens of a connection."""
AHEAD: Final = 300
"""Seconds by which `iat` may be of the future: a guess."""
MAX_TOKENS: Final = 1000
"""Tokens remembered, 1 KiB each at most."""
MAX_TOKEN: Final = 1024
"""Bytes of a token: usual ones have 200."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A key that a team has registered with Apple."""

    team_id: str
    key_id: str
    public: EllipticCurvePublicKey
    topics: frozenset[str] | None = None
    """Bundle ids it may push to; None: whatever the simulator allows."""
    environment: Environment | None = None
    """The one it is bound to, if any."""

    @classmethod
    def from_p8(
        cls,
        pem: bytes,
        *,
        team_id: str,
        key_id: str,
        topics: frozenset[str] | None = None,
        environment: Environment | None = None,
    ) -> SigningKey:
        """The public half of a .p8 file. Raises ValueError."""
        private = load_pem_private_key(pem, None)
        if not isinstance(private, EllipticCurvePrivateKey):
            raise ValueError("is no key for ES256")
        public = private.public_key()
        if not isinstance(public.curve, SECP256R1):
            raise ValueError("is no key on curve P-256")
        return cls(
            team_id=team_id,
            key_id=key_id,
            public=public,
            topics=topics,
            environment=environment,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedToken:
    """A token whose signature is good."""

    key: SigningKey
    issued_at: float


class SigningKeys:
    """The keys of all teams, and the tokens they were found to have signed."""

    def __init__(self) -> None:
        self._keys: dict[str, SigningKey] = {}
        self._verified: OrderedDict[bytes, VerifiedToken] = OrderedDict()

    def add(self, key: SigningKey) -> None:
        """Register a key, in place of another of its id."""
        self._keys[key.key_id] = key
        self._verified.clear()

    def revoke(self, key_id: str) -> None:
        """Forget a key: what it signed is no longer good."""
        self._keys.pop(key_id, None)
        self._verified.clear()

    def verify(self, token: bytes) -> VerifiedToken:
        """Raises Refused if no key here has signed `token`."""
        known = self._verified.get(token)
        if known is not None:
            return known
        if len(token) > MAX_TOKEN:
            raise Refused(403, Reason.INVALID_PROVIDER_TOKEN)
        verified = self._verify(token)
        self._verified[token] = verified
        if len(self._verified) > MAX_TOKENS:
            self._verified.popitem(last=False)
        return verified

    def _verify(self, token: bytes) -> VerifiedToken:
        invalid = Refused(403, Reason.INVALID_PROVIDER_TOKEN)
        try:
            signed, _, last = token.rpartition(b".")
            head, claims = (_object(part) for part in signed.split(b"."))
            signature = _base64url(last)
        except ValueError:
            raise invalid from None
        key = self._keys.get(str(head.get("kid")))
        issued_at = claims.get("iat")
        if (
            head.get("alg") != "ES256"
            or key is None
            or claims.get("iss") != key.team_id
            or isinstance(issued_at, bool)
            or not isinstance(issued_at, int | float)
            or len(signature) != 64
        ):
            raise invalid
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        try:
            key.public.verify(encode_dss_signature(r, s), signed, ECDSA(SHA256()))
        except InvalidSignature:
            raise invalid from None
        return VerifiedToken(key=key, issued_at=float(issued_at))


class TokenBinding:
    """The tokens of one connection: the first binds it to a team and a key."""

    def __init__(self, keys: SigningKeys, environment: Environment) -> None:
        self._keys = keys
        self._environment = environment
        self._bound: SigningKey | None = None
        self._current = b""
        self._changed_at = 0.0
        self._is_wedged = False

    def admit(self, authorization: str | None, unix: float) -> SigningKey:
        """The key that signed the token of a request. Raises Refused. `unix`: seconds."""
        if authorization is None:
            raise Refused(403, Reason.MISSING_PROVIDER_TOKEN)
        scheme, _, token = authorization.encode().partition(b" ")
        if scheme.lower() != b"bearer" or not token:
            raise Refused(403, Reason.INVALID_PROVIDER_TOKEN)
        verified = self._keys.verify(token)
        self._check_binding(verified.key)
        if verified.issued_at > unix + AHEAD:
            raise Refused(403, Reason.INVALID_PROVIDER_TOKEN)
        # A connection that has seen an expired token takes no other (pushy, TokenAuthentication).
        if self._is_wedged or unix - verified.issued_at > LIFETIME:
            self._is_wedged = True
            raise Refused(403, Reason.EXPIRED_PROVIDER_TOKEN)
        self._check_pace(token, unix)
        self._bound = verified.key
        return verified.key

    def _check_binding(self, key: SigningKey) -> None:
        if key.environment is not None and key.environment is not self._environment:
            raise Refused(403, Reason.BAD_ENVIRONMENT_KEY_IN_TOKEN)
        if self._bound is None or key is self._bound:
            return
        if key.team_id != self._bound.team_id:
            raise Refused(403, Reason.INVALID_PROVIDER_TOKEN)
        if key.key_id != self._bound.key_id:
            raise Refused(403, Reason.UNRELATED_KEY_ID_IN_TOKEN)

    def _check_pace(self, token: bytes, unix: float) -> None:
        if token == self._current:
            return
        if self._current and unix - self._changed_at < PAUSE:
            raise Refused(429, Reason.TOO_MANY_PROVIDER_TOKEN_UPDATES)
        self._current, self._changed_at = token, unix


def _object(part: bytes) -> dict[str, Any]:
    """Raises ValueError."""
    return msgspec.json.decode(_base64url(part), type=dict[str, Any])


def _base64url(part: bytes) -> bytes:
    """Raises ValueError (binascii.Error is one)."""
    if b"=" in part or b"+" in part or b"/" in part:
        raise binascii.Error("is no unpadded base64url")
    return base64.b64decode(part + b"=" * (-len(part) % 4), b"-_", validate=True)
