"""Real relays between our DHCP server and its clients."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.interop.capture import Capture
from tests.interop.daemon import Daemon
from tests.interop.dhcp_server import Row, row, rows
from tests.interop.lab import Host, Lab, Process, wait_until
from tests.interop.station import Client, Dhclient, Dhcpcd, Networkd, Station, Udhcpc

pytestmark = pytest.mark.interop

SERVER = "10.77.0.1"
MAC = "52:54:00:77:00:60"
CIRCUIT = "r1"

SETTINGS = """\
[dhcp]
enabled = true
authoritative = true
lease_time = "12s"
renewal = "4s"
rebinding = "7s"
probe_time = "100ms"

[[dhcp.subnet]]
network = "10.78.0.0/24"
pools = ["10.78.0.100-10.78.0.199"]
router = "10.78.0.1"
dns = "10.77.0.2"
"""

OWN_SUBNET = """
[[dhcp.subnet]]
network = "10.77.0.0/24"
pools = ["10.77.0.100-10.77.0.199"]
"""

BY_PORT = f"""
[[dhcp.host]]
name = "desk-1"
circuit_id = "{CIRCUIT}"
address = "10.78.0.7"
"""


@dataclass(frozen=True, slots=True)
class Campus:
    """Server and client in different networks, with a router between that can relay."""

    server: Host
    server_interface: str
    router: Host
    station: Station

    def serve(self, more: str = "") -> Daemon:
        daemon = Daemon(self.server, SETTINGS + more)
        daemon.start()
        return daemon

    def dhcrelay(self, *options: str) -> Process:
        """ISC dhcrelay, which adds option 82."""
        relay = self.router.start(
            *("dhcrelay", "-4", "-d", "-a", "-m", "replace", "--no-pid"),
            *(*(options or ("-iu", "r0")), "-id", CIRCUIT, SERVER),
        )
        relay.wait_for("Sending on .*fallback")
        return relay

    def dnsmasq(self) -> Process:
        """The relay of dnsmasq, which adds nothing and sends from the clients' network."""
        relay = self.router.start(
            *("dnsmasq", "--keep-in-foreground", "--log-facility=-", "--port=0"),
            *("--conf-file=/dev/null", "--user=root", "--pid-file=", "--log-dhcp"),
            *("--bind-interfaces", "--interface=r0", f"--interface={CIRCUIT}"),
            f"--dhcp-relay=10.78.0.1,{SERVER}",
        )
        relay.wait_for("DHCP relay from")
        return relay

    def capture(self) -> Capture:
        return Capture(self.server, self.server_interface, "udp port 67 or udp port 68 or icmp")


@pytest.fixture
def campus(lab: Lab) -> Campus:
    """10.77.0.0/24 with the server, 10.78.0.0/24 with a client that has no address."""
    inner, outer = lab.switch("inner"), lab.switch("outer")
    server, router, client = lab.host("server"), lab.host("router"), lab.host("station")
    interface = server.plug(inner, f"{SERVER}/24")
    router.plug(inner, "10.77.0.3/24", interface="r0")
    router.plug(outer, "10.78.0.1/24", interface=CIRCUIT)
    router.forward()
    server.route("10.78.0.0/24", "10.77.0.3")
    return Campus(server, interface, router, Station(client, client.plug(outer, mac=MAC)))


@pytest.mark.parametrize("kind", [Dhclient, Udhcpc, Dhcpcd, Networkd])
def test_lease_through_dhcrelay(campus: Campus, kind: type[Client]) -> None:
    """The relay's address says which subnet, its option 82 comes back; renewals come straight."""
    daemon = campus.serve(OWN_SUBNET)
    campus.dhcrelay()
    capture = campus.capture()
    client = kind(campus.station)

    client.start()
    assert campus.station.wait_for_address() == "10.78.0.100"
    wait_until(lambda: campus.station.router() == "10.78.0.1")
    client.release()
    wait_until(lambda: row(daemon, MAC) == Row("10.78.0.100", "released", row(daemon, MAC).ends))

    # By its hardware address: netbootd's own look around is a DISCOVER, too.
    asked = f"dhcp.hw.mac_addr == {MAC} && (dhcp.option.dhcp == 1 || dhcp.option.dhcp == 3)"
    requests = capture.packets(asked)
    replies = capture.packets("dhcp.option.dhcp == 2 || dhcp.option.dhcp == 5")
    circuits = "dhcp.option.agent_information_option.agent_circuit_id"
    relayed = [reply for reply in replies if reply.one("ip.dst") == "10.78.0.1"]
    assert len(relayed) >= 2
    assert {request.one("dhcp.ip.relay") for request in requests[:2]} == {"10.78.0.1"}
    assert {reply.one("udp.dstport") for reply in relayed} == {"67"}
    assert {bytes(*reply.values(circuits)) for reply in relayed} == {CIRCUIT.encode()}
    assert capture.complaints() == ""


