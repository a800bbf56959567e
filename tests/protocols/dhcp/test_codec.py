"""Bytes to message and back, field by field."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from protocols.dhcp import codec
from protocols.dhcp.codec import decode, encode, split_header
from protocols.dhcp.message import DhcpMessage
from protocols.dhcp.option import PADDING, RawOption
from protocols.errors import DecodeError, EncodeError

HEADER = (
    bytes.fromhex(
        "02 01 06 03"  # op reply, htype Ethernet, hlen, hops
        "deadbeef"  # xid
        "0102 8000"  # secs, flags
        "0a000001 0a000002 0a000003 0a000004"  # ciaddr, yiaddr, siaddr, giaddr
        "020000000001 00000000000000000000"  # chaddr
    )
    + b"server".ljust(64, b"\0")
    + b"boot/file".ljust(128, b"\0")
)
COOKIE = bytes.fromhex("63825363")
MESSAGE = DhcpMessage(
    op=2,
    hops=3,
    xid=0xDEADBEEF,
    secs=0x0102,
    flags=0x8000,
    ciaddr=IPv4Address("10.0.0.1"),
    yiaddr=IPv4Address("10.0.0.2"),
    siaddr=IPv4Address("10.0.0.3"),
    giaddr=IPv4Address("10.0.0.4"),
    chaddr=bytes.fromhex("020000000001"),
    sname=b"server",
    file=b"boot/file",
    options=(RawOption(53, b"\5"), PADDING, RawOption(12, b"A")),
)
OPTIONS = bytes.fromhex("350105 00 0c0141")


class TestDecode:
    def test_every_field(self) -> None:
        """Each field is read from its place in RFC 2131 figure 1."""
        data = HEADER + COOKIE + OPTIONS + b"\xff\0\0"

        assert decode(data) == replace(MESSAGE, tail=b"\xff\0\0")

    @pytest.mark.parametrize("tail", [b"", b"\xff", b"\xff\0\0\0", b"\xff\x0c\xff junk"])
    def test_end_and_what_follows(self, tail: bytes) -> None:
        """The end option may be missing; what follows it is kept and never read."""
        message = decode(HEADER + COOKIE + OPTIONS + tail)

        assert message == replace(MESSAGE, tail=tail)

    def test_no_options_at_all(self) -> None:
        """A message may stop behind its cookie."""
        assert decode(HEADER + COOKIE) == replace(MESSAGE, options=(), tail=b"")

    @pytest.mark.parametrize("size", [0, 1, 43, 235, 236, 239])
    def test_truncated_header(self, size: int) -> None:
        """Bytes that end before the options are refused at their end."""
        with pytest.raises(DecodeError, match="240 fixed bytes") as caught:
            decode((HEADER + COOKIE)[:size])

        assert caught.value.offset == size

    def test_missing_cookie(self) -> None:
        """Without the cookie there is no telling what follows, so plain BOOTP is refused."""
        with pytest.raises(DecodeError, match="magic cookie at byte 236: is 63825364"):
            decode(HEADER + bytes.fromhex("63825364") + OPTIONS)

    @pytest.mark.parametrize("op", [0, 3, 255])
    def test_op_out_of_range(self, op: int) -> None:
        """A message is a request or a reply."""
        with pytest.raises(DecodeError, match="op at byte 0"):
            decode(bytes((op,)) + HEADER[1:] + COOKIE)

    @pytest.mark.parametrize("hlen", [17, 255])
    def test_hlen_beyond_chaddr(self, hlen: int) -> None:
        """A hardware address longer than chaddr is refused, as Apple's bootpd.c does."""
        with pytest.raises(DecodeError, match="hlen at byte 2"):
            decode(HEADER[:2] + bytes((hlen,)) + HEADER[3:] + COOKIE)

    @pytest.mark.parametrize("hlen", [0, 16])
    def test_hlen_within_chaddr(self, hlen: int) -> None:
        """InfiniBand sends no hardware address (RFC 4390), FireWire and others up to 16 bytes."""
        assert decode(HEADER[:2] + bytes((hlen,)) + HEADER[3:] + COOKIE).hlen == hlen

    def test_option_that_leaves_the_message(self) -> None:
        """The offset of a bad option counts from the start of the message."""
        with pytest.raises(DecodeError, match="option 43 at byte 248: 9 bytes announced, 1 left"):
            decode(HEADER + COOKIE + OPTIONS + b"\x2b\x09\x01")

    def test_option_52_inside_other_data_is_not_overload(self) -> None:
        """A byte 52 in some value (here a request for option 52) overloads nothing."""
        message = decode(HEADER + COOKIE + b"\x37\x01\x34\xff")

        assert message.option(55) == b"\x34"

    def test_overloaded_name(self) -> None:
        """A message that claims overload over a plain name is refused when it is decoded."""
        named = HEADER[:108] + b"x" * 128

        with pytest.raises(DecodeError, match="option in file 120 at byte 231: 120 bytes"):
            decode(named + COOKIE + b"\x34\x01\x01\xff")


