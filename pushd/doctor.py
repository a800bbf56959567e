"""`pushctl doctor`: everything that pushd stands on, from its configuration to Apple's servers.

    daemon · privileges · open files · API · credentials · Apple, by both ports ·
    database · disk space · clock

More than a check, which tells what keeps pushd from starting: what will go wrong later is looked
at, too. Nothing is changed and no push is sent; what Apple sees are connections that are closed
again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from cryptography import x509

from ops.amount import counted
from ops.cli import ExitCode
from ops.config import ConfigError
from ops.descriptor import SPARE
from ops.doctor import Check, doctor_of
from ops.finding import Finding, Severity
from ops.look.certificate import about_certificates, about_expiry
from ops.look.clock import about_clock
from ops.look.daemon import Asked, about_daemon, ask
from ops.look.database import about_database
from ops.look.disk import Place, about_disks
from ops.look.process import (
    RIGHTS,
    about_files,
    allowed_files,
    capabilities_of,
    first_free_port,
)
from ops.privilege import resolve_identity
from ops.start import StartError
from pushd import __version__, config
from pushd.api.access import load_clients
from pushd.api.tls import load_tls
from pushd.check import about_port, clients_findings
from pushd.config import Config, database, state_directory
from pushd.credential import CredentialError
from pushd.credential_check import (
    about_way,
    connected,
    load_thd,
    look_thd,
    rivals_thd,
    trust_roots_thd,
)
from pushd.reach import Unreached, reach_thd
from pushd.service import FOR_APPLE
from pushd.settings import CredentialSettings, Environment
from pushd.statement import SCHEMA

DAEMON: Final = "pushd"
GOES_BY_THE_CLOCK: Final = "Apple refuses signatures that are an hour off, and certificates end"
ENVIRONMENTS: Final[tuple[Environment, ...]] = ("production", "development")
APPLE_PORTS: Final = (443, 2197)
WAITING: Final = ("push waits", "pushes wait")
SHOWN: Final = 20
"""Troubles of a running daemon that are told."""


def run(configuration: Path | None, *, connect: bool, as_json: bool) -> ExitCode:
    """Look at everything, and tell: FAILED if something is wrong. Without `connect`, Apple is left
    alone."""
    return doctor_of(
        f"{DAEMON} {__version__}",
        configuration,
        lambda: Patient(config.load(configuration)).checks(connect=connect),
        as_json=as_json,
    )


class Patient:
    """What is looked at."""

    def __init__(
        self, settings: Config, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._settings = settings
        self._now = now
        self._unreached: set[Environment] = set()
        """Those that are not, by the port of the settings."""

    def checks(self, *, connect: bool) -> list[Check]:
        """All looks, those first that explain the others."""
        looks: list[tuple[str, Callable[[], Iterable[Finding]]]] = [
            (DAEMON, self._daemon),
            (RIGHTS, self._rights),
            ("open files", self._files),
            ("API", self._api),
            ("credentials", self._credentials),
            *(self._apple() if connect else ()),
            ("database", self._database),
            ("disk space", self._disks),
            ("clock", lambda: about_clock(self._now(), GOES_BY_THE_CLOCK)),
        ]
        return [Check(subject=subject, look=look) for subject, look in looks]

    # The daemon itself.

    @cached_property
    def _asked(self) -> Asked:
        """What a running pushd says of itself."""
        return ask(DAEMON, self._settings.admin, state_directory(self._settings.state))

    @property
    def _status(self) -> dict[str, Any] | None:
        return self._asked.status

    def _daemon(self) -> Iterator[Finding]:
        status = self._status
        since, doing = None, ""
        if status is not None:
            since = datetime.fromtimestamp(status["started_at"] / 1000, UTC)
            doing = f"; {counted(status['waiting'], *WAITING)}"
        directory = state_directory(self._settings.state)
        yield from about_daemon(
            DAEMON, self._asked, __version__, directory, since=since, doing=doing
        )
        if status is not None:
            yield from _troubles(status)

    def _rights(self) -> Iterator[Finding]:
        settings, port = self._settings, self._settings.api.port
        try:
            identity = resolve_identity(settings.user, settings.group)
        except StartError as error:
            yield Finding.of(Severity.ERROR, RIGHTS, str(error))
            return
        rights = capabilities_of()
        needs = settings.api.certificate is not None and 0 < port < first_free_port()
        if self._status is None and needs and rights is not None:
            if "CAP_NET_BIND_SERVICE" not in rights:
                text = f"port {port} of the API is for root, or CAP_NET_BIND_SERVICE"
                remedy = "start as root, or set api.port to one from 1024 on"
                yield Finding(Severity.WARNING, RIGHTS, text, remedy)
                return
        if identity is not None:
            text = f"becomes {identity.user} once the API's port is bound"
            yield Finding(Severity.OK, RIGHTS, text)
        else:
            yield Finding(Severity.OK, RIGHTS, "stays who it is started as")

    def _files(self) -> Iterator[Finding]:
        wanted = self._settings.api.max_connections + FOR_APPLE + SPARE
        pid = None if self._status is None else self._status.get("pid")
        whose = "this shell" if pid is None else DAEMON
        yield from about_files(wanted, allowed_files("self" if pid is None else pid), whose)

    # Who pushes.

    def _api(self) -> Iterator[Finding]:
        api = self._settings.api
        if api.certificate is None:
            text = "is off: nobody can hand in pushes but by pushctl"
            remedy = "set api.certificate and api.key; pushctl config init makes them"
            yield Finding(Severity.WARNING, "API", text, remedy)
            return
        try:
            load_tls(api)
            chain = x509.load_pem_x509_certificates(api.certificate.read_bytes())
            name = str(api.certificate)
            yield from about_certificates("API", name, chain, self._now(), reload="reload pushd")
            if not api.anonymous:
                yield from clients_findings(self._settings, load_clients(api.clients))
        except ConfigError as error:
            yield Finding.of(Severity.ERROR, "API", str(error))
        for address in api.addresses:
            yield about_port(self._settings, address)

    # Credentials and Apple.

    def _credentials(self) -> Iterator[Finding]:
        if not self._settings.credentials:
            text = "none: nothing can be sent"
            remedy = "take one in: pushctl credentials import"
            yield Finding(Severity.WARNING, "credential", text, remedy)
        for one in self._settings.credentials:
            yield from look_thd(self._settings, one)
        yield from rivals_thd(self._settings)

    def _apple(self) -> Iterator[tuple[str, Callable[[], Iterable[Finding]]]]:
        """Both ports to each environment that there is a credential for, then each credential."""
        settings = self._settings
        used = {one.environment for one in settings.credentials}
        port = settings.apple.port
        others = [other for other in APPLE_PORTS if port in APPLE_PORTS and other != port]
        for environment in [one for one in ENVIRONMENTS if one in (used or ENVIRONMENTS[:1])]:
            for each in (port, *others):
                yield "Apple", self._way_look(environment, each)
        for one in settings.credentials:
            yield "Apple", self._connect_look(one)

    def _way_look(self, environment: Environment, port: int) -> Callable[[], Iterator[Finding]]:
        return lambda: self._way(environment, port)

    def _connect_look(self, one: CredentialSettings) -> Callable[[], Iterator[Finding]]:
        return lambda: self._connect(one)

    def _way(self, environment: Environment, port: int) -> Iterator[Finding]:
        apple = self._settings.apple
        server = f"{apple.host(environment)} port {port}"
        try:
            roots = trust_roots_thd(self._settings)
            reached = reach_thd(apple, environment, port=port, trust_roots=roots)
        except CredentialError as error:
            text = f"{error.path}: {error.why}"
            yield Finding(Severity.ERROR, "Apple", text, error.remedy)
        except Unreached as error:
            if port == apple.port:
                self._unreached.add(environment)
                yield Finding(Severity.ERROR, "Apple", f"{server}: {error.why}", error.remedy)
            else:
                text = f"{server}: {error.why}; not needed while apple.port is {apple.port}"
                yield Finding(Severity.SKIPPED, "Apple", text)
        else:
            text = f"{server}: {about_way(reached)}; its authority is {reached.root}"
            yield Finding(Severity.OK, "Apple", text)
            if port != apple.port and environment in self._unreached:
                text = f"port {port} of Apple's is reached, {apple.port} is not"
                yield Finding(Severity.WARNING, "Apple", text, f"set apple.port = {port}")
            begins, ends, now = reached.begins_at, reached.expires_at, self._now()
            life = about_expiry("Apple", f"{server}: its certificate", begins, ends, now)
            if life.severity is Severity.ERROR:
                remedy = "a day before its end Apple has renewed it: check this computer's clock"
                yield Finding(Severity.WARNING, "Apple", life.text, remedy)

    def _connect(self, one: CredentialSettings) -> Iterator[Finding]:
        try:
            credential = load_thd(self._settings, one)
            roots = trust_roots_thd(self._settings)
        except CredentialError:
            return  # told above
        if credential.identity is not None:
            yield connected(self._settings, credential, roots)

    # What it keeps.

    def _database(self) -> Iterator[Finding]:
        yield from about_database(database(self._settings), SCHEMA, DAEMON)

    def _disks(self) -> Iterator[Finding]:
        directory = state_directory(self._settings.state)
        yield from about_disks([Place(name="state", path=directory, is_written=True)])


def _troubles(status: dict[str, Any]) -> Iterator[Finding]:
    if status.get("disk_fails"):
        text = "outcomes cannot be stored, so nothing is sent"
        yield Finding(Severity.ERROR, DAEMON, text, "make room on the disk of the state")
    troubles = status.get("troubles", [])
    for trouble in troubles[:SHOWN]:
        text = f"{trouble['credential']}, {trouble['topic']}: {trouble['why']}"
        remedy = "when that is mended: pushctl queue retry"
        yield Finding(Severity.WARNING, DAEMON, text, remedy)
    if len(troubles) > SHOWN:
        text = f"{len(troubles) - SHOWN} topics more have trouble"
        yield Finding(Severity.WARNING, DAEMON, text, "pushctl queue list")
