"""What the options of a message ask of a DHCP server, read once.

A `Question` depends on the options alone and on no field of the header, so that it may be
remembered by their bytes: machines repeat themselves. Malformed options that decide what the client
wants raise DecodeError; those that merely wish for something count as absent, for a client with an
odd wish still needs an address.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from protocols.dhcp.message import OPTIONS_OFFSET, OVERLOAD, DhcpMessage
from protocols.dhcp.option import END, RawOption, write_options
from protocols.dhcp.registry import USER_CLASS
from protocols.errors import DecodeError

IP_AND_UDP: Final = 28
"""Bytes of headers that option 57 counts and a payload does not."""
LEAST_MESSAGE: Final = 576
"""What every client must take (RFC 2131 §2), headers included."""
MOST_MESSAGE: Final = 1500
"""Ethernet's; a client may say 65535, and firmware does not put fragments together."""
HOST_NAME_LIMIT: Final = 255
"""Bytes of option 12 that are remembered: what one instance carries, and DNS allows."""

_SUBNET_SELECTION, _CLIENT_ID, _RELAY = 118, 61, 82
_CIRCUIT_ID, _REMOTE_ID, _LINK_SELECTION, _SERVER_OVERRIDE = 1, 2, 5, 11
_BOOT_CLASSES: Final = (b"PXEClient", b"HTTPClient")


class Question(NamedTuple):
    """The options that matter to the server; None or empty where the client does not send them.

    A named tuple, because one is made for each message that is not remembered.
    """

    type: int | None
    """Option 53 as it is; None: a BOOTP client."""
    client_id: bytes
    requested: int | None
    server: int | None
    lease_time: int | None
    wanted: bytes
    """Option 55: codes, most wanted first."""
    room: int
    """Bytes of payload that the client takes."""
    host_name: str
    vendor_class: bytes
    user_classes: tuple[bytes, ...]
    architectures: tuple[int, ...]
    is_relayed: bool
    """Whether option 82 was sent."""
    circuit_id: bytes | None
    remote_id: bytes | None
    subnet: int | None
    """Any address of the subnet that was selected by option 82.5 (RFC 3527) or 118 (RFC 3011)."""
    server_override: int | None
    """What the relay wants to be told as server identifier (RFC 5107)."""
    auto_configure: bool
    """Whether option 116 was sent (RFC 2563)."""
    may_boot: bool
    """Whether it calls itself a network boot client (option 60)."""
    echo: tuple[RawOption, ...]
    """What comes back as it was sent, in this order: subnet selection (RFC 3011 §2), client
    identifier (RFC 6842 §3), what a relay added (RFC 3046 §2.2)."""
    echo_bytes: bytes
    """That, as it is written."""


def question_of(message: DhcpMessage) -> Question:
    """What `message` asks. Raises DecodeError."""
    options = message.options
    if any(code == OVERLOAD for code, _ in options):
        options = tuple(
            RawOption(code, data) for code in range(1, END) for data in message.instances(code)
        )
    return ask(options)


def ask(options: Iterable[RawOption]) -> Question:
    """The question in `options`. Instances of one code are joined in their order (RFC 3396)."""
    found: dict[int, bytes] = {}
    relay: tuple[RawOption, ...] = ()
    for option in options:
        code, data = option
        if code == _RELAY:
            relay = (*relay, option)
        found[code] = found[code] + data if code in found else data
    get = found.get
    client_id, vendor_class, selection = get(_CLIENT_ID, b""), get(60, b""), get(_SUBNET_SELECTION)
    circuit_id = remote_id = link = override = None
    if relay:
        circuit_id, remote_id, link, override = _relayed(found[_RELAY])
    echo = relay
    if client_id:
        echo = (RawOption(_CLIENT_ID, client_id), *echo)
    if selection is not None:
        echo = (RawOption(_SUBNET_SELECTION, selection), *echo)
    return Question(
        _message_type(get(53)),
        client_id,
        _address(get(50), 50),
        _address(get(54), 54),
        _number(get(51), 4),
        get(55, b""),
        _room(get(57)),
        host_name_of(get(12)),
        vendor_class,
        _user_classes(get(77)),
        _architectures(get(93, b"")),
        bool(relay),
        circuit_id,
        remote_id,
        _number(selection, 4) if link is None else link,
        override,
        116 in found,
        vendor_class.startswith(_BOOT_CLASSES),
        echo,
        write_options(echo),
    )


def _message_type(data: bytes | None) -> int | None:
    if data is None:
        return None
    if len(data) != 1:
        raise DecodeError("option 53", OPTIONS_OFFSET, f"is {len(data)} bytes long, not 1")
    return data[0]


def _address(data: bytes | None, code: int) -> int | None:
    if data is None:
        return None
    if len(data) != 4:
        raise DecodeError(f"option {code}", OPTIONS_OFFSET, f"is {len(data)} bytes long, not 4")
    return int.from_bytes(data, "big") or None


def _number(data: bytes | None, size: int) -> int | None:
    return None if data is None or len(data) != size else int.from_bytes(data, "big")


def _room(data: bytes | None) -> int:
    size = _number(data, 2) or LEAST_MESSAGE
    return max(LEAST_MESSAGE, min(size, MOST_MESSAGE)) - IP_AND_UDP


def host_name_of(data: bytes | None) -> str:
    """Option 12 as text."""
    return data[:HOST_NAME_LIMIT].rstrip(b"\0").decode("utf-8", "replace") if data else ""


def _user_classes(data: bytes | None) -> tuple[bytes, ...]:
    """The classes, and the text as a whole: iPXE sends it without a frame."""
    if not data:
        return ()
    try:
        return (*USER_CLASS.decode(data).classes, data)
    except DecodeError:
        return (data,)


def _architectures(data: bytes) -> tuple[int, ...]:
    return tuple([int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data) - 1, 2)])


def _relayed(data: bytes) -> tuple[bytes | None, bytes | None, int | None, int | None]:
    """The sub-options of option 82 that we look at; a malformed rest says nothing."""
    found: dict[int, bytes] = {}
    at, stop = 0, len(data)
    while at + 2 <= stop and (end := at + 2 + data[at + 1]) <= stop:
        found.setdefault(data[at], data[at + 2 : end])
        at = end
    return (
        found.get(_CIRCUIT_ID) or None,
        found.get(_REMOTE_ID) or None,
        _number(found.get(_LINK_SELECTION), 4),
        _number(found.get(_SERVER_OVERRIDE), 4) or None,
    )
