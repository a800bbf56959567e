"""What is checked of a credential before Apple sees it."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates

from ops.config import ConfigError, parse
from protocols.apns.token import ProviderTokens
from pushd.credential import (
    Credential,
    CredentialError,
    Kind,
    load_credential_thd,
    read_password_thd,
)
from pushd.settings import CredentialSettings
from pushd.testing.authority import Authority, KeyPair, new_signing_key, write_private
from pushd.testing.certificate import Environment

MDM = "com.apple.mgmt.External.5a9b3a0c-0000-4000-8000-000000000001"
APP = "com.example.app"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority(NOW)


@pytest.fixture
def mdm(authority: Authority) -> KeyPair:
    return authority.provider(MDM, environments=())


def pem(folder: Path, pair: KeyPair, **changes: object) -> CredentialSettings:
    """Settings for `pair`, written as two files."""
    pair.write(folder / "push.pem", folder / "push.key")
    settings = {"certificate": folder / "push.pem", "key": folder / "push.key"}
    return CredentialSettings(name="push", **(settings | changes))  # type: ignore[arg-type]


def p12(pair: KeyPair, password: bytes | None, *, with_key: bool = True) -> bytes:
    key = load_pem_private_key(pair.key, None) if with_key else None
    certificate = x509.load_pem_x509_certificate(pair.certificate)
    how = BestAvailableEncryption(password) if password else NoEncryption()
    return serialize_key_and_certificates(b"push", key, certificate, None, how)  # type: ignore[arg-type]


def load(settings: CredentialSettings, now: datetime = NOW) -> Credential:
    return load_credential_thd(settings, tokens=ProviderTokens(), now=now)


def refused(settings: CredentialSettings, now: datetime = NOW) -> CredentialError:
    with pytest.raises(CredentialError) as caught:
        load(settings, now)
    return caught.value


def test_pem_pair(tmp_path: Path, mdm: KeyPair) -> None:
    """A certificate and its key in two files make a credential for the topic in its subject."""
    credential = load(pem(tmp_path, mdm))

    assert credential.kind is Kind.CERTIFICATE
    assert credential.topics == {MDM}
    assert credential.covers(MDM)
    assert not credential.covers(APP)
    assert credential.expires_at == NOW - timedelta(hours=1) + timedelta(days=365)
    assert credential.identity is not None


def test_one_file(tmp_path: Path, mdm: KeyPair) -> None:
    """Certificate and key may be in one file, in any order, beside other certificates."""
    other = Authority(NOW).pem
    write_private(tmp_path / "all.pem", mdm.key + other + mdm.certificate)

    credential = load(CredentialSettings(name="push", certificate=tmp_path / "all.pem"))

    assert credential.topics == {MDM}
    assert credential.identity is not None
    assert len(credential.identity.chain) == 1


def test_topic_list(tmp_path: Path, authority: Authority) -> None:
    """An app's certificate is for all topics of its list; the settings may name fewer."""
    topics = [APP, f"{APP}.voip", f"{APP}.complication"]
    pair = authority.provider(APP, topics=topics)

    everything = load(pem(tmp_path, pair))
    some = load(pem(tmp_path, pair, topics=(f"{APP}.voip",)))

    assert everything.topics == set(topics)
    assert some.topics == {f"{APP}.voip"}


def test_long_topic_list(tmp_path: Path, authority: Authority) -> None:
    """Lists of more than 127 and more than 255 bytes are read."""
    topics = [f"{APP}.number{number}" for number in range(30)]

    credential = load(pem(tmp_path, authority.provider(APP, topics=topics)))

    assert credential.topics == {APP, *topics}


def test_p12(tmp_path: Path, mdm: KeyPair) -> None:
    """A PKCS #12 file opens with the password in the first line of another file."""
    write_private(tmp_path / "push.p12", p12(mdm, b"secret"))
    write_private(tmp_path / "password", b"secret\r\nnever read\n")
    settings = CredentialSettings(
        name="push", p12=tmp_path / "push.p12", password_file=tmp_path / "password"
    )

    assert load(settings).topics == {MDM}


def test_p12_password(tmp_path: Path, mdm: KeyPair) -> None:
    """A wrong password and a missing one are told apart by what to do."""
    write_private(tmp_path / "push.p12", p12(mdm, b"secret"))
    write_private(tmp_path / "password", b"Secret\n")
    without = CredentialSettings(name="push", p12=tmp_path / "push.p12")
    wrong = CredentialSettings(
        name="push", p12=tmp_path / "push.p12", password_file=tmp_path / "password"
    )

    assert "password_file" in refused(without).remedy
    assert "password_file" in refused(wrong).remedy
    assert "secret" not in str(refused(wrong)).lower().replace("holds a secret", "")


def test_p12_without_key(tmp_path: Path, mdm: KeyPair) -> None:
    """A PKCS #12 file of the certificate alone is what Keychain Access writes of the wrong row."""
    write_private(tmp_path / "push.p12", p12(mdm, b"secret", with_key=False))
    write_private(tmp_path / "password", b"secret")
    settings = CredentialSettings(
        name="push", p12=tmp_path / "push.p12", password_file=tmp_path / "password"
    )

    error = refused(settings)

    assert error.why == "has no key"
    assert "Keychain Access" in error.remedy


