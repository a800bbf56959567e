"""Replies as Apple's client judges them, where no recorded reply shows it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest

from protocols.bsdp.answer import (
    ImageConfirmed,
    ImageRefused,
    ImagesListed,
    Rejected,
    Rejection,
    ShownImage,
    judge_list,
    judge_select,
)
from protocols.bsdp.class_id import ClassId
from protocols.bsdp.image_id import BootImageId
from protocols.bsdp.inform import Machine, list_request, select_request
from protocols.bsdp.outcome import Reply
from protocols.bsdp.vendor import SubOption
from protocols.bsdp.vendor import encode as instances
from protocols.dhcp.codec import decode, encode
from protocols.dhcp.message import DhcpMessage
from protocols.dhcp.option import RawOption
from tests.protocols.bsdp.site import BALANCER, CLIENT, IDENTITY, SERVER, Published, Site, http
from tests.protocols.bsdp.vectors import reply_of

XID = 0x11223344
MACHINE = Machine(
    mac=bytes.fromhex("02bbccddee01"),
    address=CLIENT,
    class_id=ClassId(arch="i386", system_id="Macmini6,1"),
    reply_port=993,
)
LISTED = decode(reply_of("main/list_v11"))
SELECTED = decode(reply_of("main/select_http"))
ENTRY = b"\x81\x00\x10\x01\x05Image"


def changed(message: DhcpMessage, **others: Any) -> bytes:
    return encode(replace(message, tail=None, **others))


def with_option(message: DhcpMessage, code: int, *data: bytes) -> bytes:
    """`message` with option `code` as these instances, or without any."""
    kept = tuple(option for option in message.options if option.code not in (code, 0))
    return changed(message, options=kept + tuple(RawOption(code, each) for each in data))


def with_sub_options(*sub_options: SubOption) -> bytes:
    return with_option(LISTED, 43, *instances(sub_options))


def judged(data: bytes, machine: Machine = MACHINE) -> ImagesListed | Rejected:
    return judge_list(data, machine, XID)


@pytest.mark.parametrize(
    "data",
    [
        changed(LISTED, op=1),
        changed(LISTED, xid=XID + 1),
        changed(LISTED, htype=6),
        changed(LISTED, hlen=16),
        changed(LISTED, chaddr=b"\x02\xbb\xcc\xdd\xee\x02"),
        changed(LISTED, ciaddr=IPv4Address(0)),
        changed(LISTED, ciaddr=SERVER),
    ],
    ids=["request", "xid", "htype", "hlen", "chaddr", "no ciaddr", "ciaddr"],
)
def test_answers_to_others_are_not_taken(data: bytes) -> None:
    """op, xid, hardware address and the client's own IP address all have to match."""
    assert judged(data) == Rejected(reason=Rejection.NOT_OURS)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (reply_of("main/list_v11")[:239], Rejection.MALFORMED),
        (with_option(LISTED, 53, b"\x02"), Rejection.NOT_ACK),
        (with_option(LISTED, 53), Rejection.NOT_ACK),
        (with_option(LISTED, 60, b"AAPLBSDPC/i386"), Rejection.CLASS_ID),
        (with_option(LISTED, 60), Rejection.CLASS_ID),
        (with_option(LISTED, 54), Rejection.SERVER_IDENTIFIER),
        (with_option(LISTED, 54, b"\x0a\x63\x00"), Rejection.SERVER_IDENTIFIER),
        (with_option(LISTED, 43), Rejection.NO_VENDOR_OPTIONS),
        (with_option(LISTED, 43, b"\x01\x02\x01"), Rejection.VENDOR_OPTIONS),
        (with_sub_options(SubOption(9, ENTRY)), Rejection.MESSAGE_TYPE),
        (with_sub_options(SubOption(1, b"\x01\x00")), Rejection.MESSAGE_TYPE),
        (with_sub_options(SubOption(1, b"\x02")), Rejection.MESSAGE_TYPE),
        (with_sub_options(SubOption(1, b"\x01")), Rejection.NO_IMAGE_LIST),
        (with_sub_options(SubOption(1, b"\x01"), SubOption(9, b"")), Rejection.NO_IMAGES),
        (with_sub_options(SubOption(1, b"\x01"), SubOption(9, ENTRY[:-1])), Rejection.IMAGE_LIST),
    ],
)
def test_defective_list_is_rejected(data: bytes, reason: Rejection) -> None:
    """Each check of Apple's client has its reason."""
    verdict = judged(data)

    assert isinstance(verdict, Rejected)
    assert verdict.reason is reason


def test_first_instance_of_an_option_counts() -> None:
    """Apple's client joins nothing but image lists: a second option 60 or 54 is not read."""
    verdict = judged(changed(LISTED, options=(*LISTED.options[:4], RawOption(60, b"/more"))))

    assert isinstance(verdict, ImagesListed)


def test_message_type_is_the_first_byte_of_its_option() -> None:
    """Apple's client does not look at the length of option 53 (BSDPClient.c:769)."""
    assert isinstance(judged(with_option(LISTED, 53, b"\x05\x00")), ImagesListed)


