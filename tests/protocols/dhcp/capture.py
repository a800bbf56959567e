"""The DHCP payloads of `tests/data/real_clients.json`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address
from pathlib import Path

DATA = Path(__file__).parents[2] / "data" / "real_clients.json"
DHCP_PORTS = {67, 68, 4011}


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """One UDP datagram: the capture it is from, its place in the file, its addresses and bytes."""

    capture: str
    index: int
    source: IPv4Address
    destination: IPv4Address
    source_port: int
    destination_port: int
    payload: bytes

    @property
    def is_dhcp(self) -> bool:
        return bool({self.source_port, self.destination_port} & DHCP_PORTS)


@cache
def captured() -> tuple[Captured, ...]:
    """Every datagram, in the order of its capture."""
    return tuple(
        Captured(
            capture=row["pcap"].removesuffix(".pcap"),
            index=index,
            source=IPv4Address(row["src"]),
            destination=IPv4Address(row["dst"]),
            source_port=row["sport"],
            destination_port=row["dport"],
            payload=bytes.fromhex(row["hex"]),
        )
        for index, row in enumerate(json.loads(DATA.read_text()))
    )
