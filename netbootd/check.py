"""`--check`: is everything as it must be for the daemon to start and serve? Starts nothing.

    ok       configuration  netbootd.toml
    ok       images         /srv/images: High Sierra (index 1001)
    WARNING  images         /srv/images/Old.nbi: holds no NBImageInfo.plist; copy the whole folder …
    ERROR    TFTP           cannot bind UDP port 69 for TFTP: it is in use; …

Errors keep the daemon from starting; the exit status is then 1. Warnings do not.
"""

from __future__ import annotations

import enum
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from images.catalog import Root, scan_thd
from images.root_path import NfsExport
from netbootd import config
from netbootd.booter import Publication, why_entry_not_offered, why_not_offered
from netbootd.config import Config, state_directory
from netbootd.datagram import hears_all
from netbootd.http.secure import CredentialsError, load_credentials
from netbootd.interface import read_interfaces, served
from netbootd.privilege import resolve_identity
from netbootd.start import StartError, bind_error
from ops.config import ConfigError


class Severity(enum.Enum):
    """What a finding means for the start."""

    OK = "ok"
    WARNING = "WARNING"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    severity: Severity
    subject: str
    text: str

    def __str__(self) -> str:
        return f"{self.severity.value:<8} {self.subject:<14} {self.text}"


def check(file: Path | None, out: TextIO | None = None) -> int:
    """Write all findings to `out` (standard output); the exit status."""
    stream = out or sys.stdout
    findings = list(findings_of(file))
    for finding in findings:
        stream.write(f"{finding}\n")
    return int(any(finding.severity is Severity.ERROR for finding in findings))


def findings_of(file: Path | None) -> Iterator[Finding]:
    """Look at everything that a start would need."""
    try:
        settings = config.load(file)
    except ConfigError as error:
        yield Finding(Severity.ERROR, "configuration", str(error))
        return
    yield Finding(Severity.OK, "configuration", str(file) if file else "defaults (no file given)")
    yield from _images(settings)
    yield from _network(settings)
    yield from _ports(settings)
    yield from _certificate(settings)
    yield from _state(settings)


def _images(settings: Config) -> Iterator[Finding]:
    roots = [Root(path=share.path, share=share.name) for share in settings.images.shares]
    missing = [root.path for root in roots if not os.path.isdir(root.path)]
    for path in missing:
        text = f"{path} does not exist; create it and put .nbi folders in it"
        yield Finding(Severity.ERROR, "images", text)
    snapshot = scan_thd(roots, loaders=settings.pxe.loaders if settings.pxe.enabled else None)
    nfs = settings.nfs
    publication = Publication(
        http_port=settings.http.port if settings.http.enabled else None,
        nfs=None if nfs.export is None else NfsExport(path=nfs.export, server=nfs.server),
    )
    for bundle in snapshot.bundles:
        reason = why_not_offered(bundle, publication)
        text = f"{bundle.path}: {bundle.title} (index {bundle.index})"
        if reason is None:
            yield Finding(Severity.OK, "images", text)
        else:
            yield Finding(Severity.WARNING, "images", f"{text} is not offered: {reason}")
        for warning in bundle.warnings:
            yield Finding(Severity.WARNING, "images", f"{bundle.path}: {warning}")
    for entry in snapshot.entries:
        reason = why_entry_not_offered(entry, publication)
        text = f"{entry.path}: {entry.title} ({', '.join(sorted(entry.platforms))})"
        if reason is None:
            yield Finding(Severity.OK, "images", text)
        else:
            yield Finding(Severity.WARNING, "images", f"{text} is not offered: {reason}")
        for warning in entry.warnings:
            yield Finding(Severity.WARNING, "images", f"{entry.path}: {warning}")
    if snapshot.loaders is not None:
        text = f"{snapshot.loaders.path}: {len(snapshot.loaders.files)} files"
        yield Finding(Severity.OK, "loaders", text)
        for warning in snapshot.loaders.warnings:
            yield Finding(Severity.WARNING, "loaders", warning)
    for disabled in snapshot.disabled:
        yield Finding(Severity.OK, "images", f"{disabled.path}: {disabled.title}, disabled")
    for problem in snapshot.errors:
        if problem.path not in missing:
            yield Finding(Severity.WARNING, "images", str(problem))
    if not (snapshot.bundles or snapshot.entries or snapshot.errors):
        yield Finding(Severity.WARNING, "images", "no .nbi folder is there yet: nothing to boot")


