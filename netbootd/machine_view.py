"""`netbootctl machines list` and `show`: what is known of machines, for people and for programs."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click

from netbootd.admin.client import running_client
from netbootd.admin.machines import MOST, machine_key
from netbootd.boot import BootOutcome
from netbootd.dhcp.leases import leases_of
from netbootd.history import boots_of
from netbootd.machine_list import machine_records
from netbootd.statement import (
    BOOTS_OF,
    COUNT_BOOTS,
    LAST_BOOTS,
    LOAD_LEASES,
    LOAD_MACHINES,
)
from netbootd.stored import Stored, stored
from ops.amount import size_text
from ops.cli import Failed
from ops.table import Cell, print_facts, print_json, print_table

STYLES: Final = {
    BootOutcome.BOOTING.value: "cyan",
    BootOutcome.BOOTED.value: "green",
    BootOutcome.STOPPED.value: "yellow",
    BootOutcome.FAILED.value: "red",
    BootOutcome.INTERRUPTED.value: "yellow",
}
STAGE_STYLES: Final = {"running": "cyan", "complete": "green", "failed": "red"}
TITLES: Final = {
    "platform_support": "platform",
    "boot_plist": "boot.plist",
    "root_image": "root image",
}


def print_machines(configuration: Path | None, *, as_json: bool) -> None:
    """All machines. Raises Failed."""
    client = running_client(configuration)
    if client is not None:
        records = client.get("/v1/machines")
    else:
        with stored(configuration) as database:
            records = _read(database)
    print_table(
        ("machine", "name", "last boot", "seen", "address", "kind", "image", "boots"),
        [_row(record) for record in records],
        as_json=as_json,
        records=records,
        nothing="no machines yet",
        right=("boots",),
    )


def print_machine(configuration: Path | None, machine: str, *, most: int, as_json: bool) -> None:
    """One machine. Raises Failed."""
    client = running_client(configuration)
    key = machine_key(machine)
    if client is not None:
        record = client.get(f"/v1/machines/{_find(client.get('/v1/machines'), key)['machine']}")
    else:
        with stored(configuration) as database:
            record = _find(_read(database), key)
            rows = database.read(BOOTS_OF, machine=record["machine"], most=MOST)
            record["history"] = [boot.record() for boot in boots_of(rows)]
            record["events"] = []
    if as_json:
        print_json(record)
    else:
        _print(record, most)


def _read(database: Stored) -> list[dict[str, Any]]:
    leases = leases_of(database.read(LOAD_LEASES))
    return machine_records(
        last=boots_of(database.read(LAST_BOOTS)),
        bound=database.read(LOAD_MACHINES),
        counts=dict(database.read(COUNT_BOOTS)),
        names={each.hardware.hex(":"): each.host_name for each in leases if each.host_name},
    )


def _find(records: list[dict[str, Any]], key: str) -> dict[str, Any]:
    for name in ("machine", "address", "name"):
        for record in records:
            if record[name].lower() == key.lower():
                return record
    raise Failed(f"no machine {key} is known; `netbootctl machines list` has them all")


def _row(record: dict[str, Any]) -> tuple[Cell, ...]:
    return (
        record["machine"],
        record["name"],
        _outcome(record["outcome"]),
        local(record["last_seen"]),
        record["address"],
        record["model"] or record["architecture"] or record["client"],
        record["image"],
        str(record["boots"]),
    )


def _outcome(outcome: str) -> Cell:
    return outcome, STYLES.get(outcome, "")


def _print(record: dict[str, Any], most: int) -> None:
    kind = [record[key] for key in ("client", "architecture", "model") if record[key]]
    facts: list[tuple[str, Cell]] = [
        ("machine", record["machine"]),
        ("name", record["name"]),
        ("address", record["address"]),
        ("kind", ", ".join(kind)),
        ("image", record["image"]),
        ("selected", local(record["selected_at"]) if record["selected_at"] else ""),
        ("seen", local(record["last_seen"])),
    ]
    print_facts([fact for fact in facts if fact[1]])
    boots = record["history"]
    if not boots:
        click.echo("\nno boots yet")
        return
    click.echo()
    print_table(
        ("began", "took", "outcome", "sent", "image"),
        [_boot_row(boot) for boot in boots[:most]],
        right=("took", "sent"),
    )
    if len(boots) > most:
        click.echo(f"and {len(boots) - most} before them: --boots {len(boots)}")
    last = boots[0]
    click.echo(f"\n{'now' if last['outcome'] == 'booting' else 'the last one'}")
    print_table(
        ("at", "stage", "outcome", "read", "what"),
        [_stage_row(last, stage) for stage in last["stages"]],
        right=("at", "read"),
    )
    if last["why"]:
        click.echo()
        print_facts([("why", (last["why"], "yellow"))])


def _boot_row(boot: dict[str, Any]) -> tuple[Cell, ...]:
    took = seconds_between(boot["began"], boot["ended"])
    sent = size_text(boot["bytes"]) if boot["bytes"] else ""
    return local(boot["began"]), duration(took), _outcome(boot["outcome"]), sent, boot["image"]


def _stage_row(boot: dict[str, Any], stage: dict[str, Any]) -> tuple[Cell, ...]:
    outcome = stage["outcome"]
    return (
        f"+{seconds_between(boot['began'], stage['began']):.1f} s",
        title(stage["name"]),
        (outcome, STAGE_STYLES.get(outcome, "yellow")),
        size_text(stage["done"]) if stage["size"] else "",
        stage["about"],
    )


def title(stage: str) -> str:
    """A stage as people read it."""
    return TITLES.get(stage, stage)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def seconds_between(began: str, ended: str) -> float:
    return max((moment(ended) - moment(began)).total_seconds(), 0.0)


def local(text: str) -> str:
    """A moment of a record in local time, to the minute."""
    return f"{moment(text).astimezone():%Y-%m-%d %H:%M}" if text else ""


def duration(seconds: float) -> str:
    """`12.3 s`, `2:05 min`, `1:02 h`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02d} h"
