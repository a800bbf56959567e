"""An address of the pool that a stranger uses: who finds out, and what happens then."""

from __future__ import annotations

import pytest

from tests.interop.conftest import Lan
from tests.interop.dhcp_server import rows, serve, station
from tests.interop.lab import wait_until
from tests.interop.station import Client, Dhclient, Dhcpcd, Networkd, Udhcpc

pytestmark = pytest.mark.interop

MAC = "52:54:00:77:00:60"
NOBODY = ""


class CheckingUdhcpc(Udhcpc):
    flags = ("-a",)


@pytest.fixture(autouse=True)
def squatter(lan: Lan) -> None:
    """Somebody who set the first address of the pool by hand."""
    lan.lab.host("squatter").plug(lan.switch, "10.77.0.100/24")


@pytest.mark.parametrize("kind", [CheckingUdhcpc, Dhcpcd])
def test_client_finds_out(lan: Lan, kind: type[Client]) -> None:
    """A client that finds its address in use declines it, and gets another."""
    daemon = serve(lan, dhcp='probe = "off"')
    capture = lan.capture()
    computer = station(lan, MAC)

    kind(computer).start()
    wait_until(lambda: computer.address() == "10.77.0.101/24", timeout=30)

    wait_until(lambda: [r.address for r in rows(daemon, MAC)] == ["10.77.0.101"])
    (conflict,) = rows(daemon, NOBODY)
    assert (conflict.address, conflict.state) == ("10.77.0.100", "declined")
    (decline,) = capture.packets("dhcp.option.dhcp == 4")
    assert decline.one("dhcp.option.requested_ip_address") == "10.77.0.100"
    assert capture.count("dhcp.option.dhcp == 6") == 0
    assert capture.complaints() == ""


@pytest.mark.parametrize("kind", [Dhclient, Networkd])
def test_server_finds_out(lan: Lan, kind: type[Client]) -> None:
    """An address that answers our ARP request is not offered: some clients do not look, or cannot
    say what they see."""
    daemon = serve(lan, dhcp='probe = "arp"')
    capture = lan.capture("arp or udp port 67 or udp port 68")
    computer = station(lan, MAC)

    kind(computer).start()

    assert computer.wait_for_address() == "10.77.0.101"
    (conflict,) = rows(daemon, NOBODY)
    assert (conflict.address, conflict.state) == ("10.77.0.100", "declined")
    offers = capture.packets("dhcp.option.dhcp == 2")
    assert {offer.one("dhcp.ip.your") for offer in offers} == {"10.77.0.101"}
    assert capture.count("arp.opcode == 1 && arp.dst.proto_ipv4 == 10.77.0.100") >= 1
