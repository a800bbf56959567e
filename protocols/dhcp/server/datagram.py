"""The DHCP server for a shell that deals in datagrams: bytes in, an outcome with bytes out.

The same conversation, with three things remembered that machines repeat: what an options area asks,
the options of a reply, the subnet of a link. What is left is a header of fixed fields, read and
written by hand. A message that is out of the ordinary (BOOTP, a network boot client, option 52)
takes the way over `DhcpMessage`; a property test proves both ways to give the same bytes.

    header ──unpack──▶ fields ──┐
    options ──memo──▶ question ─┴▶ place ──▶ decide ──▶ terms ──memo──▶ options ──▶ splice
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address
from typing import Final, NamedTuple

from protocols.dhcp.codec import COOKIE, HEADER, HLEN, MINIMUM_SIZE, OP, decode, encode
from protocols.dhcp.message import (
    BOOTREPLY,
    BOOTREQUEST,
    BROADCAST_FLAG,
    CHADDR_SIZE,
    FILE_SIZE,
    OPTIONS_OFFSET,
    OVERLOAD,
    SNAME_SIZE,
    DhcpMessage,
)
from protocols.dhcp.option import read_options, write_options
from protocols.dhcp.route import (
    CLIENT_PORT,
    LIMITED_BROADCAST,
    SERVER_PORT,
    ReplyRoute,
    RouteKind,
    reply_route,
)
from protocols.dhcp.server.answer import Answer
from protocols.dhcp.server.case import BootAnswer, Case, Link, Sender
from protocols.dhcp.server.conversation import DhcpServer
from protocols.dhcp.server.outcome import (
    Acknowledge,
    Inform,
    Offer,
    Outcome,
    ReadyReply,
    Refuse,
    Silence,
)
from protocols.dhcp.server.question import Question, ask
from protocols.dhcp.server.quick import Quick
from protocols.dhcp.server.reply import Terms, option_list
from protocols.dhcp.value import MessageType
from protocols.errors import DecodeError

MAX_QUESTIONS: Final = 4096
"""Options areas remembered, with their questions 2 KiB each at most: 8 MiB. Past it all are
forgotten, which costs no more than never to have seen them."""
MAX_AREA: Final = 576
"""Bytes of an options area that is remembered; what clients send is 60 to 350 long."""
MAX_WRITTEN: Final = 4096
"""Replies' options remembered, 0.5 KiB each: 2 MiB. One for each subnet, class, host, option 55 and
lease time that come together."""

_REQUEST: Final = struct.Struct("!xBBxI2xHI8xI16s")
"""htype, hlen, xid, flags, ciaddr, giaddr, chaddr"""
_REPLY: Final = struct.Struct("!BBBxI2xHIIII16s")
"""op, htype, hlen, xid, flags, ciaddr, yiaddr, siaddr, giaddr, chaddr"""
_REST: Final = bytes(SNAME_SIZE + FILE_SIZE) + COOKIE
_END: Final = b"\xff"
_FIRST_MULTICAST: Final = 0xE0000000
"""From here on addresses are no host's."""
_BROADCAST: Final = ReplyRoute(
    kind=RouteKind.BROADCAST, address=LIMITED_BROADCAST, port=CLIENT_PORT
)


