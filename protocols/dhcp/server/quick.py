"""The short way of the two messages that matter when a building is switched on.

A DISCOVER, or a REQUEST that takes up our offer, of a client that is nothing special: Ethernet, no
address yet, no host or class of the plan, no network boot, none of the options in `SPECIAL`. What
such a client is told depends on a few of its options, the same for all machines of a kind. So the
reply is a template, made once by the conversation's own functions, with xid, flags, addresses and
client identifier put in.

`respond` gives and does what `DhcpServer` would, or gives None and does nothing; a property test
holds the two together. It takes a third of the time of `datagram`, which takes a quarter of that
of the whole conversation.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address
from typing import Final, NamedTuple

from protocols.dhcp.codec import CHADDR, CIADDR, COOKIE, GIADDR, HEADER, MINIMUM_SIZE
from protocols.dhcp.message import OPTIONS_OFFSET, OVERLOAD
from protocols.dhcp.option import END, PAD, read_options, write_options
from protocols.dhcp.registry import CLIENT_IDENTIFIER
from protocols.dhcp.route import (
    CLIENT_PORT,
    LIMITED_BROADCAST,
    SERVER_PORT,
    ReplyRoute,
    RouteKind,
)
from protocols.dhcp.server.answer import leasing
from protocols.dhcp.server.case import Link, Sender, client_key
from protocols.dhcp.server.conversation import DhcpServer
from protocols.dhcp.server.lease import LAST_END, Lease, LeaseState
from protocols.dhcp.server.outcome import Acknowledge, Offer, ReadyReply, Silence
from protocols.dhcp.server.plan import INFINITE, Segment
from protocols.dhcp.server.pool import FreeAddresses
from protocols.dhcp.server.question import ask, host_name_of
from protocols.dhcp.server.reply import option_list
from protocols.dhcp.value import MessageType
from protocols.errors import DecodeError

MAX_TEMPLATES: Final = 1024
"""Replies remembered, 0.5 KiB each: one for each kind of machine, subnet and message type. Past it
all are forgotten."""

SPECIAL: Final = frozenset((51, OVERLOAD, 82, 116, 118))
"""Options that the answer depends on and few clients send: lease time, overload, what relays add,
auto-configuration, subnet selection."""

_REQUEST: Final = bytes((1, 1, 6))
"""op, htype, hlen: from an Ethernet client."""
_REPLY: Final = bytes((2, 1, 6, 0))
_NO_ADDRESS: Final = bytes(4)
_ASKED: Final = struct.Struct("!4x4s2x2s12x20s")
"""xid; flags; giaddr and chaddr."""
_GIVEN: Final = struct.Struct("!4s4s2x2s4xI4x20s")
"""Op to hops; xid; flags; yiaddr; giaddr and chaddr."""
_NO_NAMES_COOKIE: Final = bytes(HEADER.size - CHADDR.stop) + COOKIE
_COOKIE: Final = slice(HEADER.size, OPTIONS_OFFSET)
_MAC: Final = slice(CHADDR.start, CHADDR.start + 6)
_ADDRESSES: Final = slice(CIADDR.start, GIADDR.stop)
_DISCOVER: Final = MessageType.DISCOVER.to_bytes(1, "big")
_ANSWERS: Final[dict[int | None, MessageType]] = {
    MessageType.DISCOVER: MessageType.OFFER,
    MessageType.REQUEST: MessageType.ACK,
}
_BROADCAST_BIT: Final = 0x80
_NO_HOST: Final = 0xE0000000
"""From here on addresses are no host's, which matters to where a reply goes."""
_BROADCAST: Final = ReplyRoute(
    kind=RouteKind.BROADCAST, address=LIMITED_BROADCAST, port=CLIENT_PORT
)
_OFFERED, _BOUND = LeaseState.OFFERED, LeaseState.BOUND

_Options = dict[int, bytes]
"""By code, each of them once."""


class _Template(NamedTuple):
    """The OFFER or ACK of one kind of machine."""

    segment: Segment
    free: FreeAddresses
    """Of the pool that it was made for; options may differ in others."""
    ranges: tuple[tuple[int, int], ...]
    """Of that pool."""
    server: bytes
    """The server identifier."""
    seconds: int
    names_and_options: bytes
    """sname to options, up to the data of the client identifier that is echoed."""
    end: bytes
    """The end option, and pads."""
    route: ReplyRoute | None
    """To the relay; None: it depends on flags and address."""


