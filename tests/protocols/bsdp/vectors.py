"""The vectors of `tests/data/bsdp_dhcp_tftp.json`, by kind."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[2] / "data" / "bsdp_dhcp_tftp.json"

Vector = dict[str, Any]


@cache
def vectors(kind: str, prefix: str = "") -> tuple[Vector, ...]:
    """Those of one kind whose id begins with `prefix`, in file order."""
    found = json.loads(DATA.read_text())["vectors"]
    return tuple(v for v in found if v["kind"] == kind and v["id"].startswith(prefix))


def name(vector: Vector) -> str:
    """The id of a vector, for pytest."""
    identifier: str = vector["id"]
    return identifier


def vector(identifier: str) -> Vector:
    """The one vector with this id."""
    found = json.loads(DATA.read_text())["vectors"]
    return next(v for v in found if v["id"] == identifier)


def request_of(identifier: str) -> bytes:
    """The request of one exchange with Apple's server."""
    return bytes.fromhex(vector(f"apple_server/{identifier}")["request_hex"])


def reply_of(identifier: str) -> bytes:
    """Apple's reply in one exchange."""
    return bytes.fromhex(vector(f"apple_server/{identifier}")["reply_hex"])
