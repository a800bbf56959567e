"""Bearer tokens: made here, shown once, kept as a hash.

    pushd_k7dq2mfa_5n3…(43 characters)
          └─ id ─┘ └─ secret, 256 random bits

The id finds the entry, the secret is compared by its hash, in constant time. The secret has no
structure to guess at, so a plain SHA-256 is as good as a slow hash, and costs a microsecond.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from typing import Final, NamedTuple

_TOKEN: Final = re.compile(r"pushd_([a-z2-7]{8})_([A-Za-z0-9_-]{43})", re.ASCII)
_ENTRY: Final = re.compile(r"([a-z2-7]{8}):([0-9a-f]{64})", re.ASCII)


class NewToken(NamedTuple):
    """A token and what the clients file says of it."""

    token: str
    """For the client; it cannot be had again."""
    entry: str
    """The value of `token` in the clients file."""


def new_token(random_bytes: Callable[[int], bytes]) -> NewToken:
    """A token. `random_bytes(n)` gives n bytes that nobody can guess."""
    id = base64.b32encode(random_bytes(5)).decode().lower()
    secret = base64.urlsafe_b64encode(random_bytes(32)).rstrip(b"=").decode()
    return NewToken(token=f"pushd_{id}_{secret}", entry=f"{id}:{_hash(secret)}")


def split_entry(entry: str) -> tuple[str, str]:
    """The id and the hash in a clients file. Raises ValueError."""
    match = _ENTRY.fullmatch(entry)
    if match is None:
        raise ValueError("is no token entry")
    return match[1], match[2]


def token_id(token: str) -> str | None:
    """The id of a token, by which its entry is found; None if it is no token of ours."""
    match = _TOKEN.fullmatch(token)
    return match[1] if match else None


def matches(token: str, digest: str) -> bool:
    """Whether `token`, which has the form of one, is the one with that hash."""
    return hmac.compare_digest(_hash(token[15:]), digest)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
