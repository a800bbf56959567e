"""What another server's configuration becomes here: the tables `[dhcp]`, `[[dhcp.subnet]]` and
`[[dhcp.host]]` of a configuration of ours.

Whether the tables agree with each other is netbootd's own affair: they are read back as netbootd
reads them, and what it refuses is told and taken out, until it takes the rest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import Any, Final

from netbootd.config import Config
from netbootd.dhcp.importer.found import (
    FoundHost,
    FoundSubnet,
    FoundTimes,
    Options,
    Remark,
    Remarks,
    Settings,
    Tell,
    Unreadable,
    shown,
)
from netbootd.dhcp.option_text import BY_NAME
from ops.config import ConfigError, parse
from ops.setting import Duration

LEAST_TIME: Final = 4
MOST_TIME: Final = 31_536_000
"""Seconds that a lease time of ours may have."""

MAX_REFUSALS: Final = 200
"""Rounds of reading back. 200 contradictions are no configuration that ever worked."""

MAX_LABEL: Final = 63

ROUTER: Final = 3
_KEYS: Final = {ROUTER: "router", 6: "dns", 15: "domain", 42: "ntp", 119: "search"}
"""Options that are settings; all others are in a table `options`."""

_SIGNS: Final = ("mac", "client_id", "circuit_id")
"""What a host is known by."""
_NAMES: Final = {kind.code: name for name, kind in BY_NAME.items()}
_NO_LABEL = re.compile(r"[^A-Za-z0-9-]+")
_PLACE = re.compile(r"dhcp(?:\.(subnet|host)\[(\d+)\])?(?:\.(\w+)(?:\[(\d+)\])?(?:\.(.+))?)?")


@dataclass(slots=True)
class _Placed:
    """A table, and the line that it comes from."""

    line: int
    table: dict[str, Any]


def toml_of(found: Settings) -> tuple[str, tuple[Remark, ...]]:
    """The document, and what could not be taken over. Raises Unreadable."""
    remarks = Remarks()
    tell = remarks.tell
    subnets = _with_router(found.subnets, found.options)
    tables = {
        "subnet": [_Placed(each.line, _subnet(each, tell)) for each in subnets],
        "host": _hosts(found.hosts, tell),
    }
    top: dict[str, Any] = {"enabled": True}
    if found.authoritative:
        top["authoritative"] = True
    top |= _times(found.times, 1, tell)
    routed = subnets != list(found.subnets)
    shared = {c: v for c, v in found.options.items() if c != ROUTER or not routed}
    top |= _options(shared, all_in_table=False, without=("router",))
    for _ in range(MAX_REFUSALS):
        top["enabled"] = bool(tables["subnet"])
        text = _document(top, tables)
        try:
            parse(text.encode(), Config)
        except ConfigError as error:
            _take_out(error, top, tables, tell)
        else:
            return text, remarks.in_order()
    raise Unreadable("it contradicts itself in too many places")


def _with_router(subnets: Sequence[FoundSubnet], options: Options) -> list[FoundSubnet]:
    """The subnets, where those that the router of all is in have it as theirs."""
    router = options.get(ROUTER)
    texts = router if isinstance(router, tuple) else (router,)
    addresses = [IPv4Address(text) for text in texts if isinstance(text, str)]
    return [
        replace(subnet, options={ROUTER: router, **subnet.options})
        if router is not None and all(address in subnet.network for address in addresses)
        else subnet
        for subnet in subnets
    ]


def _subnet(found: FoundSubnet, tell: Tell) -> dict[str, Any]:
    table: dict[str, Any] = {"network": str(found.network)}
    if found.ranges:
        table["pools"] = [_span(first, last) for first, last in found.ranges]
    table |= _times(found.times, found.line, tell)
    if found.authoritative is not None:
        table["authoritative"] = found.authoritative
    if found.shared_network:
        table["shared_network"] = label(found.shared_network)[:32]
    return table | _options(found.options, all_in_table=False)


def _span(first: IPv4Address, last: IPv4Address) -> str:
    return str(first) if first == last else f"{first}-{last}"


def _hosts(found: Sequence[FoundHost], tell: Tell) -> list[_Placed]:
    names: set[str] = set()
    return [_Placed(host.line, _host(host, _name(host, names, tell))) for host in found]


def _host(found: FoundHost, name: str) -> dict[str, Any]:
    table: dict[str, Any] = {"name": name}
    if found.hardware is not None:
        table["mac"] = found.hardware.hex(":")
    if found.client_id is not None:
        table["client_id"] = f"hex:{found.client_id.hex()}"
    if found.circuit_id is not None:
        table["circuit_id"] = f"hex:{found.circuit_id.hex()}"
    if found.address is not None:
        table["address"] = str(found.address)
    if found.denied:
        table["deny"] = True
    return table | _options(found.options, all_in_table=True)


def _name(host: FoundHost, taken: set[str], tell: Tell) -> str:
    """A host name without dots that no other host has."""
    base = label(host.name) or "host"
    name, number = base, 1
    while name.lower() in taken:
        number += 1
        name = f"{base[: MAX_LABEL - 1 - len(str(number))]}-{number}"
    taken.add(name.lower())
    if name != host.name:
        tell(host.line, f"host {shown(host.name)} is called {name}")
    return name


def label(text: str) -> str:
    """`text` as a name of letters, digits and dashes; empty if nothing of it can be in one."""
    return _NO_LABEL.sub("-", text.partition(".")[0])[:MAX_LABEL].strip("-")


def _times(found: FoundTimes, line: int, tell: Tell) -> dict[str, Any]:
    table = {}
    for key, seconds in (
        ("lease_time", found.default),
        ("min_lease_time", found.minimum),
        ("max_lease_time", found.maximum),
    ):
        if seconds is None:
            continue
        possible = max(LEAST_TIME, min(seconds, MOST_TIME))
        table[key] = str(Duration(possible))
        if possible != seconds:
            tell(line, f"{key} is {table[key]}, where {seconds} s were set: 4 s to a year go here")
    return table


def _options(
    options: Options, *, all_in_table: bool, without: Sequence[str] = ()
) -> dict[str, Any]:
    table: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for code, value in sorted(options.items()):
        key = _KEYS.get(code)
        if key is None or all_in_table or key in without:
            others[_NAMES.get(code, str(code))] = value
        else:
            table[key] = list(value) if key == "search" and isinstance(value, tuple) else value
    if others:
        table["options"] = others
    return table


# What netbootd refuses.


def _take_out(
    error: ConfigError, top: dict[str, Any], tables: dict[str, list[_Placed]], tell: Tell
) -> None:
    """Take out what `error` names. Raises Unreadable if it names nothing of ours."""
    match = _PLACE.fullmatch(error.key)
    kind, number, key, item, name = match.groups() if match else ("", "", "", "", "")
    placed = tables[kind][int(number)] if kind else _Placed(1, top)
    whole = key in (None, "network") or (kind == "host" and key not in ("address", "options"))
    if kind and whole:
        del tables[kind][int(number)]
    elif key is None or not _remove(placed.table, key, item, name):
        raise Unreadable(f"what it says is refused: {error}")
    what = f"{kind} {placed.table.get('name', '')}".strip() if whole else name or key
    sign = f"its {key} {placed.table[key]} " if whole and kind and key in _SIGNS else ""
    tell(placed.line, f"{what} is left out: {sign}{error.problem}")


def _remove(table: dict[str, Any], key: str, item: str | None, name: str | None) -> bool:
    """Take `key` out of `table`, or only an item or a name inside it; whether it was there."""
    if key not in table:
        return False
    inner = table[key]
    if name is not None and isinstance(inner, dict):
        inner.pop(name.strip('"'), None)
    elif item is not None and isinstance(inner, list):
        del inner[int(item)]
    else:
        inner = None
    if not inner:
        del table[key]
    return True


# TOML.


def _document(top: Mapping[str, Any], tables: Mapping[str, Sequence[_Placed]]) -> str:
    lines = ["[dhcp]", *_table(top)]
    for kind, placed in tables.items():
        for each in placed:
            lines += ["", f"[[dhcp.{kind}]]", *_table(each.table)]
    return "\n".join(lines) + "\n"


def _table(table: Mapping[str, Any]) -> Iterator[str]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            inner = ", ".join(
                f"{_literal(name)} = {_literal(each)}" for name, each in value.items()
            )
            yield f"{key} = {{ {inner} }}"
        else:
            yield f"{key} = {_literal(value)}"


def _literal(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_literal, value))}]"
    # JSON's texts are TOML's, but for DEL, which TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