def test_list_tells_what_to_show() -> None:
    """Images in order with their names, the default and the selected one marked."""
    listed = judged(reply_of("main/list_after_select"))

    assert isinstance(listed, ImagesListed)
    assert (listed.server, listed.priority) == (SERVER, 32767)
    assert listed.images[0] == ShownImage(
        image_id=BootImageId(0x81001004),
        name="macOS Catalina é",
        is_default=True,
        is_selected=False,
    )
    assert [image.name for image in listed.images if image.is_selected] == ["Sierra Install"]


@pytest.mark.parametrize("code", [4, 7, 8])
def test_value_of_the_wrong_length_is_as_good_as_absent(code: int) -> None:
    """Priority, default and selected image count only with their exact length."""
    odd = SubOption(code, b"\x81\x00\x10")

    listed = judged(with_sub_options(SubOption(1, b"\x01"), odd, SubOption(9, ENTRY)))

    assert isinstance(listed, ImagesListed)
    assert listed.priority == 0
    assert not listed.images[0].is_default
    assert not listed.images[0].is_selected


def test_entries_that_cannot_be_shown_are_left_out() -> None:
    """Id 0, and a name that is no UTF-8: one cut inside a character, as Apple's server may."""
    entries = b"\0\0\0\0\x04null" + b"\x81\x00\x10\x02\x01\xc3" + ENTRY

    listed = judged(with_sub_options(SubOption(1, b"\x01"), SubOption(9, entries)))

    assert isinstance(listed, ImagesListed)
    assert [image.name for image in listed.images] == ["Image"]


def test_own_filter_is_applied_again() -> None:
    """A server that does not know the filter list must not widen it."""
    diagnostics = replace(MACHINE, attributes=(0x0300,))

    listed = judged(reply_of("main/list_filter_0300"), diagnostics)
    rejected = judged(reply_of("main/list_v11"), diagnostics)

    assert isinstance(listed, ImagesListed)
    assert [image.name for image in listed.images] == ["AHT"]
    assert rejected == Rejected(reason=Rejection.NO_IMAGES)


def test_confirmation_tells_what_to_boot() -> None:
    """Firmware boots from siaddr, `file`, option 17 and the names in option 43."""
    confirmed = judge_select(reply_of("main/select_load_balanced"), MACHINE, XID)

    assert confirmed == ImageConfirmed(
        server=SERVER,
        boot_server=BALANCER,
        boot_file=b"/private/tftpboot/NetBoot/NetBootSP0/LB.nbi/i386/booter",
        root_path=b"http://10.99.0.77/NetBoot/NetBootSP0/LB.nbi/NetInstall.dmg",
        machine_name=b"NetBoot001",
        shadow_mount_path=None,
        shadow_file_path=None,
    )


def test_confirmation_of_a_boot_file_has_no_root() -> None:
    """A BootFileOnly image comes without root path and name."""
    confirmed = judge_select(reply_of("main/select_bootfile_only"), MACHINE, XID)

    assert isinstance(confirmed, ImageConfirmed)
    assert (confirmed.root_path, confirmed.machine_name) == (None, None)


def test_shadow_of_a_diskless_image_is_told() -> None:
    """Where the shadow is mounted from, and its file."""
    server = replace(IDENTITY, shadow_mount_path="afp://u:p@10.99.0.2/N")
    offered = replace(http("Any", 0x81000001), diskless=True)
    site = Site(images=[Published(offered=offered)], identity=server)
    outcome = site.answer(select_request(MACHINE, XID, SERVER, BootImageId(0x81000001)))
    assert isinstance(outcome, Reply)

    confirmed = judge_select(encode(outcome.message), MACHINE, XID)

    assert isinstance(confirmed, ImageConfirmed)
    assert confirmed.shadow_mount_path == b"afp://u:p@10.99.0.2/N"
    assert confirmed.shadow_file_path == b"NetBoot001/Shadow"


def test_refusal() -> None:
    """ACK[FAILED] is an answer: the server has no such image any more."""
    refused = judge_select(reply_of("main/select_unknown_image"), MACHINE, XID)

    assert refused == ImageRefused(server=SERVER)


@pytest.mark.parametrize("data", [b"\x00", b"\x04", b"\x02\x00"])
def test_select_is_answered_by_select_or_failed_only(data: bytes) -> None:
    """Other BSDP messages do not end the wait."""
    verdict = judge_select(
        with_option(SELECTED, 43, *instances([SubOption(1, data)])), MACHINE, XID
    )

    assert verdict == Rejected(reason=Rejection.MESSAGE_TYPE)


def test_old_firmware_says_so() -> None:
    """Sub-option 10 stands behind the version, as in Apple's client."""
    sent = decode(list_request(replace(MACHINE, old_firmware=True), XID))

    assert sent.instances(43)[0][:9] == bytes.fromhex("010101 02020101 0a00")


def test_our_server_answers_our_client() -> None:
    """LIST and SELECT between the two halves of this package."""
    site = Site()
    outcome = site.answer(list_request(MACHINE, XID))
    assert isinstance(outcome, Reply)
    listed = judged(encode(outcome.message))
    assert isinstance(listed, ImagesListed)
    chosen = listed.images[0].image_id

    outcome = site.answer(select_request(MACHINE, XID + 1, listed.server, chosen))

    assert isinstance(outcome, Reply)
    assert isinstance(judge_select(encode(outcome.message), MACHINE, XID + 1), ImageConfirmed)
    assert site.bindings[MACHINE.mac].image_id == chosen
