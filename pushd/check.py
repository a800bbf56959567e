"""`--check`: is everything as it must be for the daemon to start and push? Starts nothing.

    ok       configuration  pushd.toml
    ok       credential     mdm: certificate until 2027-01-31, production, com.apple.mgmt.External.…
    WARNING  credential     app: expires in 6 days; renew it with the same Apple Account
    ERROR    API            cannot bind TCP port 8443 for the API: it is in use; …

Errors keep the daemon from starting, or a credential from being used; the exit status is then 1.
Warnings do not.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from cryptography import x509

from ops.config import ConfigError
from ops.finding import Finding, Severity
from ops.log_destination import about_log
from ops.look.certificate import about_end
from ops.look.secret import about_secret
from ops.owner import owners_of
from ops.privilege import acting_as, resolve_identity
from ops.start import StartError, bind_error
from ops.state import why_unwritable
from ops.web.check import about_console
from pushd import config
from pushd.api.access import ClientsFile, load_clients
from pushd.api.tls import load_tls
from pushd.config import Config, state_directory
from pushd.credential import CredentialError
from pushd.credential_check import look_thd, reader_of, rivals_thd
from pushd.dial import read_trust_roots_thd


def check(file: Path | None, out: TextIO | None = None) -> int:
    """Write all findings to `out` (standard output); the exit status."""
    stream = out or sys.stdout
    status = 0
    for finding in findings_of(file):
        stream.write(f"{finding}\n")
        status |= finding.severity is Severity.ERROR
    return status


def findings_of(file: Path | None) -> Iterator[Finding]:
    """Look at everything that a start would need."""
    try:
        settings = config.load(file)
    except ConfigError as error:
        yield Finding(Severity.ERROR, "configuration", str(error))
        return
    yield Finding(Severity.OK, "configuration", str(file) if file else "defaults (no file given)")
    yield from _api(settings)
    with acting_as(reader_of(settings)):
        yield from list(_credentials(settings))
    yield from _state(settings)
    yield from about_log(settings.log, "pushd", settings.state.directory)
    yield from about_console(settings.console, lock_of(settings))


def _api(settings: Config) -> Iterator[Finding]:
    api = settings.api
    if api.certificate is None:
        text = "is off: set api.certificate and api.key, or nobody can hand in pushes"
        yield Finding(Severity.WARNING, "API", text)
        return
    try:
        load_tls(api)
        yield Finding(Severity.OK, "API", f"{api.certificate} and its key")
        yield from about_secret("API", api.key or api.certificate)
        chain = x509.load_pem_x509_certificates(api.certificate.read_bytes())
        yield from about_end("API", str(api.certificate), chain, datetime.now(UTC))
        if not api.anonymous:
            yield from clients_findings(settings, load_clients(api.clients))
    except ConfigError as error:
        yield Finding(Severity.ERROR, "API", str(error))
    for address in api.addresses:
        yield about_port(settings, address)


def clients_findings(settings: Config, clients: ClientsFile) -> Iterator[Finding]:
    """Who may hand in pushes."""
    number = len(clients.clients)
    if not number:
        text = f"{settings.api.clients}: names no client; make one with `pushctl token new`"
        yield Finding(Severity.WARNING, "clients", text)
        return
    yield Finding(Severity.OK, "clients", f"{settings.api.clients}: {number}")
    names = {credential.name for credential in settings.credentials}
    for client in clients.clients:
        for name in client.credentials or ():
            if name not in names:
                text = f'{client.name} may use credential "{name}", which is not configured'
                yield Finding(Severity.WARNING, "clients", text)


def about_port(settings: Config, address: str) -> Finding:
    """Whether the API's port can be had at `address`, or the pushd that runs has it."""
    port = settings.api.port
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen()
        except OSError as error:
            if owners_of("TCP", port, lock_of(settings)).is_ours:
                text = f"pushd listens on TCP port {port} of {address}"
                return Finding(Severity.OK, "API", text)
            told = bind_error(
                error, "the API", "TCP", port, daemon="pushd", settings="api.addresses"
            )
            return Finding.of(Severity.ERROR, "API", str(told))
    return Finding(Severity.OK, "API", f"TCP port {port} on {address} is free")


def lock_of(settings: Config) -> Path:
    """The file that a pushd which runs holds open."""
    path = config.database(settings)
    return path.with_name(f"{path.name}.lock")


def _credentials(settings: Config) -> Iterator[Finding]:
    if not settings.credentials:
        text = "none: without a [[credential]] nothing can be sent"
        yield Finding(Severity.WARNING, "credential", text)
    for one in settings.credentials:
        yield from look_thd(settings, one)
    yield from rivals_thd(settings)
    roots = settings.apple.trust_roots
    if roots is not None:
        try:
            read_trust_roots_thd(roots)
            yield Finding(Severity.OK, "trust", str(roots))
        except CredentialError as error:
            yield Finding(Severity.ERROR, "trust", str(error))


def _state(settings: Config) -> Iterator[Finding]:
    try:
        identity = resolve_identity(settings.user, settings.group)
    except StartError as error:
        yield Finding(Severity.ERROR, "user", str(error))
        return
    if identity is not None:
        text = f"becomes {identity.user} once the API's port is bound"
        yield Finding(Severity.OK, "user", text)
    directory = state_directory(settings.state)
    objection = why_unwritable(directory)
    if objection is None:
        yield Finding(Severity.OK, "state", str(directory))
    else:
        yield Finding(Severity.ERROR, "state", objection)
