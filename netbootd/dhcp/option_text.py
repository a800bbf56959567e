"""DHCP options as an operator writes them: `"time-offset" = 3600`, `"224" = "hex:0a0b"`.

A name is the RFC's, in small letters with dashes. The type of a value is the option's own, as the
registry knows it; a number that it does not know takes a text, addresses or bytes. What the server
itself decides (the lease time, say) and what only clients send cannot be set here.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Final, TypeVar

from netbootd.dhcp.settings import OptionValue
from ops.text import escape
from protocols.dhcp import formats, registry
from protocols.dhcp.layout import VALUE_LIMIT, Layout
from protocols.dhcp.option import INSTANCE_LIMIT, RawOption
from protocols.dhcp.registry import OPTIONS
from protocols.dhcp.value import ClasslessRoute
from protocols.errors import EncodeError

T = TypeVar("T")

OWN: Final = {
    registry.SUBNET_MASK.code: "`network` says it",
    registry.LEASE_TIME.code: "set `lease_time`",
    registry.RENEWAL_TIME.code: "set `renewal`",
    registry.REBINDING_TIME.code: "set `rebinding`",
    **dict.fromkeys(
        (
            registry.REQUESTED_ADDRESS.code,
            registry.OVERLOAD.code,
            registry.MESSAGE_TYPE.code,
            registry.SERVER_IDENTIFIER.code,
            registry.PARAMETER_REQUEST_LIST.code,
            registry.ERROR_MESSAGE.code,
            registry.MAXIMUM_MESSAGE_SIZE.code,
            registry.CLIENT_IDENTIFIER.code,
            registry.RELAY_AGENT_INFORMATION.code,
            registry.SUBNET_SELECTION.code,
        ),
        "take it away",
    ),
}
"""Options that belong to the conversation, and what to do instead."""

BY_NAME: Final = {
    kind.name.lower().replace(" ", "-"): kind for code, kind in OPTIONS.items() if code not in OWN
}


class OptionError(ValueError):
    """An option that cannot be sent. `remedy` is the second half of the operator's line."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy


def option_from(name: str, value: OptionValue) -> RawOption:
    """The option `name` with `value`, as in a table of options. Raises OptionError."""
    code = _code(name)
    option = RawOption(code, _data(code, value))
    limit = INSTANCE_LIMIT if code == registry.VENDOR_SPECIFIC.code else VALUE_LIMIT
    if len(option.data) > limit:
        raise OptionError(f"has more than {limit} bytes", "give less")
    return option


def _data(code: int, value: OptionValue) -> bytes:
    if isinstance(value, str) and value.startswith("hex:"):
        return _bytes(value)
    kind = OPTIONS.get(code)
    if kind is None:
        return _untyped(value)
    if kind.layout not in _READERS:
        return _opaque(value)
    form, read = _READERS[kind.layout]
    try:
        return kind.encode(read(value))
    except (ValueError, TypeError, EncodeError):
        raise OptionError(f"{_shown(value)} is not possible", f"give {form}") from None


def identifier_from(text: str) -> bytes:
    """The bytes of an identifier of the settings: a text, or `hex:` and digits."""
    return _bytes(text) if text.startswith("hex:") else text.encode()


def _code(name: str) -> int:
    if name.isdecimal() and name.isascii() and len(name) <= 3:
        code = int(name)
        if not 0 < code < 255:
            raise OptionError("is no option", "option numbers are 1 to 254")
    else:
        kind = BY_NAME.get(re.sub(r"[ _]", "-", name.lower()))
        if kind is None:
            close = difflib.get_close_matches(name.lower()[:60], BY_NAME, n=1)
            hint = f'did you mean "{close[0]}"? ' if close else ""
            raise OptionError(
                "is not an option", f'{hint}names are those of RFC 2132, numbers go as "224"'
            )
        code = kind.code
    if code in OWN:
        raise OptionError("is the server's own", OWN[code])
    return code


