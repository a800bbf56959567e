"""All machines that are known, a record each: what `machines list` and the console show.

    boots under way ──┐
    last boots ───────┼──▶ by machine ──▶ records, the one seen last first
    Macs with image ──┘

Values only; where they come from is the caller's affair: the running daemon, or its database.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from netbootd.boot import Boot, stamp

BOUND_COLUMNS = (
    "mac",
    "number",
    "machine_name",
    "image_id",
    "architecture",
    "system_id",
    "address",
    "selected_at",
)
"""Of LOAD_MACHINES."""


def machine_records(
    *,
    last: Iterable[Boot],
    under_way: Iterable[Boot] = (),
    bound: Iterable[tuple[Any, ...]] = (),
    counts: Mapping[str, int],
    names: Mapping[str, str],
) -> list[dict[str, Any]]:
    """`bound`: rows of LOAD_MACHINES; `counts`: boots of each machine that are over; `names`: host
    names by hardware address."""
    records = {row[0]: _of_binding(dict(zip(BOUND_COLUMNS, row, strict=True))) for row in bound}
    for boot in (*last, *under_way):
        record = records.setdefault(boot.machine, _nothing(boot.machine))
        record["address"] = boot.address
        for key in ("client", "architecture", "model", "image"):
            record[key] = getattr(boot, key) or record[key]
        record["outcome"] = boot.outcome.value
        record["last_seen"] = stamp(boot.ended)
        record["boot"] = boot.record()
    for machine, record in records.items():
        record["boots"] = counts.get(machine, 0)
        record["name"] = names.get(machine) or record["name"]
    return sorted(records.values(), key=lambda record: str(record["last_seen"]), reverse=True)


def _nothing(machine: str) -> dict[str, Any]:
    return {
        "machine": machine,
        "name": "",
        "address": "",
        "client": "",
        "architecture": "",
        "model": "",
        "image": "",
        "outcome": "",
        "last_seen": "",
        "boots": 0,
        "image_id": None,
        "selected_at": None,
        "boot": None,
    }


def _of_binding(row: Mapping[str, Any]) -> dict[str, Any]:
    selected = stamp(datetime.fromtimestamp(row["selected_at"], UTC))
    return _nothing(row["mac"]) | {
        "name": row["machine_name"],
        "address": row["address"],
        "client": "Mac",
        "architecture": row["architecture"],
        "model": row["system_id"],
        "last_seen": selected,
        "image_id": row["image_id"],
        "selected_at": selected,
    }
