"""All credentials, kept true to their files: looks every few seconds, off the reactor.

    files changed ──▶ load in a thread ──▶ good: the new one, listeners told
                                       └─▶ broken: the old one stays, the log says why

A renewed certificate is often copied beside the running daemon file by file: a change is acted upon
once the files have been the same for two looks. An expiry is announced 30, 14, 7 and 1 days ahead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from ops.counter import Counters
from protocols.apns.token import ProviderTokens
from pushd.credential import Credential, CredentialError, files_of, load_credential_thd
from pushd.settings import CredentialSettings

Loaded = Credential | CredentialError
Signature = tuple[tuple[int, int, int, int] | None, ...]
"""Of each file device, inode, size and time of change; None: it is not there."""
Round = list[tuple["_Entry", CredentialSettings, Signature, Loaded | None]]
"""Of each credential its settings, what a look found, and what was loaded if it was time to."""
Defer = Callable[[Callable[[], Round]], Deferred[Round]]
"""Runs a function in a thread: `twisted.internet.threads.deferToThread`, or at once in a test."""
Listener = Callable[[Credential], object]
Removed = Callable[[str], object]

WARNED_AT: Final = (1, 7, 14, 30)
"""Days before a certificate's end."""
INTERVAL: Final = 5.0
"""Seconds between two looks at the files."""


@dataclass(slots=True)
class _Entry:
    settings: CredentialSettings
    credential: Credential | None = None
    problem: CredentialError | None = None
    """Why there is none, or why the newest files were not taken."""
    loaded: Signature | None = None
    """Of the files when they were read last."""
    seen: Signature | None = None
    """Of the files at the last look."""
    warned: set[tuple[str, int]] = field(default_factory=set)
    """Fingerprint and days of the warnings that were given."""


