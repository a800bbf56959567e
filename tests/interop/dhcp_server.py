"""The real daemon as the DHCP server of a lab, and what its database says."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from netbootd.service import DATABASE

from .conftest import Lan
from .daemon import Daemon
from .station import Station

LEASE_TIME = 12
"""Seconds."""

SETTINGS = """\
[dhcp]
enabled = true
authoritative = true
lease_time = "12s"
renewal = "4s"
rebinding = "7s"
probe_time = "100ms"
{dhcp}

[[dhcp.subnet]]
network = "10.77.0.0/24"
pools = ["10.77.0.100-10.77.0.199"]
router = "10.77.0.254"
dns = ["10.77.0.2", "10.77.0.3"]
domain = "lab.example.com"
{rest}
"""
"""One subnet with leases that are renewed after 4 s and rebound after 7."""


def settings(dhcp: str = "", rest: str = "") -> str:
    """SETTINGS with more lines in `[dhcp]`, and more tables."""
    return SETTINGS.format(dhcp=dhcp, rest=rest)


def serve(lan: Lan, dhcp: str = "", rest: str = "") -> Daemon:
    """The daemon on the server of `lan`, running."""
    daemon = Daemon(lan.server, settings(dhcp, rest))
    daemon.start()
    return daemon


def station(lan: Lan, mac: str, name: str = "station") -> Station:
    """A computer on `lan` that has no address yet."""
    host = lan.lab.host(name)
    return Station(host, host.plug(lan.switch, mac=mac))


@dataclass(frozen=True, slots=True)
class Row:
    """A lease as it is on disk."""

    address: str
    state: str
    ends: int


def rows(daemon: Daemon, mac: str) -> list[Row]:
    """The leases of a machine; those of `""` are of addresses that strangers use."""
    found = _select(daemon, "address, state, ends", "hardware = ? ORDER BY address", mac)
    return [Row(str(IPv4Address(address)), state, ends) for address, state, ends in found]


def row(daemon: Daemon, mac: str) -> Row:
    """The only lease of a machine."""
    (found,) = rows(daemon, mac)
    return found


def leased(daemon: Daemon) -> int:
    """How many addresses are leased."""
    return int(_select(daemon, "count(*)", "state = ?", "bound")[0][0])


def _select(daemon: Daemon, columns: str, where: str, value: str) -> list[tuple[Any, ...]]:
    file = daemon.host.folder / "state" / DATABASE
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
        statement = f"SELECT {columns} FROM leases WHERE {where}"
        return connection.execute(statement, (value,)).fetchall()
