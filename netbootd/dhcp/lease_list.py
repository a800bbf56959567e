"""`netbootctl leases`: what the database says of leases and reservations, whether netbootd runs or
not.

It reads and does nothing else: it must never create, migrate or lock the database.
"""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from netbootd import config
from netbootd.dhcp.lease_record import lease_records
from netbootd.dhcp.leases import leases_of
from netbootd.dhcp.reservation import reservations_of
from netbootd.statement import LOAD_LEASES, LOAD_RESERVATIONS
from netbootd.stored import stored
from ops.table import Cell, print_table

COLUMNS: Final = ("address", "until", "state", "machine", "name")
STYLES: Final = {"bound": "green", "declined": "red", "expired": "dim", "released": "dim"}


def list_leases(configuration: Path | None, *, as_json: bool) -> None:
    """Print what the database that `configuration` names has. Raises Failed."""
    settings = config.load(configuration)
    with stored(configuration) as database:
        leases = list(leases_of(database.read(LOAD_LEASES)))
        reservations = list(reservations_of(database.read(LOAD_RESERVATIONS)))
    records = lease_records(leases, reservations, settings.dhcp.hosts, int(time.time()))
    print_table(
        COLUMNS,
        [_row(record) for record in records],
        as_json=as_json,
        records=records,
        nothing="no leases",
    )


def _row(record: dict[str, Any]) -> tuple[Cell, ...]:
    state = record["state"] or ""
    until = _minute(record["until"]) if record["until"] else "for ever" if state else ""
    client = f"id {record['client']}" if record["client"] else ""
    shown = ", ".join(filter(None, (state, "reserved" if record["reserved"] else "")))
    return (
        record["address"],
        until,
        (shown, STYLES.get(state, "cyan")),
        record["hardware"] or client,
        record["name"],
    )


def _minute(text: str) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M}"
