"""Replies given again are the replies of the full path."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from protocols.bsdp import vendor
from protocols.bsdp.outcome import Binding, Reply, ReplyKind
from protocols.bsdp.request import BsdpRequest, request_from
from protocols.bsdp.server import respond
from protocols.bsdp.template import ReplyTemplate, is_memorable, question_of
from protocols.dhcp.codec import XID, decode, encode
from protocols.dhcp.option import RawOption
from tests.protocols.bsdp.ask import (
    DISCOVER_REQUEST,
    FILTER_DIAGNOSTICS,
    HERE,
    LIST,
    SELECT,
    VERSION,
    datagram,
    image,
    message,
)
from tests.protocols.bsdp.site import CLIENT, IDENTITY, MAIN, NOWHERE

IMAGES = [each.offered for each in MAIN]
BOUND = Binding(image_id=IMAGES[5].image_id, number=1, machine_name="NetBoot001")

ASKED = st.sampled_from(
    [
        datagram(LIST, VERSION),
        datagram(LIST, VERSION, FILTER_DIAGNOSTICS, vendor.REPLY_PORT.sub_option(993)),
        datagram(LIST, vendor.VERSION.sub_option(0x0100)),
        datagram(LIST, VERSION, options=(RawOption(57, b"\x05\xdc"), RawOption(82, b"\1\1x"))),
        datagram(SELECT, VERSION, HERE, image(0x8100ABCD)),
        datagram(LIST, VERSION, sname=b"srv.test", file=b"ignored"),
    ]
)
HEADERS = st.binary(min_size=28, max_size=28)


def outcome(data: bytes, binding: Binding | None) -> Reply:
    """The reply by decoding and deciding."""
    request = request_from(decode(data), NOWHERE)
    assert isinstance(request, BsdpRequest)
    reply = respond(
        request, images=IMAGES, server=IDENTITY, binding=binding, known_clients=1, next_number=2
    )
    assert isinstance(reply, Reply)
    return reply


def full(data: bytes, binding: Binding | None) -> bytes:
    """The bytes by the full path."""
    return encode(outcome(data, binding).message)


def with_header(data: bytes, header: bytes) -> bytes:
    """`data` with another xid, secs, flags, ciaddr, yiaddr, giaddr and hops."""
    fields = bytearray(data)
    for at in (*range(3, 20), *range(24, 28)):
        fields[at] = header[at]
    return bytes(fields)


@given(ASKED, HEADERS, HEADERS, st.binary(min_size=6, max_size=6), st.sampled_from([None, BOUND]))
def test_a_reply_given_again_is_that_of_the_full_path(
    asked: bytes, header: bytes, other: bytes, mac: bytes, binding: Binding | None
) -> None:
    """Whatever the header, another hops and xid get the bytes that `respond` gives."""
    first = with_header(asked[:28] + mac + asked[34:], header)
    assume(is_memorable(first))
    second = first[:3] + other[3:8] + first[8:]
    answer = full(first, binding)

    again = ReplyTemplate(answer).with_xid(second[XID])

    assert is_memorable(second)
    assert question_of(first) == question_of(second)
    assert again == full(second, binding)


def test_question_holds_all_that_an_answer_depends_on() -> None:
    """Another machine, address, relay, flag, name, file or option is another question."""
    asked = datagram(LIST, VERSION)
    others = [
        datagram(LIST, VERSION, chaddr=b"\x02\xbb\xcc\xdd\xee\x02"),
        datagram(LIST, VERSION, ciaddr=IPv4Address("10.0.0.99")),
        datagram(LIST, VERSION, giaddr=IPv4Address("10.0.0.98")),
        datagram(LIST, VERSION, flags=0x8000),
        datagram(LIST, VERSION, sname=b"other"),
        datagram(LIST, VERSION, file=b"file"),
        datagram(LIST, VERSION, FILTER_DIAGNOSTICS),
    ]

    assert len({question_of(data) for data in [asked, *others]}) == 8


@pytest.mark.parametrize(
    "data",
    [
        datagram(LIST, VERSION, op=2),
        datagram(LIST, VERSION, htype=6),
        datagram(LIST, VERSION, hlen=8),
        datagram(LIST, VERSION, ciaddr=NOWHERE),
        datagram(LIST, VERSION, ciaddr=IPv4Address("224.0.0.1")),
        datagram(LIST, VERSION, siaddr=CLIENT),
        encode(DISCOVER_REQUEST),
        b"",
        b"\x01\x01\x06",
    ],
)
def test_not_memorable_where_an_answer_depends_on_more(data: bytes) -> None:
    """Replies, other hardware, siaddr, and what is answered at its source are not remembered."""
    assert not is_memorable(data)


def test_only_answers_without_effect_are_repeatable() -> None:
    """A SELECT must be decided each time; an OFFER does not echo a DISCOVER's odd ciaddr."""
    asked = {
        ReplyKind.LIST: message(LIST, VERSION),
        ReplyKind.FAILED: message(SELECT, VERSION, HERE, image(0x8100ABCD)),
        ReplyKind.SELECT: message(SELECT, VERSION, HERE, image(0x810003E9)),
        ReplyKind.OFFER: replace(DISCOVER_REQUEST, ciaddr=CLIENT),
    }
    outcomes = [outcome(encode(each), BOUND) for each in asked.values()]

    assert [each.kind for each in outcomes] == list(asked)
    assert [each.is_repeatable for each in outcomes] == [True, True, False, False]
    assert outcomes[3].message.ciaddr == NOWHERE
