"""Where replies go: the table of RFC 2131 §4.1, then what other servers did in captures."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv4Address

import pytest

from protocols.dhcp.codec import decode
from protocols.dhcp.message import DhcpMessage
from protocols.dhcp.registry import MESSAGE_TYPE
from protocols.dhcp.route import ReplyRoute, RouteKind, reply_route
from protocols.dhcp.value import MessageType
from tests.protocols.dhcp.capture import Captured, captured

NONE = "0.0.0.0"
CIADDR = "10.0.0.50"
YIADDR = "10.0.0.60"
GIADDR = "10.0.9.1"
SOURCE = "10.0.0.70"
BROADCAST = "255.255.255.255"


def route(
    kind: MessageType,
    answer: MessageType,
    *,
    flags: int = 0,
    ciaddr: str = NONE,
    giaddr: str = NONE,
    source: str = NONE,
    yiaddr: str = NONE,
    hlen: int = 6,
    client_port: int = 68,
) -> tuple[str, str, int]:
    request = DhcpMessage(
        op=1,
        hlen=hlen,
        flags=flags,
        ciaddr=IPv4Address(ciaddr),
        giaddr=IPv4Address(giaddr),
        options=(MESSAGE_TYPE.of(kind),),
    )
    reply = DhcpMessage(
        op=2, hlen=hlen, yiaddr=IPv4Address(yiaddr), options=(MESSAGE_TYPE.of(answer),)
    )
    found = reply_route(request, reply, source=IPv4Address(source), client_port=client_port)
    return found.kind.value, str(found.address), found.port


DISCOVER, OFFER = MessageType.DISCOVER, MessageType.OFFER
REQUEST, ACK, NAK = MessageType.REQUEST, MessageType.ACK, MessageType.NAK
INFORM = MessageType.INFORM


class TestClientOnTheLink:
    def test_new_client_gets_its_address_at_the_link(self) -> None:
        """Without ciaddr and flag, the reply goes to yiaddr at the hardware address."""
        assert route(DISCOVER, OFFER, yiaddr=YIADDR) == ("link", YIADDR, 68)
        assert route(REQUEST, ACK, yiaddr=YIADDR) == ("link", YIADDR, 68)

    def test_broadcast_flag(self) -> None:
        """A client that cannot take unicast before it is configured gets broadcast."""
        assert route(DISCOVER, OFFER, flags=0x8000, yiaddr=YIADDR) == ("broadcast", BROADCAST, 68)

    def test_renewing_client(self) -> None:
        """A client with an address gets its reply there, broadcast flag or not."""
        assert route(REQUEST, ACK, ciaddr=CIADDR, yiaddr=CIADDR) == ("unicast", CIADDR, 68)
        assert route(REQUEST, ACK, ciaddr=CIADDR, flags=0x8000) == ("unicast", CIADDR, 68)

    def test_nak(self) -> None:
        """A NAK is broadcast even to a client that claims an address."""
        assert route(REQUEST, NAK) == ("broadcast", BROADCAST, 68)
        assert route(REQUEST, NAK, ciaddr=CIADDR, source=CIADDR) == ("broadcast", BROADCAST, 68)

    def test_offer_without_an_address(self) -> None:
        """A proxy or BSDP OFFER gives no address to send to, so it is broadcast."""
        assert route(DISCOVER, OFFER) == ("broadcast", BROADCAST, 68)

    def test_client_without_a_hardware_address(self) -> None:
        """IP over InfiniBand has hlen 0 (RFC 4390 §2.1), so there is nothing to address."""
        assert route(DISCOVER, OFFER, yiaddr=YIADDR, hlen=0) == ("broadcast", BROADCAST, 68)

    def test_source_address_counts_for_inform_only(self) -> None:
        """A client still without ciaddr is not trusted to hold the address it sends from."""
        assert route(REQUEST, ACK, source=SOURCE, yiaddr=YIADDR) == ("link", YIADDR, 68)


class TestRelay:
    @pytest.mark.parametrize("flags", [0, 0x8000])
    @pytest.mark.parametrize("ciaddr", [NONE, CIADDR])
    @pytest.mark.parametrize(
        ("kind", "answer"), [(DISCOVER, OFFER), (REQUEST, ACK), (REQUEST, NAK)]
    )
    def test_relayed_request(
        self, kind: MessageType, answer: MessageType, ciaddr: str, flags: int
    ) -> None:
        """What came through a relay returns through it, at port 67, whatever else is set."""
        found = route(
            kind, answer, giaddr=GIADDR, ciaddr=ciaddr, flags=flags, yiaddr=YIADDR, source=GIADDR
        )

        assert found == ("relay", GIADDR, 67)

    def test_port_of_the_relay_is_not_the_clients(self) -> None:
        """A client port of its own does not change where the relay listens."""
        assert route(DISCOVER, OFFER, giaddr=GIADDR, client_port=993) == ("relay", GIADDR, 67)


class TestInform:
    @pytest.mark.parametrize("giaddr", [NONE, GIADDR])
    @pytest.mark.parametrize("flags", [0, 0x8000])
    def test_with_ciaddr(self, giaddr: str, flags: int) -> None:
        """INFORM is answered at ciaddr, past any relay (RFC 2131 §4.3.5)."""
        found = route(INFORM, ACK, ciaddr=CIADDR, giaddr=giaddr, flags=flags, source=SOURCE)

        assert found == ("unicast", CIADDR, 68)

    def test_without_ciaddr(self) -> None:
        """INFORM without ciaddr is answered at its source address."""
        assert route(INFORM, ACK, source=SOURCE) == ("unicast", SOURCE, 68)

    def test_without_ciaddr_through_a_relay(self) -> None:
        """A relayed INFORM without ciaddr has the relay's source, so it returns to the relay."""
        assert route(INFORM, ACK, giaddr=GIADDR, source=GIADDR) == ("relay", GIADDR, 67)

    def test_without_any_address(self) -> None:
        """INFORM from nowhere can only be answered to all."""
        assert route(INFORM, ACK) == ("broadcast", BROADCAST, 68)

    def test_reply_port(self) -> None:
        """BSDP's reply port replaces port 68 wherever the client itself is addressed."""
        assert route(INFORM, ACK, ciaddr=CIADDR, client_port=993) == ("unicast", CIADDR, 993)
        assert route(INFORM, ACK, client_port=993) == ("broadcast", BROADCAST, 993)


