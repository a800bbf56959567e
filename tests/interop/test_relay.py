"""ISC dhcrelay between two networks, and servers reached across a router."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.interop.bundle import Bundle, make_bundle
from tests.interop.capture import Capture
from tests.interop.client import dhcpcd_list, dhcpcd_select
from tests.interop.daemon import Daemon
from tests.interop.lab import Host, Lab, Process
from tests.interop.mac import Mac

pytestmark = pytest.mark.interop

SERVER = "10.77.0.1"
CIRCUIT = "r1"


@dataclass(frozen=True, slots=True)
class Campus:
    """Server and client in different networks, with a router between that can relay."""

    server: Host
    server_interface: str
    router: Host
    client: Host
    client_interface: str
    sierra: Bundle

    def start_relay(self) -> Process:
        """dhcrelay on the router, which adds option 82 to what it relays."""
        relay = self.router.start(
            *("dhcrelay", "-4", "-d", "-a", "-m", "replace", "--no-pid"),
            *("-id", CIRCUIT, "-iu", "r0", SERVER),
        )
        relay.wait_for("Sending on .*fallback")
        return relay

    def capture(self) -> Capture:
        return Capture(self.server, self.server_interface, "udp port 67 or udp port 68")


@pytest.fixture
def campus(lab: Lab) -> Campus:
    """10.77.0.0/24 with the server, 10.78.0.0/24 with the client, the daemon running."""
    inner, outer = lab.switch("inner"), lab.switch("outer")
    server, router, client = lab.host("server"), lab.host("router"), lab.host("client")
    server_interface = server.plug(inner, f"{SERVER}/24")
    router.plug(inner, "10.77.0.3/24", interface="r0")
    router.plug(outer, "10.78.0.1/24", interface=CIRCUIT)
    client_interface = client.plug(outer, "10.78.0.50/24")
    router.forward()
    server.route("10.78.0.0/24", "10.77.0.3")
    client.route("default", "10.78.0.1")
    sierra = make_bundle(server.folder / "images", "Sierra", index=1322)
    Daemon(server).start()
    return Campus(server, server_interface, router, client, client_interface, sierra)


@pytest.fixture
def mac(campus: Campus) -> Iterator[Mac]:
    mac = Mac(campus.client, campus.client_interface)
    yield mac
    mac.close()


def test_list_and_select_through_a_relay(campus: Campus) -> None:
    """A broadcast INFORM that a relay brings is answered straight to the client's address."""
    campus.start_relay()
    capture = campus.capture()

    listed = dhcpcd_list(campus.client, campus.client_interface)
    selected = dhcpcd_select(campus.client, campus.client_interface, SERVER, campus.sierra.image_id)

    assert listed["new_vendor_encapsulated_options"].startswith("010101")
    assert selected["new_filename"].endswith("/Sierra.nbi/i386/booter")
    requests = capture.packets("dhcp.option.dhcp == 8")  # netbootd's look around is a DISCOVER
    assert {request.one("dhcp.ip.relay") for request in requests} == {"10.78.0.1"}
    assert all("82" in request.all("dhcp.option.type") for request in requests)
    replies = capture.packets("dhcp.type == 2")
    assert {reply.one("ip.dst") for reply in replies} == {"10.78.0.50"}
    assert {reply.one("udp.dstport") for reply in replies} == {"68"}
    assert capture.complaints() == ""


def test_offer_through_a_relay(campus: Campus, mac: Mac) -> None:
    """An OFFER goes back through the relay, with the relay's option 82 as it came."""
    campus.start_relay()
    mac.ask(mac.selection(SERVER, campus.sierra.image_id))
    capture = campus.capture()

    offer = mac.ask(mac.discovery())

    assert offer.kind == "offer"
    assert offer.sub(8) == campus.sierra.image_id
    (discover,) = capture.packets("dhcp.option.dhcp == 1 && dhcp.ip.relay == 10.78.0.1")
    (relayed,) = capture.packets("dhcp.option.dhcp == 2")
    assert (relayed.one("ip.dst"), relayed.one("udp.dstport")) == ("10.78.0.1", "67")
    circuits = "dhcp.option.agent_information_option.agent_circuit_id"
    assert relayed.values(circuits) == discover.values(circuits) == [CIRCUIT.encode()]
    assert relayed.all("dhcp.option.type")[-2:] == ["82", "0"]
    assert offer.options(82) == []  # The relay took it out again.


def test_unicast_from_another_network(campus: Campus, mac: Mac) -> None:
    """`bless --netboot --server` asks one server by its address, without any relay."""
    listed = mac.list(SERVER)
    selected = mac.ask(mac.selection(SERVER, campus.sierra.image_id), SERVER)

    assert listed.images == [(campus.sierra.image_id, "Sierra")]
    assert str(selected.source) == selected.message.siaddr == SERVER
    assert selected.root_path.startswith(f"http://{SERVER}/")
