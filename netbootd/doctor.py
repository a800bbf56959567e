"""`netbootctl doctor`: everything that netbootd stands on, whether it runs or not.

More than a check, which tells what keeps it from starting: what will go wrong later is looked at,
too, and of a netbootd that runs the process itself. Nothing is started or changed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from netbootd import __version__, config
from netbootd.check import (
    about_certificate,
    about_images,
    about_neighbours,
    about_network,
    identity_of,
    lock_of,
)
from netbootd.coexist.port import about_ports, wanted_ports
from netbootd.config import Config, state_directory
from netbootd.descriptors import descriptors_for
from netbootd.http.secure import CredentialsError, load_chain
from netbootd.interface import Interface, read_interfaces, served
from netbootd.machine_view import moment
from netbootd.service import DATABASE
from netbootd.statement import SCHEMA
from ops.cli import ExitCode
from ops.doctor import Check, doctor_of
from ops.finding import Finding, Severity
from ops.look.certificate import about_certificates
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
from ops.privilege import acting_as, resolve_identity
from ops.start import StartError

DAEMON: Final = "netbootd"
GOES_BY_THE_CLOCK: Final = "the ends of leases, certificates and log lines go by it"


def run(configuration: Path | None, *, as_json: bool) -> ExitCode:
    """Look at everything, and tell: FAILED if something is wrong."""
    return doctor_of(
        f"{DAEMON} {__version__}",
        configuration,
        lambda: Patient(config.load(configuration)).checks(),
        as_json=as_json,
    )


class Patient:
    """What is looked at."""

    def __init__(
        self,
        settings: Config,
        *,
        interfaces: Callable[[], Sequence[Interface]] = read_interfaces,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings = settings
        self._all_interfaces = interfaces
        self._now = now

    def checks(self) -> list[Check]:
        """All looks, those first that explain the others."""
        looks: tuple[tuple[str, Callable[[], Iterable[Finding]]], ...] = (
            (DAEMON, self._daemon),
            (RIGHTS, self._rights),
            ("open files", self._files),
            ("network", lambda: about_network(self._settings, self._interfaces)),
            ("ports", self._ports),
            ("DHCP servers", lambda: about_neighbours(self._settings, self._interfaces)),
            ("images", self._images),
            ("database", self._database),
            ("disk space", self._disks),
            ("clock", lambda: about_clock(self._now(), GOES_BY_THE_CLOCK)),
            ("HTTPS", self._certificates),
        )
        return [Check(subject=subject, look=look) for subject, look in looks]

    @cached_property
    def _asked(self) -> Asked:
        """What a running netbootd says of itself."""
        return ask(DAEMON, self._settings.admin, self._directory)

    @property
    def _status(self) -> dict[str, Any] | None:
        return self._asked.status

    @cached_property
    def _interfaces(self) -> tuple[Interface, ...]:
        return served(self._all_interfaces(), self._settings.network.serves)

    @property
    def _directory(self) -> Path:
        return state_directory(self._settings.state)

    def _daemon(self) -> Iterator[Finding]:
        status = self._status
        since = None if status is None else moment(status["started_at"])
        yield from about_daemon(DAEMON, self._asked, __version__, self._directory, since=since)

    # What it may do.

    def _rights(self) -> Iterator[Finding]:
        settings = self._settings
        try:
            identity = resolve_identity(settings.user, settings.group)
        except StartError as error:
            if self._status is None:
                yield Finding.of(Severity.ERROR, RIGHTS, str(error))
                return
            identity = None
        if self._status is not None:
            text = f"it had what it needs when it started, and runs as {_user(self._status['pid'])}"
            yield Finding(Severity.OK, RIGHTS, text)
            return
        held = capabilities_of()
        if held is None:
            return
        whose = "root" if os.geteuid() == 0 else "this user"
        low = [one for one in wanted_ports(settings) if 0 < one.port < first_free_port()]
        if low and "CAP_NET_BIND_SERVICE" not in held:
            text = f"{whose} may not bind {low[0].kind} port {low[0].port}"
            remedy = "start as root with `user` set, or as a service with CAP_NET_BIND_SERVICE"
            yield Finding(Severity.WARNING, RIGHTS, text, remedy)
        elif "CAP_NET_RAW" not in held:
            text = (
                f"{whose} may bind the ports, but not answer machines without an address by frame"
            )
            yield Finding(Severity.WARNING, RIGHTS, text, "give it CAP_NET_RAW, too")
        else:
            becomes = f", and becomes {identity.user}" if identity is not None else ""
            yield Finding(Severity.OK, RIGHTS, f"{whose} may do all that a start needs{becomes}")

    def _files(self) -> Iterable[Finding]:
        wanted = descriptors_for(self._settings)
        if self._status is not None:
            pid = self._status["pid"]
            return about_files(wanted, allowed_files(pid), "netbootd")
        return about_files(wanted, allowed_files(), "what is started here")

    # What it serves.

    def _ports(self) -> Iterator[Finding]:
        if self._status is None:
            yield from about_ports(self._settings, self._interfaces, lock_of(self._settings))
            return
        bound = {(one["service"], one["port"]) for one in self._status["services"]}
        for wanted in wanted_ports(self._settings):
            text = f"{wanted.kind} port {wanted.port}"
            if any(port == wanted.port for _, port in bound):
                text += " is bound by netbootd, which runs"
                yield Finding(Severity.OK, wanted.service, text)
            else:
                text += " is in the configuration, and netbootd has not bound it"
                yield Finding(Severity.WARNING, wanted.service, text, "restart netbootd")

    def _images(self) -> Iterator[Finding]:
        """What is good is counted, what is not is told."""
        with acting_as(identity_of(self._settings)):
            findings = list(about_images(self._settings))
        good = [one for one in findings if one.severity is Severity.OK]
        images = [one for one in good if one.subject == "images"]
        if len(images) > 1:
            folders = ", ".join(str(share.path) for share in self._settings.images.shares)
            yield Finding(Severity.OK, "images", f"{folders}: {len(images)} are in order")
            good = [one for one in good if one.subject != "images"]
        yield from good
        yield from (one for one in findings if one.severity is not Severity.OK)

    # What it keeps.

    def _database(self) -> Iterable[Finding]:
        return about_database(self._directory / DATABASE, SCHEMA, DAEMON)

    def _disks(self) -> Iterable[Finding]:
        settings = self._settings
        places = [Place(name="state", path=self._directory, is_written=True)]
        log = settings.log
        if log.destination == "file":
            folder = log.directory or Path("/var/log") / DAEMON
            places.append(Place(name="log", path=folder, is_written=True))
        places += [
            Place(name="images", path=share.path, is_written=False)
            for share in settings.images.shares
        ]
        return about_disks(places)

    def _certificates(self) -> Iterator[Finding]:
        yield from about_certificate(self._settings)
        file = self._settings.https.certificate
        if not self._settings.https.enabled or file is None:
            return
        try:
            chain = load_chain(file)
        except CredentialsError:
            return  # that has been told
        yield from about_certificates(
            "HTTPS", str(file), chain, self._now(), reload="restart netbootd"
        )


def _user(pid: int) -> str:
    import psutil

    try:
        name: str = psutil.Process(pid).username()
    except psutil.Error:
        return "somebody else"
    return name
