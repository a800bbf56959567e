"""Values that stand in the files of several servers. Each function raises ValueError for a text
that is not one; the readers tell the operator."""

from __future__ import annotations

import re
from ipaddress import IPv4Address
from typing import Final

from netbootd.dhcp.importer.found import INFINITE

MAX_HOST_NAME: Final = 255
MAX_CLIENT_ID: Final = 255
"""Bytes that one option carries."""

_OCTETS = re.compile(r"[0-9A-Fa-f]{1,2}(?::[0-9A-Fa-f]{1,2})*", re.ASCII)


def address(text: str) -> IPv4Address:
    """A dotted IPv4 address."""
    try:
        return IPv4Address(text)
    except ValueError:
        raise ValueError(f"{text} is not an IPv4 address") from None


def octets(text: str, limit: int = MAX_CLIENT_ID) -> bytes:
    """`1:a:ff`, one octet or more."""
    if not _OCTETS.fullmatch(text):
        raise ValueError(f"{text} is not a list of octets")
    data = bytes(int(octet, 16) for octet in text.split(":"))
    if len(data) > limit:
        raise ValueError(f"more than {limit} octets")
    return data


def ethernet(text: str) -> bytes:
    """An Ethernet address of six octets."""
    data = octets(text)
    if len(data) != 6:
        raise ValueError(f"{text} is not an Ethernet address")
    return data


def number(text: str) -> int:
    """A whole number of 32 bits without a sign."""
    if not re.fullmatch(r"[0-9]{1,10}", text, re.ASCII) or int(text) > 0xFFFFFFFF:
        raise ValueError(f"{text} is not a number of 32 bits")
    return int(text)


def moment(text: str) -> int:
    """Seconds since 1970; what is beyond 2106 never comes."""
    if not re.fullmatch(r"[0-9]{1,15}", text, re.ASCII):
        raise ValueError(f"{text} is not a time")
    return min(int(text), INFINITE)


def name(data: bytes | str) -> str:
    """A host name as clients send it: UTF-8 or whatever they took for it, without a final NUL."""
    text = data if isinstance(data, str) else data.decode("utf-8", "backslashreplace")
    text = text.rstrip("\0")
    if len(text) > MAX_HOST_NAME:
        raise ValueError(f"a name of more than {MAX_HOST_NAME} characters")
    return text
