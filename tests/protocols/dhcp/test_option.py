"""Option areas: instances in, instances out, and what is refused."""

from __future__ import annotations

import pytest

from protocols.dhcp.option import PADDING, RawOption, read_options, write_options
from protocols.errors import DecodeError, EncodeError


class TestReading:
    def test_instances_keep_order_duplicates_and_pads(self) -> None:
        """An area is read as it lies: order, repeated codes and pads included."""
        area = bytes.fromhex(
            "35 01 08"  # message type INFORM
            "00"  # pad
            "2b 02 01 02"  # vendor-specific
            "2b 00"  # vendor-specific, empty
            "ff"  # end
            "00 2b"  # bytes behind the end
        )

        options, end = read_options(area, 0, len(area))

        assert options == (
            RawOption(53, b"\x08"),
            PADDING,
            RawOption(43, b"\x01\x02"),
            RawOption(43, b""),
        )
        assert end == 10

    def test_missing_end_is_the_end_of_the_area(self) -> None:
        """Without an end option, reading ends where the area does."""
        assert read_options(b"\x35\x01\x08", 0, 3) == ((RawOption(53, b"\x08"),), 3)

    def test_area_within_other_bytes(self) -> None:
        """Only the bytes from start to stop are read, offsets count from the first of all."""
        data = b"\xaa\xaa\x0c\x01A\x0c\x01B"

        assert read_options(data, 2, 5) == ((RawOption(12, b"A"),), 5)
        assert read_options(data, 5, 5) == ((), 5)

    @pytest.mark.parametrize(
        ("area", "offset", "why"),
        [
            ("35", 1, "length byte is missing"),
            ("35 01", 1, "1 bytes announced, 0 left"),
            ("00 0c 05 61 62", 2, "5 bytes announced, 2 left"),
            ("0c 01 61 2b ff 00", 4, "255 bytes announced, 1 left"),
        ],
    )
    def test_instance_that_leaves_the_area(self, area: str, offset: int, why: str) -> None:
        """A length beyond the area is refused, with the code and the byte of the length."""
        data = bytes.fromhex(area)

        with pytest.raises(DecodeError, match=why) as caught:
            read_options(data, 0, len(data), "sub-option")

        assert caught.value.offset == offset
        assert caught.value.what.startswith("sub-option ")


class TestWriting:
    def test_instances_are_written_in_order(self) -> None:
        """What is read is written back byte for byte."""
        area = bytes.fromhex("350108 00 2b020102 2b00 0c0141")

        assert write_options(read_options(area, 0, len(area))[0]) == area

    @pytest.mark.parametrize(
        ("size", "lengths"),
        [(255, [255]), (256, [255, 1]), (510, [255, 255]), (600, [255, 255, 90])],
    )
    def test_long_option_is_split(self, size: int, lengths: list[int]) -> None:
        """More than 255 bytes become instances in a row, all full but the last (RFC 3396 §7)."""
        value = bytes(number % 251 for number in range(size))

        options, _ = read_options(
            area := write_options([RawOption(1, b"x"), RawOption(119, value)]), 0, len(area)
        )

        assert [code for code, _ in options] == [1] + [119] * len(lengths)
        assert [len(data) for _, data in options[1:]] == lengths
        assert b"".join(data for _, data in options[1:]) == value

    def test_long_vendor_option_is_refused(self) -> None:
        """Option 43 is never cut between bytes, because Apple's client then drops the reply."""
        assert len(write_options([RawOption(43, bytes(255))])) == 257
        with pytest.raises(EncodeError, match="between its sub-options"):
            write_options([RawOption(43, bytes(256))])

    @pytest.mark.parametrize(
        "option",
        [RawOption(0, b"x"), RawOption(255), RawOption(255, b"x"), RawOption(256), RawOption(-1)],
    )
    def test_codes_that_carry_no_data(self, option: RawOption) -> None:
        """Neither pads with data, nor an end option among the others, nor codes beyond a byte."""
        with pytest.raises(EncodeError, match="cannot be written"):
            write_options([option])
