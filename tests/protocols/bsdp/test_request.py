"""DHCP messages read as BSDP requests."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from protocols.bsdp import vendor
from protocols.bsdp.image_id import BootImageId
from protocols.bsdp.outcome import Reason, Silence
from protocols.bsdp.request import BsdpRequest, Question, question_from, request_from
from protocols.bsdp.vendor import SubOption
from protocols.dhcp.codec import decode
from protocols.dhcp.message import DhcpMessage
from protocols.dhcp.option import RawOption
from protocols.dhcp.value import MessageType as DhcpType
from tests.protocols.bsdp.ask import (
    HERE,
    LIST,
    LIST_REQUEST,
    MAC,
    SELECT,
    VERSION,
    image,
    message,
    request,
)
from tests.protocols.bsdp.site import CLIENT, NOWHERE
from tests.protocols.bsdp.vectors import request_of


def question(asked: DhcpMessage) -> Question:
    found = question_from(asked)
    assert isinstance(found, Question)
    return found


def without(asked: DhcpMessage, code: int) -> DhcpMessage:
    return replace(asked, options=tuple(o for o in asked.options if o.code != code))


def test_list_is_read() -> None:
    """A LIST of Apple's client: who, which version, where to, how much."""
    found = request_from(decode(request_of("main/list_filter_0300")), CLIENT)

    assert isinstance(found, BsdpRequest)
    assert found.mac == MAC
    assert found.is_ethernet
    asked = found.question
    assert (asked.class_id.arch, asked.class_id.system_id) == ("i386", "Macmini6,1")
    assert asked.model == "Macmini6,1"
    assert asked.version == 0x0101
    assert asked.message_type == 1
    assert asked.reply_port == found.reply_port == 993
    assert asked.attributes == frozenset({0x0300})
    assert asked.payload_limit == 8192 - 28
    assert asked.server_identifier is None
    assert asked.selected_image is None
    assert asked.requested_address is None
    assert not asked.old_firmware


def test_select_is_read() -> None:
    """A SELECT names a server and an image, in any order."""
    asked = question(message(image(0x810003E9), HERE, VERSION, SELECT))

    assert asked.message_type == 2
    assert asked.server_identifier == IPv4Address("10.99.0.1")
    assert asked.selected_image == BootImageId(0x810003E9)


def test_plain_discover_is_read() -> None:
    """Firmware's DISCOVER has a version and no message type; its reply port is not heeded."""
    port = vendor.REPLY_PORT.sub_option(993)
    found = request(VERSION, port, dhcp_type=DhcpType.DISCOVER)

    assert found.question.message_type is None
    assert found.reply_port == 68


@pytest.mark.parametrize(
    "other",
    [
        replace(LIST_REQUEST, op=2),
        without(LIST_REQUEST, 60),
        without(LIST_REQUEST, 53),
        message(LIST, VERSION, class_id=b"PXEClient:Arch:00007:UNDI:003000"),
        message(LIST, VERSION, class_id=b"aaplbsdpc/i386/a"),
        replace(
            without(LIST_REQUEST, 53),
            options=(RawOption(53, b"\x08\x08"), RawOption(60, b"AAPLBSDPC")),
        ),
    ],
    ids=["reply", "no class", "no type", "PXE", "lower case", "type of two bytes"],
)
def test_other_protocols_are_not_bsdp(other: DhcpMessage) -> None:
    """Replies, BOOTP, and DHCP with another class belong to others, without a reason."""
    assert request_from(other, CLIENT) is None


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (message(LIST, VERSION, class_id=b"AAPLBSDPC/i386"), Reason.CLASS_ID),
        (message(LIST, VERSION, class_id=b"AAPLBSDPCX/i386/a"), Reason.CLASS_ID),
        (without(LIST_REQUEST, 43), Reason.NO_VENDOR_OPTIONS),
        (message(LIST), Reason.NO_VERSION),
        (message(LIST, vendor.VERSION.sub_option(0x0102)), Reason.VERSION),
        (message(options=(RawOption(43, b"\x01\x09"),)), Reason.VENDOR_OPTIONS),
    ],
)
def test_what_claims_to_be_bsdp_and_is_not_has_a_reason(asked: DhcpMessage, reason: Reason) -> None:
    """A log can say why such a request is not answered."""
    outcome = request_from(asked, CLIENT)

    assert isinstance(outcome, Silence)
    assert outcome.reason is reason
    assert outcome.effect is None


def test_silence_tells_details() -> None:
    """The reason comes with the version or the byte that caused it."""
    assert question_from(message(LIST, vendor.VERSION.sub_option(0x0102))) == Silence(
        reason=Reason.VERSION, detail="0x0102"
    )
    assert question_from(message(options=(RawOption(43, b"\x01\x09"),))) == Silence(
        reason=Reason.VENDOR_OPTIONS, detail="sub-option 1 at byte 1: 9 bytes announced, 0 left"
    )


@pytest.mark.parametrize("version", [0x0000, 0x0100, 0x0101])
def test_three_versions_are_spoken(version: int) -> None:
    """1.0, 1.1, and the zero that Apple's server tolerates (bsdpd.c:1373)."""
    assert question(message(LIST, vendor.VERSION.sub_option(version))).version == version


