"""BSDP as software that this project did not write speaks it (`tests/data/real_clients.json`)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from protocols.bsdp.answer import ImageConfirmed, ImagesListed, judge_list, judge_select
from protocols.bsdp.class_id import ClassId
from protocols.bsdp.inform import Machine
from protocols.bsdp.outcome import Outcome, Reason, Reply, ReplyKind, Silence
from protocols.bsdp.request import question_from
from protocols.dhcp.codec import decode
from tests.protocols.bsdp.site import IDENTITY, Published, Site, http
from tests.protocols.dhcp.capture import Captured, captured

SERVER = IPv4Address("10.77.0.1")
ANSWERED = {
    "bsdp-go-dnsmasq": [ReplyKind.LIST, ReplyKind.SELECT],
    "bsdp-go-go": [ReplyKind.LIST, ReplyKind.SELECT],
    "bsdp-go-go-ciaddr0": [ReplyKind.LIST, ReplyKind.SELECT],
    "bsdp-go-go-port993": [ReplyKind.LIST, ReplyKind.SELECT],
    "bsdp-sdt-dnsmasq": [ReplyKind.LIST],
    "dhcpcd-bsdp-list": [ReplyKind.LIST],
    "dhcpcd-bsdp-select": [ReplyKind.SELECT],
    "relay-bsdp": [ReplyKind.LIST],
    "scapy-bsdp": [ReplyKind.LIST, ReplyKind.SELECT],
}
UNANSWERED = {
    "dhclient-bsdp": {Reason.NOT_BOUND, Reason.DHCP_REQUEST},
    "dhclient-inform": {Reason.NO_ADDRESS},
    "dhcpcd-inform": {Reason.NO_VENDOR_OPTIONS},
    "ipxe-mac-vendorclass": {Reason.NO_VENDOR_OPTIONS},
    "networkd": {Reason.NOT_BOUND, Reason.DHCP_REQUEST},
    "perfdhcp": {Reason.NO_VENDOR_OPTIONS},
    "udhcpc": {Reason.NOT_BOUND, Reason.DHCP_REQUEST},
}


def sent(capture: str) -> list[Captured]:
    """The DHCP requests of a capture."""
    return [d for d in captured() if d.capture == capture and d.is_dhcp and d.payload[0] == 1]


def answered(capture: str) -> list[tuple[Captured, Outcome]]:
    """What we make of the requests that claim to be BSDP."""
    images = [
        Published(offered=http("A", 0x8100052A)),
        Published(offered=http("B", 0x0100004D)),
    ]
    site = Site(images=images, identity=replace(IDENTITY, address=SERVER))
    outcomes = [(each, site.answer(each.payload, each.source)) for each in sent(capture)]
    return [(each, outcome) for each, outcome in outcomes if outcome is not None]


@pytest.mark.parametrize("capture", ANSWERED)
def test_bsdp_client_is_answered(capture: str) -> None:
    """dhcpcd, scapy, sdt.py and Go's client get their list and their image, where they are."""
    outcomes = answered(capture)

    assert [o.kind if isinstance(o, Reply) else o for _, o in outcomes] == ANSWERED[capture]
    for each, outcome in outcomes:
        assert isinstance(outcome, Reply)
        ciaddr = decode(each.payload).ciaddr
        assert outcome.route.address == (ciaddr if int(ciaddr) else each.source)


@pytest.mark.parametrize("capture", UNANSWERED)
def test_client_without_a_question_has_a_reason(capture: str) -> None:
    """A DHCP client that calls itself a Mac is left to the DHCP server, and the log says why."""
    outcomes = [outcome for _, outcome in answered(capture)]

    assert outcomes
    assert all(isinstance(outcome, Silence) for outcome in outcomes)
    assert {outcome.reason for outcome in outcomes} == UNANSWERED[capture]


def test_firmware_that_is_no_mac_is_not_bsdp() -> None:
    """No PXE, HTTP boot or plain DHCP client of the captures is taken for a Mac."""
    others = [
        d for d in captured() if d.is_dhcp and d.payload[0] == 1 and b"AAPLBSDPC" not in d.payload
    ]

    assert len(others) > 100
    assert {question_from(decode(each.payload)) for each in others} == {None}


def test_replies_of_another_server_satisfy_our_client() -> None:
    """The Go library's BSDP server is understood: its list, and its confirmation."""
    requests, replies = (
        sent("bsdp-go-go"),
        [d for d in captured() if d.capture == "bsdp-go-go" and d.is_dhcp and d.payload[0] == 2],
    )
    message = decode(requests[0].payload)
    machine = Machine(
        mac=message.hardware_address,
        address=message.ciaddr,
        class_id=ClassId(arch="i386", system_id="MacMini6,1"),
        reply_port=68,
    )

    listed = judge_list(replies[0].payload, machine, message.xid)
    confirmed = judge_select(replies[1].payload, machine, decode(requests[1].payload).xid)

    assert isinstance(listed, ImagesListed)
    assert isinstance(confirmed, ImageConfirmed)
