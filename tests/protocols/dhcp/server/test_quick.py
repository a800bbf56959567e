"""The short way of DISCOVER and REQUEST: what the conversation would say and do, or nothing."""

from __future__ import annotations

import random
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from protocols.dhcp import registry as r
from protocols.dhcp.boot import BootParameters
from protocols.dhcp.codec import decode, encode
from protocols.dhcp.message import DhcpMessage
from protocols.dhcp.option import PADDING, RawOption
from protocols.dhcp.route import reply_route
from protocols.dhcp.server.case import Link
from protocols.dhcp.server.conversation import DhcpServer
from protocols.dhcp.server.lease import LAST_END, LeaseTable
from protocols.dhcp.server.outcome import Acknowledge, Offer, ReadyReply
from protocols.dhcp.server.plan import INFINITE, ClientClass, Host, LeaseTimes, Plan, Pool
from protocols.dhcp.server.quick import MAX_TEMPLATES, SPECIAL, Quick
from protocols.dhcp.value import MessageType
from protocols.errors import DecodeError
from tests.protocols.dhcp.server.site import (
    AWAY,
    HOME,
    LINK,
    MAC,
    NOW,
    NOWHERE,
    PLAN,
    RELAY,
    SERVER,
    TIMES,
    message,
    number,
    pool,
    relayed,
    requested,
    subnet,
    wants,
)

ELSEWHERE = Link(local=IPv4Address("10.9.0.1"), networks=(IPv4Network("10.9.0.0/24"),))
MACS = [bytes((2, 0, 0, 0, 0, n)) for n in range(5)]
MINE = Host(name="mine", hardware=MACS[0], address=IPv4Address("10.0.0.11"))
IDENTIFIED = Host(name="identified", client_id=b"\0id", options=(RawOption(3, b"\x0a\0\0\x07"),))
GUESTS = ClientClass(name="guests", vendor_class=b"guest")
OPTIONED = Pool(
    ranges=((number("10.0.0.10"), number("10.0.0.11")), (number("10.0.0.13"), number("10.0.0.14"))),
    options=(RawOption(15, b"pool.example"),),
)

PLANS = [
    PLAN,
    replace(PLAN, ignore_client_identifier=True),
    replace(PLAN, known_only=True),
    replace(
        PLAN,
        subnets=(subnet("10.0.0.0/24", pool("10.0.0.10", "10.0.0.30")),),
        hosts=(MINE, IDENTIFIED),
    ),
    replace(PLAN, classes=(GUESTS,)),
    replace(PLAN, subnets=(subnet("10.0.0.0/24", OPTIONED, pool("10.0.0.20", "10.0.0.21")), AWAY)),
    replace(
        PLAN,
        subnets=(replace(HOME, shared_network="both"), replace(AWAY, shared_network="both")),
        options=tuple(RawOption(code, bytes((code,)) * 150) for code in (43, 66, 67)),
    ),
    Plan(subnets=(subnet("10.0.0.0/24"),)),
    Plan(subnets=(subnet("10.0.0.0/31", pool("10.0.0.0", "10.0.0.1")),)),
    Plan(
        subnets=(
            replace(HOME, lease_times=LeaseTimes(default=INFINITE, minimum=60, maximum=INFINITE)),
            replace(AWAY, lease_times=replace(TIMES, renewal=600, rebinding=900)),
        )
    ),
    Plan(
        subnets=(
            replace(HOME, lease_times=LeaseTimes(default=LAST_END, minimum=60, maximum=LAST_END)),
        )
    ),
    Plan(subnets=(subnet("250.0.0.0/24", pool("250.0.0.10", "250.0.0.12")),)),
]
LINKS = [
    LINK,
    ELSEWHERE,
    Link(local=IPv4Address("250.0.0.1"), networks=(IPv4Network("250.0.0.0/8"),)),
]
ADDRESSES = [
    *("10.0.0.10", "10.0.0.11", "10.0.0.12", "10.0.0.13", "10.0.0.20", "10.0.1.10", "250.0.0.10"),
    *("10.0.0.0", "0.0.0.0", "192.0.2.1"),
]
KINDS = [MessageType.DISCOVER, MessageType.REQUEST] * 8 + [*MessageType, None]
USUAL = [
    PADDING,
    *(RawOption(61, data) for data in (b"\1" + MACS[1], b"\0id", b"\0is", b"\0")),
    *(RawOption(55, data) for data in (b"\1\3\6\x0f", b"\x79\3", b"", b"\x3a\x3b\x2b")),
    *(RawOption(57, data) for data in (b"\2\x40", b"\5\xdc", b"\1", b"\0\0")),
    *(RawOption(60, data) for data in (b"guest", b"PXEClient:x", b"MSFT 5.0")),
    *(RawOption(12, data) for data in (b"mac-17", b"\xff\0", b"", b"x" * 255)),
]
UNUSUAL = [
    *(RawOption(code, data) for code in (50, 54, 61) for data in (b"", b"\0" * 3, b"\0" * 4)),
    *(RawOption(code, data) for code in sorted(SPECIAL) for data in (b"", b"\1", b"\0\0\0\x64")),
    *(RawOption(50, IPv4Address(address).packed) for address in ADDRESSES),
    relayed((1, b"port")),
    RawOption(77, b"\4user"),
    RawOption(93, b"\0\7"),
    RawOption(224, b"\0"),
]


ODD_HEADERS: list[dict[str, Any]] = [
    {"htype": 6},
    {"hlen": 0},
    {"hlen": 16},
    {"op": 2},
    {"chaddr": MACS[2] + b"\1"},
    *({"ciaddr": IPv4Address(address)} for address in ADDRESSES),
    *({"tail": tail} for tail in (b"", b"\xff", b"\xff\0\1")),
]


