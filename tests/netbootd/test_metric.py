"""What Prometheus is told of machines, addresses and boots."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.testing import MemoryReactorClock

from netbootd import config
from netbootd.boot import SETTLED
from netbootd.dhcp.pool_use import SLICE
from netbootd.event import ImagesListed, TransferFinished
from netbootd.service import BootService
from netbootd.transfer import Outcome
from netbootd.world import World
from ops.metrics import exposition
from protocols.dhcp.server.lease import Lease, LeaseState
from tests.netbootd.daemon import LOOPBACK

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
SETTINGS = """
[network]
addresses = ["127.0.0.0/8"]
[state]
directory = "state"
[metrics]
enabled = true
[dhcp]
enabled = true
[[dhcp.subnet]]
network = "10.0.0.0/24"
pools = ["10.0.0.100-10.0.0.109", "10.0.0.200"]
[[dhcp.subnet]]
network = "10.0.1.0/24"
pools = ["10.0.1.100-10.0.1.149"]
exclude = ["10.0.1.100-10.0.1.109"]
"""


@pytest.fixture
def service(tmp_path: Path) -> BootService:
    file = tmp_path / "netbootd.toml"
    file.write_text(SETTINGS)
    reactor: Any = MemoryReactorClock()
    world = World(
        reactor=reactor,
        interfaces=lambda: (LOOPBACK,),
        unix=NOW.timestamp,
        utcnow=lambda: NOW,
    )
    return BootService(config.load(file), world)


def told(service: BootService) -> dict[str, float]:
    """All samples, by name and label."""
    return {
        sample.name + "".join(f" {value}" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(exposition(service.counters)[0].decode())
        for sample in family.samples
    }


def lease(address: str, state: LeaseState = LeaseState.BOUND, left: float = 60) -> Lease:
    return Lease(
        address=int(IPv4Address(address)),
        client=address.encode(),
        hardware=b"\0" * 6,
        state=state,
        starts=0,
        ends=int(NOW.timestamp() + left),
    )


def test_pools(service: BootService) -> None:
    """How large the pools of each subnet are, without what is excluded, and how much is in use."""
    assert service.dhcp is not None
    service.dhcp.leases.table.load(
        [
            lease("10.0.0.100"),
            lease("10.0.0.101", LeaseState.OFFERED),
            lease("10.0.0.102", LeaseState.DECLINED),
            lease("10.0.0.103", left=-1),  # has ended
            lease("10.0.0.104", LeaseState.RELEASED),
            lease("10.0.0.50"),  # reserved: in no pool
            lease("10.9.9.9"),  # of a subnet that was
        ]
    )

    found = told(service)

    assert found["netbootd_dhcp_pool_addresses 10.0.0.0/24"] == 11
    assert found["netbootd_dhcp_pool_addresses 10.0.1.0/24"] == 40
    assert found["netbootd_dhcp_used_pool_addresses 10.0.0.0/24"] == 3
    assert found["netbootd_dhcp_used_pool_addresses 10.0.1.0/24"] == 0


def test_many_leases(service: BootService) -> None:
    """More than a few are counted in turns of the reactor; meanwhile the last count is told."""
    assert service.dhcp is not None
    clock: Any = service.reactor
    use = "netbootd_dhcp_used_pool_addresses 10.0.1.0/24"
    strangers = (lease(f"10.99.{n // 250}.{n % 250}") for n in range(2 * SLICE))
    service.dhcp.leases.table.load([*strangers, lease("10.0.1.110")])

    first = told(service)
    clock.pump([0, 0])
    again = told(service)
    clock.pump([0, 0])

    assert use not in first
    assert again[use] == told(service)[use] == 1
    clock.pump([0, 0])
    assert clock.getDelayedCalls() == []


def test_boots(service: BootService) -> None:
    """Each stage that a machine gets to, files that it has read whole among them, and its end."""
    mac = "a8:20:66:01:02:03"
    service.timeline.record(
        ImagesListed(
            at=NOW,
            machine=mac,
            address="10.0.0.50",
            interface="en0",
            architecture="i386",
            system_id="iMac14,2",
            size=300,
            images=1,
            applicable=1,
        )
    )
    read = TransferFinished(
        at=NOW,
        machine=mac,
        address="10.0.0.50",
        service="tftp",
        name="A.nbi/i386/booter",
        role="booter",
        size=10,
        outcome=Outcome.COMPLETE,
        sent=10,
        seconds=1.0,
    )
    service.timeline.record(read)
    service.timeline.record(replace(read, role="kernelcache", outcome=Outcome.ABORTED, sent=5))
    before = told(service)
    service.history.boots.end_quiet(NOW + 100 * SETTLED + timedelta(days=1))
    after = told(service)

    assert before["netbootd_boot_stages_total list"] == 1
    assert before["netbootd_boot_stages_total booter"] == 1
    assert before["netbootd_boot_stages_total kernelcache"] == 0
    assert sum(v for name, v in before.items() if name.startswith("netbootd_boots_total")) == 0
    assert sum(v for name, v in after.items() if name.startswith("netbootd_boots_total")) == 1
