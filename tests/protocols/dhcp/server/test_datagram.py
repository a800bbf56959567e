"""The way over bytes gives what the way over messages gives: outcomes, replies, leases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from protocols.dhcp.boot import BootParameters
from protocols.dhcp.codec import encode
from protocols.dhcp.message import DhcpMessage
from protocols.dhcp.option import PADDING, RawOption
from protocols.dhcp.server import datagram
from protocols.dhcp.server.case import Link
from protocols.dhcp.server.conversation import DhcpServer
from protocols.dhcp.server.datagram import DatagramServer
from protocols.dhcp.server.lease import LeaseTable
from protocols.dhcp.server.outcome import Acknowledge, Inform, Offer, Reason, Refuse, Silence
from protocols.dhcp.server.plan import ClientClass, Host, LeaseTimes, Plan, Pool
from protocols.dhcp.value import MessageType
from protocols.errors import DecodeError
from tests.protocols.dhcp.capture import captured
from tests.protocols.dhcp.server.site import (
    AWAY,
    HOME,
    LINK,
    MAC,
    NOW,
    OTHER_MAC,
    PLAN,
    SERVER,
    message,
    number,
    pool,
    relayed,
    subnet,
    wants,
)
from tests.protocols.dhcp.server.twin import respond_by_message

RICH = Plan(
    subnets=(
        replace(HOME, authoritative=True, options=(RawOption(3, b"\x0a\0\0\1"),)),
        replace(AWAY, options=(RawOption(121, b"\x08\x0a\x0a\0\1\1"), RawOption(3, b"\x0a\0\1\1"))),
        subnet("10.77.0.0/24", pool("10.77.0.100", "10.77.0.199")),
        subnet("240.0.0.0/24", Pool(ranges=((number("240.0.0.5"), number("240.0.0.6")),))),
    ),
    hosts=(
        Host(name="mine", hardware=MAC, address=IPv4Address("10.0.0.200"), host_name="mac"),
        Host(name="port", circuit_id=b"port", options=(RawOption(15, b"port"),)),
        Host(name="bad", client_id=b"\0bad", denied=True),
    ),
    classes=(
        ClientClass(
            name="udhcp",
            vendor_class=b"udhcp",
            options=(RawOption(6, b"\1\1\1\1"),),
            lease_times=LeaseTimes(default=60, minimum=60, maximum=60, renewal=5),
        ),
    ),
    options=(RawOption(15, b"lan"), RawOption(116, b"\0"), RawOption(200, bytes(300))),
    bootp=True,
)
PXE = RawOption(60, b"PXEClient:Arch:00007")
LINKS = [
    LINK,
    Link(local=IPv4Address("10.77.0.1"), networks=(IPv4Network("10.77.0.0/24"),)),
    Link(local=IPv4Address("240.0.0.1"), networks=(IPv4Network("240.0.0.0/24"),)),
    Link(local=IPv4Address("192.0.2.1"), networks=(IPv4Network("192.0.2.0/24"),)),
]

CAPTURED = [found.payload for found in captured() if found.is_dhcp and found.capture != "perfdhcp"]
ADDRESSES = [
    IPv4Address(address)
    for address in (
        *("0.0.0.0", "10.0.0.10", "10.0.0.11", "10.0.0.200", "10.0.1.10", "10.0.1.1"),
        *("10.77.0.158", "192.0.2.9", "240.0.0.5", "255.255.255.255"),
    )
]
addresses = st.sampled_from(ADDRESSES)
packed = addresses.map(lambda address: address.packed)
options = st.one_of(
    st.just(PADDING),
    st.builds(RawOption, st.sampled_from([50, 50, 54, 118]), packed),
    st.just(RawOption(54, SERVER.packed)),
    st.sampled_from(
        [
            RawOption(51, b"\0\0\2\0"),
            RawOption(51, b"\xff" * 4),
            RawOption(57, b"\5\xdc"),
            RawOption(57, b"\2\x40"),
            wants(1, 3, 6, 15, 28, 51, 58, 59),
            wants(121, 3, 200),
            RawOption(60, b"udhcp 1.35"),
            RawOption(60, b"PXEClient:Arch:00007"),
            RawOption(61, b"\1" + MAC),
            RawOption(61, b"\0bad"),
            RawOption(61, bytes(60)),
            RawOption(12, b"mac-7"),
            RawOption(116, b"\1"),
            RawOption(77, b"iPXE"),
            RawOption(82, b""),
            RawOption(52, b"\1"),
            relayed((1, b"port"), (11, b"\x0a\0\1\1")),
            relayed((5, b"\x0a\0\1\1")),
            relayed((9, bytes(250))),
        ]
    ),
    st.builds(RawOption, st.integers(1, 254), st.binary(max_size=5)),
)
kinds = st.sampled_from(
    [MessageType.DISCOVER, MessageType.REQUEST] * 3 + [*MessageType][:9] + [None]
)


@st.composite
def built(draw: st.DrawFn) -> bytes:
    """A message as a client might make it."""
    asked = message(
        draw(kinds),
        *draw(st.lists(options, max_size=5)),
        op=draw(st.sampled_from([1] * 9 + [2])),
        htype=draw(st.sampled_from([1, 1, 1, 6])),
        hlen=draw(st.sampled_from([6, 6, 6, 0, 16])),
        xid=draw(st.integers(0, 0xFFFFFFFF)),
        flags=draw(st.sampled_from([0, 0, 0x8000, 1])),
        ciaddr=draw(st.just(ADDRESSES[0]) | addresses),
        giaddr=draw(st.just(ADDRESSES[0]) | addresses),
        chaddr=draw(st.sampled_from([MAC, OTHER_MAC, bytes(6)])),
    )
    return encode(asked, minimum=draw(st.sampled_from([300, 0])))


@st.composite
def mutants(draw: st.DrawFn) -> bytes:
    """A captured message, perhaps with bytes set or cut."""
    data = bytearray(draw(st.sampled_from(CAPTURED)))
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=2))
    return bytes(data)


def boot(request: DhcpMessage, name: str | None) -> BootParameters | None:
    file = b"x" * (129 if request.broadcast else 9)  # the first cannot be written
    return BootParameters(file=file, options=(RawOption(43, b"\6\1\x08"),))


@given(
    st.sampled_from([PLAN, RICH]),
    st.lists(
        st.tuples(built() | mutants(), st.sampled_from(LINKS), addresses, st.booleans()),
        min_size=1,
        max_size=8,
    ),
)
@settings(max_examples=400, deadline=None)
def test_both_ways_agree(plan: Plan, arrivals: list[tuple[bytes, Link, IPv4Address, bool]]) -> None:
    """Whatever arrives, in whatever order and however often, both servers do the same."""
    tables = LeaseTable(), LeaseTable()
    quick = DatagramServer(DhcpServer(plan, tables[0]))
    full = DhcpServer(plan, tables[1])
    now = NOW
    for data, link, source, boots in [*arrivals, *arrivals]:
        now += 17
        fixed = {"link": link, "source": str(source), "now": now, "boot": boot if boots else None}
        expected = attempt(respond_by_message, full, data, **fixed)

        outcome = attempt(DatagramServer.respond, quick, data, **fixed)

        event(type(outcome).__name__)
        assert outcome == expected
        assert sorted(tables[0]) == sorted(tables[1])
        if isinstance(outcome, Acknowledge):
            for table in tables:
                table.commit(outcome.store)


def attempt(respond: Callable[..., object], *arguments: object, **fixed: object) -> object:
    """What `respond` gives, or what its DecodeError says."""
    try:
        return respond(*arguments, **fixed)
    except DecodeError as error:
        return error.args


def test_memories_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many different questions come, few are remembered, and all are answered."""
    monkeypatch.setattr(datagram, "MAX_QUESTIONS", 10)
    monkeypatch.setattr(datagram, "MAX_WRITTEN", 10)
    server = DatagramServer(DhcpServer(RICH, LeaseTable()))

    for code in range(1, 100):
        data = encode(message(MessageType.INFORM, wants(code)))
        assert isinstance(server.respond(data, link=LINK, source="10.0.0.9", now=NOW), Inform)

    assert len(server._questions) <= 10
    assert len(server._written) <= 10


