"""Measure ourselves beside a peer, in the same run, with the same load.

    python -m tests.bench [--json] [--only TEXT] [--runs N] boot|dhcp|push

Absolute figures mean nothing beyond the machine they were taken on; the ratio is what counts. Exit
status 1: a goal was missed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.table import Table

from . import (
    apns_rows,
    bsdp_rows,
    dhcp_rows,
    http_rows,
    push_api_rows,
    push_path_rows,
    push_queue_rows,
    tftp_rows,
)
from .bench import Bench, Result, Row, measure

GROUPS: dict[str, tuple[Callable[[Bench], Iterator[Row]], ...]] = {
    "boot": (bsdp_rows.rows, tftp_rows.rows, http_rows.rows),
    "dhcp": (dhcp_rows.rows,),
    "push": (apns_rows.rows, push_path_rows.rows, push_queue_rows.rows, push_api_rows.rows),
}
DEFAULT_RUNS = 5


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("group", choices=sorted(GROUPS))
    parser.add_argument("--json", action="store_true", help="one JSON object per line and row")
    parser.add_argument("--only", default="", metavar="TEXT", help="rows whose name holds TEXT")
    parser.add_argument("--runs", type=int, default=DEFAULT_RUNS, help="counted runs per server")
    arguments = parser.parse_args()

    results = []
    console = Console(stderr=True)
    for rows in GROUPS[arguments.group]:
        with Bench() as bench:
            for row in rows(bench):
                if arguments.only.lower() not in row.name.lower():
                    continue
                with console.status(row.name):
                    result = measure(row, arguments.runs)
                results.append(result)
                if arguments.json:
                    print(json.dumps(record(result)), flush=True)
    if not arguments.json:
        Console().print(table(results))
    return int(not all(result.reached for result in results))


def record(result: Result) -> dict[str, str | float]:
    return {
        "name": result.row.name,
        "ours": round(result.ours, 3),
        "peer": round(result.peer, 3),
        "peer_name": result.row.peer_name,
        "ratio": round(result.ratio, 3),
        "goal": result.row.goal,
    }


def table(results: list[Result]) -> Table:
    shown = Table()
    for heading in ("row", "peer"):
        shown.add_column(heading)
    for heading in ("ours", "peer's", "ratio", "goal"):
        shown.add_column(heading, justify="right")
    for result in results:
        row = result.row
        shown.add_row(
            row.name,
            row.peer_name,
            f"{result.ours:,.4g} {row.unit}",
            f"{result.peer:,.4g} {row.unit}",
            f"[{'green' if result.reached else 'red'}]{result.ratio:.2f}[/]",
            f"{'≤' if row.less_is_better else '≥'} {row.goal}",
        )
    return shown


if __name__ == "__main__":
    sys.exit(main())
