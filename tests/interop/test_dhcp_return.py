"""Clients that had an address before: back in their network, and in another."""

from __future__ import annotations

import shutil

import pytest

from tests.interop.capture import Capture
from tests.interop.conftest import Lan
from tests.interop.daemon import Daemon
from tests.interop.dhcp_server import row, serve, station
from tests.interop.lab import wait_until
from tests.interop.station import Client, Dhclient, Dhcpcd, Station

pytestmark = pytest.mark.interop

MAC = "52:54:00:77:00:60"
MESSAGE = f"dhcp.type == 1 && dhcp.hw.mac_addr == {MAC}"

REMEMBERING = pytest.mark.parametrize("kind", [Dhclient, Dhcpcd])


@REMEMBERING
def test_back_in_its_network(lan: Lan, kind: type[Client]) -> None:
    """A client that asks for its old address right away is given it (INIT-REBOOT)."""
    daemon = serve(lan, dhcp='max_lease_time = "1h"')
    client = kind(station(lan, MAC))
    client.start()
    client.station.wait_for_address()
    client.crash()
    capture = lan.capture()

    client.start()
    assert client.station.wait_for_address() == "10.77.0.100"

    request = capture.packets(MESSAGE)[0]
    assert request.one("dhcp.option.dhcp") == "3"
    assert request.one("dhcp.option.requested_ip_address") == "10.77.0.100"
    assert "dhcp.option.dhcp_server_id" not in request
    assert row(daemon, MAC).state == "bound"
    assert capture.complaints() == ""


@REMEMBERING
def test_in_another_network(lan: Lan, kind: type[Client]) -> None:
    """A client that comes with an address of another network is refused, and gets one of ours."""
    home = serve(lan)
    client = kind(station(lan, MAC))
    client.start()
    client.station.wait_for_address()
    client.crash()
    home.stop()
    capture = start_elsewhere(lan)

    client.start()
    wait_until(lambda: client.station.address() == "10.78.0.10/24", timeout=30)

    refusal = capture.packets("dhcp.option.dhcp == 6")[0]
    assert refusal.one("ip.dst") == "255.255.255.255"
    assert refusal.one("dhcp.option.dhcp_server_id") == "10.78.0.1"
    assert refusal.one("dhcp.ip.your") == "0.0.0.0"
    assert capture.complaints() == ""


def start_elsewhere(lan: Lan) -> Capture:
    """Another network with another daemon, on the same wire now that the first is silent."""
    far = lan.lab.host("far")
    far.folder = far.folder / "far"
    far.folder.mkdir()
    interface = far.plug(lan.switch, "10.78.0.1/24")
    Daemon(
        far,
        "[dhcp]\nenabled = true\nauthoritative = true\n"
        '[[dhcp.subnet]]\nnetwork = "10.78.0.0/24"\npools = ["10.78.0.10-10.78.0.20"]\n',
    ).start()
    return Capture(far, interface, "udp port 67 or udp port 68")


def test_not_authoritative(lan: Lan) -> None:
    """Where another server may know better, whom we do not know is not refused: silence."""
    daemon = serve(lan)
    client = Dhclient(station(lan, MAC))
    client.start()
    client.station.wait_for_address()
    client.crash()
    daemon.stop()
    shutil.rmtree(daemon.host.folder / "state")
    foreign(client.station)
    text = daemon.config.read_text().replace("authoritative = true", "authoritative = false")
    daemon.config.write_text(text)
    daemon.start()
    capture = lan.capture()

    client.start()
    assert client.process is not None
    client.process.wait_for("DHCPDISCOVER", timeout=30)

    assert capture.count("dhcp.option.dhcp == 6") == 0
    assert capture.count(f"{MESSAGE} && dhcp.option.requested_ip_address == 10.77.0.77") >= 1


def foreign(computer: Station) -> None:
    """Let dhclient remember an address that it had from somebody else."""
    file = computer.own("/var/lib/dhcp/leases")
    file.write_text(file.read_text().replace("10.77.0.100", "10.77.0.77"))