class Quick:
    """Answers what it can. As `DhcpServer`, made anew for a new plan."""

    def __init__(self, server: DhcpServer) -> None:
        plan = server.plan
        self._server = server
        self._leases = server.leases
        self._hold = plan.offer_hold
        self._reserved = plan.reserved
        self._by_client_id = plan.by_client_id
        self._by_hardware = plan.by_hardware
        self._ignore = plan.ignore_client_identifier
        self._serves_all = not plan.classes and not plan.known_only
        self._templates: dict[tuple[object, ...], _Template | None] = {}

    def respond(
        self, data: bytes, *, link: Link, now: int
    ) -> Offer[ReadyReply] | Acknowledge[ReadyReply] | None:
        """Answer the datagram `data`, or leave it to others. Raises nothing."""
        if not (data.startswith(_REQUEST) and data[_COOKIE] == COOKIE and self._serves_all):
            return None
        options = _options(data)
        if options is None or not SPECIAL.isdisjoint(options):
            return None
        get = options.get
        kind, client_id, mac = get(53), get(61, b""), data[_MAC]
        if mac in self._by_hardware or client_id in self._by_client_id:
            return None
        made_for = (kind, get(55), get(57), get(60), len(client_id), data[_ADDRESSES], link)
        try:
            template = self._templates[made_for]
        except KeyError:
            template = self._remember(made_for, data, link, now)
        if template is None:
            return None
        key = client_key(1, mac, client_id, ignore=self._ignore)
        if kind == _DISCOVER:
            return self._discover(data, options, template, key, now)
        return self._select(data, options, template, key, now)

    def _discover(
        self, data: bytes, options: _Options, template: _Template, key: bytes, now: int
    ) -> Offer[ReadyReply] | None:
        lease = self._leases.find(template.segment, key)
        requested = options.get(50)
        if 54 in options or (requested is not None and (lease is None or len(requested) != 4)):
            return None
        if lease is None:
            address = template.free.find(now)
        elif self._is_open(template, lease.address):
            address = lease.address
        else:
            return None
        if address is None:
            return None
        held = lease is not None and lease.ends > now
        reply = _reply(data, options, template, address)
        if lease is not None and held and lease.state is _BOUND:
            return Offer(reply, lease, False)
        name = host_name_of(options[12]) if 12 in options else ""
        lease = Lease(address, key, data[_MAC], _OFFERED, now, now + self._hold, name)
        self._leases.hold(lease)
        return Offer(reply, lease, not held)

    def _select(
        self, data: bytes, options: _Options, template: _Template, key: bytes, now: int
    ) -> Acknowledge[ReadyReply] | None:
        requested = options.get(50, b"")
        address = int.from_bytes(requested, "big")
        if (
            len(requested) != 4
            or options.get(54) != template.server
            or not self._is_open(template, address)
            or not self._leases.is_free_for(key, address, now)
        ):
            return None
        before = self._leases.at(address)
        starts = now
        if (
            before is not None
            and before.client == key
            and before.state is _BOUND
            and before.ends > now
        ):
            starts = before.starts
        ends = min(now + template.seconds, LAST_END)
        name = host_name_of(options[12]) if 12 in options else ""
        lease = Lease(address, key, data[_MAC], _BOUND, starts, ends, name)
        self._leases.pend(lease)
        return Acknowledge(_reply(data, options, template, address), lease)

    def _is_open(self, template: _Template, address: int) -> bool:
        """Whether `address` is one for everybody, of the pool that the template is for."""
        if address in self._reserved:
            return False
        for first, last in template.ranges:
            if first <= address <= last:
                return True
        return False

    def _remember(
        self, made_for: tuple[object, ...], data: bytes, link: Link, now: int
    ) -> _Template | None:
        if len(self._templates) >= MAX_TEMPLATES:
            self._templates.clear()
        template = self._templates[made_for] = self._template(data, link, now)
        return template

    def _template(self, data: bytes, link: Link, now: int) -> _Template | None:
        """What machines like the one that sent `data` are told, or None if they need more thought:
        by way of the conversation, for an address of the first pool that is for everybody."""
        if data[CIADDR] != _NO_ADDRESS:
            return None
        try:
            question = ask(read_options(data, OPTIONS_OFFSET, len(data))[0])
        except DecodeError:
            return None
        kind = _ANSWERS.get(question.type)
        giaddr = int.from_bytes(data[GIADDR], "big")
        case = self._server.place(question, Sender(1, data[_MAC], 0, giaddr, 0), link, now)
        if kind is None or question.may_boot or isinstance(case, Silence):
            return None
        free = self._leases.free_in(case.segment, case.subnet)
        if free is None or max(giaddr, *free.pool.ranges[-1]) >= _NO_HOST:
            return None
        terms = leasing(case, kind, free.pool.ranges[0][0]).terms
        if terms.seconds is None or terms.seconds == INFINITE:
            return None
        written = _NO_NAMES_COOKIE + write_options(option_list(self._server.plan, terms))
        if question.client_id:
            written += bytes((CLIENT_IDENTIFIER.code, len(question.client_id)))
        size = CHADDR.stop + len(written) + len(question.client_id)
        route = None
        if giaddr:
            relay = IPv4Address(giaddr)
            route = ReplyRoute(kind=RouteKind.RELAY, address=relay, port=SERVER_PORT)
        return _Template(
            case.segment,
            free,
            free.pool.ranges,
            case.server.to_bytes(4, "big"),
            terms.seconds,
            written,
            b"\xff".ljust(MINIMUM_SIZE - size, b"\0"),
            route,
        )


def _options(data: bytes) -> _Options | None:
    """The options of the message by code, or None where it takes more than a glance: one that comes
    twice, or an area that does not end as it should."""
    found: _Options = {}
    at = OPTIONS_OFFSET
    try:
        while (code := data[at]) != END:
            if code == PAD:
                at += 1
                continue
            end = at + 2 + data[at + 1]
            if code in found:
                return None
            found[code] = data[at + 2 : end]
            at = end
    except IndexError:
        return None
    return found


def _reply(data: bytes, options: _Options, template: _Template, address: int) -> ReadyReply:
    """The reply of `template` to `data`, which gives it `address`."""
    xid, flags, giaddr_chaddr = _ASKED.unpack_from(data)
    header = _GIVEN.pack(_REPLY, xid, flags, address, giaddr_chaddr)
    client_id = options.get(61, b"")
    payload = b"".join((header, template.names_and_options, client_id, template.end))
    route = template.route
    if route is None:
        if flags[0] & _BROADCAST_BIT:
            route = _BROADCAST
        else:
            to = IPv4Address(address)
            route = ReplyRoute(kind=RouteKind.LINK, address=to, port=CLIENT_PORT)
    return ReadyReply(payload, route)
