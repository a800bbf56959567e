"""The DHCP side of a simulated PC: what firmware asks, and what the answers tell it.

    DISCOVER ──▶ all      ◀── OFFER with an address, and OFFERs of boot servers without (proxyDHCP)
    REQUEST  ──▶ all      ◀── ACK
    REQUEST  ──▶ port 4011 of a boot server ◀── ACK with a boot file
    RELEASE  ──▶ the server, when all is done

Messages are those of OVMF and iPXE as captured, as far as servers look at them.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import AddressValueError, IPv4Address
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import DatagramProtocol

from netbootd.simulate.watch import BootFailed
from ops.owner import owners_of
from protocols.dhcp.codec import decode, encode
from protocols.dhcp.message import BOOTREPLY, BOOTREQUEST, BROADCAST_FLAG, NO_ADDRESS, DhcpMessage
from protocols.dhcp.option import RawOption
from protocols.dhcp.registry import (
    BOOT_FILE_NAME,
    CLASS_IDENTIFIER,
    MESSAGE_TYPE,
    SERVER_IDENTIFIER,
    TFTP_SERVER_NAME,
    VENDOR_SPECIFIC,
)
from protocols.dhcp.value import MessageType
from protocols.errors import DecodeError
from protocols.pxe.architecture import Architecture
from protocols.pxe.registry import (
    BOOT_ITEM,
    BOOT_MENU,
    BOOT_SERVERS,
    HTTP_FEATURE,
    IPXE_ENCAPSULATED,
    encode_sub_options,
    pxe_sub_options,
)
from protocols.pxe.value import BootItem, BootServer, MenuEntry

CLIENT_PORT: Final = 68
SERVER_PORT: Final = 67
BOOT_SERVER_PORT: Final = 4011
EVERYBODY: Final = "255.255.255.255"
REPEATS: Final = (1.0, 2.0, 4.0, 8.0)
"""Seconds until a question is asked again."""
LINGER: Final = 2.5
"""Seconds after the first OFFER in which others count; proxyDHCP servers may be slower."""
MAX_OFFERS: Final = 16
ASKED: Final = bytes((1, 3, 6, 12, 13, 15, 17, 18, 22, 23, 28, 40, 41, 42, 43, 50, 51, 54, 58, 59))
ASKED_BY_PXE: Final = bytes((60, 66, 67, 97, 128, 129, 130, 131, 132, 133, 134, 135))


@dataclass(frozen=True, slots=True, kw_only=True)
class PcIdentity:
    """Which PC this is."""

    mac: bytes
    architecture: Architecture
    is_ipxe: bool = False

    @property
    def vendor_class(self) -> bytes:
        """Option 60."""
        name = "HTTPClient" if self.architecture.is_http else "PXEClient"
        return f"{name}:Arch:{self.architecture:05d}:UNDI:003001".encode()

    def with_ipxe(self) -> PcIdentity:
        """The same once it runs iPXE, which calls itself a PXE client whatever loaded it."""
        platform = self.architecture.platform
        plain = next(one for one in Architecture if one.platform == platform and not one.is_http)
        return replace(self, is_ipxe=True, architecture=plain)

    def __str__(self) -> str:
        how = "HTTP boot" if self.architecture.is_http else "PXE"
        return f"{self.architecture.platform} {'iPXE' if self.is_ipxe else how} client"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one server's message tells a client."""

    server: IPv4Address
    """Who sent it, by its server identifier."""
    message: DhcpMessage
    file: str
    """Boot file or URL; empty: none."""
    load_from: IPv4Address
    """Where the boot file is."""
    menu: tuple[MenuEntry, ...]
    boot_servers: tuple[BootServer, ...]
    is_boot_server: bool
    """Whether it calls itself one (option 60)."""

    @property
    def address(self) -> IPv4Address | None:
        """The address that is offered."""
        return self.message.yiaddr if self.message.yiaddr != NO_ADDRESS else None


def told(message: DhcpMessage, source: str) -> Told:
    """Read an answer. Raises DecodeError."""
    server = message.value(SERVER_IDENTIFIER) or IPv4Address(source)
    own = message.value(VENDOR_SPECIFIC)
    sub = {each.code: each for each in pxe_sub_options(own)} if own else {}
    file = message.option(BOOT_FILE_NAME.code) or message.boot_file
    vendor_class = message.option(CLASS_IDENTIFIER.code) or b""
    menu, servers = sub.get(BOOT_MENU.code), sub.get(BOOT_SERVERS.code)
    return Told(
        server=server,
        message=message,
        file=file.split(b"\0")[0].decode("utf-8", "surrogateescape"),
        load_from=_load_from(message, server),
        menu=() if menu is None else BOOT_MENU.decode(menu.data),
        boot_servers=() if servers is None else BOOT_SERVERS.decode(servers.data),
        is_boot_server=vendor_class.startswith((b"PXEClient", b"HTTPClient")),
    )


def _load_from(message: DhcpMessage, server: IPv4Address) -> IPv4Address:
    """`siaddr`, else an address in option 66 or sname, else who answered."""
    if message.siaddr != NO_ADDRESS:
        return message.siaddr
    name = message.option(TFTP_SERVER_NAME.code) or message.server_name
    try:
        return IPv4Address(name.split(b"\0")[0].decode("ascii"))
    except (AddressValueError, UnicodeDecodeError):
        return server


