"""The values that an operator writes in a configuration file and TOML has no type for.

Each type parses its one written form, prints itself in that form again, and says in `form` what the
form is, so that an error can tell what would be right. A wrong value raises `ValueError`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from msgspec import Meta

Port = Annotated[int, Meta(ge=0, le=65535)]
"""A UDP or TCP port; 0 lets the system choose a free one."""

TlsVersion = Literal["TLSv1.2", "TLSv1.2OrLater", "TLSv1.3", "TLSv1.1", "TLSv1.0"]
"""The oldest version of TLS that a server accepts; every newer one is accepted, too, as with
`ssl_min_protocol_version` of PostgreSQL. Software on Qt calls that `TLSv1.2OrLater`, for with Qt
`TLSv1.2` is that version alone; here both words are one."""


class Duration(float):
    """Seconds, written with a unit: `500ms`, `30s`, `5m`, `1h`."""

    form: ClassVar[str] = 'a duration with a unit, such as "500ms", "30s", "5m" or "1h"'
    _UNITS: ClassVar[dict[str, float]] = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}

    @classmethod
    def parse(cls, text: str) -> Self:
        """The value that an operator wrote. Raises ValueError if it is not of this form."""
        match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?(ms|s|m|h)", text, re.ASCII)
        if match is None:
            raise ValueError(text)
        return cls(float(match[1]) * cls._UNITS[match[2]])

    def __str__(self) -> str:
        for unit, seconds in self._UNITS.items():
            if self >= seconds and (self / seconds).is_integer():
                return f"{self / seconds:.0f}{unit}"
        return f"{float(self):g}s"


class ByteSize(int):
    """Bytes, written with a unit: `512 B`, `64 KiB`, `1 MiB`, `2 GiB`."""

    form: ClassVar[str] = 'a size with a unit, such as "64 KiB" or "1 MiB"'
    _UNITS: ClassVar[dict[str, int]] = {"GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10, "B": 1}

    @classmethod
    def parse(cls, text: str) -> Self:
        """The value that an operator wrote. Raises ValueError if it is not of this form."""
        match = re.fullmatch(r"([0-9]{1,12}) ?(B|KiB|MiB|GiB)", text, re.ASCII)
        if match is None:
            raise ValueError(text)
        return cls(int(match[1]) * cls._UNITS[match[2]])

    def __str__(self) -> str:
        for unit, size in self._UNITS.items():
            if self >= size and self % size == 0:
                return f"{self // size} {unit}"
        return f"{int(self)} B"


class MacAddress(bytes):
    """Six octets, written `00:16:cb:aa:bb:cc`; `-` for `:` and missing leading zeros are accepted.

    Apple's tools print octets without the leading zero (`0:16:cb:…`), and admins paste them.
    """

    form: ClassVar[str] = 'an Ethernet address such as "00:16:cb:aa:bb:cc"'

    @classmethod
    def parse(cls, text: str) -> Self:
        """The value that an operator wrote. Raises ValueError if it is not of this form."""
        octets = text.replace("-", ":").split(":")
        if len(octets) != 6 or not all(re.fullmatch(r"[0-9A-Fa-f]{1,2}", o) for o in octets):
            raise ValueError(text)
        return cls(int(octet, 16) for octet in octets)

    def __str__(self) -> str:
        return self.hex(":")


class InterfacePattern(str):
    """A network interface by name (`en0`) or by shell pattern (`en*`)."""

    __slots__ = ()

    form: ClassVar[str] = 'an interface name or pattern such as "en0" or "en*"'

    @classmethod
    def parse(cls, text: str) -> Self:
        """The value that an operator wrote. Raises ValueError if it is not of this form."""
        # Windows calls interfaces "Ethernet 2" and "vEthernet (WSL)", so only what no system has
        # in a name is refused. 256 is IF_MAX_STRING_SIZE of Windows; Linux stops at 15.
        if not 0 < len(text) <= 256 or not text.isprintable() or "/" in text:
            raise ValueError(text)
        return cls(text)


@dataclass(frozen=True, slots=True)
class AddressRange:
    """IPv4 addresses from `first` to `last`, both included: `10.0.0.100-10.0.0.199`, or one."""

    first: IPv4Address
    last: IPv4Address

    form: ClassVar[str] = (
        'IPv4 addresses such as "10.0.0.100-10.0.0.199", or one such as "10.0.0.9"'
    )

    @classmethod
    def parse(cls, text: str) -> Self:
        """The value that an operator wrote. Raises ValueError if it is not of this form."""
        first, _, last = text.partition("-")
        found = cls(IPv4Address(first.strip()), IPv4Address((last or first).strip()))
        if found.first > found.last:
            raise ValueError(text)
        return found

    def __str__(self) -> str:
        return f"{self.first}-{self.last}" if self.first != self.last else str(self.first)


@dataclass(frozen=True, slots=True)
class NetworkRoute:
    """A way to a network: `10.9.0.0/16 via 10.0.0.2`."""

    destination: IPv4Network
    router: IPv4Address

    form: ClassVar[str] = 'a route such as "10.9.0.0/16 via 10.0.0.2"'

    @classmethod
    def parse(cls, text: str) -> Self:
        """The value that an operator wrote. Raises ValueError if it is not of this form."""
        match text.split():
            case [destination, "via", router]:
                return cls(_network(destination), IPv4Address(router))
        raise ValueError(text)

    def __str__(self) -> str:
        return f"{self.destination} via {self.router}"


def _path(text: str) -> Path:
    if not text or "\0" in text:
        raise ValueError(text)
    return Path(text)


def _network(text: str) -> IPv4Network:
    return IPv4Network(text, strict=True)


class Form(NamedTuple):
    """How one type is read from a TOML string, and what its written form is called."""

    parse: Callable[[str], Any]
    description: str


FORMS: dict[type, Form] = {
    Duration: Form(Duration.parse, Duration.form),
    ByteSize: Form(ByteSize.parse, ByteSize.form),
    MacAddress: Form(MacAddress.parse, MacAddress.form),
    InterfacePattern: Form(InterfacePattern.parse, InterfacePattern.form),
    AddressRange: Form(AddressRange.parse, AddressRange.form),
    NetworkRoute: Form(NetworkRoute.parse, NetworkRoute.form),
    IPv4Address: Form(IPv4Address, 'an IPv4 address such as "192.168.1.10"'),
    IPv4Network: Form(_network, 'an IPv4 network such as "192.168.1.0/24"'),
    Path: Form(_path, "a path in quotes"),
}
"""Every type here that a configuration may use, besides bool, int and str."""


class Slip(NamedTuple):
    """What is wrong with a text that is almost right, and what would be."""

    problem: str
    remedy: str


def _network_slip(text: str) -> Slip | None:
    try:
        network = IPv4Network(text, strict=False)
    except ValueError:
        return None
    if text.partition("/")[0] == str(network.network_address):
        return None
    return Slip("has host bits set", f'did you mean "{network}"?')


def _range_slip(text: str) -> Slip | None:
    first, _, last = text.partition("-")
    try:
        found = AddressRange(IPv4Address(first.strip()), IPv4Address(last.strip()))
    except ValueError:
        return None
    if found.first <= found.last:
        return None
    turned = AddressRange(found.last, found.first)
    return Slip("runs backwards", f'did you mean "{turned}"?')


SLIPS: dict[type, Callable[[str], Slip | None]] = {
    IPv4Network: _network_slip,
    AddressRange: _range_slip,
}
"""By type: what somebody may have meant by a text that is refused; None: nothing is known."""
