"""Provider tokens: what Apple can verify, and how often a new one is signed."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from protocols.apns.token import (
    PAUSE,
    REFRESH,
    KeyUnfit,
    ProviderToken,
    ProviderTokens,
    load_key,
)

KEY = ec.generate_private_key(ec.SECP256R1())
TEAM, KEY_ID = "DEF123GHIJ", "ABC123DEFG"
NOON = 1_800_000_000


def token() -> ProviderToken:
    return ProviderToken(team_id=TEAM, key_id=KEY_ID, key=KEY)


def part(text: bytes) -> bytes:
    return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))


def claims(bearer: bytes) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(part(bearer.split(b".")[1]))
    return said


def pem(key: Any, password: bytes | None = None) -> bytes:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    data: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    return data


def test_what_apple_verifies() -> None:
    """ES256 with key id, team and the time as a number; the signature is R||S of 64 bytes."""
    bearer = token().bearer(NOON, 5.0)

    scheme, _, jwt = bearer.partition(b" ")
    head, body, signature = jwt.split(b".")
    assert (scheme, json.loads(part(head))) == (b"bearer", {"alg": "ES256", "kid": KEY_ID})
    assert claims(bearer) == {"iss": TEAM, "iat": NOON}
    raw = part(signature)
    assert len(raw) == 64
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    KEY.public_key().verify(der, head + b"." + body, ec.ECDSA(SHA256()))


def test_one_token_for_three_quarters_of_an_hour() -> None:
    """The same token until it is 45 minutes old by either clock, then a new one."""
    ours = token()

    first = ours.bearer(NOON, 0.0)
    again = ours.bearer(NOON + REFRESH - 1, REFRESH - 1.0)
    second = ours.bearer(NOON + REFRESH, REFRESH)
    slept = ours.bearer(NOON + 3 * REFRESH, REFRESH + 60.0)
    stuck = ours.bearer(NOON + 3 * REFRESH, 2 * REFRESH + 60.0)

    assert first == again
    assert [claims(each)["iat"] for each in (second, slept, stuck)] == [
        NOON + REFRESH,
        NOON + 3 * REFRESH,
        NOON + 3 * REFRESH,
    ]
    assert len({first, second, slept, stuck}) == 4


def test_a_clock_set_back() -> None:
    """A token of the future is replaced, yet not within 20 minutes of the last."""
    ours = token()
    first = ours.bearer(NOON, 0.0)

    early = ours.bearer(NOON - 3600, PAUSE - 1.0)
    late = ours.bearer(NOON - 3600, PAUSE)
    small = ours.bearer(NOON - 3650, 2.0 * PAUSE)

    assert (early, claims(late)["iat"], small) == (first, NOON - 3600, late)


def test_apple_calls_it_expired() -> None:
    """All that used the token hear so; one new token is signed, if the old is 20 minutes old."""
    ours = token()
    first = ours.bearer(NOON, 0.0)

    young = ours.expired(first, NOON + PAUSE - 1, PAUSE - 1.0)
    old = ours.expired(first, NOON + PAUSE, float(PAUSE))
    second = ours.bearer(NOON + PAUSE, float(PAUSE))
    another_connection = ours.expired(first, NOON + PAUSE + 1, PAUSE + 1.0)

    assert (young, old, another_connection) == (False, True, True)
    assert second != first
    assert ours.bearer(NOON + PAUSE + 1, PAUSE + 1.0) == second


def test_one_token_in_a_process() -> None:
    """Everybody who asks for a team and key has the same token; another key has another."""
    tokens = ProviderTokens()

    one = tokens.of(team_id=TEAM, key_id=KEY_ID, key=KEY)

    assert tokens.of(team_id=TEAM, key_id=KEY_ID, key=KEY) is one
    assert tokens.of(team_id=TEAM, key_id="ABC123DEFH", key=KEY) is not one


def test_a_p8_file_is_read() -> None:
    """Apple's .p8 is PKCS #8 in PEM."""
    assert load_key(pem(KEY)).private_numbers() == KEY.private_numbers()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"-----BEGIN PRIVATE KEY-----\nxx\n-----END PRIVATE KEY-----\n",
        pem(ec.generate_private_key(ec.SECP384R1())),
        pem(rsa.generate_private_key(65537, 2048)),
        pem(KEY, b"secret"),
    ],
    ids=["empty", "torn", "P-384", "RSA", "encrypted"],
)
def test_keys_that_do_not_fit(data: bytes) -> None:
    """Whatever is no P-256 key in the clear is refused with what would be right."""
    with pytest.raises(KeyUnfit, match=r"\.p8"):
        load_key(data)


@pytest.mark.parametrize(("team", "key_id"), [("", KEY_ID), (TEAM, "abc123defg"), ("x" * 11, "")])
def test_identifiers(team: str, key_id: str) -> None:
    """Team and key id are ten capital letters or digits."""
    with pytest.raises(KeyUnfit, match="ten capital letters"):
        ProviderToken(team_id=team, key_id=key_id, key=KEY)
