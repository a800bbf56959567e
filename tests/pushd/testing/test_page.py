"""docs/apns-simulator.md: what it has in Python runs, and what it lists exists."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from protocols.apns.reason import Reason
from pushd.testing import Conduct, Rule, Simulator
from pushd.testing.control import Order, order_in

PAGE = (Path(__file__).parents[3] / "docs/apns-simulator.md").read_text()
PYTHON = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("code", PYTHON)
def test_examples_run(code: str) -> None:
    """Each example runs as it is."""
    exec(compile(code, "docs/apns-simulator.md", "exec"), {})


def test_reasons_exist() -> None:
    """The reasons that are listed are Apple's."""
    section = PAGE.partition("## What is checked")[2].partition("## In a test")[0]
    words = set(re.findall(r"`([A-Z][A-Za-z]+)`", section))

    assert len(words) >= 15
    assert words <= {str(reason) for reason in Reason}


ORDERS = re.findall(r"^\| `(\{.*?\})` \|", PAGE, re.MULTILINE)


@pytest.mark.parametrize("line", ORDERS)
def test_orders_are_obeyed(line: str) -> None:
    """Each order that is listed is one."""
    order_in(line.encode()).obey(Simulator(None), 0.0)


def test_orders_are_complete() -> None:
    """There is no order that is not listed."""
    listed_orders = {json.loads(line)["do"] for line in ORDERS}
    tags = {order.__struct_config__.tag for order in get_args(Order)}

    assert listed_orders == tags


def listed(heading: str) -> set[str]:
    """The names in the first column of the table under `heading`."""
    table = PAGE.partition(f"| {heading} | effect |")[2].partition("\n\n")[0]
    rows = [row.split(" | ")[0] for row in table.splitlines() if row.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)}


def test_conducts_are_complete() -> None:
    """Everything that a connection can be told is listed, but for SETTINGS of little interest."""
    names = {field.name for field in msgspec.structs.fields(Conduct)}

    assert listed("conduct") == names - {"table_size", "header_list"}


def test_rules_are_complete() -> None:
    """Everything that a rule can do is listed."""
    names = {field.name for field in msgspec.structs.fields(Rule)}

    assert listed("rule") == names - {"prefix", "times", "skip"}
