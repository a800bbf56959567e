"""What real clients see of the DHCP server beside their leases."""

from __future__ import annotations

import os
import re
import signal
from ipaddress import IPv4Address

import pytest

from tests.interop.bundle import Bundle
from tests.interop.conftest import Lan
from tests.interop.daemon import Daemon
from tests.interop.dhcp_server import leased, row, rows, serve, station
from tests.interop.lab import Lab, wait_until
from tests.interop.mac import Mac
from tests.interop.peer import peer
from tests.interop.station import Dhclient, Dhcpcd, Station, Udhcpc

pytestmark = pytest.mark.interop

MAC = "52:54:00:77:00:60"
FIXED = "10.77.0.60/24"


class InformingDhcpcd(Dhcpcd):
    """Has an address already, and asks for the rest."""

    flags = ("-s", FIXED, "--noarp")


def test_inform(lan: Lan) -> None:
    """A machine with an address of its own is told the rest, and no lease is made of it."""
    daemon = serve(lan)
    capture = lan.capture()
    client = InformingDhcpcd(station(lan, MAC))
    client.station.host.address(client.station.interface, FIXED)

    client.start()
    wait_until(lambda: client.resolver() == (["10.77.0.2", "10.77.0.3"], ["lab.example.com"]))

    assert client.station.address() == FIXED
    assert client.station.router() == "10.77.0.254"
    assert rows(daemon, MAC) == []
    (ack,) = capture.packets("dhcp.option.dhcp == 5")
    assert (ack.one("ip.dst"), ack.one("dhcp.ip.your")) == ("10.77.0.60", "0.0.0.0")
    assert "dhcp.option.ip_address_lease_time" not in ack
    assert capture.complaints() == ""


def test_dhcping(lan: Lan) -> None:
    """The ping of DHCP gets its answer."""
    serve(lan)

    done = lan.client.run(
        *("dhcping", "-v", "-i", "-c", "10.77.0.50", "-h", "52:54:00:77:00:50"),
        *("-s", lan.address, "-t", "5"),
    )

    assert "Got answer" in done.stdout


def test_two_subnets(lab: Lab) -> None:
    """Each interface of ours leases addresses of its own network."""
    server = lab.host("server")
    stations = []
    text = "[dhcp]\nenabled = true\nprobe_time = '100ms'\n".replace("'", '"')
    for number in (1, 2):
        switch = lab.switch(f"lan{number}")
        server.plug(switch, f"10.77.{number}.1/24")
        text += f'[[dhcp.subnet]]\nnetwork = "10.77.{number}.0/24"\n'
        text += f'pools = ["10.77.{number}.10-10.77.{number}.20"]\n'
        host = lab.host(f"station{number}")
        stations.append(Station(host, host.plug(switch)))
    Daemon(server, text).start()

    for each in stations:
        Udhcpc(each).start()

    assert [each.wait_for_address() for each in stations] == ["10.77.1.10", "10.77.2.10"]


def test_switched_off(lan: Lan, daemon: Daemon, mac: Mac) -> None:
    """Without [dhcp] nobody gets an address, and no word, from us."""
    capture = lan.capture()
    client = Dhclient(station(lan, MAC))

    client.start()
    assert client.process is not None
    client.process.wait_for("(?s)DHCPDISCOVER.*DHCPDISCOVER")
    mac.list()  # The server works in order: what it was to answer, it has answered now.

    assert capture.count(f"ip.src == {lan.address} && dhcp.hw.mac_addr == {MAC}") == 0


def test_reload(lan: Lan) -> None:
    """A new configuration holds from SIGHUP on: for leases that are there, too, and without
    losing any."""
    daemon = serve(lan)
    assert daemon.process is not None
    client = Dhclient(station(lan, MAC))
    client.start()
    address = client.station.wait_for_address()
    ends = row(daemon, MAC).ends
    text = daemon.config.read_text()
    daemon.config.write_text(text.replace("10.77.0.3", "10.77.0.4"))

    os.kill(daemon.process.pid, signal.SIGHUP)
    wait_until(lambda: client.resolver()[0] == ["10.77.0.2", "10.77.0.4"])

    assert client.station.wait_for_address() == address
    assert row(daemon, MAC).ends > ends


def test_reload_of_a_wrong_configuration(lan: Lan) -> None:
    """A configuration that is wrong is refused, and the server goes on by the old one."""
    daemon = serve(lan)
    assert daemon.process is not None
    daemon.config.write_text("[dhcp]\nenabled = maybe\n")

    os.kill(daemon.process.pid, signal.SIGHUP)
    daemon.process.wait_for(r"server\.toml: .*; ")

    computer = station(lan, MAC)
    Dhclient(computer).start()
    assert computer.wait_for_address() == "10.77.0.100"


LOAD = """\
[dhcp]
enabled = true
lease_time = "1h"
probe = "off"

[[dhcp.subnet]]
network = "10.77.0.0/16"
pools = ["10.77.8.0-10.77.15.255"]
"""