class DatagramServer:
    """A `DhcpServer` that takes and gives datagrams."""

    def __init__(self, server: DhcpServer) -> None:
        self.server = server
        self._quick = Quick(server)
        self._questions: dict[bytes, Question] = {}
        self._written: dict[tuple[object, ...], bytes] = {}

    def respond(
        self, data: bytes, *, link: Link, source: str, now: int, boot: BootAnswer | None = None
    ) -> Outcome[ReadyReply]:
        """Answer the datagram `data` from the IP address `source`, in dotted form.

        Raises DecodeError if it is not DHCP, and nothing else.
        """
        outcome = self._quick.respond(data, link=link, now=now)
        if outcome is not None:
            return outcome
        if (
            data[HEADER.size : OPTIONS_OFFSET] != COOKIE
            or data[OP] != BOOTREQUEST
            or data[HLEN] > CHADDR_SIZE
        ):
            return self._respond_in_full(data, link, source, now, boot)
        area = data[OPTIONS_OFFSET:]
        question = self._questions.get(area) or self._ask(data, area)
        if question is None or (question.may_boot and boot is not None):
            return self._respond_in_full(data, link, source, now, boot)
        header = _Header._make(_REQUEST.unpack_from(data))
        is_inform = question.type == MessageType.INFORM
        home = int(IPv4Address(source)) if is_inform else header.ciaddr
        htype, hlen, _, _, ciaddr, giaddr, chaddr = header
        sender = Sender(htype, chaddr[:hlen], ciaddr, giaddr, home)
        case = self.server.place(question, sender, link, now)
        if isinstance(case, Silence):
            return case
        return self.server.decide(case, lambda answer: self._reply(header, case, answer, home))

    def _ask(self, data: bytes, area: bytes) -> Question | None:
        """What the options area asks, to be remembered, or None if it is out of the ordinary.

        Raises DecodeError.
        """
        options, _ = read_options(data, OPTIONS_OFFSET, len(data))
        if OVERLOAD in area and any(code == OVERLOAD for code, _ in options):
            return None
        try:
            question = ask(options)
        except DecodeError:
            return None
        if question.type is None:
            return None
        if len(area) <= MAX_AREA:
            if len(self._questions) >= MAX_QUESTIONS:
                self._questions.clear()
            self._questions[area] = question
        return question

    def _reply(self, header: _Header, case: Case, answer: Answer, home: int) -> ReadyReply:
        """`conversation.respond`'s message, encoded, and `reply_route`'s destination."""
        htype, hlen, xid, flags, ciaddr, giaddr, chaddr = header
        terms, address, echoes_ciaddr = answer
        if not echoes_ciaddr:
            ciaddr = 0
        if giaddr and not ciaddr and not address:
            flags |= BROADCAST_FLAG  # as in `reply_to`
        fixed = _REPLY.pack(BOOTREPLY, htype, hlen, xid, flags, ciaddr, address, 0, giaddr, chaddr)
        options = self._options(terms)
        payload = b"".join((fixed, _REST, options, case.question.echo_bytes, _END))
        route = _route(header, case.question.type, terms.type, address, home)
        return ReadyReply(payload.ljust(MINIMUM_SIZE, b"\0"), route)

    def _options(self, terms: Terms) -> bytes:
        key = (
            *(terms.type, terms.server, terms.seconds, id(terms.subnet), id(terms.pool)),
            *(id(terms.host), terms.wanted, terms.room, terms.auto_configure, terms.error),
            *map(id, terms.classes),
        )  # all of them live as long as the plan
        written = self._written.get(key)
        if written is None:
            if len(self._written) >= MAX_WRITTEN:
                self._written.clear()
            written = self._written[key] = write_options(option_list(self.server.plan, terms))
        return written

    def _respond_in_full(
        self, data: bytes, link: Link, source: str, now: int, boot: BootAnswer | None
    ) -> Outcome[ReadyReply]:
        request, address = decode(data), IPv4Address(source)
        outcome = self.server.respond(request, link=link, source=address, now=now, boot=boot)

        def ready(reply: DhcpMessage) -> ReadyReply:
            return ReadyReply(encode(reply), reply_route(request, reply, source=address))

        match outcome:
            case Offer(reply=reply, lease=lease, needs_probe=needs_probe):
                return Offer(ready(reply), lease, needs_probe)
            case Acknowledge(reply=reply, store=store):
                return Acknowledge(ready(reply), store)
            case Inform(reply=reply):
                return Inform(ready(reply))
            case Refuse(reply=reply, reason=reason):
                return Refuse(ready(reply), reason)
            case _:
                return outcome


class _Header(NamedTuple):
    """The fields of a request that a reply needs, addresses as numbers."""

    htype: int
    hlen: int
    xid: int
    flags: int
    ciaddr: int
    giaddr: int
    chaddr: bytes


def _route(
    header: _Header, asked: int | None, kind: MessageType | None, yiaddr: int, home: int
) -> ReplyRoute:
    """The rows of `protocols.dhcp.route`, top to bottom; `home` is where the client is reached."""
    if asked == MessageType.INFORM and _is_host(header.ciaddr):
        return _to(RouteKind.UNICAST, header.ciaddr)
    if _is_host(header.giaddr):
        return _to(RouteKind.RELAY, header.giaddr, SERVER_PORT)
    if kind is MessageType.NAK:
        return _BROADCAST
    if _is_host(home):
        return _to(RouteKind.UNICAST, home)
    if header.flags & BROADCAST_FLAG or not header.hlen or not _is_host(yiaddr):
        return _BROADCAST
    return _to(RouteKind.LINK, yiaddr)


def _to(kind: RouteKind, address: int, port: int = CLIENT_PORT) -> ReplyRoute:
    return ReplyRoute(kind=kind, address=IPv4Address(address), port=port)


def _is_host(address: int) -> bool:
    return 0 < address < _FIRST_MULTICAST