class Credentials(Service):
    """The credentials of the configuration, by name."""

    def __init__(
        self,
        settings: Sequence[CredentialSettings],
        *,
        clock: IReactorTime,
        unix: Callable[[], float],
        in_thread: Defer,
        counters: Counters,
        tokens: ProviderTokens | None = None,
        interval: float = INTERVAL,
    ) -> None:
        """`unix` is seconds since 1970; `tokens` the process's, if others sign, too."""
        self._entries = {one.name: _Entry(one) for one in settings}
        self._unix = unix
        self._in_thread = in_thread
        self._tokens = tokens or ProviderTokens()
        self._interval = interval
        self._listeners: list[Listener] = []
        self._removed: list[Removed] = []
        self._loop = LoopingCall(self.look)
        self._loop.clock = clock
        self._looking: Deferred[None] = succeed(None)
        self._loads = counters.counter(
            "pushd_credential_loads_total", "Credentials that were read and taken"
        )
        self._failures = counters.counter(
            "pushd_credential_failures_total", "Credentials that were read and not taken"
        )
        self._warnings = counters.counter(
            "pushd_credential_expiry_warnings_total", "Warnings that a certificate expires"
        )

    # What there is to know.

    def get(self, name: str) -> Credential | None:
        """The credential to be used now; None: not configured, or never good so far."""
        entry = self._entries.get(name)
        return None if entry is None else entry.credential

    def names(self) -> tuple[str, ...]:
        """Those that are configured."""
        return tuple(self._entries)

    @property
    def configured(self) -> tuple[CredentialSettings, ...]:
        """Likewise, as they are configured, in that order."""
        return tuple(entry.settings for entry in self._entries.values())

    def problems(self) -> dict[str, CredentialError]:
        """By name why a credential, or its newest files, cannot be used."""
        return {n: entry.problem for n, entry in self._entries.items() if entry.problem}

    def expiries(self) -> dict[str, float]:
        """By name the seconds that certificates still have, below zero past their end: a gauge."""
        now = self._unix()
        return {
            name: entry.credential.expires_at.timestamp() - now
            for name, entry in self._entries.items()
            if entry.credential is not None and entry.credential.expires_at is not None
        }

    def listen(self, listener: Listener, removed: Removed | None = None) -> None:
        """`listener` is called with each credential that is new, or replaces another; `removed`
        with the name of each that is configured no more."""
        self._listeners.append(listener)
        if removed is not None:
            self._removed.append(removed)

    # What is done.

    def startService(self) -> None:
        """The first reading is waited for. Those that are broken are told; the others work."""
        super().startService()  # type: ignore[no-untyped-call]
        self._take(self._round_thd(tuple(self._entries.values()), patient=False))
        done = self._loop.start(self._interval, now=False)
        done.addErrback(lambda failure: _log.failure("Credential watch ended", failure=failure))

    def stopService(self) -> Deferred[None] | None:
        """Wait for a look that is under way."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._loop.running:
            self._loop.stop()
        return self._looking

    def replace(self, settings: Sequence[CredentialSettings]) -> None:
        """Go by another configuration; call `look` then. One whose settings are others is read
        anew, and stays in use until that has worked."""
        before, self._entries = self._entries, {}
        for one in settings:
            entry = before.pop(one.name) if one.name in before else _Entry(one)
            self._entries[one.name] = entry
            if entry.settings != one:
                entry.settings = one
                entry.loaded = entry.seen = None
        for name in before:
            _log.info("Credential {name} is configured no more", name=name)
            for removed in self._removed:
                removed(name)

    def look(self, *, patient: bool = True) -> Deferred[None]:
        """Look at the files. Unless `patient`, what has changed is read at once, as an operator
        wants who asks for a reload."""
        self._looking = Deferred.fromCoroutine(self._look(patient))
        return self._looking

    async def _look(self, patient: bool) -> None:
        try:
            entries = tuple(self._entries.values())
            self._take(await self._in_thread(lambda: self._round_thd(entries, patient=patient)))
        except Exception:
            # A file system may do anything; what we have goes on serving.
            _log.failure("The credentials could not be looked at; they stay as they are")

    def _round_thd(self, entries: Sequence[_Entry], *, patient: bool) -> Round:
        found: Round = []
        for entry in entries:
            settings, loaded = entry.settings, entry.loaded
            seen = signature_thd(files_of(settings))
            settled = not patient or seen == entry.seen
            due = seen != loaded and settled
            found.append((entry, settings, seen, self._load_thd(settings) if due else None))
        return found

    def _load_thd(self, settings: CredentialSettings) -> Loaded:
        now = datetime.fromtimestamp(self._unix(), UTC)
        try:
            return load_credential_thd(settings, tokens=self._tokens, now=now)
        except CredentialError as error:
            return error

    def _take(self, found: Round) -> None:
        for entry, settings, seen, loaded in found:
            if entry.settings is not settings or self._entries.get(settings.name) is not entry:
                continue  # the configuration is another since
            entry.seen = seen
            if isinstance(loaded, CredentialError):
                entry.loaded = seen
                self._refuse(entry, loaded)
            elif loaded is not None:
                entry.loaded = seen
                self._accept(entry, loaded)
            self._warn(entry)

    def _refuse(self, entry: _Entry, error: CredentialError) -> None:
        self._failures.inc()
        entry.problem = error
        stays = "nothing is sent with it" if entry.credential is None else "the one before stays"
        _log.error(
            "Credential {name} cannot be used; {stays}: {error}",
            name=entry.settings.name,
            stays=stays,
            error=error,
        )

    def _accept(self, entry: _Entry, credential: Credential) -> None:
        self._loads.inc()
        entry.problem = None
        before, entry.credential = entry.credential, credential
        if before is not None and _same(before, credential):
            return
        _log.info(
            "Credential {name}: {what}, {environment}, {topics}",
            name=credential.name,
            what=_what(credential),
            environment=credential.environment,
            topics=", ".join(sorted(credential.topics)) or "any topic",
        )
        is_another = before is not None and before.fingerprint != credential.fingerprint
        if before is not None and is_another and credential.topics != before.topics:
            _log.warn(
                "Credential {name} is not for the topics it was for: {before}; devices know their"
                " topic, and a push certificate must be renewed, not made anew",
                name=credential.name,
                before=", ".join(sorted(before.topics)),
            )
        for listener in self._listeners:
            listener(credential)

    def _warn(self, entry: _Entry) -> None:
        credential = entry.credential
        if credential is None or credential.expires_at is None:
            return
        left = credential.expires_at - datetime.fromtimestamp(self._unix(), UTC)
        days = next((days for days in (0, *WARNED_AT) if left <= timedelta(days=days)), None)
        if days is None or (credential.fingerprint, days) in entry.warned:
            return
        entry.warned.add((credential.fingerprint, days))
        self._warnings.inc()
        _log.warn(
            "Credential {name} {expires} on {end}; renew it with the same Apple Account",
            name=credential.name,
            expires=f"expires in {_span(left)}" if left > timedelta(0) else "has expired",
            end=f"{credential.expires_at:%Y-%m-%d %H:%M} UTC",
        )


def _same(before: Credential, credential: Credential) -> bool:
    """Whether it is the same for Apple, and for those who push."""
    return (
        before.fingerprint == credential.fingerprint
        and before.environment == credential.environment
        and before.topics == credential.topics
        and (before.token is None or before.token is credential.token)
    )


def signature_thd(paths: Sequence[Path]) -> Signature:
    """What differs once one of the files is another."""
    return tuple(_mark_thd(path) for path in paths)


def _mark_thd(path: Path) -> tuple[int, int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    # The time of the inode's change, for a chmod is what heals a file that others may read.
    return status.st_dev, status.st_ino, status.st_size, status.st_ctime_ns


def _what(credential: Credential) -> str:
    if credential.expires_at is None:
        return "a signing key"
    return f"a certificate until {credential.expires_at:%Y-%m-%d}"


def _span(left: timedelta) -> str:
    days = left // timedelta(days=1)
    return f"{days} days" if days > 1 else f"{left // timedelta(hours=1)} hours"


_log = Logger()