def _bytes(text: str) -> bytes:
    digits = text.removeprefix("hex:").replace(":", "")
    if not re.fullmatch(r"([0-9A-Fa-f]{2})+", digits):
        raise OptionError(f"{_shown(text)} is not possible", 'give bytes such as "hex:0a0b0c"')
    return bytes.fromhex(digits)


def _opaque(value: OptionValue) -> bytes:
    """Of an option whose bytes are for its readers to know."""
    if isinstance(value, str) and value:
        return value.encode()
    raise OptionError(
        f"{_shown(value)} is not possible", 'give a text, or bytes such as "hex:0a0b0c"'
    )


def _untyped(value: OptionValue) -> bytes:
    """Of an option that we know nothing of: addresses where it looks like them, else text."""
    if isinstance(value, (bool, int)):
        remedy = 'its width is not known here: give bytes such as "hex:0e10"'
        raise OptionError(f"{_shown(value)} is not possible", remedy)
    try:
        data = b"".join(address.packed for address in _addresses(value))
    except (ValueError, TypeError):
        data = value.encode() if isinstance(value, str) else b""
    if data:
        return data
    remedy = 'give a text, an IPv4 address, a list of them, or bytes such as "hex:0a0b0c"'
    raise OptionError(f"{_shown(value)} is not possible", remedy)


def _shown(value: OptionValue) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "this list"
    return f'"{escape(value, 60)}"' if isinstance(value, str) else escape(str(value), 60)


# A value as TOML has it, to a value as the layout takes it. Each raises ValueError or TypeError.


def _number(value: OptionValue) -> int:
    if type(value) is not int:  # True is an int
        raise TypeError(value)
    return value


def _flag(value: OptionValue) -> bool:
    if not isinstance(value, bool):
        raise TypeError(value)
    return value


def _text(value: OptionValue) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _list_of(item: Callable[[Any], T]) -> Callable[[OptionValue], tuple[T, ...]]:
    """One or a list."""
    return lambda value: tuple(item(i) for i in (value if isinstance(value, tuple) else (value,)))


def _address(value: OptionValue) -> IPv4Address:
    return IPv4Address(_text(value))


def _pair(value: OptionValue) -> tuple[IPv4Address, IPv4Address]:
    first, second = _text(value).split()
    return IPv4Address(first), IPv4Address(second)


def _route(value: OptionValue) -> ClasslessRoute:
    destination, via, router = _text(value).split()
    if via != "via":
        raise ValueError(value)
    return ClasslessRoute(destination=IPv4Network(destination), router=IPv4Address(router))


_addresses = _list_of(_address)

_READERS: Final[dict[Layout[Any], tuple[str, Callable[[OptionValue], Any]]]] = {
    formats.ADDRESS: ('an IPv4 address such as "192.168.1.10"', _address),
    formats.ADDRESSES: ('an IPv4 address such as "192.168.1.10", or a list of them', _addresses),
    formats.ADDRESSES_IF_ANY: ('an IPv4 address such as "192.168.1.10", or a list', _addresses),
    formats.ADDRESS_PAIRS: (
        'pairs such as "10.9.0.0 10.0.0.2", or a list of them',
        _list_of(_pair),
    ),
    formats.ROUTES: ('a route such as "10.9.0.0/16 via 10.0.0.2", or a list', _list_of(_route)),
    formats.UINT8: ("a whole number from 0 to 255", _number),
    formats.UINT16: ("a whole number from 0 to 65535", _number),
    formats.UINT32: ("a whole number from 0 to 4294967295", _number),
    formats.INT32: ("a whole number from -2147483648 to 2147483647", _number),
    formats.FLAG: ("true or false", _flag),
    formats.UINT8S: ("a list of whole numbers from 0 to 255", _list_of(_number)),
    formats.UINT16S: ("a list of whole numbers from 0 to 65535", _list_of(_number)),
    formats.TEXT: ("a text", _text),
    formats.DOMAINS: ('a domain name such as "example.com", or a list of them', _list_of(_text)),
}
