"""`netbootctl import`: which reader is for which file, and what the operator is told.

    dhcpd.leases, dnsmasq.leases, kea-leases4.csv ──▶ netbootd's database
    dhcpd.conf, dnsmasq.conf                      ──▶ TOML on standard output

Remarks go to standard error, one a line: `dhcpd.conf:17: …`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

import click

from netbootd import config
from netbootd.dhcp.importer import (
    dhcpd_conf,
    dhcpd_leases,
    dnsmasq_conf,
    dnsmasq_leases,
    kea_leases,
)
from netbootd.dhcp.importer.database import enter_thd
from netbootd.dhcp.importer.found import MAX_FILE, Leases, Remark, Settings, Unreadable
from netbootd.dhcp.importer.ours import toml_of
from netbootd.service import DATABASE
from ops.cli import Failed
from ops.database import StoreError

Found = TypeVar("Found")

LEASES: Final[dict[str, Callable[[bytes], Leases]]] = {
    "dhcpd": dhcpd_leases.read_leases,
    "dnsmasq": dnsmasq_leases.read_leases,
    "kea": kea_leases.read_leases,
}

SETTINGS: Final[dict[str, Callable[[bytes], Settings]]] = {
    "dhcpd": dhcpd_conf.read_settings,
    "dnsmasq": dnsmasq_conf.read_settings,
}

BEGINNING: Final = 1 << 16
"""Bytes in which it is seen what wrote a file."""

_LEASES_OF: Final = (
    ("kea", re.compile(rb"\Aaddress,hwaddr,")),
    ("dhcpd", re.compile(rb"^\s*(?:lease\s+[0-9.]+|authoring-byte-order|server-duid)\b", re.M)),
    ("dnsmasq", re.compile(rb"\A\s*(?:[0-9]+ \S+ [0-9a-f.:]+ \S+ \S+$|duid )", re.M)),
)
_SETTINGS_OF: Final = (
    ("dhcpd", re.compile(rb"[;{][ \t]*(?:#.*)?$", re.M)),
    ("dnsmasq", re.compile(rb"^\s*(?:--)?[a-z0-9-]+(?:=|\s*$)|^[0-9A-Fa-f:]{17},|^id:", re.M)),
)


def import_leases(file: Path, source: str | None, configuration: Path | None) -> None:
    """Enter the leases of `file` into the database that `configuration` names. Raises Failed."""
    settings = config.load(configuration)
    data = _read(file)
    reader = LEASES[source or _source(file, data, _LEASES_OF)]
    found = _understood(file, lambda: reader(data))
    database = config.state_directory(settings.state) / DATABASE
    try:
        entered = enter_thd(database, found.leases, now=int(time.time()), settings=settings.dhcp)
    except StoreError as error:
        raise Failed(f"nothing is imported: {error}") from None
    _tell(file, (*found.remarks, *entered.remarks))
    click.echo(
        f"{database}: {entered.bound} leases that hold, {entered.remembered} that are over, "
        f"{entered.avoided} addresses of strangers"
    )


def import_settings(file: Path, source: str | None) -> None:
    """Print what `file` says as settings of ours. Raises Failed."""
    data = _read(file)
    if source is None and any(pattern.search(data[:BEGINNING]) for _, pattern in _LEASES_OF):
        raise Failed(f"{file} holds leases, no settings: netbootctl import leases {file}")
    reader = SETTINGS[source or _source(file, data, _SETTINGS_OF)]
    found = _understood(file, lambda: reader(data))
    text, remarks = _understood(file, lambda: toml_of(found))
    click.echo(text, nl=False)
    _tell(file, (*found.remarks, *remarks))


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(MAX_FILE + 1)
    except OSError as error:
        raise Failed(f"{file} cannot be read: {error.strerror}") from None


def _source(file: Path, data: bytes, known: Sequence[tuple[str, re.Pattern[bytes]]]) -> str:
    beginning = data[:BEGINNING]
    for source, pattern in known:
        if pattern.search(beginning):
            return source
    names = " or ".join(source for source, _ in known)
    raise Failed(f"{file}: it is not clear what wrote this; name it: --from {names}")


def _understood(file: Path, read: Callable[[], Found]) -> Found:
    try:
        return read()
    except Unreadable as error:
        raise Failed(f"{file}: {error}; nothing is imported") from None


def _tell(file: Path, remarks: Sequence[Remark]) -> None:
    for remark in sorted(remarks, key=lambda remark: remark.line):
        click.echo(f"{file}:{remark.line}: {remark.text}", err=True)
