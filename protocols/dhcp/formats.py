"""The layout of every byte of DHCP, as construct definitions. These are normative.

`MESSAGE` defines what `codec` does by hand; the layouts of option values are used as they stand.
Values only, no behaviour: nothing here may decide what a value means.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Final
from uuid import UUID

from construct import (
    Byte,
    Bytes,
    Check,
    Computed,
    Const,
    Construct,
    ConstructError,
    ExprAdapter,
    ExprValidator,
    GreedyBytes,
    GreedyRange,
    If,
    IfThenElse,
    Int16ub,
    Int32sb,
    Int32ub,
    Mapping,
    NoneOf,
    OneOf,
    Prefixed,
    RestreamData,
    Sequence,
    Struct,
    Terminated,
    this,
)

from protocols.dhcp.domain import DOMAIN_NAMES
from protocols.dhcp.layout import Layout
from protocols.dhcp.option import RawOption
from protocols.dhcp.value import (
    ClasslessRoute,
    ClientIdentifier,
    MessageType,
    NetworkInterface,
    RelayAgentInformation,
    UserClass,
)

# --- the message (RFC 2131 §2) ---------------------------------------------------------------

_ADDRESS: Final = ExprAdapter(
    Bytes(4), lambda raw, _: IPv4Address(raw), lambda address, _: address.packed
)

OPTION: Final = Struct(
    "code" / NoneOf(Byte, [255]),
    "data" / IfThenElse(this.code == 0, Computed(b""), Prefixed(Byte, GreedyBytes)),
)
"""RFC 2132 §2: a code, a length, as many bytes; the pad option is its code alone."""

OPTION_AREA: Final = Struct(
    "options" / GreedyRange(OPTION),
    "tail" / GreedyBytes,
    Check(lambda area: not area.tail or area.tail[0] == 255),
)
"""Options up to the end option or, where that is missing, up to the end of the area."""


def _overload(message: Any) -> int:
    values = [option.data for option in message.area.options if option.code == 52]
    if any(value not in (b"\1", b"\2", b"\3") for value in values) or len(values) > 1:
        raise ConstructError("option 52 is not one byte of 1..3")
    return values[0][0] if values else 0


MESSAGE: Final = Struct(
    "op" / OneOf(Byte, [1, 2]),
    "htype" / Byte,
    "hlen" / ExprValidator(Byte, lambda length, _: length <= 16),
    "hops" / Byte,
    "xid" / Int32ub,
    "secs" / Int16ub,
    "flags" / Int16ub,
    "ciaddr" / _ADDRESS,
    "yiaddr" / _ADDRESS,
    "siaddr" / _ADDRESS,
    "giaddr" / _ADDRESS,
    "chaddr" / Bytes(16),
    "sname" / Bytes(64),
    "file" / Bytes(128),
    "cookie" / Const(bytes((99, 130, 83, 99))),
    "area" / OPTION_AREA,
    "overload" / Computed(_overload),
    "file_area" / If(this.overload & 1, RestreamData(this.file, OPTION_AREA)),
    "sname_area" / If(this.overload & 2, RestreamData(this.sname, OPTION_AREA)),
)
"""A whole datagram. With option 52, `file` and `sname` are option areas too (RFC 2132 §9.3)."""


# --- option values ---------------------------------------------------------------------------


def _many(item: Construct, *, least: int = 1) -> Construct:
    """`item` repeated, as a tuple; RFC 2132 asks for one or more nearly everywhere."""
    many = ExprAdapter(GreedyRange(item), lambda items, _: tuple(items), lambda items, _: items)
    return ExprValidator(many, lambda items, _: len(items) >= least)


def _record(make: Callable[..., Any], **fields: Construct) -> Construct:
    """`fields` one after another, as the dataclass `make` with fields of the same names."""
    return ExprAdapter(
        Struct(**fields),
        lambda found, _: make(**{name: found[name] for name in fields}),
        lambda value, _: {name: getattr(value, name) for name in fields},
    )


_SOME_BYTES: Final = ExprValidator(GreedyBytes, lambda data, _: len(data) > 0)

UINT8: Final[Layout[int]] = Layout("a byte", Byte)
UINT16: Final[Layout[int]] = Layout("a 16-bit number", Int16ub)
UINT32: Final[Layout[int]] = Layout("a 32-bit number", Int32ub)
INT32: Final[Layout[int]] = Layout("a signed 32-bit number", Int32sb)
FLAG: Final[Layout[bool]] = Layout("a byte of 0 or 1", Mapping(Byte, {False: 0, True: 1}))
OVERLOAD: Final[Layout[int]] = Layout("a byte of 1, 2 or 3", OneOf(Byte, [1, 2, 3]))
UINT8S: Final[Layout[tuple[int, ...]]] = Layout(
    "bytes",
    ExprAdapter(_SOME_BYTES, lambda raw, _: tuple(raw), lambda numbers, _: bytes(numbers)),
)
UINT16S: Final[Layout[tuple[int, ...]]] = Layout("16-bit numbers", _many(Int16ub))
ADDRESS: Final[Layout[IPv4Address]] = Layout("an IPv4 address", _ADDRESS)
ADDRESSES: Final[Layout[tuple[IPv4Address, ...]]] = Layout("IPv4 addresses", _many(_ADDRESS))
ADDRESSES_IF_ANY: Final[Layout[tuple[IPv4Address, ...]]] = Layout(
    "IPv4 addresses", _many(_ADDRESS, least=0)
)
ADDRESS_PAIRS: Final[Layout[tuple[tuple[IPv4Address, IPv4Address], ...]]] = Layout(
    "pairs of IPv4 addresses",
    _many(ExprAdapter(Sequence(_ADDRESS, _ADDRESS), lambda pair, _: tuple(pair), lambda p, _: p)),
)
OPAQUE: Final[Layout[bytes]] = Layout("bytes", _SOME_BYTES)
TEXT: Final[Layout[str]] = Layout(
    "text",
    ExprValidator(
        ExprAdapter(
            GreedyBytes,
            lambda raw, _: raw.rstrip(b"\0").decode("utf-8", "surrogateescape"),
            lambda text, _: text.encode("utf-8", "surrogateescape"),
        ),
        lambda text, _: len(text) > 0,
    ),
)
"""NVT ASCII without its trailing NULs, which a receiver must be ready to find (RFC 2132 §2). Read
as UTF-8 because that is what is sent, and other bytes survive a round trip."""

MESSAGE_TYPE: Final[Layout[MessageType]] = Layout(
    "a DHCP message type", Mapping(Byte, {kind: kind.value for kind in MessageType})
)
CLIENT_IDENTIFIER: Final[Layout[ClientIdentifier]] = Layout(
    "a type and an identifier (RFC 2132 section 9.14)",
    _record(ClientIdentifier, type=Byte, identifier=_SOME_BYTES),
)
NETWORK_INTERFACE: Final[Layout[NetworkInterface]] = Layout(
    "a network interface type and version (RFC 4578 section 2.2)",
    _record(NetworkInterface, type=Byte, major=Byte, minor=Byte),
)
MACHINE_UUID: Final[Layout[UUID]] = Layout(
    "a type 0 and a UUID (RFC 4578 section 2.3)",
    ExprAdapter(
        Sequence(Const(b"\0"), Bytes(16)),
        lambda found, _: UUID(bytes_le=bytes(found[1])),
        lambda uuid, _: [b"\0", uuid.bytes_le],
    ),
)
"""SMBIOS order: OVMF started with -uuid 564d4c55-0001-… sends 00 554c4d56 0100 … (capture
`ovmf-pxe4-ra`)."""

_CLASSES: Final = Sequence(_many(Prefixed(Byte, _SOME_BYTES)), Terminated)


def _user_class(raw: bytes, _context: Any) -> UserClass:
    try:
        return UserClass(classes=_CLASSES.parse(raw)[0])
    except ConstructError:
        return UserClass(classes=(raw,), framed=False)


def _user_class_bytes(value: UserClass, _context: Any) -> bytes:
    if value.framed:
        framed: bytes = _CLASSES.build([value.classes, None])
        return framed
    (raw,) = value.classes
    return raw


USER_CLASS: Final[Layout[UserClass]] = Layout(
    "user classes (RFC 3004)", ExprAdapter(_SOME_BYTES, _user_class, _user_class_bytes)
)

DOMAINS: Final[Layout[tuple[str, ...]]] = Layout("domain names (RFC 3397)", DOMAIN_NAMES)

_ROUTE: Final = Struct(
    "width" / ExprValidator(Byte, lambda width, _: width <= 32),
    "significant" / Bytes((this.width + 7) // 8),
    "router" / _ADDRESS,
)


def _route(found: Any, _context: Any) -> ClasslessRoute:
    # Bits beyond the mask are to be ignored (RFC 3442, "Client Behavior").
    network = IPv4Network((found.significant.ljust(4, b"\0"), found.width), strict=False)
    return ClasslessRoute(destination=network, router=found.router)


def _route_fields(route: ClasslessRoute, _context: Any) -> dict[str, Any]:
    width = route.destination.prefixlen
    significant = route.destination.network_address.packed[: (width + 7) // 8]
    return {"width": width, "significant": significant, "router": route.router}


ROUTES: Final[Layout[tuple[ClasslessRoute, ...]]] = Layout(
    "classless routes (RFC 3442)", _many(ExprAdapter(_ROUTE, _route, _route_fields))
)

_SUB_OPTION: Final = Sequence(Byte, Prefixed(Byte, GreedyBytes))
RELAY_AGENT_INFORMATION: Final[Layout[RelayAgentInformation]] = Layout(
    "relay agent sub-options (RFC 3046)",
    ExprAdapter(
        _many(ExprAdapter(_SUB_OPTION, lambda pair, _: RawOption(*pair), lambda pair, _: pair)),
        lambda found, _: RelayAgentInformation(sub_options=found),
        lambda value, _: value.sub_options,
    ),
)
"""Neither pads nor an end within option 82 (RFC 3046 §2.0)."""
