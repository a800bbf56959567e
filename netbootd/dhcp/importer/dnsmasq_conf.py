"""dnsmasq.conf: ranges, hosts and options of DHCP for IPv4; what dnsmasq is besides stays out.

    dhcp-range=set:lan,10.77.0.100,10.77.0.199,255.255.255.0,12h
    dhcp-host=52:54:00:77:00:51,set:mac,blue,10.77.0.20
    dhcp-option=tag:lan,option:router,10.77.0.254

An option with tags is for the ranges and hosts that set all of them; without tags, for everybody.
A line without `dhcp-host=` that begins with an Ethernet address or `id:` is one of a
dhcp-hostsfile. Source: dnsmasq(8) and src/option.c of dnsmasq 2.90.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network
from typing import Final

from netbootd.dhcp.importer import value
from netbootd.dhcp.importer.found import (
    INFINITE,
    MAX_SETTINGS,
    FoundHost,
    FoundSubnet,
    FoundTimes,
    Options,
    Remarks,
    Settings,
    Tell,
    check_bounds,
    lines_of,
    shown,
)
from netbootd.dhcp.importer.isc import Word
from netbootd.dhcp.importer.options import DNSMASQ, option
from netbootd.dhcp.settings import OptionValue

DOMAIN: Final = 15

_OWN_ADDRESS: Final = {3: "router", 6: "dns"}
"""Options that dnsmasq sends by itself, and what they are called here."""

_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_TIME = re.compile(r"([0-9]{1,9})([smhdw]?)", re.ASCII)
_HARDWARE = re.compile(r"[0-9A-Fa-f]{1,2}([:-][0-9A-Fa-f]{1,2}){5}", re.ASCII)
Tags = frozenset[str]

_COMMENT = re.compile(r"(?:^|\s)#.*")

_ELSEWHERE: Final = {
    "conf-file": "is not followed; import that file, too",
    "conf-dir": "is not followed; import its files, too",
    "dhcp-hostsfile": "is not followed; import that file, too",
    "dhcp-hostsdir": "is not followed; import its files, too",
    "dhcp-optsfile": "is not followed",
    "dhcp-optsdir": "is not followed",
    "dhcp-leasefile": "is not followed; `netbootctl import leases` reads that file",
    "read-ethers": "is not followed: /etc/ethers stays out",
    "dhcp-boot": "stays out: which file boots a machine is decided by [pxe] and boot entries",
    "pxe-service": "stays out; see [pxe]",
    "pxe-prompt": "stays out; see [pxe]",
    "enable-tftp": "stays out; see [tftp]",
    "tftp-root": "stays out; see [tftp]",
    "no-ping": "stays out; see dhcp.probe",
    "dhcp-ignore": "stays out; see dhcp.known_only",
    "dhcp-vendorclass": "stays out; see [[dhcp.class]]",
    "dhcp-userclass": "stays out; see [[dhcp.class]]",
    "dhcp-mac": "stays out; see [[dhcp.class]]",
    "dhcp-circuitid": "stays out; see [[dhcp.class]]",
    "dhcp-remoteid": "stays out; see [[dhcp.class]]",
    "dhcp-match": "stays out; see [[dhcp.class]]",
    "bootp-dynamic": "stays out; see dhcp.bootp",
    "interface": "stays out; see network.interfaces",
    "except-interface": "stays out; see network.exclude",
    "no-dhcp-interface": "stays out; see the settings of an interface",
    "dhcp-relay": "stays out: netbootd is no relay",
}


@dataclass(slots=True)
class _TaggedOption:
    """An option, and who gets it."""

    line: int
    tags: Tags
    code: int
    value: OptionValue
    used: bool = False


@dataclass(slots=True)
class _Lines:
    """What the lines say, one after the other."""

    subnets: list[tuple[FoundSubnet, Tags]] = field(default_factory=list)
    hosts: list[tuple[FoundHost, Tags]] = field(default_factory=list)
    options: list[_TaggedOption] = field(default_factory=list)
    authoritative: bool = False


def read_settings(data: bytes) -> Settings:
    """Subnets and hosts of the file. Raises Unreadable if the file is of something else."""
    check_bounds(data, MAX_SETTINGS)
    remarks = Remarks()
    lines = _Lines()
    for number, line in lines_of(data):
        text = _COMMENT.sub("", line).strip()
        if not text:
            continue
        try:
            why = _read(number, text, lines, remarks.tell)
        except ValueError as error:
            why = f"is left out: {shown(str(error))}"
        if why is not None:
            remarks.tell(number, f"`{shown(text)}` {why}")
    subnets = _joined(
        replace(subnet, options=_options_for(tags, lines)) for subnet, tags in lines.subnets
    )
    hosts = tuple(replace(host, options=_options_for(tags, lines)) for host, tags in lines.hosts)
    for unused in lines.options:
        if unused.tags and not unused.used:
            tags = ", ".join(sorted(unused.tags))
            remarks.tell(unused.line, f"no range and no host here sets {shown(tags)}; left out")
    options = {one.code: one.value for one in lines.options if not one.tags}
    for subnet in subnets:
        for code, key in _OWN_ADDRESS.items():
            if code not in subnet.options and code not in options:
                why = f"no {key} is set, for which dnsmasq names itself; set `{key}`"
                remarks.tell(subnet.line, f"{subnet.network}: {why}")
    return Settings(
        subnets=subnets,
        hosts=hosts,
        options=options,
        times=FoundTimes(),
        authoritative=lines.authoritative,
        remarks=remarks.in_order(),
    )


def _read(number: int, text: str, lines: _Lines, tell: Tell) -> str | None:
    """Enter one line; why it stays out, if it does. Raises ValueError."""
    key, equals, rest = text.removeprefix("--").partition("=")
    key, rest = key.strip(), rest.strip()
    parts = [part.strip() for part in rest.split(",")]
    match key:
        case "dhcp-range":
            return _range(number, parts, lines, tell)
        case "dhcp-host":
            return _host(number, parts, lines, tell)
        case "dhcp-option" | "dhcp-option-force":
            return _option(number, parts, lines)
        case "dhcp-authoritative":
            lines.authoritative = True
            return None
        case "domain" if len(parts) == 1 and parts[0] != "#":
            lines.options.append(_TaggedOption(number, frozenset(), DOMAIN, option(DOMAIN, parts)))
            return None
    if not equals and (_HARDWARE.match(text) or text.startswith("id:")):
        return _host(number, [part.strip() for part in text.split(",")], lines, tell)
    if key in _ELSEWHERE:
        return _ELSEWHERE[key]
    return "is not understood" if key.startswith("dhcp") or not key else "is not about addresses"


def _range(number: int, parts: list[str], lines: _Lines, tell: Tell) -> str | None:
    tags, rest = _tags(parts)
    if rest and ":" in rest[0]:
        return "stays out: it is of IPv6 or of one interface"
    first = value.address(rest[0] if rest else "")
    times = FoundTimes()
    if len(rest) > 1 and (seconds := _seconds(rest[-1])) is not None:
        times = FoundTimes(default=seconds)
        rest = rest[:-1]
    end, *masks = rest[1:] or [""]
    if end == "proxy":
        return "stays out: proxyDHCP is [pxe]"
    last = first if end in ("", "static") else value.address(end)
    network = IPv4Network(f"{first}/{value.address(masks[0]) if masks else 24}", strict=False)
    if not masks:
        tell(number, f"no netmask is named: {network} is a guess; check `network`")
    ranges = () if end == "static" else ((first, last),)
    subnet = FoundSubnet(line=number, network=network, ranges=ranges, times=times)
    lines.subnets.append((subnet, tags))
    return None


def _host(number: int, parts: list[str], lines: _Lines, tell: Tell) -> str | None:
    tags, rest = _tags(parts)
    hardware: list[bytes] = []
    host = FoundHost(
        line=number, name="", hardware=None, client_id=None, circuit_id=None, address=None
    )
    for part in rest:
        if _HARDWARE.fullmatch(part):
            hardware.append(value.ethernet(part.replace("-", ":")))
        elif part.startswith("id:"):
            host = replace(host, client_id=_client_id(part.removeprefix("id:")))
        elif part == "ignore":
            host = replace(host, denied=True)
        elif part.startswith(("tag:", "[")) or "*" in part or ":" in part:
            return f"is left out: {shown(part)} has no counterpart"
        elif _seconds(part) is not None:
            tell(number, f"the lease time {part} of a host stays out; see [[dhcp.class]]")
        elif re.fullmatch(r"[0-9.]+", part):
            host = replace(host, address=value.address(part))
        else:
            host = replace(host, name=part)
    if len(hardware) > 1:
        others = ", ".join(mac.hex(":") for mac in hardware[1:])
        tell(number, f"only {hardware[0].hex(':')} gets the address; {others} cannot share it")
    if hardware:
        host = replace(host, hardware=hardware[0])
    name = host.name or (hardware[0].hex("-") if hardware else f"host-{number}")
    lines.hosts.append((replace(host, name=name), tags))
    return None


def _option(number: int, parts: list[str], lines: _Lines) -> str | None:
    tags: list[str] = []
    while parts and parts[0].startswith("tag:"):
        tags.append(parts.pop(0).removeprefix("tag:"))
    if any(tag.startswith("!") for tag in tags):
        return "stays out: it is for who has not a tag"
    name, *words = parts or [""]
    if name.startswith(("option6:", "encap:", "vendor:", "vi-encap:", "net:", "cpewan:")):
        return "stays out: it is not an option by itself"
    code = DNSMASQ.get(name.removeprefix("option:"))
    if code is None:
        code = value.number(name)
    if not words:
        return "stays out: it takes an option away"
    if "0.0.0.0" in words:  # noqa: S104 - an address that dnsmasq replaces
        return "stays out: it stands for the address of the server; name that"
    found = option(code, [_word(text) for text in words])
    lines.options.append(_TaggedOption(number, frozenset(tags), code, found))
    return None


def _word(text: str) -> Word:
    """A value; a number may say its width (`1400s`), and a text may be in quotes."""
    if len(text) > 1 and text[0] == text[-1] == '"':
        return text[1:-1].encode()
    return re.sub(r"(?<=[0-9])[bsi]\Z", "", text)


def _tags(parts: Sequence[str]) -> tuple[Tags, list[str]]:
    """The tags that a line sets, and the rest of it."""
    tags = frozenset(part.removeprefix("set:") for part in parts if part.startswith("set:"))
    return tags, [part for part in parts if part and not part.startswith("set:")]


def _client_id(text: str) -> bytes:
    """Octets, or a text; as dnsmasq, we take for octets what could be."""
    try:
        return value.octets(text)
    except ValueError:
        data = text.encode()
    if not 0 < len(data) <= value.MAX_CLIENT_ID:
        raise ValueError(f"1 to {value.MAX_CLIENT_ID} bytes are expected")
    return data


def _seconds(text: str) -> int | None:
    """A lease time; None for what is none."""
    if text == "infinite":
        return INFINITE
    match = _TIME.fullmatch(text)
    return min(int(match[1]) * _UNITS[match[2]], INFINITE) if match else None


def _options_for(tags: Tags, lines: _Lines) -> Options:
    own: Options = {}
    for one in lines.options:
        if one.tags and one.tags <= tags:
            own[one.code] = one.value
            one.used = True
    return own


def _joined(subnets: Iterable[FoundSubnet]) -> tuple[FoundSubnet, ...]:
    """One subnet for all ranges of a network."""
    joined: dict[IPv4Network, FoundSubnet] = {}
    for subnet in subnets:
        first = joined.setdefault(subnet.network, subnet)
        if first is not subnet:
            joined[subnet.network] = replace(
                first,
                ranges=first.ranges + subnet.ranges,
                options={**first.options, **subnet.options},
            )
    return tuple(joined.values())