class TestForgedAddresses:
    @pytest.mark.parametrize("forged", ["224.0.0.1", "239.255.255.250", "240.0.0.1", BROADCAST])
    def test_address_that_no_host_holds(self, forged: str) -> None:
        """A group or reserved address in a request never becomes a unicast destination."""
        assert route(INFORM, ACK, ciaddr=forged, source=SOURCE) == ("unicast", SOURCE, 68)
        assert route(REQUEST, ACK, ciaddr=forged, yiaddr=YIADDR) == ("link", YIADDR, 68)
        assert route(DISCOVER, OFFER, giaddr=forged) == ("broadcast", BROADCAST, 68)


def exchanges() -> list[tuple[Captured, Captured]]:
    """Each captured reply with the request that it answers."""
    found = []
    requests: dict[tuple[str, int], Captured] = {}
    for datagram in captured():
        if datagram.is_dhcp:
            message = decode(datagram.payload)
            key = datagram.capture, message.xid
            if message.op == 1:
                requests[key] = datagram
            else:
                found.append((requests[key], datagram))
    return found


CLIENT_PORTS = {
    "bsdp-go-go-port993": 993,  # BSDP reply port
    "bsdp-sdt-dnsmasq": 993,  # BSDP reply port
    "nmap-inform": 47818,  # dnsmasq answers the source port
    "ovmf-pxe4-proxy": 4011,  # PXE boot server: answers the source port
    "ovmf-pxe4-proxymenu": 4011,
}


def test_routes_that_other_servers_took() -> None:
    """dnsmasq, relays, Go and ISC servers sent each captured reply where we would send it."""
    kinds: Counter[RouteKind] = Counter()
    others = []
    for asked, answered in exchanges():
        request, reply = decode(asked.payload), decode(answered.payload)
        port = 68
        if asked.source_port != 68:
            port = CLIENT_PORTS.get(answered.capture, 68)

        found = reply_route(request, reply, source=asked.source, client_port=port)

        kinds[found.kind] += 1
        taken = ReplyRoute(
            kind=found.kind, address=answered.destination, port=answered.destination_port
        )
        if found != taken:
            others.append((answered.capture, answered.index))

    assert all(kinds[kind] >= 10 for kind in RouteKind)
    # A server of ours broadcast to the Go client that left out ciaddr; its address is known.
    assert others == [("bsdp-go-go-ciaddr0", 22)]