def _network(settings: Config) -> Iterator[Finding]:
    interfaces = read_interfaces()
    kept = served(interfaces, settings.network.serves)
    if not kept:
        have = ", ".join(f"{a.ip} [{one.name}]" for one in interfaces for a in one.addresses)
        text = f"no address to serve on: [network] allows none of {have or 'no address at all'}"
        yield Finding(Severity.ERROR, "network", text)
    for interface in kept:
        addresses = ", ".join(str(address.ip) for address in interface.addresses)
        yield Finding(Severity.OK, "network", f"{addresses} [{interface.name}]")
    names = {interface.name for interface in interfaces}
    for name in settings.interface:
        if name not in names:
            text = f"[interface.{name}] names an interface that this machine does not have"
            yield Finding(Severity.WARNING, "network", text)


def _ports(settings: Config) -> Iterator[Finding]:
    """A port that is taken is a warning: it may well be taken by this daemon, running."""
    wanted = (
        ("BSDP", "UDP", settings.bsdp, settings.bsdp.share_port),
        ("TFTP", "UDP", settings.tftp, False),
        ("HTTP", "TCP", settings.http, False),
        ("HTTPS", "TCP", settings.https, False),
    )
    kept = served(read_interfaces(), settings.network.serves)
    own = [str(address.ip) for interface in kept for address in interface.addresses]
    addresses = {"TCP": own, "UDP": ["0.0.0.0"] if hears_all(kept) else own}  # noqa: S104 - closed
    for service, kind, group, shared in wanted:
        if not group.enabled:
            continue
        try:
            for address in addresses[kind]:
                _bind(kind, address, group.port, shared=shared)
        except OSError as error:
            text = str(bind_error(error, service, kind, group.port))
            yield Finding(Severity.WARNING, service, text)
        else:
            yield Finding(Severity.OK, service, f"{kind} port {group.port} is free")


def _bind(kind: str, address: str, port: int, *, shared: bool) -> None:
    """Bind for a moment. Raises OSError."""
    reuses = shared or (kind == "TCP" and os.name == "posix")
    sort = socket.SOCK_STREAM if kind == "TCP" else socket.SOCK_DGRAM
    with closing(socket.socket(socket.AF_INET, sort)) as sock:
        if reuses:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))


def _certificate(settings: Config) -> Iterator[Finding]:
    https = settings.https
    if not https.enabled or https.certificate is None or https.key is None:
        return
    try:
        load_credentials(https.certificate, https.key, https.minimum_version)
    except CredentialsError as error:
        yield Finding(Severity.ERROR, "HTTPS", str(error))
    else:
        yield Finding(Severity.OK, "HTTPS", f"{https.certificate} and its key")


def _state(settings: Config) -> Iterator[Finding]:
    directory = state_directory(settings.state)
    try:
        identity = resolve_identity(settings.user, settings.group)
    except StartError as error:
        yield Finding(Severity.ERROR, "user", str(error))
        return
    if identity is not None:
        yield Finding(Severity.OK, "user", f"becomes {identity.user} once the ports are bound")
    there = next(path for path in (directory, *directory.parents) if os.path.exists(path))
    as_we_are = os.access in os.supports_effective_ids
    if os.path.isdir(there) and os.access(there, os.W_OK | os.X_OK, effective_ids=as_we_are):
        yield Finding(Severity.OK, "state", str(directory))
    else:
        text = f"{directory} cannot be written; set state.directory to a folder that can"
        yield Finding(Severity.ERROR, "state", text)
