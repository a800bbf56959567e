"""proxyDHCP replies: what is echoed and added, and what real firmware accepted from dnsmasq."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

import pytest

from protocols.dhcp.boot import BootParameters
from protocols.dhcp.codec import decode
from protocols.dhcp.message import DhcpMessage
from protocols.dhcp.option import RawOption
from protocols.dhcp.registry import VENDOR_SPECIFIC
from protocols.dhcp.route import RouteKind, reply_route
from protocols.dhcp.value import MessageType
from protocols.pxe.client import client_from
from protocols.pxe.menu import encode_choice, encode_menu
from protocols.pxe.reply import (
    Concern,
    ProxyServer,
    acknowledgement,
    discovery_concern,
    offer,
    request_concern,
)
from protocols.pxe.value import MenuEntry, MenuPrompt
from tests.protocols.dhcp.capture import Captured, captured
from tests.protocols.pxe.ask import BIOS, HTTP, IPXE, MACHINE_ID, UEFI, message

ADDRESS = IPv4Address("10.77.0.2")
SERVER = ProxyServer(address=ADDRESS, local=ADDRESS)
SNPONLY = BootParameters(next_server=ADDRESS, file=b"snponly.efi")


def offered(asked: DhcpMessage, boot: BootParameters = SNPONLY) -> DhcpMessage:
    client = client_from(asked)
    assert client is not None
    return offer(asked, client, SERVER, boot)


def acknowledged(asked: DhcpMessage, boot: BootParameters = SNPONLY) -> DhcpMessage:
    client = client_from(asked)
    assert client is not None
    return acknowledgement(asked, client, SERVER, boot)


def test_offer_has_no_address() -> None:
    """An OFFER carries 53, 54, 60, 97, server and file, and nothing of a lease."""
    reply = offered(message())

    assert reply.options == (
        RawOption(53, b"\2"),
        RawOption(54, ADDRESS.packed),
        RawOption(60, b"PXEClient"),
        RawOption(97, MACHINE_ID),
    )
    assert (reply.op, reply.xid, reply.secs) == (2, 0x360031FA, 0)
    assert {str(reply.yiaddr), str(reply.ciaddr)} == {"0.0.0.0"}
    assert reply.siaddr == ADDRESS
    assert reply.boot_file == b"snponly.efi"


def test_bios_is_told_to_load_the_file() -> None:
    """A BIOS ROM learns from the discovery control that nobody else is to be asked."""
    reply = offered(message(BIOS, architecture=0))

    assert reply.option(43) == bytes.fromhex("060108ff")


@pytest.mark.parametrize(
    ("asked", "class_id"),
    [
        (message(UEFI), b"PXEClient"),
        (message(BIOS, IPXE, architecture=0), b"PXEClient"),
        (message(HTTP, architecture=16), b"HTTPClient"),
    ],
)
def test_others_are_not(asked: DhcpMessage, class_id: bytes) -> None:
    """UEFI and iPXE get no option 43; HTTP boot gets its own class back."""
    reply = offered(asked)

    assert reply.option(43) is None
    assert reply.option(60) == class_id


def test_what_is_given_wins() -> None:
    """Class, machine identifier and option 43 of the boot parameters are sent once."""
    given = (RawOption(60, b"PXEClient"), RawOption(97, MACHINE_ID), RawOption(43, b"\6\1\3\xff"))
    boot = BootParameters(next_server=ADDRESS, options=given)

    reply = offered(message(BIOS, architecture=0), boot)

    assert [code for code, _ in reply.options] == [53, 54, 60, 97, 43]
    assert reply.option(43) == b"\6\1\3\xff"


def test_rom_without_an_identifier_gets_none() -> None:
    """Option 97 is echoed, never invented."""
    reply = offered(message(machine_id=None))

    assert reply.option(97) is None


def test_relayed_offer_goes_back_through_the_relay() -> None:
    """giaddr, flags and option 82 are the relay's again; the broadcast flag makes it deliver."""
    asked = message(UEFI, RawOption(82, b"\1\1x"), giaddr="10.88.0.1", flags=0)

    reply = offered(asked)

    route = reply_route(asked, reply, source=IPv4Address("10.88.0.1"))
    assert (route.kind, str(route.address), route.port) == (RouteKind.RELAY, "10.88.0.1", 67)
    assert reply.options[-1] == RawOption(82, b"\1\1x")
    assert reply.broadcast


def test_offer_is_broadcast() -> None:
    """The client has no address yet, whatever its broadcast flag."""
    asked = message(flags=0)

    route = reply_route(asked, offered(asked), source=IPv4Address(0))

    assert (route.kind, route.port) == (RouteKind.BROADCAST, 68)


@pytest.mark.parametrize("kind", list(MessageType))
def test_only_a_discover_concerns_port_67(kind: MessageType) -> None:
    """A REQUEST on port 67 is the DHCP server's, and so is all the rest."""
    concern = discovery_concern(message(kind=kind))

    assert concern is (Concern.OURS if kind is MessageType.DISCOVER else Concern.OTHER_TYPE)


@pytest.mark.parametrize("kind", list(MessageType))
def test_only_a_request_concerns_port_4011(kind: MessageType) -> None:
    """Port 4011 answers REQUEST alone."""
    concern = request_concern(message(kind=kind), SERVER)

    assert concern is (Concern.OURS if kind is MessageType.REQUEST else Concern.OTHER_TYPE)


