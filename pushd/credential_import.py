"""Take a credential in: check it, keep it, and put its table into the configuration.

    new                        file kept, [[credential]] appended
    same name, same topics     file replaced; the configuration stays, the daemon sees the new file
    same name, other topics    refused: devices know their topic, and pushes their credential

Nothing is changed before all has been checked.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from protocols.apns.message import MDM_TOPIC
from protocols.apns.token import ProviderTokens
from pushd.config import Config, state_directory
from pushd.config_edit import add_credential, table_of, with_credential
from pushd.credential import Credential, CredentialError, load_credential_thd
from pushd.credential_folder import AskPassword, Candidate, CredentialFolder, Source, holds_key
from pushd.settings import CredentialSettings


class ImportRefused(Exception):
    """It would do harm; `str()` says which, and what to do instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What was taken in."""

    settings: CredentialSettings
    credential: Credential
    kept: Path
    table: str
    """For the configuration."""
    added_to: Path | None
    """The configuration that has the table now; None: it has to be put there, or has it."""
    renewed: bool
    before: Credential | None
    """The one whose place it took, if that could be read."""
    exposed: tuple[Path, ...]
    """Files of the source that others may read."""
    rivals: dict[str, tuple[str, ...]]
    """Names of others of the same environment, and the topics that they are for as well."""


class Import:
    """Into one configuration."""

    def __init__(
        self,
        file: Path | None,
        settings: Config,
        owner: tuple[int, int] | None,
        *,
        only_print: bool = False,
    ) -> None:
        """`settings` are those in `file`; `owner` is user and group of the daemon."""
        self._file = file
        self._settings = settings
        self._folder = CredentialFolder(state_directory(settings.state).absolute(), owner)
        self._only_print = only_print

    def run_thd(self, source: Source, ask: AskPassword, now: datetime | None = None) -> Done:
        """All of it. Raises CredentialError, ImportRefused, ConfigError or OSError."""
        now = now or datetime.now(UTC)
        candidate = self._folder.examine_thd(source, ask, now=now)
        name = candidate.settings.name
        configured = next((one for one in self._settings.credentials if one.name == name), None)
        before = None
        if configured is not None:
            before = self._renewable(configured, candidate, source, now)
        writes = configured is None and self._file is not None and not self._only_print
        if writes and self._file is not None:
            text = self._file.read_text(encoding="utf-8")
            with_credential(text, candidate.settings, self._file)  # or say now that it cannot be
        self._folder.keep_thd(candidate)
        if writes and self._file is not None:
            add_credential(self._file, candidate.settings)
        return Done(
            settings=candidate.settings,
            credential=candidate.credential,
            kept=candidate.file,
            table=table_of(candidate.settings),
            added_to=self._file if writes else None,
            renewed=configured is not None,
            before=before,
            exposed=tuple(path for path in source.files if _is_exposed(path)),
            rivals=dict(self._rivals(candidate.credential, now)),
        )

    def _rivals(self, new: Credential, now: datetime) -> Iterator[tuple[str, tuple[str, ...]]]:
        for one in self._settings.credentials:
            if one.name == new.name or one.environment != new.environment:
                continue
            try:
                other = load_credential_thd(one, tokens=ProviderTokens(), now=now)
            except CredentialError:
                continue  # `credentials list` tells what is wrong with it
            if shared := new.shared_with(other):
                yield one.name, tuple(sorted(shared))

    def _renewable(
        self, configured: CredentialSettings, new: Candidate, source: Source, now: datetime
    ) -> Credential | None:
        """The credential that `new` takes the place of. Raises ImportRefused."""
        kept = configured.certificate or configured.p8
        if kept is None or not _is_same(kept, new.file):
            files = kept or configured.p12
            raise ImportRefused(
                f'credential "{configured.name}" is configured with {files}; replace that file, or'
                " choose another --name"
            )
        if (configured.environment, configured.topics, configured.team_id, configured.key_id) != (
            new.settings.environment,
            new.settings.topics,
            new.settings.team_id,
            new.settings.key_id,
        ):
            raise ImportRefused(
                f'credential "{configured.name}" is configured otherwise (environment, topics, team'
                " or key id); edit its table, or choose another --name"
            )
        before = _before(configured, kept, now)
        if before is not None and before.topics != new.credential.topics:
            raise ImportRefused(_other_topics(before, new.credential, source))
        return before


def _before(settings: CredentialSettings, kept: Path, now: datetime) -> Credential | None:
    """What was kept, also if it has expired; None: nothing that could be read."""
    try:
        if settings.p8 is None:
            (certificate, *_) = x509.load_pem_x509_certificates(kept.read_bytes())
            now = min(now, certificate.not_valid_after_utc - timedelta(seconds=1))
        return load_credential_thd(settings, tokens=ProviderTokens(), now=now)
    except (CredentialError, ValueError, OSError):
        return None


def _other_topics(before: Credential, after: Credential, source: Source) -> str:
    told = ", ".join(sorted(after.topics))
    is_mdm = any(topic.startswith(MDM_TOPIC) for topic in before.topics)
    remedy = (
        "renew the one you have with the same Apple Account, for devices know its topic only"
        if is_mdm
        else "choose another --name for it"
    )
    return (
        f'{source.file}: is for {told}, and credential "{before.name}" for'
        f" {', '.join(sorted(before.topics))}; {remedy}"
    )


def _is_same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _is_exposed(path: Path) -> bool:
    """Whether a key is in it, and others may read it."""
    if os.name != "posix" or not holds_key(path.read_bytes()):
        return False
    return bool(path.stat().st_mode & (stat.S_IROTH | stat.S_IRGRP))
