"""What the options of a message ask of a DHCP server, read once.

A `Question` depends on the options alone and on no field of the header, so that it may be
remembered by their bytes: machines repeat themselves. Malformed options that decide what the client
wants raise DecodeError; those that merely wish for something count as absent, for a client with an
odd wish still needs an address.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from protocols.dhcp.message import OPTIONS_OFFSET, DhcpMessage
from protocols.dhcp.option import END, PAD, RawOption
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

_ADDRESS_SIZE: Final = 4
_CIRCUIT_ID, _REMOTE_ID, _LINK_SELECTION, _SERVER_OVERRIDE = 1, 2, 5, 11
_BOOT_MARKS: Final = frozenset({60, 77, 93, 175})
"""Options by which network boot clients show: class, user class, architecture, iPXE's own."""


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
    relay: tuple[bytes, ...]
    """Instances of option 82, to be sent back as they came."""
    circuit_id: bytes | None
    remote_id: bytes | None
    subnet: int | None
    """Any address of the subnet that was selected by option 82.5 (RFC 3527) or 118 (RFC 3011)."""
    server_override: int | None
    """What the relay wants to be told as server identifier (RFC 5107)."""
    subnet_selection: bytes | None
    """Option 118, to be sent back."""
    auto_configure: bool
    """Whether option 116 was sent (RFC 2563)."""
    may_boot: bool
    """Whether it may be a network boot client."""


def question_of(message: DhcpMessage) -> Question:
    """What `message` asks. Raises DecodeError."""
    codes = {code for code, _ in message.options}
    if 52 in codes:
        codes = {code for code in range(1, END) if message.instances(code)}
    codes.discard(PAD)
    return ask(RawOption(code, data) for code in codes for data in message.instances(code))


def ask(options: Iterable[RawOption]) -> Question:
    """The question in `options`. Instances of one code are joined in their order (RFC 3396)."""
    found: dict[int, bytes] = {}
    relay: tuple[bytes, ...] = ()
    for code, data in options:
        if code == 82:
            relay = (*relay, data)
        found[code] = found[code] + data if code in found else data
    get = found.get
    circuit_id, remote_id, link, override = _relayed(get(82))
    selection = get(118)
    return Question(
        _message_type(get(53)),
        get(61, b""),
        _address(get(50), 50),
        _address(get(54), 54),
        _number(get(51), 4),
        get(55, b""),
        _room(get(57)),
        get(12, b"")[:HOST_NAME_LIMIT].rstrip(b"\0").decode("utf-8", "replace"),
        get(60, b""),
        _user_classes(get(77)),
        _architectures(get(93, b"")),
        relay,
        circuit_id,
        remote_id,
        _number(selection, 4) if link is None else link,
        override,
        selection,
        116 in found,
        not _BOOT_MARKS.isdisjoint(found),
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
    if len(data) != _ADDRESS_SIZE:
        raise DecodeError(f"option {code}", OPTIONS_OFFSET, f"is {len(data)} bytes long, not 4")
    return int.from_bytes(data, "big") or None


def _number(data: bytes | None, size: int) -> int | None:
    return None if data is None or len(data) != size else int.from_bytes(data, "big")


def _room(data: bytes | None) -> int:
    size = _number(data, 2) or LEAST_MESSAGE
    return max(LEAST_MESSAGE, min(size, MOST_MESSAGE)) - IP_AND_UDP


def _user_classes(data: bytes | None) -> tuple[bytes, ...]:
    """The classes, and the text as a whole: iPXE sends it without a frame."""
    if not data:
        return ()
    try:
        return (*USER_CLASS.decode(data).classes, data)
    except DecodeError:
        return (data,)


def _architectures(data: bytes) -> tuple[int, ...]:
    return tuple(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data) - 1, 2))


def _relayed(data: bytes | None) -> tuple[bytes | None, bytes | None, int | None, int | None]:
    """The sub-options of option 82 that we look at; a malformed rest says nothing."""
    if data is None:
        return None, None, None, None
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
