"""The message as a value: names, overload (RFC 2132 §9.3), long options (RFC 3396), types."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from protocols.dhcp.codec import decode, encode
from protocols.dhcp.message import DhcpMessage
from protocols.dhcp.option import PADDING, RawOption
from protocols.dhcp.registry import (
    DOMAIN_SEARCH,
    HOST_NAME,
    ROUTER,
    SERVER_IDENTIFIER,
    SUBNET_MASK,
)
from protocols.errors import DecodeError, EncodeError

OVERLOAD_FILE = RawOption(52, b"\1")
OVERLOAD_SNAME = RawOption(52, b"\2")
OVERLOAD_BOTH = RawOption(52, b"\3")


class TestFields:
    def test_short_fields_are_filled_at_birth(self) -> None:
        """A message always holds 16, 64 and 128 bytes of chaddr, sname and file."""
        message = DhcpMessage(op=1, chaddr=b"\2\0\0\0\0\1", sname=b"srv", file=b"booter")

        assert message.chaddr == b"\2\0\0\0\0\1" + bytes(10)
        assert message.sname == b"srv" + bytes(61)
        assert message.file == b"booter" + bytes(122)
        assert message.hardware_address == b"\2\0\0\0\0\1"

    @pytest.mark.parametrize(("name", "size"), [("chaddr", 16), ("sname", 64), ("file", 128)])
    def test_long_fields_are_refused(self, name: str, size: int) -> None:
        """A name that its field cannot hold is never cut in silence."""
        kept = DhcpMessage(op=2, **{name: b"x" * size})

        assert getattr(kept, name) == b"x" * size
        with pytest.raises(EncodeError, match=f"{name} of {size + 1} bytes"):
            DhcpMessage(op=2, **{name: b"x" * (size + 1)})

    def test_hardware_address_is_cut_by_hlen(self) -> None:
        """The hardware address is as long as hlen says."""
        assert DhcpMessage(op=1, hlen=0, chaddr=b"abcdef").hardware_address == b""
        assert len(DhcpMessage(op=1, hlen=16).hardware_address) == 16

    @pytest.mark.parametrize(("flags", "broadcast"), [(0x8000, True), (0x7FFF, False), (0, False)])
    def test_broadcast_flag(self, flags: int, broadcast: bool) -> None:
        """The broadcast flag is the leftmost bit of flags."""
        assert DhcpMessage(op=1, flags=flags).broadcast is broadcast

    def test_names_end_at_their_nul(self) -> None:
        """A name ends at its first NUL, whatever lies behind; one without NUL fills its field."""
        message = DhcpMessage(op=2, sname=b"srv\0junk", file=b"f" * 128)

        assert message.server_name == b"srv"
        assert message.boot_file == b"f" * 128


class TestInstances:
    def test_absent_option(self) -> None:
        """An option that is not there is None, unlike an empty one."""
        message = DhcpMessage(op=1, options=(PADDING, RawOption(80)))

        assert message.option(12) is None
        assert message.instances(12) == ()
        assert message.value(HOST_NAME) is None
        assert message.option(80) == b""

    def test_instances_in_the_order_of_rfc_3396(self) -> None:
        """The options area comes first, then file, then sname, though sname lies before file."""
        message = DhcpMessage(
            op=1,
            file=bytes.fromhex("0c0142 ff 0c0158"),
            sname=bytes.fromhex("00 0c0143 ff"),
            options=(RawOption(12, b"A"), OVERLOAD_BOTH, RawOption(12, b"a")),
        )

        assert message.instances(12) == (b"A", b"a", b"B", b"C")
        assert message.option(12) == b"AaBC"

    @pytest.mark.parametrize(
        ("overload", "found"),
        [((), (b"A",)), ((OVERLOAD_FILE,), (b"A", b"B")), ((OVERLOAD_SNAME,), (b"A", b"C"))],
    )
    def test_only_overloaded_fields_hold_options(
        self, overload: tuple[RawOption, ...], found: tuple[bytes, ...]
    ) -> None:
        """A field that is not overloaded holds a name, even if it looks like options."""
        message = DhcpMessage(
            op=1,
            file=bytes.fromhex("0c0142 ff"),
            sname=bytes.fromhex("0c0143 ff"),
            options=(RawOption(12, b"A"), *overload),
        )

        assert message.instances(12) == found

    def test_overload_within_a_field_means_nothing(self) -> None:
        """Only the options area can overload; option 52 inside file is not followed."""
        message = DhcpMessage(
            op=1,
            file=bytes.fromhex("340102 ff"),
            sname=bytes.fromhex("0c0143 ff"),
            options=(OVERLOAD_FILE,),
        )

        assert message.instances(12) == ()
        assert message.instances(52) == (b"\1", b"\2")

    def test_names_of_overloaded_fields_come_from_options(self) -> None:
        """Where a field holds options, its name is in option 66 or 67 (RFC 2132 §9.4, §9.5)."""
        message = DhcpMessage(
            op=2,
            file=bytes.fromhex("42 04 73727600 ff"),  # TFTP server name "srv" with its NUL
            sname=bytes.fromhex("43 06 626f6f746572 ff"),  # boot file name "booter"
            options=(OVERLOAD_BOTH,),
        )

        assert message.server_name == b"srv"
        assert message.boot_file == b"booter"

    def test_overloaded_fields_without_names(self) -> None:
        """An overloaded field whose option is missing means no name."""
        message = DhcpMessage(op=2, options=(OVERLOAD_BOTH,))

        assert (message.server_name, message.boot_file) == (b"", b"")

    @pytest.mark.parametrize(
        "options",
        [
            (RawOption(52, b""),),
            (RawOption(52, b"\0"),),
            (RawOption(52, b"\4"),),
            (RawOption(52, b"\1\1"),),
            (OVERLOAD_FILE, OVERLOAD_FILE),
        ],
    )
    def test_malformed_overload(self, options: tuple[RawOption, ...]) -> None:
        """Option 52 is one byte of 1..3, once."""
        message = DhcpMessage(op=1, options=(PADDING, RawOption(53, b"\1"), *options))

        with pytest.raises(DecodeError, match="option 52") as caught:
            message.instances(12)

        assert caught.value.offset == 240 + 1 + 3 + 2

    @pytest.mark.parametrize(
        ("field", "overload", "what", "offset"),
        [
            ("file", OVERLOAD_FILE, "option in file 12", 108 + 127),
            ("sname", OVERLOAD_SNAME, "option in sname 12", 44 + 63),
        ],
    )
    def test_overloaded_field_with_an_option_that_leaves_it(
        self, field: str, overload: RawOption, what: str, offset: int
    ) -> None:
        """An option must end within its field, and the error says where in the message it is."""
        size = {"file": 128, "sname": 64}[field]
        message = DhcpMessage(op=1, options=(overload,), **{field: bytes(size - 2) + b"\x0c\x01"})

        with pytest.raises(DecodeError, match=what) as caught:
            decode(encode(message))

        assert caught.value.offset == offset


class TestValues:
    def test_typed_value(self) -> None:
        """A value is what its option's type makes of the joined instances."""
        message = DhcpMessage(
            op=2,
            options=(
                ROUTER.of((IPv4Address("10.0.0.1"),)),
                SERVER_IDENTIFIER.of(IPv4Address("10.0.0.2")),
                ROUTER.of((IPv4Address("10.0.0.3"),)),
            ),
        )

        assert message.value(SERVER_IDENTIFIER) == IPv4Address("10.0.0.2")
        assert message.value(ROUTER) == (IPv4Address("10.0.0.1"), IPv4Address("10.0.0.3"))

    def test_rfc_3397_example(self) -> None:
        """The search list of RFC 3397 §3, in the two instances of its example."""
        message = DhcpMessage(
            op=2,
            options=(
                RawOption(119, b"\x03eng\x05apple\x03com\x00\x09marketi"[:9]),
                RawOption(119, b"\x03eng\x05apple\x03com\x00\x09marketing\xc0\x04"[9:]),
            ),
        )

        assert message.value(DOMAIN_SEARCH) == ("eng.apple.com", "marketing.apple.com")

    def test_malformed_value_names_option_and_byte(self) -> None:
        """Who asks for a malformed value learns its option and the byte of the message."""
        message = DhcpMessage(
            op=2, options=(PADDING, RawOption(53, b"\2"), RawOption(54, b"\x0a\0\0"))
        )

        with pytest.raises(DecodeError) as caught:
            message.value(SERVER_IDENTIFIER)

        assert caught.value.what == "option 54 (server identifier)"
        assert caught.value.offset == 240 + 1 + 3 + 2 + 3
        assert str(caught.value) == (
            "option 54 (server identifier) at byte 249: 3 bytes that are not an IPv4 address"
        )

    def test_malformed_value_spread_over_areas(self) -> None:
        """The byte is right when the value is joined from the options area and from file."""
        message = DhcpMessage(
            op=2,
            options=(OVERLOAD_FILE, RawOption(1, b"\xff\xff"), RawOption(12, b"x")),
            file=b"\x0c\x00\x01\x03\xff\xff\x01\xff",
        )

        with pytest.raises(DecodeError) as caught:
            message.value(SUBNET_MASK)

        # Four bytes are the mask: 242+3..244+3 and two of file; the fifth, at 108+6, is too many.
        assert caught.value.offset == 108 + 6

    def test_malformed_message_has_other_values(self) -> None:
        """One malformed option does not hide the others."""
        message = DhcpMessage(op=2, options=(RawOption(54, b""), RawOption(1, b"\xff\0\0\0")))

        assert message.value(SUBNET_MASK) == IPv4Address("255.0.0.0")
