"""Provider tokens: by whom, how old, and how many on one connection."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from pushd.testing import Conduct, Environment, new_signing_key
from pushd.testing.authority import pem_of
from pushd.testing.background import Background
from pushd.testing.provider_token import SigningKey
from tests.pushd.testing.conftest import Connect
from tests.pushd.testing.hand import Hand, bearer
from tests.pushd.testing.test_request import reason


class SetClock:
    """A wall clock that stands where it is put."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def options(clock: SetClock) -> dict[str, Any]:
    return {"unix": clock}


@pytest.fixture
def key(apple: Background) -> bytes:
    return apple.run(lambda simulator: simulator.new_key())


def push(hand: Hand, authorization: str | None) -> tuple[int, bytes]:
    return hand.push(authorization=authorization).verdict


def test_a_registered_key_is_good(connect: Connect, key: bytes, clock: SetClock) -> None:
    """A token of a registered team and key lets a client without certificate push."""
    assert push(connect(authorization=None), bearer(key, iat=clock.now)) == (200, b"")


def test_none_is_missed(connect: Connect) -> None:
    """Neither certificate nor token."""
    assert push(connect(authorization=None), None) == (403, reason("MissingProviderToken"))


@pytest.mark.parametrize(
    "authorization",
    [
        "bearer",
        "bearer ",
        "bearer x",
        "bearer a.b.c",
        "bearer e30.e30.e30",
        "bearer " + "x" * 2000,
        "basic dXNlcjpwYXNz",
    ],
)
def test_malformed(connect: Connect, authorization: str) -> None:
    """What is no JSON Web Token at all."""
    verdict = push(connect(authorization=None), authorization)

    assert verdict == (403, reason("InvalidProviderToken"))


@pytest.mark.parametrize(
    "claims",
    [
        {"team": "TEAM000002"},
        {"kid": "KEY0000002"},
        {"iat": "today"},
        {"iat": 1_800_000_000 + 301},
    ],
)
def test_not_what_was_registered(connect: Connect, key: bytes, claims: dict[str, Any]) -> None:
    """Another team, an unknown key, a time that is none or of the future."""
    verdict = push(connect(authorization=None), bearer(key, **{"iat": 1_800_000_000} | claims))

    assert verdict == (403, reason("InvalidProviderToken"))


def test_signed_by_another_key(connect: Connect, key: bytes, clock: SetClock) -> None:
    """The right names, the wrong signature."""
    verdict = push(connect(authorization=None), bearer(new_signing_key(), iat=clock.now))

    assert verdict == (403, reason("InvalidProviderToken"))


def test_signed_otherwise(connect: Connect, key: bytes, clock: SetClock) -> None:
    """ES256 only, not a secret that both know."""
    secret = bearer(b"x" * 32, algorithm="HS256", iat=clock.now)

    assert push(connect(authorization=None), secret) == (403, reason("InvalidProviderToken"))


def test_a_signature_in_der_is_none(connect: Connect, key: bytes, clock: SetClock) -> None:
    """The signature is R and S, 32 bytes each, not what OpenSSL gives."""
    import base64

    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    private = load_pem_private_key(key, None)
    assert isinstance(private, EllipticCurvePrivateKey)
    signed = bearer(key, iat=clock.now).removeprefix("bearer ").rpartition(".")[0]
    signature = base64.urlsafe_b64encode(private.sign(signed.encode(), ECDSA(SHA256())))
    token = f"bearer {signed}.{signature.decode().rstrip('=')}"

    assert push(connect(authorization=None), token) == (403, reason("InvalidProviderToken"))


def test_an_expired_one_wedges_the_connection(
    connect: Connect, key: bytes, clock: SetClock
) -> None:
    """After an hour a token is refused, and its connection takes no other; a new one does."""
    old = connect(authorization=None)
    first = bearer(key, iat=clock.now)

    before = push(old, first)
    clock.now += 3601
    expired = push(old, first)
    renewed = push(old, bearer(key, iat=clock.now))
    elsewhere = push(connect(authorization=None), bearer(key, iat=clock.now))

    assert before == (200, b"")
    assert expired == renewed == (403, reason("ExpiredProviderToken"))
    assert elsewhere == (200, b"")


