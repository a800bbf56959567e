"""Compressed domain names: pointers back, and no way to loop, overrun or outgrow."""

from __future__ import annotations

import pytest

from protocols.dhcp.registry import DOMAIN_SEARCH
from protocols.errors import DecodeError, EncodeError

LABEL_63 = b"\x3f" + b"a" * 63


class TestDecode:
    @pytest.mark.parametrize(
        ("wire", "names"),
        [
            (b"\x03com\x00", ("com",)),
            (b"\x00", ("",)),
            (b"\x01a\x01b\x00\xc0\x02", ("a.b", "b")),
            (b"\x01a\x00\x01b\xc0\x00\x01c\xc0\x03", ("a", "b.a", "c.b.a")),
            (b"\x01a\x00\xc0\x00\xc0\x03", ("a", "a", "a")),
            (b"\x01a\x00\xc0\x02", ("a", "")),
            (b"\x02\xc3\xa9\x00", ("\u00e9",)),
            (LABEL_63 * 3 + b"\x3d" + b"b" * 61 + b"\x00", None),
        ],
    )
    def test_names(self, wire: bytes, names: tuple[str, ...] | None) -> None:
        """Labels up to an empty one, or up to a pointer to labels of an earlier name."""
        found = DOMAIN_SEARCH.decode(wire)

        if names is None:
            assert [len(name) for name in found] == [253]  # 255 bytes on the wire
        else:
            assert found == names

    @pytest.mark.parametrize(
        "wire",
        [
            b"\x03com",  # no end
            b"\x05com\x00",  # a label that leaves the option
            b"\xc0\x00",  # a pointer to itself
            b"\x01a\xc0\x00",  # a pointer into its own name: a loop
            b"\xc0\x02\x01a\x00",  # a pointer forwards
            b"\x01a\x00\xc0\x01",  # a pointer into the middle of a label
            b"\x01a\x00\xc0\x09",  # a pointer out of the option
            b"\x01a\x00\xc0",  # half a pointer
            b"\x40\x00",  # label type 01, unassigned
            b"\x80\x00",  # label type 10, unassigned
            b"\x03a.b\x00",  # a dot inside a label
            LABEL_63 * 3 + b"\x3e" + b"b" * 62 + b"\x00",  # 256 bytes
            LABEL_63 * 3 + b"\x00\x3f" + b"c" * 63 + b"\xc0\x00",  # 257 bytes when unfolded
        ],
    )
    def test_malformed(self, wire: bytes) -> None:
        """Everything else is refused."""
        with pytest.raises(DecodeError, match="domain search"):
            DOMAIN_SEARCH.decode(wire)


class TestEncode:
    @pytest.mark.parametrize(
        ("names", "wire"),
        [
            (("com",), b"\x03com\x00"),
            (("a.b", "b"), b"\x01a\x01b\x00\xc0\x02"),
            (("a", "a"), b"\x01a\x00\xc0\x00"),
            (("a", "b.a", "c.b.a"), b"\x01a\x00\x01b\xc0\x00\x01c\xc0\x03"),
            (("", "a"), b"\x00\x01a\x00"),
        ],
    )
    def test_names(self, names: tuple[str, ...], wire: bytes) -> None:
        """The end of a name that came before is written as a pointer to it."""
        assert DOMAIN_SEARCH.encode(names) == wire

    @pytest.mark.parametrize(
        "names",
        [
            (),
            ("a..b",),
            ("com.",),
            (".com",),
            ("a" * 64,),
            (".".join(["a" * 63] * 4),),
        ],
    )
    def test_name_that_cannot_be_written(self, names: tuple[str, ...]) -> None:
        """Empty and overlong labels, overlong names and an empty list are refused."""
        with pytest.raises(EncodeError, match="domain search"):
            DOMAIN_SEARCH.encode(names)
