"""One credential, read from its files and checked, so that Apple has nothing to say about it.

    .p12, or PEM certificate and key ──▶ Credential, by which TLS says who we are
    .p8                              ──▶ Credential, whose provider token says so in each request

What Apple answers to a wrong one is a closed connection; so all that can be wrong is looked for
here: the key that is another's, the dates, the topic, the environment, who else may read the file.
Must never show a secret: errors name files and reasons. Reading blocks: functions end in `_thd`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any, Final, cast

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from twisted.internet.ssl import CertificateOptions

from ops.secret import why_exposed
from protocols.apns.message import MDM_TOPIC
from protocols.apns.token import KeyUnfit, ProviderToken, ProviderTokens, load_key
from pushd.der import DerError, topics_in
from pushd.settings import CredentialSettings, Environment

DEVELOPMENT: Final = x509.ObjectIdentifier("1.2.840.113635.100.6.3.1")
PRODUCTION: Final = x509.ObjectIdentifier("1.2.840.113635.100.6.3.2")
TOPICS: Final = x509.ObjectIdentifier("1.2.840.113635.100.6.3.6")
"""Apple's certificate extensions: environments that it is for, and its topics."""
MAX_FILE: Final = 1 << 20
"""Bytes of a file: chains take a few thousand."""


class CredentialError(Exception):
    """A credential that cannot be used: which file, why, and what to do."""

    def __init__(self, path: Path, why: str, remedy: str) -> None:
        super().__init__(path, why, remedy)
        self.path = path
        self.why = why
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.path}: {self.why}; {self.remedy}"