class TestEncode:
    def test_every_field(self) -> None:
        """Each field is written to its place, then end and NULs up to 300 bytes."""
        expected = (HEADER + COOKIE + OPTIONS + b"\xff").ljust(300, b"\0")

        assert encode(MESSAGE) == expected

    @pytest.mark.parametrize(("minimum", "size"), [(0, 248), (248, 248), (249, 249), (576, 576)])
    def test_minimum(self, minimum: int, size: int) -> None:
        """A built message is as long as its options need, or as `minimum` asks."""
        assert len(encode(MESSAGE, minimum=minimum)) == size

    def test_decoded_message_is_not_padded(self) -> None:
        """A decoded message is written as long as it was, whatever the minimum."""
        data = HEADER + COOKIE + OPTIONS

        assert encode(decode(data)) == data

    @pytest.mark.parametrize(
        "change",
        [
            {"op": 0},
            {"op": 3},
            {"hlen": 17},
            {"hlen": -1},
            {"htype": 256},
            {"xid": 1 << 32},
            {"secs": 1 << 16},
            {"flags": -1},
        ],
    )
    def test_number_out_of_range(self, change: dict[str, int]) -> None:
        """A number that its field cannot hold is refused."""
        with pytest.raises(EncodeError, match="out of range"):
            encode(replace(MESSAGE, **change))

    def test_tail_without_end_option(self) -> None:
        """A tail that would be read as options is refused."""
        with pytest.raises(EncodeError, match="end option"):
            encode(replace(MESSAGE, tail=b"\0\xff"))

    def test_message_beyond_a_datagram(self) -> None:
        """A message that no UDP datagram can carry is refused."""
        room = codec.MAXIMUM_SIZE - 240 - 1
        options = [RawOption(12, bytes(253))] * (room // 255)
        rest = room - 255 * len(options)
        fits = replace(MESSAGE, options=(*options, *[PADDING] * rest))

        assert len(encode(fits)) == 65507
        with pytest.raises(EncodeError, match="65508 bytes"):
            encode(replace(fits, options=(*fits.options, PADDING)))


class TestSplitHeader:
    def test_header_and_area(self) -> None:
        """The header comes back whole and the options area unread."""
        assert split_header(HEADER + COOKIE + b"\x0c\xff") == (HEADER, b"\x0c\xff")

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            (codec.XID, "deadbeef"),
            (codec.SECS, "0102"),
            (codec.FLAGS, "8000"),
            (codec.CIADDR, "0a000001"),
            (codec.YIADDR, "0a000002"),
            (codec.SIADDR, "0a000003"),
            (codec.GIADDR, "0a000004"),
            (codec.CHADDR, "02000000000100000000000000000000"),
            (codec.SNAME, (b"server" + bytes(58)).hex()),
            (codec.FILE, (b"boot/file" + bytes(119)).hex()),
        ],
    )
    def test_named_places(self, field: slice, value: str) -> None:
        """The named slices are where the fields lie."""
        assert HEADER[field].hex() == value

    def test_named_bytes(self) -> None:
        """The named offsets are where the one-byte fields lie."""
        places = (codec.OP, codec.HTYPE, codec.HLEN, codec.HOPS)

        assert [HEADER[place] for place in places] == [2, 1, 6, 3]