def test_a_new_token_every_twenty_minutes(connect: Connect, key: bytes, clock: SetClock) -> None:
    """A connection takes a second token after twenty minutes; the first is good all the while."""
    hand = connect(authorization=None)
    first = bearer(key, iat=clock.now)

    begun = push(hand, first)
    clock.now += 1199
    early = push(hand, bearer(key, iat=clock.now))
    kept = push(hand, first)
    clock.now += 1
    late = push(hand, bearer(key, iat=clock.now))

    assert begun == kept == late == (200, b"")
    assert early == (429, reason("TooManyProviderTokenUpdates"))


def test_one_team_to_a_connection(apple: Background, connect: Connect, clock: SetClock) -> None:
    """The first token binds a connection to its team and its key."""
    first, sibling, stranger = apple.run(
        lambda simulator: [
            simulator.new_key(team_id=team, key_id=kid)
            for team, kid in (
                ("TEAM000001", "KEY0000001"),
                ("TEAM000001", "KEY0000002"),
                ("TEAM000002", "KEY0000003"),
            )
        ]
    )
    hand = connect(authorization=None)

    own = push(hand, bearer(first, iat=clock.now))
    other_key = push(hand, bearer(sibling, kid="KEY0000002", iat=clock.now))
    other_team = push(hand, bearer(stranger, team="TEAM000002", kid="KEY0000003", iat=clock.now))

    assert own == (200, b"")
    assert other_key == (403, reason("UnrelatedKeyIdInToken"))
    assert other_team == (403, reason("InvalidProviderToken"))


def test_a_key_of_the_other_environment(
    apple: Background, connect: Connect, clock: SetClock
) -> None:
    """A key that is bound to the development environment is no good for production."""
    key = apple.run(lambda simulator: simulator.new_key(environment=Environment.DEVELOPMENT))

    verdict = push(connect(authorization=None), bearer(key, iat=clock.now))

    assert verdict == (403, reason("BadEnvironmentKeyInToken"))


def test_a_revoked_key(apple: Background, connect: Connect, key: bytes, clock: SetClock) -> None:
    """What it has signed is worth nothing from then on."""
    token = bearer(key, iat=clock.now)
    hand = connect(authorization=None)

    before = push(hand, token)
    apple.run(lambda simulator: simulator.keys.revoke("KEY0000001"))
    after = push(hand, token)

    assert (before, after) == ((200, b""), (403, reason("InvalidProviderToken")))


class TestStreams:
    """Clients without certificate are let in one by one."""

    @pytest.mark.parametrize("options", [{"conduct": Conduct(latency=0.1)}])
    def test_one_until_the_first_success(self, connect: Connect, authorization: str) -> None:
        """A second request at once is refused, unprocessed; after a success there may be 1,000."""
        hand = connect(authorization=authorization)
        assert hand.streams == [1]
        hand.h2.remote_settings.update({3: 1000})  # rush in, against what was agreed
        hand.h2.remote_settings.acknowledge()

        streams = [hand.begin(payload=None), hand.begin(payload=None)]
        refused = hand.answer(streams[1])
        hand.h2.remote_settings.update({3: 1})
        rejected = hand.answer(streams[0])
        accepted = hand.push()
        hand.until(lambda: len(hand.streams) == 2)

        assert refused.reset == 7  # REFUSED_STREAM
        assert rejected.verdict == (400, reason("PayloadEmpty"))
        assert accepted.verdict == (200, b"")
        assert hand.streams == [1, 1000]


@pytest.mark.parametrize("bad", ["rsa", "p384"])
def test_only_p256_keys_are_registered(bad: str) -> None:
    """What Apple would not have given."""
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    if bad == "rsa":
        pem = rsa.generate_private_key(65537, 2048).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
    else:
        pem = pem_of(ec.generate_private_key(ec.SECP384R1()))

    with pytest.raises(ValueError, match=r"ES256|P-256"):
        SigningKey.from_p8(pem, team_id="TEAM000001", key_id="KEY0000001")


def test_certificates_need_no_first_success(connect: Connect) -> None:
    """A client with a certificate has all its streams from the start."""
    assert connect().streams == [Conduct().streams]
