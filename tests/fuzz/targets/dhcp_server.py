"""Whatever is sent to a DHCP server, it does the same by bytes as by message, and replies fit.

A reply is readable, echoes what it must and is no longer than its request allows; what is not DHCP
is DecodeError. Nothing else is ever raised.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

from protocols.dhcp import registry as r
from protocols.dhcp.codec import decode
from protocols.dhcp.message import DhcpMessage
from protocols.dhcp.option import RawOption
from protocols.dhcp.server.case import Link
from protocols.dhcp.server.conversation import DhcpServer
from protocols.dhcp.server.datagram import DatagramServer
from protocols.dhcp.server.lease import Lease, LeaseState, LeaseTable
from protocols.dhcp.server.outcome import Acknowledge, Inform, Offer, Outcome, ReadyReply, Refuse
from protocols.dhcp.server.plan import ClientClass, Host, LeaseTimes, Plan, Pool, Subnet
from protocols.dhcp.server.question import question_of
from protocols.errors import DecodeError
from tests.protocols.dhcp.server.twin import respond_by_message

SERVER = IPv4Address("10.77.0.1")
LINK = Link(local=SERVER, networks=(IPv4Network("10.77.0.0/24"),))
NOW = 1_800_000_000
FIRST = int(IPv4Address("10.77.0.140"))
NEAR = Subnet(
    network=IPv4Network("10.77.0.0/24"),
    lease_times=LeaseTimes(default=3600, minimum=60, maximum=7200),
    pools=(Pool(ranges=((FIRST, FIRST + 30),), options=(RawOption(15, b"lan"),)),),
    options=(r.ROUTER.of((SERVER,)), RawOption(43, b"\1\1x"), RawOption(200, bytes(400))),
    authoritative=True,
)
PLAN = Plan(
    subnets=(
        NEAR,
        replace(
            NEAR,
            network=IPv4Network("10.78.0.0/24"),
            pools=(Pool(ranges=((FIRST + (1 << 16), FIRST + (1 << 16) + 30),)),),
        ),
    ),
    hosts=(Host(name="a", client_id=b"\0a", address=IPv4Address("10.77.0.9"), host_name="a"),),
    classes=(ClientClass(name="iPXE", user_class=b"iPXE", options=(RawOption(17, b"/"),)),),
    options=(RawOption(121, b"\x08\x0a\x0a\4d\1\0"), RawOption(116, b"\0")),
    bootp=True,
)
# The addresses that the captured clients renew and release.
HELD = [
    Lease(FIRST + at, b"\1\2\0\0\0\0" + bytes((at,)), b"", LeaseState.BOUND, NOW, NOW + 60)
    for at in range(0, 30, 3)
]


def target(data: bytes) -> None:
    tables = LeaseTable(), LeaseTable()
    for table in tables:
        table.load(HELD)
    quick, full = DatagramServer(DhcpServer(PLAN, tables[0])), DhcpServer(PLAN, tables[1])
    for _ in range(2):
        try:
            expected = respond_by_message(full, data, link=LINK, source="10.77.0.50", now=NOW)
        except DecodeError:
            expected = None
        try:
            outcome = quick.respond(data, link=LINK, source="10.77.0.50", now=NOW)
        except DecodeError:
            assert expected is None
            return
        assert outcome == expected
        assert sorted(tables[0]) == sorted(tables[1])
        _check(decode(data), outcome)


def _check(request: DhcpMessage, outcome: Outcome[ReadyReply]) -> None:
    if not isinstance(outcome, Offer | Acknowledge | Inform | Refuse):
        return
    reply, question = decode(outcome.reply.payload), question_of(request)
    assert (reply.op, reply.xid, reply.chaddr) == (2, request.xid, request.chaddr)
    assert (reply.option(61) or b"") == (request.option(61) or b"")
    assert reply.option(82) == request.option(82)
    echoed = len(question.echo_bytes)
    room = 300 if question.type is None else question.room
    assert len(outcome.reply.payload) <= max(room, 300, 240 + 60 + echoed)
    given = int(reply.yiaddr)
    if isinstance(outcome, Offer):
        assert outcome.lease.address == given
    if isinstance(outcome, Acknowledge):
        assert outcome.store.address == given
        assert all(lease.client == outcome.store.client for lease in HELD if lease.address == given)
