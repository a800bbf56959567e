"""What option values are, where a number, an address or a string does not say it.

Plain values: this module must know neither bytes (`formats`) nor option codes (`registry`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, TypeVar

from protocols.dhcp.option import RawOption

if TYPE_CHECKING:
    from protocols.dhcp.registry import OptionType

T = TypeVar("T")


class MessageType(IntEnum):
    """DHCP message types (option 53): RFC 2132 §9.6, RFC 3203, RFC 4388, RFC 6926, RFC 7724."""

    DISCOVER = 1
    OFFER = 2
    REQUEST = 3
    DECLINE = 4
    ACK = 5
    NAK = 6
    RELEASE = 7
    INFORM = 8
    FORCERENEW = 9
    LEASEQUERY = 10
    LEASEUNASSIGNED = 11
    LEASEUNKNOWN = 12
    LEASEACTIVE = 13
    BULKLEASEQUERY = 14
    LEASEQUERYDONE = 15
    ACTIVELEASEQUERY = 16
    LEASEQUERYSTATUS = 17
    TLS = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientIdentifier:
    """Option 61 (RFC 2132 §9.14): a hardware type or 0 (or 255, RFC 4361), then the identifier."""

    type: int
    identifier: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkInterface:
    """Option 94 (RFC 4578 §2.2): type 1 is UNDI, then its revision."""

    type: int
    major: int
    minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UserClass:
    """Option 77: a list of classes framed by lengths (RFC 3004 §4), or one class without a frame.

    iPXE and Windows send the latter (captures `bios-ipxe-*`: the four bytes `iPXE`). Text that
    happens to be a valid frame is read as one, as every server does.
    """

    classes: tuple[bytes, ...]
    framed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ClasslessRoute:
    """One route of option 121 (RFC 3442); router 0.0.0.0 means that the subnet is on the link."""

    destination: IPv4Network
    router: IPv4Address


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayAgentInformation:
    """Option 82 (RFC 3046): what the relay wants to hear again, sub-options in wire order."""

    sub_options: tuple[RawOption, ...]

    def sub_option(self, code: int) -> bytes | None:
        """The data of the first sub-option `code`, or None without any."""
        return next((data for found, data in self.sub_options if found == code), None)

    def value(self, kind: OptionType[T]) -> T | None:
        """The typed value of the sub-option `kind`, or None without it.

        Raises DecodeError, with an offset within the sub-option, if it is malformed.
        """
        data = self.sub_option(kind.code)
        return None if data is None else kind.decode(data)
