"""Who a client is: tokens, provider tokens, certificates, and the file that names them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from random import Random

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from ops.config import ConfigError, parse
from protocols.apns.reason import Reason
from protocols.apns.token import ProviderToken
from pushd.api.access import Access, ClientsFile, Denied, load_clients
from pushd.api.bearer import matches, new_token, split_entry, token_id
from pushd.api.identity import ANYBODY, Identity, Scope
from pushd.api.limit import Admission, Throttle
from pushd.api.provider_key import AHEAD, LIFETIME
from tests.pushd.api.authority import Authority

NOW = 1_800_000_000
TEAM, KEY = "TEAM567890", "KEY4567890"


def access_of(text: str, *, anonymous: bool = False, now: list[float] | None = None) -> Access:
    clock = now or [NOW]
    return Access(
        parse(text.encode(), ClientsFile),
        anonymous=anonymous,
        throttle=Throttle(failures=1000),
        monotonic=lambda: 0.0,
        unix=lambda: clock[0],
    )


def shown(access: Access, token: str) -> Identity | Denied:
    return access.identify({"authorization": token}, "192.0.2.7", None)


def test_a_token_names_its_client() -> None:
    """Whatever the case of `Bearer`; and nobody else's does."""
    made, other = (new_token(Random(seed).randbytes) for seed in (1, 2))
    access = access_of(
        f'[[client]]\nname = "console"\ntoken = "{made.entry}"\nscopes = ["read", "cancel"]\n'
    )

    known = shown(access, f"BEARER {made.token}")

    assert isinstance(known, Identity)
    assert (known.name, known.scopes) == ("console", {Scope.READ, Scope.CANCEL})
    changed = made.token[:-1] + ("A" if made.token[-1] != "A" else "B")
    for wrong in (other.token, changed, made.token[:-1], made.entry, "", "a.b.c"):
        denied = shown(access, f"bearer {wrong}")
        assert isinstance(denied, Denied)
        assert denied.reason is Reason.INVALID_PROVIDER_TOKEN
    assert isinstance(shown(access, f"basic {made.token}"), Denied)


@given(seed=st.integers())
def test_a_token_fits_its_entry_only(seed: int) -> None:
    """The entry does not hold the token."""
    made = new_token(Random(seed).randbytes)
    id, digest = split_entry(made.entry)

    assert token_id(made.token) == id
    assert matches(made.token, digest)
    assert made.token[15:] not in made.entry


def test_topics() -> None:
    """Exact ones, and begins."""
    identity = Identity(name="a", scopes=frozenset(), topics=("com.a", "com.b.*"))

    assert [t for t in ("com.a", "com.a.b", "com.b.c", "com.b") if identity.knows(t)] == [
        "com.a",
        "com.b.c",
    ]
    assert not identity.knows_all
    assert ANYBODY.knows_all
    assert all(ANYBODY.may(scope) for scope in Scope)


def provider_clients(key: ec.EllipticCurvePrivateKey) -> str:
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return (
        f'[[client]]\nname = "app"\n[client.provider_key]\nteam_id = "{TEAM}"\n'
        f'key_id = "{KEY}"\npublic_key = """\n{pem}"""\n'
    )