def test_encrypted_key(tmp_path: Path, mdm: KeyPair) -> None:
    """An encrypted PEM key opens with its password, and says so without."""
    key = load_pem_private_key(mdm.key, None)
    how = BestAvailableEncryption(b"secret")
    settings = pem(tmp_path, mdm)
    write_private(tmp_path / "push.key", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how))
    write_private(tmp_path / "password", b"secret\n")

    opened = load(pem_with_password(settings, tmp_path / "password"))

    assert opened.topics == {MDM}
    assert refused(settings).why == "is encrypted"


def pem_with_password(settings: CredentialSettings, path: Path) -> CredentialSettings:
    return CredentialSettings(
        name="push", certificate=settings.certificate, key=settings.key, password_file=path
    )


def test_password_not_needed(tmp_path: Path, mdm: KeyPair) -> None:
    """A password for a key that has none does no harm."""
    write_private(tmp_path / "password", b"secret\n")

    assert load(pem_with_password(pem(tmp_path, mdm), tmp_path / "password")).topics == {MDM}


def test_key_of_another(tmp_path: Path, authority: Authority, mdm: KeyPair) -> None:
    """A key that is another certificate's is refused here, where Apple would hang up."""
    settings = pem(tmp_path, replace(mdm, key=authority.provider(MDM).key))

    error = refused(settings)

    assert error.path == tmp_path / "push.key"
    assert error.why == f"is not the key of {tmp_path / 'push.pem'}"


def test_dates(tmp_path: Path, mdm: KeyPair) -> None:
    """A certificate that has expired, or begins later, is refused with its date."""
    settings = pem(tmp_path, mdm)

    expired = refused(settings, NOW + timedelta(days=366))
    early = refused(settings, NOW - timedelta(days=1))

    assert expired.why == "expired on 2027-11-22 11:00 UTC"
    assert "same Apple Account" in expired.remedy
    assert early.why == "is not valid before 2026-11-22 11:00 UTC"
    assert "2026-11-21 12:00" in early.remedy


@pytest.mark.parametrize(
    ("uid", "environments", "wanted", "why"),
    [
        (APP, [Environment.DEVELOPMENT], "production", "is for development only"),
        (APP, [Environment.PRODUCTION], "development", "is for production only"),
        (MDM, [], "development", "is an MDM push certificate"),
        (MDM, [Environment.DEVELOPMENT], "development", "is an MDM push certificate"),
    ],
)
def test_wrong_environment(
    tmp_path: Path,
    authority: Authority,
    uid: str,
    environments: list[Environment],
    wanted: str,
    why: str,
) -> None:
    """A certificate for the other environment is refused; MDM knows only production."""
    settings = pem(tmp_path, authority.provider(uid, environments=environments), environment=wanted)

    assert refused(settings).why == why


@pytest.mark.parametrize("wanted", ["production", "development"])
@pytest.mark.parametrize("environments", [[], list(Environment)])
def test_right_environment(
    tmp_path: Path, authority: Authority, environments: list[Environment], wanted: str
) -> None:
    """A certificate for both environments, or without a word on them, is for either."""
    pair = authority.provider(APP, environments=environments)

    assert load(pem(tmp_path, pair, environment=wanted)).environment == wanted


def test_topic_not_in_certificate(tmp_path: Path, mdm: KeyPair) -> None:
    """A topic that the certificate does not have is refused, naming those that it has."""
    error = refused(pem(tmp_path, mdm, topics=(APP,)))

    assert error.why == f"is not for the topic {APP}"
    assert MDM in error.remedy


def test_no_push_certificate(tmp_path: Path, authority: Authority) -> None:
    """A certificate without a topic is no push certificate."""
    assert refused(pem(tmp_path, authority.server())).why == "names no topic"


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602])
@pytest.mark.parametrize("name", ["push.key", "password"])
def test_secret_that_others_read(tmp_path: Path, mdm: KeyPair, name: str, mode: int) -> None:
    """A key or password that others may read or change is refused, with the command that helps."""
    write_private(tmp_path / "password", b"secret")
    settings = pem_with_password(pem(tmp_path, mdm), tmp_path / "password")
    (tmp_path / name).chmod(mode)

    error = refused(settings)

    assert error.path == tmp_path / name
    assert error.remedy == f"run: chmod o-rwx {tmp_path / name}"


def test_public_certificate(tmp_path: Path, mdm: KeyPair) -> None:
    """A certificate is no secret, and a key may be its group's."""
    settings = pem(tmp_path, mdm)
    (tmp_path / "push.pem").chmod(0o644)
    (tmp_path / "push.key").chmod(0o640)

    assert load(settings).topics == {MDM}