@pytest.mark.parametrize(
    ("named", "concern"),
    [
        ("10.77.0.2", Concern.OURS),
        ("192.0.2.9", Concern.OURS),
        ("10.77.0.1", Concern.OTHER_SERVER),
    ],
)
def test_request_for_another_server_is_left_to_it(named: str, concern: Concern) -> None:
    """A server identifier that is neither what clients are told nor our own is somebody else's."""
    server = ProxyServer(address=IPv4Address("192.0.2.9"), local=ADDRESS)
    asked = message(UEFI, RawOption(54, IPv4Address(named).packed), kind=MessageType.REQUEST)

    assert request_concern(asked, server) is concern


def test_malformed_identifier_names_another_server() -> None:
    """Five bytes in option 54 are nobody's address, so not ours."""
    asked = message(UEFI, RawOption(54, bytes(5)), kind=MessageType.REQUEST)

    assert request_concern(asked, SERVER) is Concern.OTHER_SERVER


def test_acknowledgement_repeats_the_address() -> None:
    """An ACK of the boot server has the client's own address in ciaddr."""
    asked = message(kind=MessageType.REQUEST, ciaddr="10.77.0.145", flags=0)

    reply = acknowledged(asked)

    assert (str(reply.ciaddr), str(reply.yiaddr)) == ("10.77.0.145", "0.0.0.0")
    assert reply.option(53) == b"\5"


# What firmware accepted (the captures go on with a TFTP request for the file).


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request to a dnsmasq in its proxy mode, its answer, and what the answer was to say."""

    capture: str
    number: int
    """Which answer of 10.77.0.2."""
    boot: BootParameters

    def frames(self) -> tuple[Captured, Captured]:
        found = [each for each in captured() if each.capture == self.capture and each.is_dhcp]
        replies = [at for at, each in enumerate(found) if each.source == ADDRESS]
        reply = found[replies[self.number]]
        xid = decode(reply.payload).xid
        asked = [each for each in found if each.payload[0] == 1 and decode(each.payload).xid == xid]
        return asked[0], reply


def menu(first: int, second: int) -> RawOption:
    lines = [MenuEntry(type=first, text="First"), MenuEntry(type=second, text="Second")]
    prompt = MenuPrompt(seconds=2, text="E2E boot menu")
    return RawOption(VENDOR_SPECIFIC.code, encode_menu(lines, server=ADDRESS, prompt=prompt)[0])


def told(*options: RawOption, file: bytes = b"") -> BootParameters:
    return BootParameters(next_server=ADDRESS, file=file, options=options)


@pytest.mark.parametrize(
    "exchange",
    [
        Exchange("ovmf-pxe4-proxy", 0, told()),
        Exchange("ovmf-pxe4-proxy", 1, told(file=b"snponly.efi")),
        Exchange("ovmf-pxe4-proxymenu", 0, told()),
        Exchange("ovmf-pxe4-proxymenu", 1, told(menu(0x8000, 0x8001))),
    ],
)
def test_reply_is_what_firmware_accepted(exchange: Exchange) -> None:
    """Our reply has the fields and options of dnsmasq's that OVMF went on from, in their order."""
    asked, accepted = exchange.frames()
    theirs = decode(accepted.payload)

    request = decode(asked.payload)
    ours = (offered if theirs.option(53) == b"\2" else acknowledged)(request, exchange.boot)

    assert ours.options == theirs.options
    for name in ("op", "htype", "hlen", "xid", "flags", "yiaddr", "ciaddr", "siaddr", "chaddr"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.boot_file == theirs.boot_file


def test_menu_of_bios_is_what_firmware_accepted() -> None:
    """iPXE took its menu from the OFFER; dnsmasq set the broadcast flag in it, which does not
    matter to who gets a broadcast."""
    asked, accepted = Exchange("bios-ipxe-proxymenu", 0, SNPONLY).frames()
    theirs = decode(accepted.payload)

    ours = offered(decode(asked.payload), told(menu(0x8002, 0x8003)))

    assert sorted(ours.options) == sorted(
        each if each.code != 43 else RawOption(43, theirs.option(43) or b"")
        for each in theirs.options
    )
    assert (ours.siaddr, theirs.siaddr) == (ADDRESS, IPv4Address(0))


@pytest.mark.parametrize(
    ("capture", "file"),
    [("ovmf-pxe4-proxymenu", b"snponly.efi"), ("bios-ipxe-proxymenu", b"undionly.kpxe")],
)
def test_choice_is_answered_as_firmware_accepted(capture: str, file: bytes) -> None:
    """The answer to a choice has the item first in option 43 and the file; dnsmasq repeats the
    prompt behind it, and gives the address in yiaddr rather than in ciaddr."""
    asked, accepted = Exchange(capture, -1, SNPONLY).frames()
    theirs = decode(accepted.payload)
    request = decode(asked.payload)
    client = client_from(request)
    assert client is not None
    assert client.boot_item is not None

    choice = encode_choice(client.boot_item)
    ours = acknowledged(request, told(RawOption(43, choice), file=file))

    assert [each for each in ours.options if each.code != 43] == [
        each for each in theirs.options if each.code != 43
    ]
    assert (theirs.option(43) or b"").startswith(choice.removesuffix(b"\xff"))
    assert ours.ciaddr == theirs.yiaddr
    assert (ours.siaddr, ours.boot_file) == (theirs.siaddr, theirs.boot_file)