class Clients:
    """A few machines that share a wire; usually sensible, sometimes not."""

    def __init__(self, seeded: random.Random) -> None:
        self._seeded = seeded
        self.offers: dict[bytes, str] = {}

    def datagram(self) -> bytes:
        choose, seeded = self._seeded.choice, self._seeded
        mac, kind = choose(MACS), choose(KINDS)
        address = choose([self.offers.get(mac, ADDRESSES[0])] * 6 + ADDRESSES)
        options: list[RawOption] = []
        if kind is MessageType.REQUEST or seeded.random() < 0.1:
            options.append(requested(address))
        if kind is MessageType.REQUEST:
            options.append(r.SERVER_IDENTIFIER.of(choose([SERVER] * 9 + [RELAY, NOWHERE])))
        options += seeded.sample(USUAL, seeded.randrange(3))
        if seeded.random() < 0.1:
            options.append(choose(UNUSUAL))
        header: dict[str, Any] = {
            "hops": seeded.randrange(2),
            "xid": seeded.getrandbits(32),
            "secs": seeded.randrange(9),
            "flags": choose([0, 0x8000, 1]),
            "giaddr": IPv4Address(choose(["0.0.0.0"] * 9 + ["10.0.0.9", "10.0.1.1", "250.0.0.9"])),
            "chaddr": mac,
        }
        if seeded.random() < 0.1:
            header |= choose(ODD_HEADERS)
        return encode(message(kind, *options, **header), minimum=choose([300, 0]))


STEPS = 1500


def boot(request: DhcpMessage, name: str | None) -> BootParameters:
    """What network boot clients are told."""
    return BootParameters(next_server=SERVER, file=b"snponly.efi")


def slow(server: DhcpServer, data: bytes, link: Link, now: int) -> Any:
    """What the conversation says to `data`, in the terms of `Quick`."""
    try:
        request = decode(data)
    except DecodeError:
        return None
    outcome = server.respond(request, link=link, source=NOWHERE, now=now, boot=boot)
    if isinstance(outcome, Offer | Acknowledge):
        route = reply_route(request, outcome.reply, source=NOWHERE)
        return outcome._replace(reply=ReadyReply(encode(outcome.reply), route))
    return outcome


@pytest.mark.parametrize("plan", PLANS)
def test_quick_is_the_conversation_or_nothing(plan: Plan) -> None:
    """In every state of the leases, both say the same and leave the same; what the short way leaves
    alone, it leaves untouched."""
    seeded = random.Random(67)
    clients = Clients(seeded)
    reference, server = DhcpServer(plan, LeaseTable()), DhcpServer(plan, LeaseTable())
    quick = Quick(server)
    now = NOW
    for _ in range(STEPS):
        now += seeded.choice([0] * 20 + [1, 59, 61, 3600, 8000])
        datagram = clients.datagram()
        link = seeded.choice(LINKS[:1] * 4 + LINKS)
        before = set(server.leases)

        answer = quick.respond(datagram, link=link, now=now)

        expected = slow(reference, datagram, link, now)
        if answer is None:
            assert set(server.leases) == before
            answer = slow(server, datagram, link, now)
        assert answer == expected
        if isinstance(answer, Offer):
            clients.offers[datagram[28:34]] = str(decode(answer.reply.payload).yiaddr)
        if isinstance(answer, Acknowledge):
            settle = "abandon" if seeded.random() < 0.2 else "commit"
            getattr(server.leases, settle)(answer.store)
            getattr(reference.leases, settle)(expected.store)
        assert set(server.leases) == set(reference.leases)


def quick_at(plan: Plan = PLAN) -> Quick:
    return Quick(DhcpServer(plan, LeaseTable()))


@pytest.mark.parametrize("relay", [None, RELAY])
def test_ordinary_clients_take_the_short_way(relay: IPv4Address | None) -> None:
    """DISCOVER and the REQUEST that follows, by a relay or not, with what systems send along."""
    quick = quick_at()
    usual = (
        RawOption(61, b"\1" + MAC),
        RawOption(12, b"mac-17"),
        RawOption(60, b"MSFT 5.0"),
        RawOption(57, b"\5\xdc"),
        wants(1, 3, 6, 15, 121),
    )
    header = {} if relay is None else {"giaddr": relay, "hops": 1}
    discover = encode(message(MessageType.DISCOVER, *usual, **header))

    offer = quick.respond(discover, link=LINK, now=NOW)
    assert isinstance(offer, Offer)
    address = decode(offer.reply.payload).yiaddr
    taken = (requested(str(address)), r.SERVER_IDENTIFIER.of(SERVER))
    request = encode(message(MessageType.REQUEST, *taken, *usual, **header))
    ack = quick.respond(request, link=LINK, now=NOW)

    assert isinstance(ack, Acknowledge)
    assert IPv4Address(ack.store.address) == address


@pytest.mark.parametrize("code", sorted(SPECIAL))
def test_special_options_take_the_long_way(code: int) -> None:
    """What depends on options that few send is not remembered by kind."""
    discover = encode(message(MessageType.DISCOVER, RawOption(code, b"\0\0\0\1")))

    assert quick_at().respond(discover, link=LINK, now=NOW) is None


def test_what_is_remembered_is_bounded() -> None:
    """A client that asks for other options each time does not grow the memory without end."""
    quick = quick_at()

    for number_ in range(MAX_TEMPLATES + 10):
        ask = wants(1, number_ >> 8, number_ & 0xFF)
        quick.respond(encode(message(MessageType.DISCOVER, ask)), link=LINK, now=NOW)

    assert len(quick._templates) <= MAX_TEMPLATES