def test_long_questions_are_not_remembered() -> None:
    """Whoever pads questions to jumbo frames fills no memory with them."""
    server = DatagramServer(DhcpServer(RICH, LeaseTable()))
    data = encode(message(MessageType.INFORM), minimum=1400)

    assert isinstance(server.respond(data, link=LINK, source="10.0.0.9", now=NOW), Inform)
    assert not server._questions


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        (message(None), Acknowledge),
        (message(MessageType.DISCOVER, PXE), Offer),
        (message(MessageType.INFORM, PXE), Inform),
        (message(MessageType.REQUEST, PXE, RawOption(50, b"\1\1\1\1")), Refuse),
        (message(MessageType.RELEASE, PXE), Silence),
        (
            message(
                MessageType.REQUEST,
                RawOption(50, b"\1\1\1\1"),
                giaddr=IPv4Address("10.0.0.254"),
                chaddr=OTHER_MAC,
            ),
            Refuse,
        ),
    ],
)
def test_out_of_the_ordinary(asked: DhcpMessage, kind: type[object]) -> None:
    """BOOTP and boot clients, and those that a relay must reach by broadcast, are answered with the
    same bytes."""
    servers = [DhcpServer(RICH, LeaseTable()) for _ in range(2)]
    fixed = {"link": LINK, "source": "0.0.0.0", "now": NOW, "boot": boot}

    outcome = DatagramServer(servers[0]).respond(encode(asked), **fixed)  # type: ignore[arg-type]

    assert isinstance(outcome, kind)
    assert outcome == respond_by_message(servers[1], encode(asked), **fixed)  # type: ignore[arg-type]


def test_hardware_address_too_long() -> None:
    """A length of hardware address beyond its field is no DHCP."""
    server = DatagramServer(DhcpServer(RICH, LeaseTable()))
    data = bytearray(encode(message(MessageType.DISCOVER)))
    data[2] = 17

    with pytest.raises(DecodeError, match="hlen at byte 2"):
        server.respond(bytes(data), link=LINK, source="0.0.0.0", now=NOW)


def test_malformed_question() -> None:
    """A malformed option that decides is silence, a malformed datagram is not DHCP."""
    server = DatagramServer(DhcpServer(PLAN, LeaseTable()))
    odd = encode(message(MessageType.REQUEST, RawOption(50, b"\1")))

    outcome = server.respond(odd, link=LINK, source="0.0.0.0", now=NOW)

    assert isinstance(outcome, Silence)
    assert outcome.reason is Reason.MALFORMED
    with pytest.raises(DecodeError):
        server.respond(odd[:239], link=LINK, source="0.0.0.0", now=NOW)
