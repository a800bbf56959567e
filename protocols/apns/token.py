"""Provider tokens: JSON Web Tokens by which a team proves to Apple who it is (ES256, RFC 7519).

    {"alg":"ES256","kid":KEY} . {"iss":TEAM,"iat":SECONDS} . R||S

Apple takes a token for an hour and wants a new one at most every 20 minutes
(TooManyProviderTokenUpdates otherwise), counted by team: so there is one `ProviderToken` for each
team and key in the process, however many connections use it. Time is a parameter: wall clock for
what Apple reads, monotonic for what we may do.
"""

from __future__ import annotations

import base64
import json
import re
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

REFRESH: Final = 45 * 60
"""Seconds after which a token is replaced: Apple's limit is 60 minutes."""
PAUSE: Final = 20 * 60
"""Seconds between two tokens at least (Apple)."""
AHEAD: Final = 60
"""Seconds by which a token may be of the future before our clock counts as having been set back."""

_TEN: Final = re.compile(r"[A-Z0-9]{10}", re.ASCII)


class KeyUnfit(ValueError):
    """A signing key that Apple would not take; `str()` says why and what would be right."""


def load_key(pem: bytes) -> EllipticCurvePrivateKey:
    """The key in a .p8 file. Raises KeyUnfit."""
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyUnfit(f"is no private key in PEM ({error}); download the .p8 again") from error
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
        raise KeyUnfit("is no key on curve P-256; use the .p8 file of Apple's developer site")
    return key


class ProviderToken:
    """The token of one team and key, signed anew when it must be and not when it may not."""

    def __init__(self, *, team_id: str, key_id: str, key: EllipticCurvePrivateKey) -> None:
        """Both identifiers are ten capital letters or digits. Raises KeyUnfit."""
        for name, value in (("team id", team_id), ("key id", key_id)):
            if not _TEN.fullmatch(value):
                raise KeyUnfit(f"{name} {value[:20]!r} is not ten capital letters or digits")
        self.team_id = team_id
        self.key_id = key_id
        self._key = key
        self._bearer = b""
        self._issued_at = 0
        self._signed_at = 0.0

    def bearer(self, utc: int, monotonic: float) -> bytes:
        """The value of `authorization`: `bearer <token>`. `utc` is seconds since 1970."""
        if not self._bearer:
            return self._sign(utc, monotonic)
        age = max(utc - self._issued_at, monotonic - self._signed_at)
        of_the_future = self._issued_at - utc > AHEAD
        if age >= REFRESH or (of_the_future and monotonic - self._signed_at >= PAUSE):
            return self._sign(utc, monotonic)
        return self._bearer

    def is_signed_with(self, key: EllipticCurvePrivateKey) -> bool:
        """Whether that is the key."""
        return self._key.public_key() == key.public_key()

    def expired(self, refused: bytes, utc: int, monotonic: float) -> bool:
        """Apple said ExpiredProviderToken to `refused`. Whether there is another to try with.

        Each connection that used the token will say so; one new token answers them all.
        """
        if refused != self._bearer:
            return True
        if max(utc - self._issued_at, monotonic - self._signed_at) < PAUSE:
            return False  # our clock is wrong, and a token of the same clock no better
        self._sign(utc, monotonic)
        return True

    def _sign(self, utc: int, monotonic: float) -> bytes:
        head = _part({"alg": "ES256", "kid": self.key_id})
        signed = head + b"." + _part({"iss": self.team_id, "iat": utc})
        r, s = decode_dss_signature(self._key.sign(signed, ECDSA(SHA256())))
        signature = _base64url(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
        self._bearer = b"bearer " + signed + b"." + signature
        self._issued_at, self._signed_at = utc, monotonic
        return self._bearer


class ProviderTokens:
    """All tokens of the process: one for each team and key."""

    def __init__(self) -> None:
        self._tokens: dict[tuple[str, str], ProviderToken] = {}

    def of(self, *, team_id: str, key_id: str, key: EllipticCurvePrivateKey) -> ProviderToken:
        """The token of that team and key, whoever asked for it first. Raises KeyUnfit.

        A key that differs under the same identifiers replaces the one before, which was wrong.
        """
        found = self._tokens.get((team_id, key_id))
        if found is None or not found.is_signed_with(key):
            found = ProviderToken(team_id=team_id, key_id=key_id, key=key)
            self._tokens[team_id, key_id] = found
        return found


def _part(claims: dict[str, str | int]) -> bytes:
    return _base64url(json.dumps(claims, separators=(",", ":")).encode())


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
