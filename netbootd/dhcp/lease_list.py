"""`netbootctl leases`: what the database says of the leases, whether netbootd runs or not.

It reads and does nothing else: it must never create, migrate or lock the database.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
import time
from contextlib import closing
from datetime import datetime
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Final

import click

from netbootd import config
from netbootd.dhcp.leases import leases_of
from netbootd.service import DATABASE
from netbootd.statement import LOAD_LEASES
from ops.cli import Failed
from ops.database import BUSY_TIMEOUT, StoreError
from ops.text import escape
from protocols.dhcp.server.lease import Lease
from protocols.dhcp.server.plan import INFINITE

COLUMNS: Final = ("address", "until", "state", "machine", "name")
ON_FIRST_LINE: Final = 3
"""Columns that stay together where a terminal is too narrow for all."""


def list_leases(configuration: Path | None, *, as_json: bool) -> None:
    """Print the leases in the database that `configuration` names. Raises Failed."""
    settings = config.load(configuration)
    database = config.state_directory(settings.state) / DATABASE
    leases = _read_thd(database)
    now = int(time.time())
    if as_json:
        click.echo(json.dumps([_record(lease, now) for lease in leases], indent=2))
        return
    if not leases:
        click.echo("no leases")
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in table([_row(lease, now) for lease in leases], width):
        click.echo(line)


def _read_thd(database: Path) -> list[Lease]:
    """All leases by address."""
    if not database.exists():
        raise Failed(
            f"{database} does not exist: netbootd has not run with this state folder; name its"
            " configuration: --config FILE"
        )
    # Without a log of changes nobody has the file open, so that it can be read as it lies there:
    # otherwise SQLite wants to make its own files beside it.
    is_at_rest = not database.with_name(database.name + "-wal").exists()
    uri = f"{database.absolute().as_uri()}?mode=ro" + "&immutable=1" * is_at_rest
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT)) as connection:
            return list(leases_of(connection.execute(LOAD_LEASES)))
    except sqlite3.Error as error:
        remedy = "be root or who netbootd runs as, and start netbootd once if it is older"
        raise Failed(f"{database} cannot be read: {error}; {remedy}") from None
    except StoreError as error:
        raise Failed(f"{database}: {error}") from None


def table(rows: list[tuple[str, ...]], width: int | None) -> list[str]:
    """Lines of `rows` under their headings; of two lines each where `width` is too narrow."""
    rows = [COLUMNS, *rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = [[cell.ljust(size) for cell, size in zip(row, widths, strict=True)] for row in rows]
    lines = ["  ".join(row).rstrip() for row in padded]
    if width is None or max(map(len, lines)) <= width:
        return lines
    return [
        "  ".join(part).rstrip()
        for row in padded
        for part in (row[:ON_FIRST_LINE], ["", *row[ON_FIRST_LINE:]])
    ]


def _row(lease: Lease, now: int) -> tuple[str, ...]:
    until = "for ever" if lease.ends == INFINITE else f"{_local(lease.ends):%Y-%m-%d %H:%M}"
    machine = lease.hardware.hex(":") or f"id {lease.client.hex(':')}"
    state = lease.state_at(now).value
    return str(IPv4Address(lease.address)), until, state, machine, escape(lease.host_name)


def _record(lease: Lease, now: int) -> dict[str, Any]:
    return {
        "address": str(IPv4Address(lease.address)),
        "hardware": lease.hardware.hex(":") or None,
        "client": lease.client.hex(":"),
        "name": lease.host_name,
        "state": lease.state_at(now).value,
        "starts": _local(lease.starts).isoformat(),
        "until": None if lease.ends == INFINITE else _local(lease.ends).isoformat(),
        "circuit_id": lease.circuit_id.hex() or None,
        "remote_id": lease.remote_id.hex() or None,
    }


def _local(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds).astimezone()
