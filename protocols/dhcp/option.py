"""DHCP options as they lie on the wire: code, length, data, one after another.

This module walks and writes option areas and gives no meaning to any option (`registry` does). It
must never reorder, merge or drop an instance: relays, BSDP and authentication depend on the order.

    +------+-----+----------------+     pad (0) and end (255) are one byte each, without a length
    | code | len | len bytes …    |
    +------+-----+----------------+
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from protocols.errors import DecodeError, EncodeError

PAD: Final = 0
END: Final = 255
VENDOR_SPECIFIC: Final = 43

INSTANCE_LIMIT: Final = 255
"""The most data that one instance carries: its length is one byte."""


class RawOption(NamedTuple):
    """One option instance: its code (1..254) and its data, uninterpreted.

    Decoded instances carry at most 255 bytes. A longer one may be built; it is split when written.
    A pad byte between options is an instance too: `PADDING`.

    A named tuple and not a dataclass, because a message is mostly these: building one costs half.
    """

    code: int
    data: bytes = b""


PADDING: Final = RawOption(PAD)


def read_options(
    data: bytes, start: int, stop: int, what: str = "option"
) -> tuple[tuple[RawOption, ...], int]:
    """Read the area `data[start:stop]`: its instances in order, and where reading ended.

    That is the offset of the end option, or `stop` where there is none, which is legitimate:
    Apple's client and server do without (BSDPClient.c, `dhcpol_parse_buffer`).
    Raises DecodeError, naming `what` and the code, for an instance that leaves the area.
    """
    options: list[RawOption] = []
    at = start
    while at < stop:
        code = data[at]
        if code == END:
            break
        if code == PAD:
            options.append(PADDING)
            at += 1
            continue
        if at + 1 == stop:
            raise DecodeError(f"{what} {code}", at + 1, "the length byte is missing")
        end = at + 2 + data[at + 1]
        if end > stop:
            raise DecodeError(
                f"{what} {code}", at + 1, f"{data[at + 1]} bytes announced, {stop - at - 2} left"
            )
        options.append(RawOption(code, data[at + 2 : end]))
        at = end
    return tuple(options), at


def write_options(options: Iterable[RawOption]) -> bytes:
    """The bytes of `options` in their order, without an end option.

    An instance of more than 255 bytes becomes several of the same code (RFC 3396 §7), except the
    vendor-specific option 43: Apple parses each of its instances on its own, so who writes it must
    cut it between sub-options. Raises EncodeError for that, and for codes that carry no data.
    """
    parts: list[bytes] = []
    for code, data in options:
        if len(data) <= INSTANCE_LIMIT and PAD < code < END:
            parts.append(bytes((code, len(data))))
            parts.append(data)
        elif code == PAD and not data:
            parts.append(b"\0")
        else:
            parts.extend(_split(code, data))
    return b"".join(parts)


def _split(code: int, data: bytes) -> Iterable[bytes]:
    if not PAD < code < END:
        raise EncodeError(f"option {code} with {len(data)} bytes cannot be written")
    if code == VENDOR_SPECIFIC:
        raise EncodeError(f"option 43 of {len(data)} bytes must be cut between its sub-options")
    for at in range(0, len(data), INSTANCE_LIMIT):
        part = data[at : at + INSTANCE_LIMIT]
        yield bytes((code, len(part)))
        yield part
