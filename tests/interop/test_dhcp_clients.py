"""Ordinary DHCP clients beside us: who speaks BSDP is answered, all others are left alone."""

from __future__ import annotations

import pytest

from tests.interop.bundle import Bundle
from tests.interop.capture import Capture
from tests.interop.client import MAC_CLASS, dhclient, udhcpc
from tests.interop.conftest import Lan
from tests.interop.daemon import Daemon
from tests.interop.lab import Host, Process
from tests.interop.mac import Mac

pytestmark = pytest.mark.interop

FROM_US = "udp.srcport == 67 && ip.src == 10.77.0.1"
BSDP_DISCOVER = "0x2b:020201010c022000"  # udhcpc's spelling: version 1.1, message size 8192


def start_dnsmasq(lan: Lan) -> Process:
    """A DHCP server, and nothing else, on a host of its own."""
    host = lan.lab.host("dnsmasq")
    interface = host.plug(lan.switch, "10.77.0.2/24")
    process = host.start(
        *(
            "dnsmasq",
            "--keep-in-foreground",
            "--log-facility=-",
            "--port=0",
            "--conf-file=/dev/null",
        ),
        *(f"--interface={interface}", "--bind-interfaces", "--user=root", "--pid-file="),
        *("--dhcp-range=10.77.0.100,10.77.0.150,1h", "--dhcp-authoritative", "--no-ping"),
        *("--log-dhcp", "--dhcp-leasefile=/dev/null", "--dhcp-option=3,10.77.0.254"),
    )
    process.wait_for("DHCP, sockets bound exclusively")
    return process


def second_client(lan: Lan) -> tuple[Host, str]:
    """A machine that has no address yet."""
    host = lan.lab.host("machine")
    return host, host.plug(lan.switch, mac="52:54:00:77:00:60")


def bound_dhclient(lan: Lan, mac: Mac, sierra: Bundle) -> Process:
    """dhclient with BSDP inside its DISCOVER, on a machine that selected an image before."""
    mac.ask(mac.selection(lan.address, sierra.image_id))
    mac.close()
    config = (
        f'send vendor-class-identifier "{MAC_CLASS}";\n'
        "send vendor-encapsulated-options 02:02:01:01:0c:02:20:00;\n"
        "request subnet-mask, routers, root-path, vendor-encapsulated-options;\n"
        "timeout 20;\n"
    )
    return dhclient(lan.client, lan.client_interface, config)


def test_dhclient_that_selected_is_offered_its_image(
    lan: Lan, daemon: Daemon, sierra: Bundle, mac: Mac
) -> None:
    """BSDP inside a DISCOVER of a machine that selected is answered with an OFFER of the image."""
    capture = lan.capture()

    client = bound_dhclient(lan, mac, sierra)
    client.wait_for("DHCPOFFER")
    client.stop()

    offer = capture.packets(f"{FROM_US} && dhcp.option.dhcp == 2")[0]
    assert offer.one("dhcp.ip.your") == "0.0.0.0"
    assert offer.values("dhcp.option.vendor.bsdp.selected_boot_image_id") == [sierra.image_id]
    assert "dhcp.option.root_path" in offer
    assert "dhcp.option.ip_address_lease_time" not in offer
    assert capture.complaints() == ""


@pytest.mark.parametrize("options", [(), ("-V", MAC_CLASS), ("-V", MAC_CLASS, "-x", BSDP_DISCOVER)])
def test_udhcpc_is_left_alone(lan: Lan, daemon: Daemon, mac: Mac, options: tuple[str, ...]) -> None:
    """A machine that selected nothing gets no word from us, whatever its DISCOVER says."""
    capture = lan.capture()
    host, interface = second_client(lan)

    assert udhcpc(host, interface, *options) is None

    mac.list()  # The server works in order: what it was to answer, it has answered now.
    assert capture.count("dhcp.option.dhcp == 1") >= 3
    assert capture.count(f"{FROM_US} && dhcp.hw.mac_addr == 52:54:00:77:00:60") == 0


def test_beside_a_dhcp_server(lan: Lan, daemon: Daemon, sierra: Bundle, mac: Mac) -> None:
    """With dnsmasq on the same network, leases are its business and images are ours."""
    start_dnsmasq(lan)
    capture = lan.capture()
    host, interface = second_client(lan)

    lease = udhcpc(host, interface)
    listed = mac.list()

    assert lease is not None
    assert (lease["serverid"], lease["router"]) == ("10.77.0.2", "10.77.0.254")
    assert str(listed.source) == lan.address
    assert listed.images == [(sierra.image_id, sierra.title)]
    assert capture.count(f"{FROM_US} && dhcp.option.dhcp != 5") == 0
    assert capture.count(FROM_US) == 1


def test_mac_that_boots_beside_a_dhcp_server(
    lan: Lan, daemon: Daemon, sierra: Bundle, mac: Mac
) -> None:
    """A machine that selected gets both: an address from dnsmasq, and our OFFER with its image."""
    dnsmasq = start_dnsmasq(lan)
    mac.ask(mac.selection(lan.address, sierra.image_id))
    capture = Capture(lan.client, lan.client_interface)

    mac.ask(mac.discovery())
    dnsmasq.wait_for("DHCPOFFER.* 52:54:00:77:00:50")

    offers = capture.packets("dhcp.option.dhcp == 2")
    by_server = {offer.one("ip.src"): offer for offer in offers}
    assert set(by_server) == {"10.77.0.1", "10.77.0.2"}
    assert by_server["10.77.0.1"].one("dhcp.ip.your") == "0.0.0.0"
    assert by_server["10.77.0.2"].one("dhcp.ip.your") != "0.0.0.0"
