"""What a file of another DHCP server says, as values; and what in it could not be taken over.

Every reader of this package is a pure function from the bytes of a file to these values. A reader
must never drop anything in silence: what it does not take over, or understands only in part, is a
`Remark` with its line.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from netbootd.dhcp.settings import OptionValue
from ops.text import escape

MAX_FILE: Final = 256 << 20
"""Bytes. 100,000 leases of dhcpd, each written four times, are 160 MB."""

MAX_SETTINGS: Final = 16 << 20
"""Bytes of a configuration. 50,000 hosts of 200 bytes are 10 MB."""

MAX_LINE: Final = 64 << 10
"""Bytes. dhcpd and dnsmasq take a tenth of that; more is a file of something else."""

MAX_REMARKS: Final = 10_000
"""A file that is wrong in more places is the wrong file."""

INFINITE: Final = 0xFFFFFFFF
"""End of a lease that has none, as RFC 2131 §3.3 counts lease times."""


class Unreadable(Exception):
    """Not a file that a reader can do anything with; `str()` says why."""


@dataclass(frozen=True, slots=True)
class Remark:
    """Something that was not taken over, or not as it was written."""

    line: int
    text: str


Tell = Callable[[int, str], None]
"""Called with line and text of a remark."""


class State(enum.Enum):
    """What became of a lease, in the words of all servers."""

    BOUND = "bound"
    OVER = "over"
    """Expired, released or reset: the client has a claim to be given the address again, no more."""
    CONFLICT = "conflict"
    """Declined or abandoned: somebody else was seen with the address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundLease:
    """What a server knew of one address."""

    line: int
    address: IPv4Address
    state: State
    hardware: bytes | None
    """Ethernet address."""
    client_id: bytes | None
    """Data of option 61, its type byte included."""
    host_name: str
    starts: int
    """Seconds since 1970; 0 where the file does not say."""
    ends: int
    """Seconds since 1970, or INFINITE."""
    circuit_id: bytes = b""
    """What a relay said of the client's port (option 82)."""
    remote_id: bytes = b""


Options = dict[int, OptionValue]
"""DHCP options by code, with values as `netbootd.dhcp.option_text` takes them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundTimes:
    """Lease times in seconds; None where nothing is said."""

    default: int | None = None
    minimum: int | None = None
    maximum: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundSubnet:
    """A network with its ranges of addresses to lease."""

    line: int
    network: IPv4Network
    ranges: tuple[tuple[IPv4Address, IPv4Address], ...]
    options: Options = field(default_factory=dict)
    times: FoundTimes = field(default_factory=FoundTimes)
    authoritative: bool | None = None
    shared_network: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundHost:
    """A machine that the administrator named."""

    line: int
    name: str
    hardware: bytes | None
    client_id: bytes | None
    circuit_id: bytes | None
    address: IPv4Address | None
    options: Options = field(default_factory=dict)
    denied: bool = False


@dataclass(frozen=True, slots=True)
class Leases:
    """What a file of leases holds: at most one lease of each address."""

    leases: tuple[FoundLease, ...]
    remarks: tuple[Remark, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a configuration holds that can be a configuration of ours."""

    subnets: tuple[FoundSubnet, ...]
    hosts: tuple[FoundHost, ...]
    options: Options
    """Options of all machines."""
    times: FoundTimes
    authoritative: bool
    remarks: tuple[Remark, ...]


class Remarks:
    """Collects remarks, and stops the reader of a file that is nothing but wrong."""

    def __init__(self) -> None:
        self._all: list[Remark] = []

    def tell(self, line: int, text: str) -> None:
        """Note a remark. Raises Unreadable when there are too many."""
        if len(self._all) == MAX_REMARKS:
            raise Unreadable(f"more than {MAX_REMARKS} lines are not understood")
        self._all.append(Remark(line, text))

    def in_order(self) -> tuple[Remark, ...]:
        """All of them, by line."""
        return tuple(sorted(self._all, key=lambda remark: remark.line))


def check_bounds(data: bytes, limit: int = MAX_FILE) -> None:
    """Raises Unreadable for what is larger, or has longer lines, than any file of these servers."""
    if len(data) > limit:
        raise Unreadable(f"is larger than {limit >> 20} MiB")
    start = 0
    while start < len(data):
        end = data.find(b"\n", start, start + MAX_LINE + 1)
        if end < 0:
            if len(data) - start > MAX_LINE:
                line = data.count(b"\n", 0, start) + 1
                raise Unreadable(f"line {line} is longer than {MAX_LINE >> 10} KiB")
            return
        start = end + 1


def lines_of(data: bytes) -> Iterator[tuple[int, str]]:
    """The lines with their numbers, from 1, without line ends; bytes outside UTF-8 escaped."""
    for number, line in enumerate(data.split(b"\n"), 1):
        yield number, line.decode("utf-8", "backslashreplace").rstrip("\r")


def shown(text: str | bytes) -> str:
    """A piece of the file as a remark repeats it."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    return escape(text, 60)
