"""DHCP options as dhcpd and dnsmasq name and write them, as values of ours.

    option(6, ["10.0.0.2", "10.0.0.3"])   →  ("10.0.0.2", "10.0.0.3")
    option(17, [b"/srv/nfs"])             →  "/srv/nfs"
    option(43, ["01:04:0a:00:00:02"])     →  "hex:01040a000002"

What the words mean is the option's own affair, as `protocols.dhcp.registry` knows it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import IPv4Network
from typing import Any, Final

from netbootd.dhcp.importer import value
from netbootd.dhcp.importer.isc import Word
from netbootd.dhcp.option_text import OptionError, option_from
from netbootd.dhcp.settings import OptionValue
from protocols.dhcp import formats
from protocols.dhcp.layout import Layout
from protocols.dhcp.registry import OPTIONS

DHCPD: Final = {
    "subnet-mask": 1,
    "time-offset": 2,
    "routers": 3,
    "time-servers": 4,
    "ien116-name-servers": 5,
    "domain-name-servers": 6,
    "log-servers": 7,
    "cookie-servers": 8,
    "lpr-servers": 9,
    "impress-servers": 10,
    "resource-location-servers": 11,
    "host-name": 12,
    "boot-size": 13,
    "merit-dump": 14,
    "domain-name": 15,
    "swap-server": 16,
    "root-path": 17,
    "extensions-path": 18,
    "ip-forwarding": 19,
    "non-local-source-routing": 20,
    "policy-filter": 21,
    "max-dgram-reassembly": 22,
    "default-ip-ttl": 23,
    "path-mtu-aging-timeout": 24,
    "path-mtu-plateau-table": 25,
    "interface-mtu": 26,
    "all-subnets-local": 27,
    "broadcast-address": 28,
    "perform-mask-discovery": 29,
    "mask-supplier": 30,
    "router-discovery": 31,
    "router-solicitation-address": 32,
    "static-routes": 33,
    "trailer-encapsulation": 34,
    "arp-cache-timeout": 35,
    "ieee802-3-encapsulation": 36,
    "default-tcp-ttl": 37,
    "tcp-keepalive-interval": 38,
    "tcp-keepalive-garbage": 39,
    "nis-domain": 40,
    "nis-servers": 41,
    "ntp-servers": 42,
    "vendor-encapsulated-options": 43,
    "netbios-name-servers": 44,
    "netbios-dd-server": 45,
    "netbios-node-type": 46,
    "netbios-scope": 47,
    "font-servers": 48,
    "x-display-manager": 49,
    "dhcp-renewal-time": 58,
    "dhcp-rebinding-time": 59,
    "vendor-class-identifier": 60,
    "nisplus-domain": 64,
    "nisplus-servers": 65,
    "tftp-server-name": 66,
    "bootfile-name": 67,
    "mobile-ip-home-agent": 68,
    "smtp-server": 69,
    "pop-server": 70,
    "nntp-server": 71,
    "www-server": 72,
    "finger-server": 73,
    "irc-server": 74,
    "streettalk-server": 75,
    "streettalk-directory-assistance-server": 76,
    "nds-servers": 85,
    "nds-tree-name": 86,
    "nds-context": 87,
    "uap-servers": 98,
    "domain-search": 119,
    "v4-captive-portal": 114,
}
"""common/tables.c of ISC DHCP 4.4."""

DNSMASQ: Final = {
    "netmask": 1,
    "time-offset": 2,
    "router": 3,
    "dns-server": 6,
    "log-server": 7,
    "lpr-server": 9,
    "boot-file-size": 13,
    "domain-name": 15,
    "swap-server": 16,
    "root-path": 17,
    "extension-path": 18,
    "ip-forward-enable": 19,
    "non-local-source-routing": 20,
    "policy-filter": 21,
    "max-datagram-reassembly": 22,
    "default-ttl": 23,
    "mtu": 26,
    "all-subnets-local": 27,
    "router-discovery": 31,
    "router-solicitation": 32,
    "static-route": 33,
    "trailer-encapsulation": 34,
    "arp-timeout": 35,
    "ethernet-encap": 36,
    "tcp-ttl": 37,
    "tcp-keepalive": 38,
    "nis-domain": 40,
    "nis-server": 41,
    "ntp-server": 42,
    "netbios-ns": 44,
    "netbios-dd": 45,
    "netbios-nodetype": 46,
    "netbios-scope": 47,
    "x-windows-fs": 48,
    "x-windows-dm": 49,
    "T1": 58,
    "T2": 59,
    "vendor-class": 60,
    "nis+-domain": 64,
    "nis+-server": 65,
    "tftp-server": 66,
    "bootfile-name": 67,
    "mobile-ip-home": 68,
    "smtp-server": 69,
    "pop3-server": 70,
    "nntp-server": 71,
    "irc-server": 74,
    "posix-timezone": 100,
    "tzdb-timezone": 101,
    "ipv6-only": 108,
    "domain-search": 119,
    "sip-server": 120,
    "classless-static-route": 121,
    "vendor-id-encap": 125,
    "tftp-server-address": 150,
}
"""`dnsmasq --help dhcp` of dnsmasq 2.90."""


def option(code: int, words: Sequence[Word]) -> OptionValue:
    """The value of an option that was written as `words`. Raises ValueError."""
    if not words:
        raise ValueError("no value is given")
    kind = OPTIONS.get(code)
    read = _READERS.get(kind.layout, _opaque) if kind is not None else _opaque
    found = read(words)
    try:
        option_from(str(code), found)
    except OptionError as error:
        raise ValueError(f"{error.problem}; {error.remedy}") from None
    return found


def _plain(word: Word) -> str:
    return word.decode() if isinstance(word, bytes) else word


def _one(words: Sequence[Word]) -> str:
    if len(words) != 1:
        raise ValueError("one value is expected")
    return _plain(words[0])


def _few(texts: Sequence[str]) -> OptionValue:
    return texts[0] if len(texts) == 1 else tuple(texts)


def _addresses(words: Sequence[Word]) -> OptionValue:
    return _few([str(value.address(_plain(word))) for word in words])


def _pairs(words: Sequence[Word]) -> OptionValue:
    return _few([f"{first} {second}" for first, second in _paired(words)])


def _routes(words: Sequence[Word]) -> OptionValue:
    if len(words) > 1 and all("." not in _plain(word) for word in words):
        return _hex(bytes(_uint8(_plain(word)) for word in words))
    return _few([f"{IPv4Network(net)} via {value.address(via)}" for net, via in _paired(words)])


def _paired(words: Sequence[Word]) -> list[tuple[str, str]]:
    if len(words) % 2:
        raise ValueError("the values are no pairs")
    texts = [_plain(word) for word in words]
    return list(zip(texts[::2], texts[1::2], strict=True))


def _uint8(text: str) -> int:
    number = value.number(text)
    if number > 255:
        raise ValueError(f"{text} is not a number of 8 bits")
    return number


def _number(words: Sequence[Word]) -> OptionValue:
    text = _one(words)
    digits = text.removeprefix("-")
    return -value.number(digits) if text.startswith("-") else value.number(digits)


def _numbers(words: Sequence[Word]) -> OptionValue:
    return tuple(value.number(_plain(word)) for word in words)


def _flag(words: Sequence[Word]) -> OptionValue:
    flags = {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False}
    text = _one(words).lower()
    if text not in flags:
        raise ValueError(f"{text} is neither true nor false")
    return flags[text]


def _text(words: Sequence[Word]) -> OptionValue:
    return _one(words)


def _names(words: Sequence[Word]) -> OptionValue:
    return tuple(_plain(word) for word in words)


def _opaque(words: Sequence[Word]) -> OptionValue:
    """Octets, addresses, or a text, whichever it looks like; in quotes it is a text."""
    if all(isinstance(word, str) for word in words):
        if all(_plain(word).isdecimal() for word in words):
            if len(words) == 1:
                raise ValueError("a number, and how wide it is nobody says")
            return _hex(bytes(_uint8(_plain(word)) for word in words))
        with suppress(ValueError):
            return _addresses(words)
        with suppress(ValueError):
            return _hex(value.octets(_one(words)))
    text = _one(words)
    return text if text.isprintable() and not text.startswith("hex:") else _hex(text.encode())


def _hex(data: bytes) -> str:
    return f"hex:{data.hex()}"


_READERS: Final[dict[Layout[Any], Callable[[Sequence[Word]], OptionValue]]] = {
    formats.ADDRESS: _addresses,
    formats.ADDRESSES: _addresses,
    formats.ADDRESSES_IF_ANY: _addresses,
    formats.ADDRESS_PAIRS: _pairs,
    formats.ROUTES: _routes,
    formats.UINT8: _number,
    formats.UINT16: _number,
    formats.UINT32: _number,
    formats.INT32: _number,
    formats.FLAG: _flag,
    formats.UINT8S: _numbers,
    formats.UINT16S: _numbers,
    formats.TEXT: _text,
    formats.DOMAINS: _names,
}
