"""Each real client, as captured, gets the answer that it needs."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from protocols.dhcp import registry as r
from protocols.dhcp.boot import BootParameters
from protocols.dhcp.codec import decode
from protocols.dhcp.message import DhcpMessage
from protocols.dhcp.option import RawOption
from protocols.dhcp.route import RouteKind
from protocols.dhcp.server.case import Link
from protocols.dhcp.server.conversation import DhcpServer
from protocols.dhcp.server.datagram import DatagramServer
from protocols.dhcp.server.lease import LeaseTable
from protocols.dhcp.server.outcome import (
    Acknowledge,
    Inform,
    Offer,
    Outcome,
    ReadyReply,
    Reason,
    Release,
    Silence,
)
from protocols.dhcp.server.plan import ClientClass, Plan
from protocols.dhcp.value import MessageType
from tests.protocols.dhcp.capture import Captured, captured
from tests.protocols.dhcp.server.site import NOW, pool, subnet

SERVER = IPv4Address("10.77.0.1")
LINK = Link(local=SERVER, networks=(IPv4Network("10.77.0.0/24"),))
IPXE = ClientClass(name="iPXE", user_class=b"iPXE", options=(RawOption(17, b"for iPXE"),))
PLAN = Plan(
    subnets=(
        subnet("10.77.0.0/24", pool("10.77.0.100", "10.77.0.199")),
        subnet("10.78.0.0/24", pool("10.78.0.100", "10.78.0.199")),
    ),
    classes=(IPXE,),
    options=(
        r.ROUTER.of((SERVER,)),
        r.DOMAIN_NAME_SERVER.of((SERVER,)),
        r.DOMAIN_NAME.of("lan"),
        RawOption(43, b"\1\1x"),
    ),
)
SENT = [
    found
    for found in captured()
    if found.is_dhcp
    and found.destination_port == 67
    and found.payload[0] == 1
    and not found.capture.endswith("-client")  # what their relay heard
]
CAPTURES = sorted({found.capture for found in SENT})
BOOT = BootParameters(next_server=SERVER, file=b"boot", options=(RawOption(97, b"x"),))


def conversation(capture: str) -> list[tuple[Captured, DhcpMessage, Outcome[ReadyReply]]]:
    """What we make of all that the clients of one capture sent, in order."""
    leases = LeaseTable()
    server = DatagramServer(DhcpServer(PLAN, leases))
    heard = []
    for found in SENT:
        if found.capture == capture:
            outcome = server.respond(
                found.payload,
                link=LINK,
                source=str(found.source),
                now=NOW,
                boot=lambda request, name: BOOT,
            )
            if isinstance(outcome, Acknowledge):
                leases.commit(outcome.store)
            heard.append((found, decode(found.payload), outcome))
    return heard


def test_clients_are_there() -> None:
    """The captures hold firmware, boot loaders, the clients of systems, relays and testers."""
    assert {
        *("ovmf-pxe4", "ovmf-http4", "bios-ipxe-http-script", "chain-ovmf-ipxe-linux"),
        *("dhclient-plain", "dhcpcd", "networkd", "networkmanager", "udhcpc"),
        *("relay-isc", "relay-dnsmasq", "perfdhcp", "dhcping", "nmap-discover"),
    } <= set(CAPTURES)


@pytest.mark.parametrize("capture", CAPTURES)
def test_answers(capture: str) -> None:
    """DISCOVER gets an OFFER, the REQUEST of a choice its ACK, INFORM options, RELEASE is heard."""
    for found, request, outcome in conversation(capture):
        kind = request.value(r.MESSAGE_TYPE)
        if kind is MessageType.DISCOVER:
            assert isinstance(outcome, Offer)
            check_reply(found, request, outcome.reply, MessageType.OFFER)
        elif kind is MessageType.INFORM:
            assert isinstance(outcome, Inform)
            check_reply(found, request, outcome.reply, MessageType.ACK)
        elif kind is MessageType.RELEASE:
            assert isinstance(outcome, Release)
        elif request.value(r.SERVER_IDENTIFIER) == SERVER:
            assert isinstance(outcome, Acknowledge)
            check_reply(found, request, outcome.reply, MessageType.ACK)
            assert decode(outcome.reply.payload).yiaddr == request.value(r.REQUESTED_ADDRESS)
        else:
            assert outcome == Silence(Reason.UNKNOWN_LEASE)  # of another server


def check_reply(
    found: Captured, request: DhcpMessage, ready: ReadyReply, kind: MessageType
) -> None:
    reply = decode(ready.payload)
    assert reply.value(r.MESSAGE_TYPE) is kind
    assert reply.value(r.SERVER_IDENTIFIER) == SERVER
    assert (reply.xid, reply.chaddr) == (request.xid, request.chaddr)
    assert reply.option(61) == request.option(61)
    assert reply.option(82) == request.option(82)
    wanted = request.option(55) or b""
    for code in (3, 6, 15, 43):
        assert (reply.option(code) is not None) is (code in wanted or not wanted)
    limit = request.value(r.MAXIMUM_MESSAGE_SIZE) or 576
    assert 300 <= len(ready.payload) <= max(limit, 576) - 28
    boots = (request.option(60) or b"").startswith((b"PXEClient", b"HTTPClient"))
    assert (reply.boot_file == b"boot") is (reply.option(97) == b"x") is boots
    asks_class = (17 in wanted or not wanted) and request.option(77) == b"iPXE"
    assert (reply.option(17) is not None) is asks_class


@pytest.mark.parametrize(
    ("capture", "kind"),
    [
        ("ovmf-pxe4", RouteKind.BROADCAST),  # EDK2 sets the flag
        ("udhcpc", RouteKind.LINK),
        ("dhclient-plain", RouteKind.LINK),
        ("relay-isc", RouteKind.RELAY),
        ("dhcpcd-inform", RouteKind.UNICAST),
        ("nmap-inform", RouteKind.UNICAST),  # its ciaddr is 255.255.255.255
    ],
)
def test_ways_to_them(capture: str, kind: RouteKind) -> None:
    """Each is answered where it listens."""
    _, _, outcome = conversation(capture)[0]

    assert isinstance(outcome, Offer | Inform)
    assert outcome.reply.route.kind is kind


@pytest.mark.parametrize("capture", ["chain-ovmf-ipxe-linux", "chain-bios-ipxerom-linux"])
def test_firmware_boot_loader_and_system_share_a_lease(capture: str) -> None:
    """Where identifiers are ignored, all that a machine starts in one boot are one client: the
    address that its firmware was given is offered to iPXE and to Linux, too."""
    leases = LeaseTable()
    server = DatagramServer(DhcpServer(replace(PLAN, ignore_client_identifier=True), leases))
    bound = None
    for found in SENT:
        if found.capture == capture:
            outcome = server.respond(found.payload, link=LINK, source="0.0.0.0", now=NOW)
            if isinstance(outcome, Acknowledge):
                leases.commit(outcome.store)
                assert bound in (None, outcome.store.address)
                bound = outcome.store.address
            elif bound is not None:
                assert isinstance(outcome, Offer)
                assert outcome.lease.address == bound

    assert bound is not None


def test_relays_keep_their_clients_on_their_subnet() -> None:
    """What came by a relay is offered an address of the relay's subnet."""
    for capture in ("relay-isc", "relay-dnsmasq"):
        _, _, outcome = conversation(capture)[0]

        assert isinstance(outcome, Offer)
        assert IPv4Address(outcome.lease.address) in IPv4Network("10.78.0.0/24")