def question(
    kind: MessageType, who: PcIdentity, xid: int, *more: RawOption, ciaddr: IPv4Address = NO_ADDRESS
) -> DhcpMessage:
    """A message of the firmware."""
    options = [
        MESSAGE_TYPE.of(kind),
        RawOption(57, (1472).to_bytes(2, "big")),
        RawOption(55, ASKED + ASKED_BY_PXE),
        RawOption(97, b"\0" + bytes(10) + who.mac),
        RawOption(94, b"\1\3\1"),
        RawOption(93, int(who.architecture).to_bytes(2, "big")),
        RawOption(CLASS_IDENTIFIER.code, who.vendor_class),
    ]
    if who.is_ipxe:
        features = [RawOption(HTTP_FEATURE, b"\1"), RawOption(0x21, b"\1")]
        options += [
            RawOption(77, b"iPXE"),
            RawOption(IPXE_ENCAPSULATED, encode_sub_options(features)),
        ]
    return DhcpMessage(
        op=BOOTREQUEST,
        xid=xid,
        flags=BROADCAST_FLAG if ciaddr == NO_ADDRESS else 0,  # nobody answers ARP for us
        ciaddr=ciaddr,
        chaddr=who.mac,
        options=(*options, *more),
    )


def choice(item: MenuEntry) -> RawOption:
    """What was picked in the menu, as a boot server is asked for it."""
    picked = BOOT_ITEM.of(BootItem(type=item.type, layer=0))
    return RawOption(VENDOR_SPECIFIC.code, encode_sub_options([picked]))


def open_port(interface: str | None, address: str, port: int) -> Any:
    """A UDP socket of `port`, on one interface where the system can do that. Raises BootFailed."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if interface is not None and hasattr(socket, "SO_BINDTODEVICE"):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        sock.bind((address, port))
    except PermissionError:
        sock.close()
        raise BootFailed("DHCP", f"UDP port {port} is for root only: run this as root") from None
    except OSError as error:
        sock.close()
        owners = owners_of("UDP", port)
        who = f" {owners} has it" if owners else ""
        why = f"UDP port {port} cannot be had ({error.strerror}){who}"
        raise BootFailed("DHCP", f"{why}: stop that for a moment") from None
    return sock


class DhcpPort(DatagramProtocol):
    """One socket for questions and their answers."""

    def __init__(self, clock: IReactorTime, only: IPv4Address | None) -> None:
        """`only`: whose answers count; None: everybody's."""
        self._clock = clock
        self._only = only
        self._question: DhcpMessage | None = None
        self._answers: list[Told] = []
        self._changed: Deferred[None] | None = None

    # What Twisted calls.

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        asked = self._question
        if asked is None or len(self._answers) >= MAX_OFFERS:
            return
        try:
            message = decode(datagram)
            if (message.op, message.xid) != (BOOTREPLY, asked.xid):
                return
            if not message.chaddr.startswith(asked.chaddr[: asked.hlen]):
                return
            answer = told(message, addr[0])
        except DecodeError:
            return
        if self._only is not None and self._only not in (answer.server, IPv4Address(addr[0])):
            return
        self._answers.append(answer)
        self._wake()

    # Our own.

    def send(self, message: DhcpMessage, to: tuple[str, int]) -> None:
        """Send, without waiting for an answer. Raises BootFailed."""
        assert self.transport is not None  # noqa: S101 - Twisted sets it before
        try:
            self.transport.write(encode(message), to)
        except OSError as error:
            why = f"nothing can be sent to {to[0]}: {error.strerror or error}"
            raise BootFailed("DHCP", why) from None

    async def ask(
        self,
        message: DhcpMessage,
        to: tuple[str, int],
        kinds: frozenset[MessageType],
        *,
        patience: float,
        linger: float = 0.0,
        is_enough: Callable[[list[Told]], bool] = bool,
    ) -> list[Told]:
        """The answers of the kinds wanted: once there are enough, `linger` seconds more; empty
        after `patience` seconds."""
        self._question, self._answers = message, []
        end = self._clock.seconds() + patience
        repeats = iter((*REPEATS, *(REPEATS[-1],) * 100))
        again = 0.0
        try:
            while True:
                found = [each for each in self._answers if kind_of(each) in kinds]
                now = self._clock.seconds()
                if is_enough(found):
                    if linger:
                        await self._sleep(linger)
                    return [each for each in self._answers if kind_of(each) in kinds]
                if now >= end:
                    return found
                if now >= again:
                    self.send(message, to)
                    again = now + next(repeats)
                await self._until(min(again, end))
        finally:
            self._question = None

    async def _until(self, moment: float) -> None:
        """Wait for an answer, or that moment."""
        self._changed = Deferred()
        timer = self._clock.callLater(max(moment - self._clock.seconds(), 0.0), self._wake)
        await self._changed
        if timer.active():
            timer.cancel()

    async def _sleep(self, seconds: float) -> None:
        slept: Deferred[None] = Deferred()
        self._clock.callLater(seconds, slept.callback, None)
        await slept

    def _wake(self) -> None:
        changed, self._changed = self._changed, None
        if changed is not None:
            changed.callback(None)


def kind_of(answer: Told) -> MessageType | None:
    """What sort of message it is; None: none of DHCP's."""
    try:
        return answer.message.value(MESSAGE_TYPE)
    except DecodeError:
        return None