def test_renewal_past_the_relay(campus: Campus) -> None:
    """A renewal that comes straight from the client is answered straight to it."""
    daemon = campus.serve()
    campus.dhcrelay()
    Dhclient(campus.station).start()
    campus.station.wait_for_address()
    ends = row(daemon, MAC).ends
    capture = campus.capture()

    wait_until(lambda: row(daemon, MAC).ends > ends)

    request = capture.packets("dhcp.option.dhcp == 3")[0]
    reply = capture.packets("dhcp.option.dhcp == 5")[0]
    assert (request.one("ip.src"), request.one("dhcp.ip.relay")) == ("10.78.0.100", "0.0.0.0")
    assert (reply.one("ip.dst"), reply.one("udp.dstport")) == ("10.78.0.100", "68")


def test_lease_through_dnsmasq(campus: Campus) -> None:
    """A relay that says nothing but its address is enough."""
    daemon = campus.serve(OWN_SUBNET)
    campus.dnsmasq()
    capture = campus.capture()

    Dhclient(campus.station).start()

    assert campus.station.wait_for_address() == "10.78.0.100"
    assert row(daemon, MAC).state == "bound"
    assert capture.complaints() == ""


def test_link_selection(campus: Campus) -> None:
    """Where the relay speaks from an address elsewhere, option 82 says the subnet (RFC 3527)."""
    campus.serve(OWN_SUBNET)
    campus.dhcrelay("-U", "r0")
    capture = campus.capture()

    Dhclient(campus.station).start()

    assert campus.station.wait_for_address() == "10.78.0.100"
    discover = capture.packets(f"dhcp.hw.mac_addr == {MAC} && dhcp.option.dhcp == 1")[0]
    offer = capture.packets("dhcp.option.dhcp == 2")[0]
    link = "dhcp.option.agent_information_option.link_selection"
    assert discover.one("dhcp.ip.relay") == "10.77.0.3"
    assert offer.all(link) == discover.all(link) == ["10.78.0.1"]
    assert offer.one("ip.dst") == "10.77.0.3"
    assert capture.complaints() == ""


def test_reservation_by_port(campus: Campus) -> None:
    """Whoever is at a port of the relay gets the address of that port."""
    daemon = campus.serve(BY_PORT)
    campus.dhcrelay()

    Dhclient(campus.station).start()

    assert campus.station.wait_for_address() == "10.78.0.7"
    assert row(daemon, MAC).address == "10.78.0.7"


def test_relay_of_a_network_that_is_not_ours(campus: Campus) -> None:
    """What a relay of another network asks is left to other servers."""
    daemon = Daemon(campus.server, SETTINGS.replace("10.78.", "10.79.") + OWN_SUBNET)
    daemon.start()
    campus.dhcrelay()
    capture = campus.capture()

    client = Dhclient(campus.station)
    client.start()
    assert client.process is not None
    client.process.wait_for("(?s)DHCPDISCOVER.*DHCPDISCOVER")

    assert capture.count("dhcp.type == 2") == 0
    assert rows(daemon, MAC) == []


def test_squatter_behind_the_relay(campus: Campus) -> None:
    """A free address behind a relay is pinged before it is offered."""
    daemon = campus.serve()
    campus.router.run("ip", "address", "add", "10.78.0.100/32", "dev", CIRCUIT)
    campus.dhcrelay()
    capture = campus.capture()

    Dhclient(campus.station).start()

    assert campus.station.wait_for_address() == "10.78.0.101"
    assert [(r.address, r.state) for r in rows(daemon, "")] == [("10.78.0.100", "declined")]
    assert capture.count("icmp.type == 8 && ip.dst == 10.78.0.100") >= 1