@pytest.mark.parametrize("code", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("data", [b"", b"\0\0\0\0\0"])
def test_sub_option_of_the_wrong_length_is_refused(code: int, data: bytes) -> None:
    """Apple's server reads 1, 2, 3, 5 and 8 whatever their length; we refuse the request."""
    others = [o for o in (LIST, VERSION) if o.code != code]

    outcome = question_from(message(SubOption(code, data), *others))

    assert isinstance(outcome, Silence)
    assert outcome.reason is Reason.VENDOR_OPTIONS
    assert f"sub-option {code}" in outcome.detail


def test_split_option_43_is_joined_as_a_last_resort() -> None:
    """A client that splits option 43 by bytes (RFC 3396) is understood all the same."""
    instances = (RawOption(43, b"\x01\x01\x01\x02\x02"), RawOption(43, b"\x01\x01"))

    assert question(message(options=instances)).version == 0x0101


@pytest.mark.parametrize(
    ("data", "attributes"),
    [
        (b"", None),
        (b"\x81", None),
        (b"\x81\x00", {0x8100}),
        (b"\x81\x00\x03\x00\x01", {0x8100, 0x0300}),
    ],
)
def test_attribute_filter(data: bytes, attributes: set[int] | None) -> None:
    """Pairs of bytes; an odd one is left out and an empty list is none (bsdpd.c:1406)."""
    assert question(message(LIST, VERSION, SubOption(11, data))).attributes == attributes


@pytest.mark.parametrize("data", [b"", b"\x00"])
def test_old_firmware_is_a_flag(data: bytes) -> None:
    """Sub-option 10 counts by being there; images are then chosen for `/NetBoot1`."""
    flag = SubOption(10, data)

    assert question(message(LIST, VERSION, flag)).old_firmware
    assert question(message(LIST, VERSION, flag)).model == "/NetBoot1"
    discover = message(VERSION, flag, dhcp_type=DhcpType.DISCOVER)
    assert question(discover).model == "Macmini6,1"


def size(code: int, *octets: int) -> SubOption:
    return SubOption(code, bytes(octets))


@pytest.mark.parametrize(
    ("sub_option", "option", "limit"),
    [
        (None, None, 548),
        ((0x20, 0x00), None, 8192),
        ((0x20, 0x00), (0x05, 0xDC), 8192),
        (None, (0x05, 0xDC), 1500),
        ((0x02, 0x24), None, 548),
        ((0x02, 0x25), None, 549),
        ((0x00, 0x10), (0x05, 0xDC), 548),
        ((0xFF, 0xFF), None, 8192),
        ((0x20,), (0x05, 0xDC), 1500),
        ((0x20,), (0x05,), 548),
    ],
)
def test_size_limit(
    sub_option: tuple[int, ...] | None, option: tuple[int, ...] | None, limit: int
) -> None:
    """Sub-option 12, else option 57, else 548; above 548 only, 8192 at most (bsdpd.c:1484)."""
    asked = message(
        LIST,
        VERSION,
        *([SubOption(12, bytes(sub_option))] if sub_option else []),
        options=(RawOption(57, bytes(option)),) if option else (),
    )

    assert question(asked).payload_limit == limit - 28


@pytest.mark.parametrize(("option", "limit"), [((0x05, 0x00), 1280), ((0x20, 0x00), 1500)])
def test_size_limit_of_an_offer(option: tuple[int, ...], limit: int) -> None:
    """For a DISCOVER only option 57 counts, up to one Ethernet frame (bsdpd.c:1536)."""
    asked = message(
        VERSION,
        SubOption(12, b"\x20\x00"),
        dhcp_type=DhcpType.DISCOVER,
        options=(RawOption(57, bytes(option)),),
    )

    assert question(asked).payload_limit == limit - 28


@pytest.mark.parametrize(
    ("ciaddr", "source", "address"),
    [
        ("10.99.0.50", "10.99.0.51", "10.99.0.50"),
        ("0.0.0.0", "10.99.0.51", "10.99.0.51"),
        ("224.0.0.1", "10.99.0.51", "10.99.0.51"),
        ("255.255.255.255", "0.0.0.0", None),
        ("0.0.0.0", "0.0.0.0", None),
    ],
)
def test_client_address(ciaddr: str, source: str, address: str | None) -> None:
    """A client is at its ciaddr, else where its datagram came from, else nowhere."""
    found = request(LIST, VERSION, ciaddr=IPv4Address(ciaddr), source=IPv4Address(source))

    assert found.client_address == (IPv4Address(address) if address else None)


@pytest.mark.parametrize("header", [{"htype": 6}, {"hlen": 8}])
def test_other_hardware_is_not_ethernet(header: dict[str, int]) -> None:
    """Only Ethernet has machines that netboot."""
    assert not request(LIST, VERSION, **header).is_ethernet


@pytest.mark.parametrize(
    ("data", "address"), [(b"\x0a\x63\x00\x32", "10.99.0.50"), (b"\x0a", None)]
)
def test_requested_address(data: bytes, address: str | None) -> None:
    """Option 50 counts if it is an address."""
    asked = message(VERSION, dhcp_type=DhcpType.REQUEST, options=(RawOption(50, data),))

    assert question(asked).requested_address == (IPv4Address(address) if address else None)


def test_question_is_the_same_for_every_machine() -> None:
    """What is asked does not depend on who asks, so it can be remembered."""
    one = question(message(LIST, VERSION, xid=1, chaddr=b"123456"))
    two = question(message(LIST, VERSION, xid=2, chaddr=b"654321", ciaddr=NOWHERE))

    assert one == two
    assert hash(one) == hash(two)
