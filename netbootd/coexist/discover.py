"""Which DHCP servers answer on our links? Found by asking as a client would.

    DISCOVER, broadcast ──▶ every server of the link
                        ◀── OFFER, broadcast: who it is, and the address that it would give

Nothing is accepted, so no server leases anything. The client that asks is the interface itself, by
its own hardware address, which switches let pass (DHCP snooping compares the two, port security
counts them), and for which a server has or makes up one offer, however often we ask; a made-up
client would use up an address of a small pool each time.

Question and answer are frames of a packet socket. What is sent there does not come back to sockets
of this computer, so our own DHCP server, if there is one, is not asked, and port 68, which belongs
to the client of this computer, is not touched.
"""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any, Final

from netbootd.interface import Interface
from netbootd.link import attach_filter, packet_socket
from protocols.dhcp.codec import decode, encode
from protocols.dhcp.message import BOOTREPLY, BOOTREQUEST, BROADCAST_FLAG, NO_ADDRESS, DhcpMessage
from protocols.dhcp.option import RawOption
from protocols.dhcp.registry import MESSAGE_TYPE, SERVER_IDENTIFIER
from protocols.dhcp.route import CLIENT_PORT, LIMITED_BROADCAST, SERVER_PORT
from protocols.dhcp.value import MessageType
from protocols.errors import DecodeError
from protocols.ethernet import ipv4
from protocols.ethernet.formats import IPV4_TYPE, UDP_PROTOCOL
from protocols.ethernet.frame import UdpSource

WAIT: Final = 4.0
"""Seconds for an answer. dnsmasq pings an address for three before it offers it."""
REPEAT: Final = 1.0
"""Seconds after which whoever has not answered is asked again: the first frame may be lost."""
MAX_SERVERS: Final = 16
"""Servers remembered per interface; who forges more is no help to the operator."""
MAX_FRAME: Final = 2048
BATCH: Final = 128
ETHERNET_HEADER: Final = 14
BROADCAST: Final = b"\xff" * 6
REQUESTED: Final = bytes((1, 3, 6, 51, 54))
"""Subnet mask, router, DNS servers, lease time, server identifier: what any client asks for."""

TO_DHCP_CLIENTS: Final = (
    (0x30, 0, 0, 23),  # the protocol
    (0x15, 0, 6, UDP_PROTOCOL),  # is UDP, else drop
    (0x28, 0, 0, 20),  # flags and offset of the fragment
    (0x45, 4, 0, 0x1FFF),  # not the first: drop
    (0xB1, 0, 0, 14),  # length of the IPv4 header
    (0x48, 0, 0, 16),  # the destination port
    (0x15, 0, 1, CLIENT_PORT),
    (0x06, 0, 0, 0xFFFF),  # take
    (0x06, 0, 0, 0),  # drop
)
"""Classic BPF over Ethernet frames of IPv4."""


def open_socket() -> Any:
    """A packet socket that wakes for what is sent to DHCP clients. Raises OSError."""
    sock = packet_socket(socket.SOCK_RAW, IPV4_TYPE)
    attach_filter(sock, TO_DHCP_CLIENTS)
    return sock


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A DHCP server gives addresses on a link."""

    interface: str
    server: IPv4Address
    address: IPv4Address
    """The one that it offered."""


class Search:
    """The questions to all links, and what has been answered so far."""

    def __init__(self, interfaces: Sequence[Interface], *, xid: int) -> None:
        """`xid`, 32 random bits, tells answers to us from answers to others."""
        self._xid = xid
        self._hardware = {
            one.name: one.hardware_address for one in interfaces if one.hardware_address
        }
        self._ours = {address.ip for one in interfaces for address in one.addresses}
        self._offers: dict[str, dict[IPv4Address, Offer]] = {name: {} for name in self._hardware}

    @property
    def offers(self) -> list[Offer]:
        """Every server found, by interface."""
        return [offer for found in self._offers.values() for offer in found.values()]

    @property
    def silent(self) -> list[str]:
        """Interfaces on which nobody has answered."""
        return [name for name, found in self._offers.items() if not found]

    def ask(self, sock: Any) -> None:
        """Send a question to every link on which nobody has answered."""
        for name in self.silent:
            with contextlib.suppress(OSError):  # a link that is down: nobody will answer
                sock.sendto(self._question(self._hardware[name]), (name, IPV4_TYPE))

    def read(self, sock: Any) -> None:
        """Take what has come in."""
        for _ in range(BATCH):
            try:
                frame, source = sock.recvfrom(MAX_FRAME)
            except BlockingIOError:
                return
            except OSError:
                continue
            self.take(source[0], frame)

    def take(self, interface: str, frame: bytes) -> None:
        """One frame that came in by an interface."""
        found = self._offers.get(interface)
        if found is None or len(found) >= MAX_SERVERS:
            return
        try:
            packet = ipv4.decode(frame[ETHERNET_HEADER:])
            message = decode(ipv4.decode_udp(packet.payload).payload)
            server = message.value(SERVER_IDENTIFIER) or IPv4Address(packet.source)
            is_offer = message.value(MESSAGE_TYPE) is MessageType.OFFER
        except DecodeError:
            return
        if (
            is_offer
            and message.op == BOOTREPLY
            and message.xid == self._xid
            and message.chaddr.startswith(self._hardware[interface])
            and message.yiaddr != NO_ADDRESS  # else it offers a boot image, not an address
            and server not in self._ours
        ):
            found[server] = Offer(interface=interface, server=server, address=message.yiaddr)

    def _question(self, hardware_address: bytes) -> bytes:
        message = DhcpMessage(
            op=BOOTREQUEST,
            xid=self._xid,
            flags=BROADCAST_FLAG,
            chaddr=hardware_address,
            options=(
                MESSAGE_TYPE.of(MessageType.DISCOVER),
                RawOption(55, REQUESTED),
            ),
        )
        return UdpSource(hardware_address=hardware_address, address=int(NO_ADDRESS)).frame(
            encode(message),
            to_hardware=BROADCAST,
            to=int(LIMITED_BROADCAST),
            from_port=CLIENT_PORT,
            to_port=SERVER_PORT,
        )


def search_thd(interfaces: Sequence[Interface], *, xid: int) -> Search:
    """Ask, and wait for `WAIT` seconds. Raises OSError where no packet socket can be had."""
    search = Search(interfaces, xid=xid)
    with closing(open_socket()) as sock:
        for seconds in _asking(search, sock):
            end = time.monotonic() + seconds
            while (left := end - time.monotonic()) > 0:
                if select.select([sock], [], [], left)[0]:
                    search.read(sock)
    return search


def _asking(search: Search, sock: Any) -> Iterator[float]:
    """Ask twice; how long to listen after each time."""
    search.ask(sock)
    yield REPEAT
    search.ask(sock)
    yield WAIT - REPEAT
