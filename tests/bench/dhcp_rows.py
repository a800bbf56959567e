"""DHCP leases per second beside Kea and dnsmasq, the time they take, and many leases at the start.

A lease counts when its ACK is here, and ours and Kea's ACK leave after the lease is written; ours
is on disk by then (fsync), Kea's is in the system's cache. dnsmasq rewrites its whole file for each
lease, so it falls behind with every lease it has: all servers begin empty, and run as long.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path

from netbootd.statement import SAVE_LEASE, SCHEMA
from ops.database import Database

from .bench import TWISTD, Bench, Row
from .bsdp_rows import resident_mib
from .dhcp_peers import FIRST, LAST, LEASE_TIME, SERVER, DhcpPeer, Dnsmasq, Kea, Load

SECONDS = 4.0
OFFER_SECONDS = 1.5
WINDOW = 64
"""Exchanges under way: what fits the receive buffers of all servers."""
MAX_LOST = 0.001
"""Of all exchanges; above it, a figure would tell of a server that cannot keep up."""
MAX_P99 = 20.0
LEASES = 100_000
MAX_LOAD_SECONDS = 3.0
MAX_LOADED_MIB = 200.0

CONFIGURATION = f"""
[state]
directory = "state"

[dhcp]
enabled = true
probe = "off"
lease_time = "{LEASE_TIME}s"

[[dhcp.subnet]]
network = "10.80.0.0/12"
pools = ["{FIRST}-{LAST}"]
router = "{SERVER}"
dns = "{SERVER}"
domain = "bench.example"
"""


class Netbootd(DhcpPeer):
    """Our daemon with its defaults and one subnet; every ACK after its lease is on disk."""

    def command(self, folder: Path) -> list[str]:
        (folder / "images").mkdir(exist_ok=True)
        configuration = folder / "netbootd.toml"
        configuration.write_text(CONFIGURATION)
        return [TWISTD, "--nodaemon", "--pidfile=", "netbootd", "--config", str(configuration)]


def leases_per_second(peer: DhcpPeer, client: str) -> float:
    with peer.running():
        return kept_up(peer, peer.load("dora", client, seconds=SECONDS, window=WINDOW))


def offers_per_second(peer: DhcpPeer, client: str) -> float:
    with peer.running():
        return kept_up(peer, peer.load("offer", client, seconds=OFFER_SECONDS, window=WINDOW))


def kept_up(peer: DhcpPeer, load: Load) -> float:
    if load.lost > MAX_LOST * load.ended:
        raise SystemExit(f"{type(peer).__name__} lost {load.lost} of {load.ended} exchanges")
    return load.rate


class HalfLoad:
    """The time from the moment a DISCOVER is due to its ACK, at half of what is possible."""

    def __init__(self, peer: DhcpPeer) -> None:
        self.peer = peer
        self.rate = 0.0

    def p99(self) -> float:
        """Milliseconds."""
        with self.peer.running():
            if not self.rate:
                self.rate = self.peer.load("dora", seconds=SECONDS, window=WINDOW).rate / 2
            return self.peer.load("dora", seconds=SECONDS, rate=self.rate).exchange_p99


class ManyLeases:
    """A start with a database that holds `LEASES` live leases."""

    def __init__(self, peer: Netbootd) -> None:
        self.peer = peer
        self.folder = peer.bench.folder / "many-leases"
        self.seconds = self.mib = 0.0

    def prepare(self) -> None:
        (self.folder / "state").mkdir(parents=True)
        database = Database(self.folder / "state" / "netbootd.sqlite", SCHEMA)
        database.open_thd()
        now = int(time.time())
        rows = (lease_row(number, now) for number in range(LEASES))
        if any(database.write_thd([(SAVE_LEASE, row) for row in rows])):
            raise SystemExit("leases could not be prepared")
        database.close_thd()

    def start(self) -> subprocess.Popen[bytes]:
        if not self.folder.exists():
            self.prepare()
        began = time.monotonic()
        with self.peer.running(self.folder) as process:
            self.seconds = time.monotonic() - began
            self.mib = resident_mib(process.pid)
        return process

    def seconds_to_first_offer(self) -> float:
        """From exec to an OFFER."""
        self.start()
        return self.seconds

    def resident_mib(self) -> float:
        self.start()
        return self.mib


def lease_row(number: int, now: int) -> dict[str, int | str]:
    mac = (0x06 << 40 | number).to_bytes(6, "big")
    return {
        "address": int(IPv4Address(FIRST)) + number,
        "client": f"01{mac.hex()}",
        "hardware": mac.hex(":"),
        "state": "bound",
        "starts": now,
        "ends": now + 30 * 86_400,
        "host_name": f"client-{number:07x}",
        "circuit_id": "",
        "remote_id": "",
    }


def rows(bench: Bench) -> Iterator[Row]:
    ours, kea, dnsmasq = Netbootd(bench), Kea(bench), Dnsmasq(bench)
    half, many = HalfLoad(ours), ManyLeases(ours)
    for client, shown in (("host", "systems"), ("bare", "firmware")):
        yield Row(
            name=f"DHCP leases of {shown}, on disk before the ACK",
            unit="leases/s",
            peer_name="Kea, memfile",
            goal=1.3,
            ours=partial(leases_per_second, ours, client),
            peer=partial(leases_per_second, kea, client),
        )
    yield Row(
        name="DHCP leases, beside a lease file that is rewritten",
        unit="leases/s",
        peer_name="dnsmasq, lease file",
        goal=15.0,
        ours=partial(leases_per_second, ours, "host"),
        peer=partial(leases_per_second, dnsmasq, "host"),
    )
    for client, shown in (("host", "systems"), ("bare", "firmware")):
        yield Row(
            name=f"DHCP DISCOVER of {shown} answered by OFFER",
            unit="offers/s",
            peer_name="dnsmasq, no ping",
            goal=1.0,
            ours=partial(offers_per_second, ours, client),
            peer=partial(offers_per_second, dnsmasq, client),
        )
    yield Row(
        name="DHCP lease at half load, 99 of 100 within",
        unit="ms",
        peer_name="20 ms",
        goal=1.0,
        ours=half.p99,
        peer=lambda: MAX_P99,
        less_is_better=True,
    )
    yield Row(
        name="start to first OFFER with 100,000 leases",
        unit="s",
        peer_name="3 s",
        goal=1.0,
        ours=many.seconds_to_first_offer,
        peer=lambda: MAX_LOAD_SECONDS,
        less_is_better=True,
    )
    yield Row(
        name="memory with 100,000 leases",
        unit="MiB",
        peer_name="200 MiB",
        goal=1.0,
        ours=many.resident_mib,
        peer=lambda: MAX_LOADED_MIB,
        less_is_better=True,
    )