def test_weak_key(tmp_path: Path, authority: Authority) -> None:
    """A key that OpenSSL will not use is refused when it is read, not when it is needed."""
    weak = rsa.generate_private_key(65537, 1024)
    name = x509.Name([x509.NameAttribute(x509.NameOID.USER_ID, MDM)])
    made = (
        x509.CertificateBuilder(name, name, weak.public_key(), 1)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .sign(weak, SHA256())
    )
    key = weak.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pair = KeyPair(certificate=made.public_bytes(Encoding.PEM), key=key)

    assert "is refused by OpenSSL" in refused(pem(tmp_path, pair)).why


@pytest.mark.parametrize("missing", ["push.pem", "push.key"])
def test_missing_file(tmp_path: Path, mdm: KeyPair, missing: str) -> None:
    """A file that is not there is named."""
    settings = pem(tmp_path, mdm)
    (tmp_path / missing).unlink()

    error = refused(settings)

    assert error.path == tmp_path / missing
    assert error.why == "cannot be read (No such file or directory)"


@pytest.mark.parametrize("content", [b"", b"garbage", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_garbage(tmp_path: Path, mdm: KeyPair, content: bytes) -> None:
    """Files that are none of that kind are refused, whatever they hold."""
    pair = pem(tmp_path, mdm)
    write_private(tmp_path / "garbage", content)

    certificate = CredentialSettings(name="x", certificate=tmp_path / "garbage", key=pair.key)
    key = CredentialSettings(name="x", certificate=pair.certificate, key=tmp_path / "garbage")
    bundle = CredentialSettings(name="x", p12=tmp_path / "garbage")
    signing = CredentialSettings(
        name="x", p8=tmp_path / "garbage", team_id="TEAM123456", key_id="KEY1234567"
    )

    for settings in (certificate, key, bundle, signing):
        assert refused(settings).path == tmp_path / "garbage"


def test_signing_key(tmp_path: Path) -> None:
    """A .p8 signs for any topic of its team, with one token for the process."""
    write_private(tmp_path / "key.p8", new_signing_key())
    settings = CredentialSettings(
        name="app", p8=tmp_path / "key.p8", team_id="TEAM123456", key_id="KEY1234567"
    )
    tokens = ProviderTokens()

    one = load_credential_thd(settings, tokens=tokens, now=NOW)
    two = load_credential_thd(settings, tokens=tokens, now=NOW)

    assert one.kind is Kind.TOKEN
    assert one.expires_at is None
    assert one.covers(APP)
    assert not one.covers(MDM)  # Apple wants the certificate for those
    assert one.token is two.token
    assert one.token is not None
    head = one.token.bearer(1, 1.0).split()[1].split(b".")[0]
    assert base64.urlsafe_b64decode(head + b"==") == b'{"alg":"ES256","kid":"KEY1234567"}'


def test_signing_key_replaced(tmp_path: Path) -> None:
    """Another key under the same identifiers signs from then on: the one before was wrong."""
    settings = CredentialSettings(
        name="app", p8=tmp_path / "key.p8", team_id="TEAM123456", key_id="KEY1234567"
    )
    tokens = ProviderTokens()
    loaded = []
    for _ in range(2):
        write_private(tmp_path / "key.p8", new_signing_key())
        loaded.append(load_credential_thd(settings, tokens=tokens, now=NOW))

    assert loaded[0].fingerprint != loaded[1].fingerprint
    assert loaded[0].token is not loaded[1].token


def test_signing_key_for_mdm(tmp_path: Path) -> None:
    """No provider token wakes a managed device (Apple issues certificates for that)."""
    write_private(tmp_path / "key.p8", new_signing_key())
    settings = CredentialSettings(
        name="app", p8=tmp_path / "key.p8", team_id="TEAM123456", key_id="KEY1234567", topics=(MDM,)
    )

    assert "MDM push certificate" in refused(settings).remedy


@pytest.mark.parametrize(("content", "password"), [(b"a b\r\nc", "a b"), (b"x", "x")])
def test_password(tmp_path: Path, content: bytes, password: str) -> None:
    """A password is the first line, as it stands."""
    write_private(tmp_path / "password", content)

    assert read_password_thd(tmp_path / "password") == password


@pytest.mark.parametrize("content", [b"", b"\nx", b"\xff\n"])
def test_no_password(tmp_path: Path, content: bytes) -> None:
    """An empty first line is no password, nor is what is no text."""
    write_private(tmp_path / "password", content)

    with pytest.raises(CredentialError):
        read_password_thd(tmp_path / "password")


@pytest.mark.parametrize(
    ("toml", "key"),
    [
        ('name = "a"', "certificate"),
        ('name = "a"\np12 = "x"\ncertificate = "y"', "p12 and certificate"),
        ('name = "a"\np8 = "x"', "team_id"),
        ('name = "a"\np12 = "x"\nteam_id = "TEAM123456"', "team_id"),
        ('name = "a"\np12 = "x"\nkey = "y"', "key"),
        ('name = "a"\np8 = "x"\nteam_id = "T"\nkey_id = "KEY1234567"', "team_id"),
    ],
)
def test_settings(toml: str, key: str) -> None:
    """A credential is one certificate or one signing key, with all that belongs to it."""
    with pytest.raises(ConfigError) as caught:
        parse(toml.encode(), CredentialSettings)

    assert caught.value.key == key
