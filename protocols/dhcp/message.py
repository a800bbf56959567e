"""The DHCP message (RFC 2131 §2) as a value.

It holds what the wire holds, in wire order, so that encoding a decoded message gives the same bytes
again. It must never interpret an option unasked: a message with a nonsensical lease time is still a
message, and only who asks for the lease time learns that it is nonsense.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Final, TypeVar

from protocols.dhcp.option import PAD, RawOption, read_options
from protocols.errors import DecodeError, EncodeError

if TYPE_CHECKING:
    from protocols.dhcp.registry import OptionType

T = TypeVar("T")

BOOTREQUEST: Final = 1
BOOTREPLY: Final = 2
BROADCAST_FLAG: Final = 0x8000
NO_ADDRESS: Final = IPv4Address(0)

CHADDR_SIZE: Final = 16
SNAME_SIZE: Final = 64
FILE_SIZE: Final = 128
OPTIONS_OFFSET: Final = 240
"""Where the options begin: 236 bytes of header and the magic cookie."""

SNAME_OFFSET: Final = 44
FILE_OFFSET: Final = 108

OVERLOAD: Final = 52
TFTP_SERVER_NAME: Final = 66
BOOT_FILE_NAME: Final = 67
RELAY_AGENT_INFORMATION: Final = 82

FILE_HOLDS_OPTIONS: Final = 1
SNAME_HOLDS_OPTIONS: Final = 2
_OVERLOADS: Final = (b"\1", b"\2", b"\3")


@dataclass(frozen=True, slots=True, kw_only=True)
class DhcpMessage:
    """One message, fields named as in RFC 2131 §2.

    `chaddr`, `sname` and `file` are 16, 64 and 128 bytes; shorter ones are filled with NULs at
    birth, longer ones raise EncodeError. `options` are the instances of the options area in wire
    order, pads between them included. `tail` is what ended that area: the end option and all bytes
    behind it, or nothing where the message just stops; None lets `encode` write the end option and
    pad.
    """

    op: int
    htype: int = 1
    hlen: int = 6
    hops: int = 0
    xid: int = 0
    secs: int = 0
    flags: int = 0
    ciaddr: IPv4Address = NO_ADDRESS
    yiaddr: IPv4Address = NO_ADDRESS
    siaddr: IPv4Address = NO_ADDRESS
    giaddr: IPv4Address = NO_ADDRESS
    chaddr: bytes = bytes(CHADDR_SIZE)
    sname: bytes = bytes(SNAME_SIZE)
    file: bytes = bytes(FILE_SIZE)
    options: tuple[RawOption, ...] = ()
    tail: bytes | None = None

    def __post_init__(self) -> None:
        sizes = len(self.chaddr), len(self.sname), len(self.file)
        if sizes == (CHADDR_SIZE, SNAME_SIZE, FILE_SIZE):
            return  # every decoded message
        for name, size in (("chaddr", CHADDR_SIZE), ("sname", SNAME_SIZE), ("file", FILE_SIZE)):
            value: bytes = getattr(self, name)
            if len(value) > size:
                raise EncodeError(f"{name} of {len(value)} bytes does not fit its {size}")
            object.__setattr__(self, name, value.ljust(size, b"\0"))

    @property
    def hardware_address(self) -> bytes:
        """The part of `chaddr` that `hlen` says is used."""
        return self.chaddr[: self.hlen]

    @property
    def broadcast(self) -> bool:
        """Whether the client asks for broadcast replies (RFC 2131 §2, figure 2)."""
        return bool(self.flags & BROADCAST_FLAG)

    @property
    def server_name(self) -> bytes:
        """`sname` up to its NUL; option 66 where the field holds options instead."""
        if self._overload() & SNAME_HOLDS_OPTIONS:
            return (self.option(TFTP_SERVER_NAME) or b"").rstrip(b"\0")
        return self.sname.partition(b"\0")[0]

    @property
    def boot_file(self) -> bytes:
        """`file` up to its NUL; option 67 where the field holds options instead."""
        if self._overload() & FILE_HOLDS_OPTIONS:
            return (self.option(BOOT_FILE_NAME) or b"").rstrip(b"\0")
        return self.file.partition(b"\0")[0]

    def instances(self, code: int) -> tuple[bytes, ...]:
        """The data of every instance of `code`: options area, then `file`, then `sname`.

        Raises DecodeError where an overloaded field does not hold options; `decode` has checked
        that already, so only a message built by hand can.
        """
        areas = self._areas()
        return tuple([data for _, options in areas for found, data in options if found == code])

    def option(self, code: int) -> bytes | None:
        """The value of `code`, its instances joined (RFC 3396 §5), or None without any.

        Option 43 of BSDP must be read with `instances`: its instances are complete in themselves.
        """
        found = self.instances(code)
        return b"".join(found) if found else None

    def value(self, kind: OptionType[T]) -> T | None:
        """The typed value of the option `kind`, or None where the message lacks it.

        Raises DecodeError, naming the option and the byte of the message, if it is malformed.
        """
        data = self.option(kind.code)
        if data is None:
            return None
        try:
            return kind.decode(data)
        except DecodeError as error:
            raise DecodeError(
                error.what, self._offset(kind.code, error.offset), error.why
            ) from None

    def _overload(self) -> int:
        """Which fields hold options (RFC 2132 §9.3): 0 for none, or 1, 2, 3."""
        found = [data for code, data in self.options if code == OVERLOAD]
        if not found:
            return 0
        if len(found) == 1 and found[0] in _OVERLOADS:
            return found[0][0]
        offset = next(
            at for code, at, _ in _located(OPTIONS_OFFSET, self.options) if code == OVERLOAD
        )
        raise DecodeError("option 52 (overload)", offset, "is not one byte of 1, 2 or 3")

    def _areas(self) -> tuple[tuple[int, tuple[RawOption, ...]], ...]:
        """The areas that hold options, each with its offset, in the order of RFC 3396 §5."""
        overload = self._overload()
        if not overload:
            return ((OPTIONS_OFFSET, self.options),)
        areas = [(OPTIONS_OFFSET, self.options)]
        if overload & FILE_HOLDS_OPTIONS:
            areas.append((FILE_OFFSET, _field_options(self.file, FILE_OFFSET, "option in file")))
        if overload & SNAME_HOLDS_OPTIONS:
            areas.append(
                (SNAME_OFFSET, _field_options(self.sname, SNAME_OFFSET, "option in sname"))
            )
        return tuple(areas)

    def _offset(self, code: int, position: int) -> int:
        """The byte of the message where `position` of the joined value of `code` lies."""
        offset = OPTIONS_OFFSET
        for start, options in self._areas():
            for found, at, data in _located(start, options):
                if found != code:
                    continue
                offset = at + position
                if position < len(data):
                    return offset
                position -= len(data)
        return offset


def _located(start: int, options: Iterable[RawOption]) -> Iterator[tuple[int, int, bytes]]:
    """Each of `options` as its code, the offset of its data, its data."""
    at = start
    for code, data in options:
        if code == PAD:
            at += 1
            continue
        yield code, at + 2, data
        at += len(data) + 2


def _field_options(field: bytes, offset: int, what: str) -> tuple[RawOption, ...]:
    """The options in `file` or `sname`, which lies at `offset` of the message."""
    try:
        return read_options(field, 0, len(field), what)[0]
    except DecodeError as error:
        raise DecodeError(error.what, offset + error.offset, error.why) from None
