"""The bytes of PXE and of iPXE inside DHCP options, as construct definitions. These are normative.

    option 43:   +------+-----+---------+------+-----+---------+
                 | code | len | value … | code | len | value … | …     0 = pad, 255 = end
                 +------+-----+---------+------+-----+---------+
    option 175:  the same, iPXE's own sub-options
    servers:     | type (2) | count (1) | address (4) … | …
    menu:        | type (2) | length (1) | text | …
    prompt:      | seconds (1) | text |
    boot item:   | type (2) | layer (2) |

Source: the tables of sub-options in PXE 2.1 (Intel, 1999) §2.1; RFC 4578 for the options around
them. The walk itself, `SUB_OPTIONS`, is done by `protocols.dhcp.option`, which reads the same for
DHCP; a property test holds the two together on every input. Values only, no behaviour.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Any, Final

from construct import (
    Byte,
    Bytes,
    Construct,
    ExprAdapter,
    ExprValidator,
    GreedyBytes,
    GreedyRange,
    IfThenElse,
    Int8sb,
    Int16ub,
    Int32ub,
    Pass,
    Prefixed,
    PrefixedArray,
    Struct,
    this,
)

from protocols.dhcp.formats import ADDRESS, UINT8, UINT16
from protocols.dhcp.layout import Layout
from protocols.pxe.value import BootItem, BootServer, MenuEntry, MenuPrompt, MulticastBlock

__all__ = ["ADDRESS", "UINT8", "UINT16"]

SUB_OPTION: Final = Struct(
    "code" / ExprValidator(Byte, lambda code, _: code != 255),
    "data" / IfThenElse(this.code == 0, Pass, Prefixed(Byte, GreedyBytes)),
)

SUB_OPTIONS: Final = Struct(
    "sub_options" / GreedyRange(SUB_OPTION),
    "tail" / ExprValidator(GreedyBytes, lambda tail, _: not tail or tail[0] == 255),
)
"""All of option 43 or 175. `tail` is the end sub-option and what follows it, which is ignored."""

_ADDRESS: Final = ExprAdapter(
    Bytes(4), lambda raw, _: IPv4Address(raw), lambda address, _: address.packed
)
_TEXT: Final = ExprAdapter(
    GreedyBytes,
    lambda raw, _: raw.rstrip(b"\0").decode("utf-8", "surrogateescape"),
    lambda text, _: text.encode("utf-8", "surrogateescape"),
)


def _record(make: Callable[..., Any], **fields: Construct[Any, Any]) -> Construct[Any, Any]:
    """`fields` one after another, as the dataclass `make` with fields of the same names."""
    return ExprAdapter(
        Struct(**fields),
        lambda found, _: make(**{name: found[name] for name in fields}),
        lambda value, _: {name: getattr(value, name) for name in fields},
    )


def _some(item: Construct[Any, Any]) -> Construct[Any, Any]:
    """One `item` or more, as a tuple."""
    many = ExprAdapter(GreedyRange(item), lambda items, _: tuple(items), lambda items, _: items)
    return ExprValidator(many, lambda items, _: len(items) > 0)


def _tuple(items: Construct[Any, Any]) -> Construct[Any, Any]:
    return ExprAdapter(items, lambda found, _: tuple(found), lambda value, _: value)


BOOT_SERVERS: Final[Layout[tuple[BootServer, ...]]] = Layout(
    "boot servers by type",
    _some(_record(BootServer, type=Int16ub, addresses=_tuple(PrefixedArray(Byte, _ADDRESS)))),
)
"""Sub-option 8. A type without addresses means that any server of that type is taken."""

BOOT_MENU: Final[Layout[tuple[MenuEntry, ...]]] = Layout(
    "menu entries", _some(_record(MenuEntry, type=Int16ub, text=Prefixed(Byte, _TEXT)))
)
"""Sub-option 9."""

MENU_PROMPT: Final[Layout[MenuPrompt]] = Layout(
    "a time and a text", _record(MenuPrompt, seconds=Byte, text=_TEXT)
)
"""Sub-option 10."""

MULTICAST_BLOCK: Final[Layout[MulticastBlock]] = Layout(
    "a block of multicast addresses",
    _record(MulticastBlock, base=_ADDRESS, block=Int16ub, range=Int16ub),
)
"""Sub-option 11. Its parts are named as in EDK2 (PxeBcDhcp4.c, PXE_VENDOR_TAG_MCAST_ALLOC)."""

CREDENTIAL_TYPES: Final[Layout[tuple[int, ...]]] = Layout("credential types", _some(Int32ub))
"""Sub-option 12."""

BOOT_ITEM: Final[Layout[BootItem]] = Layout(
    "a type and a layer", _record(BootItem, type=Int16ub, layer=Int16ub)
)
"""Sub-option 71."""

INT8: Final[Layout[int]] = Layout("a signed byte", Int8sb)
OPAQUE: Final[Layout[bytes]] = Layout("bytes", GreedyBytes)
TEXT: Final[Layout[str]] = Layout("text", _TEXT)