def test_load(lan: Lan) -> None:
    """Six hundred machines behind a relay, three hundred a second, all get their addresses."""
    daemon = Daemon(lan.server, LOAD)
    daemon.start()
    capture = lan.capture()

    report = lan.client.run(
        *(peer("perfdhcp"), "-4", "-r", "300", "-R", "600", "-n", "600"),
        *("-l", lan.client_interface, lan.address),
        timeout=30,
        check=False,  # It ends with its last DISCOVER, and calls the answer a drop.
    ).stdout

    discovers, requests = map(int, re.findall(r"^sent packets: (\d+)", report, re.MULTILINE))
    wait_until(lambda: leased(daemon) == requests)
    assert discovers == 600
    assert requests >= 599
    assert capture.count("dhcp.type == 1 && dhcp.ip.relay == 10.77.0.50") == discovers + requests
    assert capture.count("dhcp.option.dhcp == 2") == discovers
    given = capture.packets("dhcp.option.dhcp == 5")
    assert len(given) == len({ack.one("dhcp.ip.your") for ack in given}) == requests
    assert capture.complaints() == ""


def test_mac_that_selected(lan: Lan, sierra: Bundle, mac: Mac) -> None:
    """A Mac that boots is offered an address and, in an OFFER of its own, its image."""
    serve(lan)
    mac.ask(mac.selection(lan.address, sierra.image_id))
    capture = lan.capture()

    mac.ask(mac.discovery())
    wait_until(lambda: capture.holds(IPv4Address("10.77.0.100").packed))

    offers = capture.packets("dhcp.option.dhcp == 2")
    by_address = {offer.one("dhcp.ip.your"): offer for offer in offers}
    assert by_address.keys() == {"0.0.0.0", "10.77.0.100"}
    selected = "dhcp.option.vendor.bsdp.selected_boot_image_id"
    assert by_address["0.0.0.0"].values(selected) == [sierra.image_id]
    assert "dhcp.option.ip_address_lease_time" not in by_address["0.0.0.0"]
    assert by_address["10.77.0.100"].one("dhcp.option.dhcp_server_id") == lan.address
    assert capture.complaints() == ""


def test_network_manager(lan: Lan) -> None:
    """NetworkManager, whose messages are shorter than BOOTP's, configures what we say."""
    daemon = serve(lan)
    capture = lan.capture()
    computer = station(lan, MAC)
    profile = computer.own("/etc/NetworkManager/system-connections/lan.nmconnection")
    profile.parent.mkdir(parents=True, exist_ok=True)
    profile.write_text(
        "[connection]\nid=lan\nuuid=5e0b1f0a-0d5c-4c0e-8c53-5c1f3c1f0a01\ntype=ethernet\n"
        f"interface-name={computer.interface}\n[ipv4]\nmethod=auto\n[ipv6]\nmethod=disabled\n"
    )
    profile.chmod(0o600)
    for folder in ("/run/NetworkManager", "/var/lib/NetworkManager"):
        computer.own(folder).mkdir()

    computer.run(peer("NetworkManager"), "--debug", "--configure-and-quit=initrd")

    assert computer.address() == "10.77.0.100/24"
    assert computer.router() == "10.77.0.254"
    assert row(daemon, MAC).state == "bound"
    shortest = min(int(packet.one("udp.length")) for packet in capture.packets("dhcp.type == 1"))
    assert shortest < 300
    assert capture.complaints() == ""


HOSTS = f"""
[[dhcp.host]]
name = "desk"
mac = "{MAC}"
address = "10.77.0.7"

[[dhcp.host]]
name = "known"
client_id = "hex:0052656d656d626572"
address = "10.77.0.8"

[[dhcp.host]]
name = "unwanted"
mac = "52:54:00:77:00:62"
deny = true
"""


class NamedUdhcpc(Udhcpc):
    """Sends a client identifier of its own."""

    flags = ("-C", "-x", "0x3d:0052656d656d626572")


def test_hosts(lan: Lan) -> None:
    """Machines that have a [[dhcp.host]] get their address, or none."""
    serve(lan, rest=HOSTS)
    capture = lan.capture()
    desk = Dhcpcd(station(lan, MAC, "desk"))
    known = NamedUdhcpc(station(lan, "52:54:00:77:00:61", "known"))
    unwanted = Udhcpc(station(lan, "52:54:00:77:00:62", "unwanted"))

    for client in (unwanted, known, desk):
        client.start()

    assert desk.station.wait_for_address() == "10.77.0.7"
    assert known.station.wait_for_address() == "10.77.0.8"
    assert unwanted.station.address() is None
    (ack,) = capture.packets(f"dhcp.option.dhcp == 5 && dhcp.hw.mac_addr == {MAC}")
    assert ack.one("dhcp.option.hostname") == "desk"
    assert capture.count("dhcp.type == 1 && dhcp.hw.mac_addr == 52:54:00:77:00:62") >= 1
    assert capture.count("dhcp.type == 2 && dhcp.hw.mac_addr == 52:54:00:77:00:62") == 0
