"""`--check`: is everything as it must be for the daemon to start and serve? Starts nothing.

    ok       configuration  netbootd.toml
    ok       images         /srv/images: High Sierra (index 1001)
    WARNING  images         /srv/images/Old.nbi: holds no NBImageInfo.plist; copy the whole folder …
    ERROR    TFTP           cannot bind UDP port 69 for TFTP: it is in use; …

Errors keep the daemon from starting; the exit status is then 1. Warnings do not.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TextIO

from images.boot_toml import FILE_NAME
from images.catalog import Root, misspelt_thd, scan_thd
from netbootd import config
from netbootd.bootable import about_boot_names, about_links, about_loaders
from netbootd.booter import publication_of, why_entry_not_offered, why_not_offered
from netbootd.coexist.discover import search_thd
from netbootd.coexist.firewall import about_firewall, read_tables_thd
from netbootd.coexist.port import about_ports, wanted_ports
from netbootd.coexist.server import SUBJECT, about_offers, about_sharing, about_silence, leases_on
from netbootd.coexist.subnet import about_subnets
from netbootd.config import Config, state_directory
from netbootd.http.firmware_tls import objections
from netbootd.http.secure import CredentialsError, load_chain, load_credentials
from netbootd.interface import Interface, read_interfaces, served
from netbootd.link import why_closed
from ops.config import ConfigError
from ops.finding import Finding, Severity
from ops.lock import is_held
from ops.log_destination import about_log
from ops.look.certificate import about_end
from ops.look.secret import about_secret
from ops.owner import owners_of
from ops.privilege import Identity, acting_as, resolve_identity
from ops.start import StartError
from ops.state import why_unwritable
from ops.web.check import about_console
from protocols.dhcp.route import SERVER_PORT

AS_ROOT: Final = "run this as root"
NOTHING_YET: Final = (
    "no image is there yet: nothing to boot; put .nbi folders there (Macs), or folders with a"
    " boot.toml (PCs)"
)


def check(file: Path | None, out: TextIO | None = None) -> int:
    """Write all findings to `out` (standard output); the exit status."""
    stream = out or sys.stdout
    status = 0
    for finding in findings_of(file):
        stream.write(f"{finding}\n")
        stream.flush()  # the search for DHCP servers takes seconds
        status |= finding.severity is Severity.ERROR
    return status


def findings_of(file: Path | None) -> Iterator[Finding]:
    """Look at everything that a start would need."""
    try:
        settings = config.load(file)
    except ConfigError as error:
        yield Finding.of(Severity.ERROR, "configuration", str(error))
        return
    yield Finding(Severity.OK, "configuration", str(file) if file else "defaults (no file given)")
    interfaces = served(read_interfaces(), settings.network.serves)
    with acting_as(identity_of(settings)):
        yield from list(about_images(settings))
    yield from about_network(settings, interfaces)
    yield from about_ports(settings, interfaces, lock_of(settings))
    yield from about_neighbours(settings, interfaces)
    yield from about_certificate(settings)
    yield from _about_end(settings)
    yield from about_state(settings)
    yield from about_log(settings.log, "netbootd", settings.state.directory)
    yield from about_console(settings.console, lock_of(settings))


def identity_of(settings: Config) -> Identity | None:
    """Who reads the images; None also where `_state` tells that there is no such user."""
    try:
        return resolve_identity(settings.user, settings.group)
    except StartError:
        return None


def about_images(settings: Config) -> Iterator[Finding]:
    roots = [Root(path=share.path, share=share.name) for share in settings.images.shares]
    missing = [root.path for root in roots if not os.path.isdir(root.path)]
    for path in missing:
        severity = Severity.ERROR if settings.requires_images else Severity.WARNING
        text = f"{path} does not exist"
        yield Finding(severity, "images", text, "create it and put .nbi folders in it")
    snapshot = scan_thd(roots, loaders=settings.pxe.loaders if settings.pxe.enabled else None)
    publication = publication_of(settings)
    for bundle in snapshot.bundles:
        reason = why_not_offered(bundle, publication)
        text = f"{bundle.path}: {bundle.title} (index {bundle.index})"
        if reason is None:
            yield Finding(Severity.OK, "images", text)
        else:
            yield Finding.of(Severity.WARNING, "images", f"{text} is not offered: {reason}")
        for warning in bundle.warnings:
            yield Finding.of(Severity.WARNING, "images", f"{bundle.path}: {warning}")
    for entry in snapshot.entries:
        reason = why_entry_not_offered(entry, publication)
        text = f"{entry.path}: {entry.title} ({', '.join(sorted(entry.platforms))})"
        if reason is None:
            yield Finding(Severity.OK, "images", text)
        else:
            yield Finding.of(Severity.WARNING, "images", f"{text} is not offered: {reason}")
        for warning in entry.warnings:
            yield Finding.of(Severity.WARNING, "images", f"{entry.path}: {warning}")
    if snapshot.loaders is not None:
        text = f"{snapshot.loaders.path}: {len(snapshot.loaders.files)} files"
        yield Finding(Severity.OK, "loaders", text)
    yield from about_links(settings, snapshot)
    yield from about_loaders(settings, snapshot)
    for disabled in snapshot.disabled:
        yield Finding(Severity.OK, "images", f"{disabled.path}: {disabled.title}, disabled")
    for problem in snapshot.errors:
        if problem.path not in missing:
            subject = "loaders" if problem.path == settings.pxe.loaders else "images"
            yield Finding.of(Severity.WARNING, subject, str(problem))
    for path in misspelt_thd(roots):
        text = f"{path}: did you mean {FILE_NAME}? Rename it"
        yield Finding(Severity.WARNING, "images", text)
    yield from about_boot_names(settings, snapshot)
    if not (snapshot.bundles or snapshot.entries or snapshot.errors):
        yield Finding.of(Severity.WARNING, "images", NOTHING_YET)


def about_network(settings: Config, kept: Sequence[Interface]) -> Iterator[Finding]:
    interfaces = read_interfaces()
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
    yield from about_subnets(settings, kept)


def about_neighbours(settings: Config, interfaces: Sequence[Interface]) -> Iterator[Finding]:
    """What else is on this computer and on its Ethernet links; of others there is none to look."""
    yield from about_sharing(settings)
    links = [one for one in interfaces if one.hardware_address is not None]
    if not links:
        return
    tables = read_tables_thd()
    if tables is None:
        text = "not looked at: its rules are for root to read"
        yield Finding(Severity.SKIPPED, "firewall", text, AS_ROOT)
    else:
        yield from about_firewall(settings, links, tables)
    try:
        search = search_thd(links, xid=secrets.randbits(32))
    except OSError as error:
        yield Finding(Severity.SKIPPED, SUBJECT, f"not looked for: {why_closed(error)}", AS_ROOT)
        if leases_on(settings, links):
            text = "run like this, would answer by broadcast and offer addresses unprobed"
            yield Finding(Severity.OK, "DHCP", f"{text}: {why_closed(error)}")
    else:
        leases = leases_on(settings, links)
        yield from about_offers(search.offers, leases)
        owners = owners_of("UDP", SERVER_PORT, lock_of(settings))
        yield from about_silence(search.silent, leases, owners)


def lock_of(settings: Config) -> Path:
    """What a running netbootd of this configuration holds open."""
    return state_directory(settings.state) / "netbootd.sqlite.lock"


def about_certificate(settings: Config) -> Iterator[Finding]:
    https = settings.https
    if not https.enabled or https.certificate is None or https.key is None:
        return
    try:
        load_credentials(https.certificate, https.key, https.minimum_version)
        chain = load_chain(https.certificate)
    except CredentialsError as error:
        yield Finding.of(Severity.ERROR, "HTTPS", str(error))
        return
    yield Finding(Severity.OK, "HTTPS", f"{https.certificate} and its key")
    yield from about_secret("HTTPS", https.key)
    if settings.pxe.enabled and settings.pxe.scheme == "https":
        for objection in objections(chain, _hosts_of_urls(settings)):
            text = f"{https.certificate} is nothing for UEFI firmware: {objection}"
            yield Finding.of(Severity.WARNING, "HTTPS", text)


def _about_end(settings: Config) -> Iterator[Finding]:
    """Whether the certificate ends soon, or has; one that cannot be read has been told of."""
    https = settings.https
    if https.enabled and https.certificate is not None:
        with suppress(CredentialsError):
            chain = load_chain(https.certificate)
            yield from about_end("HTTPS", str(https.certificate), chain, datetime.now(UTC))


def _hosts_of_urls(settings: Config) -> list[str]:
    """What firmware is told as the host of an https URL."""
    if settings.pxe.host_name is not None:
        return [settings.pxe.host_name]
    hosts: list[str] = []
    for interface in served(read_interfaces(), settings.network.serves):
        here = settings.on(interface.name)
        if here.pxe and here.server_address is not None:
            hosts.append(str(here.server_address))
        elif here.pxe:
            hosts += [str(address.ip) for address in interface.addresses]
    return hosts


def about_state(settings: Config) -> Iterator[Finding]:
    directory = state_directory(settings.state)
    try:
        identity = resolve_identity(settings.user, settings.group)
    except StartError as error:
        yield Finding.of(Severity.ERROR, "user", str(error))
        return
    if identity is not None:
        yield Finding(Severity.OK, "user", f"becomes {identity.user} once the ports are bound")
    objection = why_unwritable(directory)
    if objection is not None:
        yield Finding.of(Severity.ERROR, "state", objection)
    elif is_held(lock_of(settings)):
        yield _about_holder(settings, directory)
    else:
        yield Finding(Severity.OK, "state", str(directory))


def _about_holder(settings: Config, directory: Path) -> Finding:
    """Who holds the state has one of our ports, or goes by another configuration."""
    owners = [owners_of(one.kind, one.port, lock_of(settings)) for one in wanted_ports(settings)]
    if any(one.is_ours for one in owners):
        return Finding(Severity.OK, "state", f"{directory} is in use by this netbootd, which runs")
    is_unknown = any(one.is_hidden for one in owners)
    severity = Severity.WARNING if is_unknown else Severity.ERROR
    text = f"{directory} is in use by another netbootd"
    return Finding(severity, "state", text, "stop that, or set state.directory to another folder")
