"""The first configuration: settings from answers, and the files that go with them.

    answers ──▶ api.pem, api.key (unless there are some) ──▶ clients.toml ──▶ pushd.toml

Files are written whole, and none that is there is written over; the configuration comes last, so
that there is none without what it names. Asking is `pushd.cli.config`'s.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from ops.annotated import annotated
from ops.config import parse
from ops.replace import replace_file
from ops.self_signed import self_signed
from pushd.api.bearer import new_token
from pushd.api.settings import ApiSettings
from pushd.config import Config, StateSettings
from pushd.config_edit import client_table
from pushd.settings import AppleSettings, ProxySettings

CERTIFICATE: Final = "api.pem"
KEY: Final = "api.key"
CLIENTS: Final = "clients.toml"
LOOPBACK: Final = ("127.0.0.1",)
EVERYWHERE: Final = ("0.0.0.0",)  # noqa: S104 - if the operator says so
SCOPES: Final = ("submit", "read")
HEADING: Final = """\
{name}: what differs from pushd's defaults. `pushctl config example` prints all settings,
`pushctl check {name}` tells whether pushd would start with it."""


class Occupied(Exception):
    """A file that is there already; `str()` is one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What the operator wants."""

    file: Path
    is_public: bool = False
    """Whether programs on other computers hand in pushes."""
    port: int = 8443
    certificate: Path | None = None
    key: Path | None = None
    """Of the API; None: one that is made."""
    names: Sequence[str] = ("localhost",)
    addresses: Sequence[str] = ("127.0.0.1", "::1")
    """What that one is for."""
    client: str = "console"
    proxy: tuple[str, int] | None = None
    user: str | None = None
    state: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What was made of it."""

    files: tuple[Path, ...]
    token: str
    """Of the first client; it cannot be had again."""
    trusted: Path
    """What programs are to trust, or its root."""
    expires_at: datetime | None
    """Of a certificate that was made."""


def settings_of(answers: Answers) -> Config:
    """The settings, paths as they are to be written. Raises ops.config.Invalid."""
    proxy = ProxySettings()
    if answers.proxy is not None:
        proxy = ProxySettings(host=answers.proxy[0], port=answers.proxy[1])
    return Config(
        user=answers.user,
        api=ApiSettings(
            addresses=EVERYWHERE if answers.is_public else LOOPBACK,
            port=answers.port,
            certificate=_named(answers.certificate, CERTIFICATE),
            key=_named(answers.key, KEY),
            clients=Path(CLIENTS),
        ),
        apple=AppleSettings(proxy=proxy),
        state=StateSettings(directory=None if answers.state is None else answers.state.absolute()),
    )


def set_up_thd(
    answers: Answers,
    *,
    now: datetime,
    random_bytes: Callable[[int], bytes],
    owner: tuple[int, int] | None,
) -> Written:
    """Write everything. `owner` is user and group of the daemon. Raises Occupied, ConfigError or
    OSError."""
    folder = answers.file.parent
    text = annotated(settings_of(answers), HEADING.format(name=answers.file.name)).encode()
    parse(text, Config)  # what we write can be read again
    made = new_token(random_bytes)
    clients = client_table(answers.client, made.entry, SCOPES, ("*",)).encode()
    files = {CLIENTS: (clients, 0o600), answers.file.name: (text, 0o644)}
    expires_at = None
    if answers.certificate is None:
        own = self_signed(answers.names, answers.addresses, now)
        files = {KEY: (own.key, 0o600), CERTIFICATE: (own.certificate, 0o644)} | files
        expires_at = own.expires_at
    for name in files:
        if os.path.lexists(folder / name):
            raise Occupied(f"{folder / name} exists; move it away, or name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    for name, (content, mode) in files.items():
        replace_file(folder / name, content, mode=mode, owner=owner if mode == 0o600 else None)
    return Written(
        files=tuple(folder / name for name in files),
        token=made.token,
        trusted=answers.certificate or folder / CERTIFICATE,
        expires_at=expires_at,
    )


def _named(given: Path | None, made: str) -> Path:
    return Path(made) if given is None else given.absolute()