class Kind(Enum):
    """How it tells Apple who we are."""

    CERTIFICATE = "certificate"
    TOKEN = "token"  # noqa: S105 - no secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A certificate, its key, and the intermediates between it and Apple's root."""

    certificate: x509.Certificate
    key: PrivateKeyTypes = field(repr=False)
    chain: tuple[x509.Certificate, ...] = ()

    def options(self) -> dict[str, Any]:
        """For Twisted's `CertificateOptions`."""
        return {
            "certificate": cast(Any, self.certificate),
            "privateKey": cast(Any, self.key),
            "extraCertChain": cast(Any, list(self.chain)),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What proves to Apple who we are."""

    name: str
    kind: Kind
    environment: Environment
    topics: frozenset[str]
    """The only ones it is good for; none with a key that signs for all of its team's."""
    expires_at: datetime | None = None
    """With a certificate."""
    fingerprint: str
    """SHA-256 of certificate or public key: what tells a renewed one."""
    identity: Identity | None = None
    token: ProviderToken | None = None

    def covers(self, topic: str) -> bool:
        """Whether pushes of `topic` may be sent with it. A key signs none of MDM's: Apple wants
        the certificate for those."""
        return topic in self.topics or (not self.topics and not topic.startswith(MDM_TOPIC))

    def shared_with(self, other: Credential) -> frozenset[str]:
        """The topics that are named by one and covered by both."""
        return frozenset(
            topic
            for topic in self.topics | other.topics
            if self.covers(topic) and other.covers(topic)
        )


def files_of(settings: CredentialSettings) -> tuple[Path, ...]:
    """What is read for it, and so what is to be watched."""
    paths = (
        settings.p12,
        settings.certificate,
        settings.key,
        settings.password_file,
        settings.p8,
    )
    return tuple(path for path in paths if path is not None)


def load_credential_thd(
    settings: CredentialSettings, *, tokens: ProviderTokens, now: datetime
) -> Credential:
    """Read and check. `now` is aware; `tokens` are the process's. Raises CredentialError."""
    if settings.p8 is not None:
        return _signing(settings, settings.p8, tokens)
    if settings.p12 is not None:
        content = _secret(settings.p12)
        path, identity = settings.p12, from_p12(settings.p12, content, _password(settings))
    else:
        assert settings.certificate is not None  # noqa: S101 - the settings have seen to that
        path, identity = settings.certificate, _from_pem(settings, settings.certificate)
    certificate = identity.certificate
    _check_dates(path, certificate, now)
    topics = _checked_topics(path, certificate, settings)
    _check_environment(path, certificate, topics, settings.environment)
    _check_tls(path, identity)
    return Credential(
        name=settings.name,
        kind=Kind.CERTIFICATE,
        environment=settings.environment,
        topics=topics,
        expires_at=certificate.not_valid_after_utc,
        fingerprint=certificate.fingerprint(SHA256()).hex(),
        identity=identity,
    )


def read_password_thd(path: Path) -> str:
    """The first line of a file that nobody else may read. Raises CredentialError."""
    try:
        text = _secret(path).decode()
    except UnicodeDecodeError:
        raise CredentialError(path, "is no UTF-8 text", "write the password into it") from None
    password = text.partition("\n")[0].removesuffix("\r")
    if not password:
        raise CredentialError(path, "is empty", "write the password into its first line")
    return password


# Files.


def _secret(path: Path) -> bytes:
    """The content of a file that must be kept from others."""
    return read_file(path, secret=True)


def read_file(path: Path, *, secret: bool) -> bytes:
    """Its content; if it is `secret`, nobody else may be able to read it. Raises
    CredentialError."""
    try:
        with path.open("rb") as file:
            why = why_exposed(os.fstat(file.fileno()).st_mode) if secret else None
            if why is not None:
                raise CredentialError(path, why, f"run: chmod o-rwx {path}")
            content = file.read(MAX_FILE + 1)
    except OSError as error:
        remedy = "name a file that exists and that the daemon's user may read"
        raise CredentialError(path, f"cannot be read ({error.strerror})", remedy) from error
    if len(content) > MAX_FILE:
        raise CredentialError(path, "is larger than 1 MiB", "name a certificate or key")
    return content


def _password(settings: CredentialSettings) -> bytes | None:
    if settings.password_file is None:
        return None
    return read_password_thd(settings.password_file).encode()


def from_p12(path: Path, content: bytes, password: bytes | None) -> Identity:
    """What is in a .p12; `path` is for errors. Raises CredentialError."""
    try:
        found = load_pkcs12(content, password)
    except ValueError as error:
        remedy = "name the file of its password as password_file"
        if password is not None:
            remedy = "export it again, and write that password into password_file"
        raise CredentialError(path, f"cannot be opened ({error})", remedy) from error
    except UnsupportedAlgorithm as error:
        remedy = (
            f"write it anew: openssl pkcs12 -legacy -nodes -in {path} -out x.pem;"
            f" openssl pkcs12 -export -in x.pem -out {path}"
        )
        raise CredentialError(path, f"is encrypted in an old way ({error})", remedy) from error
    if found.key is None or found.cert is None:
        missing = "key" if found.key is None else "certificate"
        remedy = "export certificate and key together: in Keychain Access, select both"
        raise CredentialError(path, f"has no {missing}", remedy)
    if found.cert.certificate.public_key() != found.key.public_key():
        raise CredentialError(path, "has a key that is not its certificate's", "export it again")
    chain = tuple(one.certificate for one in found.additional_certs)
    return Identity(certificate=found.cert.certificate, key=found.key, chain=chain)


def _from_pem(settings: CredentialSettings, path: Path) -> Identity:
    key_path = settings.key or path
    content = read_file(path, secret=key_path == path)
    try:
        certificates = x509.load_pem_x509_certificates(content)
    except ValueError as error:
        remedy = (
            "name the PEM file that Apple's portal offers, or convert: openssl x509 -inform DER"
        )
        raise CredentialError(path, f"has no PEM certificate ({error})", remedy) from error
    key = pem_key(key_path, _secret(key_path), _password(settings))
    return matched(path, certificates, key_path, key)


def matched(
    path: Path, certificates: Sequence[x509.Certificate], key_path: Path, key: PrivateKeyTypes
) -> Identity:
    """The certificate of `key`, the others its chain. Raises CredentialError if there is none."""
    # Exports put the key's certificate anywhere among the others.
    for own in certificates:
        if own.public_key() == key.public_key():
            others = tuple(one for one in certificates if one is not own)
            return Identity(certificate=own, key=key, chain=others)
    remedy = "use the key that the certificate was requested with, or request another certificate"
    raise CredentialError(key_path, f"is not the key of {path}", remedy)


def pem_key(path: Path, content: bytes, password: bytes | None) -> PrivateKeyTypes:
    """The key in a PEM file; `path` is for errors. Raises CredentialError."""
    if password is not None and b"ENCRYPTED" not in content:
        password = None  # cryptography refuses a password that is not needed
    try:
        return load_pem_private_key(content, password)
    except TypeError as error:
        remedy = "name the file of its password as password_file"
        raise CredentialError(path, "is encrypted", remedy) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        remedy = "name a PEM file with the private key, and the file of its password if it has one"
        raise CredentialError(path, f"has no readable private key ({error})", remedy) from error


# What is in them.


def _signing(settings: CredentialSettings, path: Path, tokens: ProviderTokens) -> Credential:
    assert settings.team_id is not None  # noqa: S101 - the settings have seen to that
    assert settings.key_id is not None  # noqa: S101
    for topic in settings.topics:
        if topic.startswith(MDM_TOPIC):
            remedy = "use the MDM push certificate of Apple's push certificates portal"
            raise CredentialError(path, f"signs no pushes of {topic}", remedy)
    try:
        key = load_key(_secret(path))
        token = tokens.of(team_id=settings.team_id, key_id=settings.key_id, key=key)
    except KeyUnfit as error:
        why, _, remedy = str(error).rpartition("; ")
        remedy = remedy or "use the .p8 file of Apple's developer site"
        raise CredentialError(path, why or str(error), remedy) from error
    numbers = key.public_key().public_numbers()
    return Credential(
        name=settings.name,
        kind=Kind.TOKEN,
        environment=settings.environment,
        topics=frozenset(settings.topics),
        fingerprint=hashlib.sha256(f"{numbers.x} {numbers.y}".encode()).hexdigest(),
        token=token,
    )


def _check_dates(path: Path, certificate: x509.Certificate, now: datetime) -> None:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now >= end:
        remedy = "renew it with the same Apple Account, so that its topic stays"
        raise CredentialError(path, f"expired on {end:%Y-%m-%d %H:%M} UTC", remedy)
    if now < begin:
        remedy = f"check this computer's clock, which says {now.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        raise CredentialError(path, f"is not valid before {begin:%Y-%m-%d %H:%M} UTC", remedy)


def _checked_topics(
    path: Path, certificate: x509.Certificate, settings: CredentialSettings
) -> frozenset[str]:
    try:
        topics = frozenset(_topics(certificate))
    except (DerError, UnicodeDecodeError) as error:
        remedy = "download it again"
        raise CredentialError(path, f"has a malformed topic list ({error})", remedy) from error
    if not topics:
        remedy = "use a push certificate of Apple's: its subject has the topic as UID"
        raise CredentialError(path, "names no topic", remedy)
    for topic in settings.topics:
        if topic not in topics:
            known = ", ".join(sorted(topics))
            remedy = f"use its own ({known}), or the certificate of {topic}"
            raise CredentialError(path, f"is not for the topic {topic}", remedy)
    return frozenset(settings.topics) or topics


def _topics(certificate: x509.Certificate) -> Iterator[str]:
    """Those of the topic list, and the subject's UID (0.9.2342.19200300.100.1.1)."""
    for attribute in certificate.subject.get_attributes_for_oid(NameOID.USER_ID):
        yield str(attribute.value)
    content = _extension(certificate, TOPICS)
    if content is not None:
        yield from topics_in(content)


def _check_environment(
    path: Path, certificate: x509.Certificate, topics: frozenset[str], environment: Environment
) -> None:
    mdm = next((topic for topic in sorted(topics) if topic.startswith(MDM_TOPIC)), None)
    if mdm is not None:
        if environment != "production":
            remedy = 'set environment = "production"'
            raise CredentialError(path, "is an MDM push certificate", remedy)
        return
    # Without either it is an enterprise's or a test's: Apple will tell.
    if environment not in (environments_of(certificate) or (environment,)):
        other = "development" if environment == "production" else "production"
        remedy = f'set environment = "{other}", or use the certificate for {environment}'
        raise CredentialError(path, f"is for {other} only", remedy)


def environments_of(certificate: x509.Certificate) -> tuple[Environment, ...]:
    """Those that it says to be for; none if it does not say."""
    found: list[Environment] = []
    if _extension(certificate, PRODUCTION) is not None:
        found.append("production")
    if _extension(certificate, DEVELOPMENT) is not None:
        found.append("development")
    return tuple(found)


def _extension(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> bytes | None:
    try:
        found = certificate.extensions.get_extension_for_oid(oid)
    except x509.ExtensionNotFound:
        return None
    return cast(x509.UnrecognizedExtension, found.value).value


def _check_tls(path: Path, identity: Identity) -> None:
    """What OpenSSL refuses: small keys, weak signatures."""
    try:
        CertificateOptions(**identity.options()).getContext()
    except (SSL.Error, ValueError, TypeError) as error:
        remedy = "request a certificate with a key of 2048 bits RSA or P-256"
        raise CredentialError(path, f"is refused by OpenSSL ({error})", remedy) from error
