"""Real DHCP clients through the whole life of a lease: the daemon is their DHCP server."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest

from tests.interop.capture import Capture, Packet
from tests.interop.conftest import Lan
from tests.interop.daemon import Daemon
from tests.interop.dhcp_server import LEASE_TIME, row, serve, station
from tests.interop.lab import wait_until
from tests.interop.station import CLIENTS, Client

pytestmark = pytest.mark.interop

MAC = "52:54:00:77:00:60"
REQUEST = f"dhcp.option.dhcp == 3 && dhcp.hw.mac_addr == {MAC}"


@dataclass(frozen=True, slots=True)
class Life:
    """The server, a client that has not asked yet, and what passes the server's interface."""

    lan: Lan
    daemon: Daemon
    client: Client
    capture: Capture

    def renew(self) -> None:
        """Wait until the lease on disk ends later than now, which has whole seconds."""
        ends = row(self.daemon, MAC).ends
        wait_until(lambda: time.time() + LEASE_TIME >= ends + 1)
        self.client.renew()
        wait_until(lambda: row(self.daemon, MAC).ends > ends)

    def drop_unicast(self) -> None:
        """Lose what is sent to the server alone, as a firewall does."""
        for rule in (
            "add table ip lost",
            "add chain ip lost input { type filter hook input priority 0; }",
            f"add rule ip lost input ip daddr {self.lan.address} udp dport 67 drop",
        ):
            self.lan.server.run("nft", rule)


@pytest.fixture(params=CLIENTS, ids=lambda kind: kind.name)
def life(request: pytest.FixtureRequest, lan: Lan) -> Life:
    daemon = serve(lan)
    return Life(lan, daemon, request.param(station(lan, MAC)), lan.capture())


def test_lease_renew_rebind_release(life: Life) -> None:
    """A client gets what the subnet says, keeps its address by asking us and then anybody, and
    gives it back."""
    computer, client = life.client.station, life.client

    client.start()
    address = computer.wait_for_address()
    assert computer.address() == "10.77.0.100/24"
    wait_until(lambda: computer.router() == "10.77.0.254")
    wait_until(lambda: client.resolver() == (["10.77.0.2", "10.77.0.3"], ["lab.example.com"]))
    assert row(life.daemon, MAC).state == "bound"

    life.renew()
    life.drop_unicast()
    life.renew()
    life.lan.server.run("nft", "flush ruleset")
    client.release()
    wait_until(lambda: row(life.daemon, MAC).state == "released")

    assert address == "10.77.0.100"
    selecting, *later = life.capture.packets(REQUEST)
    check_selecting(selecting, address)
    renewing = [packet for packet in later if packet.one("ip.dst") == "10.77.0.1"]
    rebinding = [packet for packet in later if packet.one("ip.dst") == "255.255.255.255"]
    assert renewing
    assert rebinding
    assert {packet.one("dhcp.ip.client") for packet in later} == {address}
    assert life.capture.complaints() == ""


def check_selecting(packet: Packet, address: str) -> None:
    """The REQUEST that follows an OFFER (RFC 2131 §4.3.2)."""
    assert packet.one("dhcp.ip.client") == "0.0.0.0"
    assert packet.one("dhcp.option.requested_ip_address") == address
    assert packet.one("dhcp.option.dhcp_server_id") == "10.77.0.1"
