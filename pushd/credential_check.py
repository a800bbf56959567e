"""What there is to say of one configured credential: from its files, and from Apple's servers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path

from ops.finding import Finding, Severity
from ops.privilege import Identity, acting_as, resolve_identity
from ops.start import StartError
from protocols.apns.token import ProviderTokens
from pushd.config import Config, state_directory
from pushd.credential import Credential, CredentialError, Kind, load_credential_thd
from pushd.credentials import WARNED_AT
from pushd.dial import TrustRoots, read_trust_roots_thd
from pushd.reach import Reached, Unreached, reach_thd
from pushd.settings import CredentialSettings

SUBJECT = "credential"


def reader_of(settings: Config) -> Identity | None:
    """Who reads the files when the daemon runs; None: who we are, or nobody that there is."""
    try:
        identity = resolve_identity(settings.user, settings.group)
    except StartError:
        return None
    return identity or _owner_of(state_directory(settings.state))


def _owner_of(directory: Path) -> Identity | None:
    """Root is asked about a daemon that the service manager starts as another user: whose folder
    it is tells."""
    if os.name == "nt" or os.geteuid() != 0 or not directory.is_dir():
        return None
    status = directory.stat()
    if status.st_uid == 0:
        return None
    import pwd

    try:
        name = pwd.getpwuid(status.st_uid).pw_name
    except KeyError:
        return None
    return Identity(user=name, uid=status.st_uid, gid=status.st_gid)


def load_thd(settings: Config, one: CredentialSettings) -> Credential:
    """As the daemon loads it. Raises CredentialError."""
    with acting_as(reader_of(settings)):
        return load_credential_thd(one, tokens=ProviderTokens(), now=datetime.now(UTC))


def look_thd(settings: Config, one: CredentialSettings) -> Iterator[Finding]:
    """Its files."""
    try:
        yield about(load_thd(settings, one), datetime.now(UTC))
    except CredentialError as error:
        text = f"{one.name}: {error.path}: {error.why}"
        yield Finding(Severity.ERROR, SUBJECT, text, error.remedy)


def rivals_thd(settings: Config) -> Iterator[Finding]:
    """Whether two are for one topic."""
    loaded: list[Credential] = []
    for one in settings.credentials:
        with suppress(CredentialError):
            loaded.append(load_thd(settings, one))
    for first, second in combinations(loaded, 2):
        yield from about_rivals(first, second)


def about_rivals(one: Credential, other: Credential) -> Iterator[Finding]:
    """A finding where both are for one topic of the same environment: which of them a push is for
    is not known then, unless it says so, and Apple's API has no way to say it. Of two environments,
    that is what was wanted."""
    shared = one.shared_with(other) if one.environment == other.environment else ()
    if not shared:
        return
    text = (
        f"{one.name} and {other.name} are both for {', '.join(sorted(shared))}: pushes that do not"
        " name one of them are refused"
    )
    remedy = "take one out, or give them different `topics`, or clients one in `credentials`"
    yield Finding(Severity.WARNING, SUBJECT, text, remedy)


def connect_thd(settings: Config, one: CredentialSettings) -> Iterator[Finding]:
    """A connection with it, if it could be loaded."""
    try:
        credential = load_thd(settings, one)
        roots = trust_roots_thd(settings)
    except CredentialError as error:
        text = f"{one.name}: no connection is tried: {error.path}: {error.why}"
        yield Finding(Severity.SKIPPED, "Apple", text, error.remedy)
        return
    yield connected(settings, credential, roots)


def connected(settings: Config, credential: Credential, roots: TrustRoots | None) -> Finding:
    """What Apple says to `credential`."""
    apple = settings.apple
    server = f"{apple.host(credential.environment)} port {apple.port}"
    try:
        reached = reach_thd(
            apple, credential.environment, identity=credential.identity, trust_roots=roots
        )
    except Unreached as error:
        text = f"{credential.name}: {server}: {error.why}"
        return Finding(Severity.ERROR, "Apple", text, error.remedy)
    text = f"{credential.name}: {server} takes it ({about_way(reached)})"
    if credential.kind is Kind.TOKEN:
        text = f"{credential.name}: {server} answers; a key is shown with a push only"
    return Finding(Severity.OK, "Apple", text)


def about_way(reached: Reached) -> str:
    """`17.188.168.16, TLSv1.3, 1000 streams, 62 ms`."""
    way = f"proxy {reached.address}" if reached.by_proxy else reached.address
    milliseconds = f"{reached.seconds * 1000:.0f} ms"
    streams = "1 stream" if reached.streams == 1 else f"{reached.streams} streams"
    return f"{way}, {reached.tls}, {streams}, {milliseconds}"


def trust_roots_thd(settings: Config) -> TrustRoots | None:
    """Those of the configuration; None: the system's. Raises CredentialError."""
    path = settings.apple.trust_roots
    return None if path is None else read_trust_roots_thd(path)


def about(credential: Credential, now: datetime) -> Finding:
    """What it is, and whether it ends soon."""
    topics = ", ".join(sorted(credential.topics)) or "any topic"
    if credential.expires_at is None:
        text = f"{credential.name}: signing key, {credential.environment}, {topics}"
        return Finding(Severity.OK, SUBJECT, text)
    left = credential.expires_at - now
    if left <= timedelta(days=max(WARNED_AT)):
        text = f"{credential.name}: expires in {left.days} days"
        return Finding(Severity.WARNING, SUBJECT, text, "renew it with the same Apple Account")
    until = f"{credential.expires_at:%Y-%m-%d}"
    text = f"{credential.name}: certificate until {until}, {credential.environment}, {topics}"
    return Finding(Severity.OK, SUBJECT, text)
