"""Credentials that pushd keeps itself, taken in from what Apple or Keychain Access gave.

    .p12, PEM, or .cer and key ──▶ NAME.pem    certificate, intermediates and key
    .p8                        ──▶ NAME.p8

They are in the folder `credentials` of the state directory, which the daemon alone may read. One
file each, so that a renewed one takes its place at once; without a password, which would have to
lie beside it. Each is loaded as the daemon will before it is kept. Must never show a secret.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ops.replace import replace_file
from protocols.apns.message import MDM_TOPIC
from protocols.apns.token import ProviderTokens
from pushd.credential import (
    Credential,
    CredentialError,
    Identity,
    Kind,
    environments_of,
    from_p12,
    load_credential_thd,
    matched,
    pem_key,
    read_file,
)
from pushd.settings import CredentialSettings, Environment

T = TypeVar("T")

FOLDER: Final = "credentials"
ATTEMPTS: Final = 3
"""Times that a password is asked for."""
AskPassword = Callable[[Path, bool], bytes]
"""The password of a file, whether it is asked again; raises CredentialError."""

_P12: Final = re.compile(rb"\x30(?:[\x00-\x7f]|\x80|[\x81-\x84].{1,4}?)\x02\x01\x03", re.DOTALL)
"""How PFX begins, in DER or BER: a SEQUENCE with version 3 (RFC 7292 §4)."""
_P8_NAME: Final = re.compile(r"AuthKey_([A-Z0-9]{10})(?: ?\(\d+\))?\.p8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What an operator has, and says of it. None: as the files say."""

    file: Path
    key: Path | None = None
    """The key of a certificate that came without."""
    name: str | None = None
    environment: Environment | None = None
    topics: tuple[str, ...] = ()
    team_id: str | None = None
    key_id: str | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.file,) if self.key is None else (self.file, self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What has been read, checked, and can be kept."""

    settings: CredentialSettings
    """As they are to be in the configuration."""
    credential: Credential
    content: bytes

    @property
    def file(self) -> Path:
        """Where it is to be kept."""
        path = self.settings.certificate or self.settings.p8
        assert path is not None  # noqa: S101 - it is one or the other
        return path


class CredentialFolder:
    """The folder, and who is to own what is in it."""

    def __init__(self, state: Path, owner: tuple[int, int] | None) -> None:
        """`owner` is user and group of the daemon; None: who we are."""
        self._state = state
        self._owner = owner
        self.path = state / FOLDER

    def examine_thd(self, source: Source, ask: AskPassword, *, now: datetime) -> Candidate:
        """Read and check everything; nothing is kept yet. Raises CredentialError."""
        found = _read(source, ask)
        content = _pem(found) if isinstance(found, Identity) else found
        with tempfile.TemporaryDirectory(prefix="pushctl-") as folder:
            trial = Path(folder) / "new"
            trial.touch(0o600)
            trial.write_bytes(content)
            try:
                credential = load_credential_thd(
                    _settings(source, found, "new", trial), tokens=ProviderTokens(), now=now
                )
            except CredentialError as error:
                remedy = error.remedy.replace(str(trial), str(source.file))
                raise CredentialError(source.file, error.why, remedy) from None
        name = source.name or _name_for(credential)
        suffix = "pem" if isinstance(found, Identity) else "p8"
        return Candidate(
            settings=_settings(source, found, name, self.path / f"{name}.{suffix}"),
            credential=replace(credential, name=name),
            content=content,
        )

    def keep_thd(self, candidate: Candidate) -> None:
        """Write it, in the place of what was kept by that name. Raises OSError."""
        for folder in (self._state, self.path):
            if not folder.is_dir():
                folder.mkdir(parents=True, mode=0o700)
                if self._owner is not None:
                    os.chown(folder, *self._owner)
        replace_file(candidate.file, candidate.content, owner=self._owner)


# What an operator has.


def holds_key(content: bytes) -> bool:
    """Whether a file with that content is to be kept from others."""
    return b"PRIVATE KEY-----" in content or _P12.match(content) is not None


def _read(source: Source, ask: AskPassword) -> Identity | bytes:
    """A certificate with its key, or the content of a .p8."""
    path = source.file
    content = read_file(path, secret=False)
    if b"-----BEGIN " in content:
        if b"CERTIFICATE-----" in content:
            return _with_key(source, _certificates(path, content), content, ask)
        if b"PRIVATE KEY-----" in content and source.key is None:
            return content
    elif _P12.match(content):
        if source.key is not None:
            raise CredentialError(path, "has its key in it", "leave out --key")
        return _opened(lambda password: from_p12(path, content, password), path, ask)
    else:
        try:  # as Apple's developer site offers them: .cer
            certificate = x509.load_der_x509_certificate(content)
        except ValueError:
            pass
        else:
            return _with_key(source, [certificate], b"", ask)
    remedy = "name a .p12, .pem, .cer or .p8 file of Apple's or of Keychain Access"
    raise CredentialError(path, "is neither certificate nor key", remedy)


def _certificates(path: Path, content: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError as error:
        remedy = "download it again"
        raise CredentialError(path, f"has no PEM certificate ({error})", remedy) from error


def _with_key(
    source: Source, certificates: list[x509.Certificate], content: bytes, ask: AskPassword
) -> Identity:
    path = source.key or source.file
    if source.key is not None:
        content = read_file(path, secret=False)
    elif b"PRIVATE KEY-----" not in content:
        remedy = "name the key that the certificate was requested with: --key FILE"
        raise CredentialError(path, "is a certificate without its key", remedy)
    if b"ENCRYPTED" in content:
        key = _asked(lambda password: pem_key(path, content, password), path, ask)
    else:
        key = pem_key(path, content, None)
    return matched(source.file, certificates, path, key)


def _opened(open_: Callable[[bytes | None], Identity], path: Path, ask: AskPassword) -> Identity:
    """Many a .p12 has no password, or an empty one."""
    for password in (None, b""):
        try:
            return open_(password)
        except CredentialError as error:
            if not isinstance(error.__cause__, ValueError):
                raise
    return _asked(open_, path, ask)


def _asked(open_: Callable[[bytes | None], T], path: Path, ask: AskPassword) -> T:
    for again in range(ATTEMPTS):
        password = ask(path, again > 0)
        try:
            return open_(password)
        except CredentialError as error:
            if not isinstance(error.__cause__, ValueError):
                raise
    raise CredentialError(path, "does not open with that password", "give the one of its export")


def _pem(identity: Identity) -> bytes:
    key = cast(Any, identity.key).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    certificates = (identity.certificate, *identity.chain)
    return b"".join([one.public_bytes(Encoding.PEM) for one in certificates] + [key])


# What becomes of it.


def _settings(source: Source, found: Identity | bytes, name: str, path: Path) -> CredentialSettings:
    """Its table. Raises CredentialError where something is missing, or too much."""
    if isinstance(found, Identity):
        if source.team_id is not None or source.key_id is not None:
            remedy = "leave out team id and key id"
            raise CredentialError(source.file, "is a certificate, no signing key", remedy)
        says = environments_of(found.certificate)
        return CredentialSettings(
            name=name,
            environment=source.environment or (says or ("production",))[0],
            certificate=path,
            topics=source.topics,
        )
    named = _P8_NAME.fullmatch(source.file.name)
    key_id = source.key_id or (named[1] if named else None)
    if source.team_id is None or key_id is None:
        what = "team id" if source.team_id is None else "key id"
        remedy = "Apple's developer site tells both: give --team-id and --key-id"
        raise CredentialError(source.file, f"is a signing key without its {what}", remedy)
    return CredentialSettings(
        name=name,
        environment=source.environment or "production",
        p8=path,
        team_id=source.team_id,
        key_id=key_id,
        topics=source.topics,
    )


def _name_for(credential: Credential) -> str:
    """`mdm`, `team`, or the last part of the app's bundle id."""
    if credential.kind is Kind.TOKEN:
        return "team"
    topic = min(credential.topics, key=lambda topic: (len(topic), topic))
    name = "mdm" if topic.startswith(MDM_TOPIC) else topic.rpartition(".")[2]
    return name if credential.environment == "production" else f"{name}-development"