def test_a_provider_token_is_verified() -> None:
    """As an APNs client signs it; for an hour, as at Apple's."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = [float(NOW)]
    access = access_of(provider_clients(key), now=now)
    token = ProviderToken(team_id=TEAM, key_id=KEY, key=key).bearer(NOW, 0).decode()

    def reason() -> Reason | None:
        said = shown(access, token)
        return said.reason if isinstance(said, Denied) else None

    said = {}
    for age in (0, LIFETIME, LIFETIME + 1, -AHEAD, -AHEAD - 1):
        now[0] = NOW + age
        said[age] = reason()

    assert said == {
        0: None,
        LIFETIME: None,
        LIFETIME + 1: Reason.EXPIRED_PROVIDER_TOKEN,
        -AHEAD: None,
        -AHEAD - 1: Reason.INVALID_PROVIDER_TOKEN,
    }


def test_a_provider_token_by_an_unknown_key_is_told_what_to_configure() -> None:
    """An APNs client that was pointed at pushd and nothing else: the log names the setting."""
    key = ec.generate_private_key(ec.SECP256R1())
    access = access_of('[[client]]\nname = "console"\ncertificate = "console.example.com"\n')

    denied = shown(access, ProviderToken(team_id=TEAM, key_id=KEY, key=key).bearer(NOW, 0).decode())

    assert isinstance(denied, Denied)
    assert "`provider_key` that signed it" in denied.detail


def test_a_provider_token_of_somebody_else() -> None:
    """Another key, another team, another algorithm, another text: all invalid."""
    key, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    access = access_of(provider_clients(key))
    good = ProviderToken(team_id=TEAM, key_id=KEY, key=key).bearer(NOW, 0).decode()[7:]
    head, claims, signature = good.split(".")
    none = base64.urlsafe_b64encode(json.dumps({"alg": "none", "kid": KEY}).encode()).decode()
    wrong = [
        ProviderToken(team_id=TEAM, key_id=KEY, key=other).bearer(NOW, 0).decode()[7:],
        ProviderToken(team_id="T" * 10, key_id=KEY, key=key).bearer(NOW, 0).decode()[7:],
        f"{none.rstrip('=')}.{claims}.{signature}",
        f"{none.rstrip('=')}.{claims}.",
        f"{head}.{claims}.{signature[:-4]}",
        f"{head}.{head}.{signature}",
        f"{head}.{claims}.{'A' * 86}",
        f"{head}.{claims}.é",
        "x" * 5000 + "..",
        ".." ,
    ]  # fmt: skip

    for token in wrong:
        denied = shown(access, f"bearer {token}")
        assert isinstance(denied, Denied), token
        assert denied.reason is Reason.INVALID_PROVIDER_TOKEN


def test_a_certificate_names_its_client(tmp_path: Path) -> None:
    """By its common name or a DNS name; a token that is shown with it counts instead."""
    authority = Authority()
    certificate = authority.client("console", dns="push.example.com").certificate
    text = '[[client]]\nname = "a"\ncertificate = "{}"\n'

    def said(name: str, **headers: str) -> Identity | Denied:
        return access_of(text.format(name)).identify(headers, "192.0.2.7", certificate)

    assert isinstance(said("console"), Identity)
    assert isinstance(said("push.example.com"), Identity)
    assert isinstance(said("push.example.org"), Denied)
    assert isinstance(said("console", authorization="bearer x"), Denied)


def test_everybody_is_let_in_where_that_is_wanted() -> None:
    """But a token that is shown must be good."""
    access = access_of("", anonymous=True)

    assert access.identify({}, "127.0.0.1", None) is ANYBODY
    assert isinstance(shown(access, "bearer x"), Denied)


ENTRY = new_token(Random(1).randbytes).entry


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[[client]]\nname = "a"', "client[0].token"),
        (f'[[client]]\nname = "a"\ntoken = "{ENTRY}"\ncertificate = "b"', "client[0].token"),
        ('[[client]]\nname = "a"\ntoken = "secret"', "client[0].token"),
        (f'[[client]]\nname = "a"\ntoken = "{ENTRY}"\nscopes = ["all"]', "client[0].scopes[0]"),
        (f'[[client]]\nname = "a"\ntoken = "{ENTRY}"\ntopics = ["*.a"]', "client[0].topics[0]"),
        (
            f'[[client]]\nname = "a"\ntoken = "{ENTRY}"\n[[client]]\nname = "b"\ntoken = "{ENTRY}"',
            "client[1].token",
        ),
        (
            '[[client]]\nname = "a"\nprovider_key = {team_id="TEAM567890", key_id="KEY4567890",'
            ' public_key="x"}',
            "client[0].provider_key.public_key",
        ),
    ],
)
def test_a_clients_file_that_cannot_be_meant(tmp_path: Path, text: str, key: str) -> None:
    """Stops the start, with the key that is wrong, and never with a secret."""
    file = tmp_path / "clients.toml"
    file.write_text(text)

    with pytest.raises(ConfigError) as caught:
        load_clients(file)

    assert caught.value.key == key
    assert ENTRY not in str(caught.value)


def test_failures_are_forgotten_with_time() -> None:
    """And bounded in number, the oldest first."""
    throttle = Throttle(failures=2, period=60)
    throttle.failed("a", 0)
    before = throttle.wait("a", 1)
    throttle.failed("a", 10)

    assert (before, throttle.wait("a", 10), throttle.wait("b", 10)) == (0, 50, 0)
    assert throttle.wait("a", 60) == 0
    throttle.failed("a", 61)
    assert throttle.wait("a", 62) == 0
    for number in range(Throttle.MAX_ADDRESSES + 5):
        throttle.failed(str(number), 70)
    assert len(throttle._seen) == Throttle.MAX_ADDRESSES


def test_connections_are_bounded() -> None:
    """In all, and for each address."""
    admission = Admission(total=3, per_client=2)

    first = [admission.admit(address) for address in ("a", "a", "a", "b", "c")]
    admission.leave("a")

    assert first == [True, True, False, True, False]
    assert admission.admit("c")
