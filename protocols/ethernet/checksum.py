"""The Internet checksum (RFC 1071), over numbers instead of words.

The ones' complement sum of 16-bit words is what the number that they spell leaves when divided by
65,535, for 65,536 leaves 1. Python divides a number of 300 bytes in less than a microsecond, where
a loop over its words takes ten times as long.
"""

from __future__ import annotations


def word_sum(data: bytes) -> int:
    """A number that leaves the same when divided by 65,535 as the sum of the words in `data`."""
    number = int.from_bytes(data, "big")
    return number << 8 if len(data) & 1 else number


def checksum(total: int) -> int:
    """What makes the sum of all words 65,535 when it is written into the checksum field.

    Zeros alone add to 0, which no other words do: they take 65,535, all others less.
    """
    return -total % 0xFFFF if total else 0xFFFF
