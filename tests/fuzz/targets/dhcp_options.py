"""Any data of any option is refused with a DecodeError inside it, or has a value that encodes, and
what it encodes to has the same value.

The input is a code, then the data of the option.
"""

from __future__ import annotations

from typing import Any

from protocols.dhcp import registry
from protocols.dhcp.message import OPTIONS_OFFSET, DhcpMessage
from protocols.dhcp.option import RawOption
from protocols.dhcp.registry import OPTIONS, OptionType
from protocols.dhcp.value import RelayAgentInformation
from protocols.errors import DecodeError

SUB_OPTIONS = [
    kind
    for kind in vars(registry).values()
    if isinstance(kind, OptionType) and OPTIONS.get(kind.code) is not kind
]


def check(kind: OptionType[Any], data: bytes) -> Any:
    """The value of `data`, or None where it is refused."""
    try:
        value = kind.decode(data)
    except DecodeError as error:
        refusal = error
    else:
        assert kind.decode(kind.encode(value)) == value
        return value
    assert 0 <= refusal.offset <= len(data)
    return None


def check_in_message(kind: OptionType[Any], data: bytes, value: Any) -> None:
    """A message finds the same value when the data lies in instances of up to 100 bytes."""
    parts = [data[at : at + 100] for at in range(0, len(data), 100)]
    message = DhcpMessage(op=1, options=tuple(RawOption(kind.code, part) for part in parts))
    try:
        found = message.value(kind)
    except DecodeError as error:
        found, offset = None, error.offset
        end = OPTIONS_OFFSET + sum(2 + len(part) for part in parts)
        assert OPTIONS_OFFSET + 2 <= offset <= end
    assert found == value


def target(data: bytes) -> None:
    kind = OPTIONS.get(data[0]) if data else None
    if kind is None:
        return
    value = check(kind, data[1:])
    if isinstance(value, RelayAgentInformation):
        for sub_kind in SUB_OPTIONS:
            found = value.sub_option(sub_kind.code)
            if found is not None:
                check(sub_kind, found)
    if len(data) > 1 and kind is not registry.OVERLOAD:
        check_in_message(kind, data[1:], value)
