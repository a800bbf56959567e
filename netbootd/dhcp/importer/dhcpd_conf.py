"""dhcpd.conf: subnets with their ranges and options, and hosts.

    shared-network NAME { subnet ADDRESS netmask MASK { range A B; pool { range C D; } } }
    group { option routers R; host NAME { hardware ethernet MAC; fixed-address A; } }

What a block says holds for the blocks in it. For a subnet that is what groups and its shared
network say; for a host what its groups say, for the rest it learns from the subnet of its address.
Conditions, classes and whatever dhcpd computes stay out, and are told. Source: dhcpd.conf(5) and
dhcp-options(5) of ISC DHCP 4.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network
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
    shown,
)
from netbootd.dhcp.importer.isc import Statement, Word, statements
from netbootd.dhcp.importer.options import DHCPD, option
from protocols.dhcp import formats
from protocols.dhcp.registry import OPTIONS

SUBNET_MASK: Final = 1
HOST_NAME: Final = 12

_TIMES: Final = {
    "default-lease-time": "default",
    "min-lease-time": "minimum",
    "max-lease-time": "maximum",
}

_LAYOUTS: Final = (
    "ip-address",
    "array of ip-address",
    "text",
    "string",
    "array of integer 8",
)
"""Of options that dhcpd does not know by itself: those whose values show what they are."""

_ELSEWHERE: Final = {
    "include": "is not followed; import that file, too",
    "filename": "stays out: which file boots a machine is decided by [pxe] and boot entries",
    "next-server": "stays out: machines boot from netbootd itself",
    "server-name": "stays out: machines boot from netbootd itself",
    "ping-check": "stays out; see dhcp.probe",
    "ping-timeout": "stays out; see dhcp.probe_time",
    "abandon-lease-time": "stays out; see dhcp.decline_time",
    "ignore-client-uids": "stays out; see dhcp.ignore_client_identifier",
    "class": "stays out; see [[dhcp.class]]",
    "subclass": "stays out; see [[dhcp.class]]",
    "allow": "stays out; see dhcp.known_only, and `class` of a pool",
    "deny": "stays out; see dhcp.known_only, and `class` of a pool",
    "ignore": "stays out; see dhcp.known_only, and `class` of a pool",
    "lease": "is a lease; import this file's leases, too",
}
"""What the operator is told of statements that have no place, or another one."""

_FOR_ALL: Final = (
    ("allow", "all", "clients"),
    ("deny", "dynamic", "bootp", "clients"),
)
"""Statements that leave a pool to everybody; BOOTP is off where dhcp.bootp does not say else."""


@dataclass(slots=True)
class _Says:
    """What the statements of one block say, those in its blocks left aside."""

    options: Options = field(default_factory=dict)
    times: FoundTimes = field(default_factory=FoundTimes)
    authoritative: bool | None = None
    mask: str | None = None
    hardware: bytes | None = None
    client_id: bytes | None = None
    circuit_id: bytes | None = None
    address: IPv4Address | None = None
    host_name: str | None = None
    denied: bool = False


@dataclass(frozen=True, slots=True)
class _Around:
    """What the blocks around one say of it."""

    subnet: _Says
    """Groups and the shared network, to a subnet."""
    host: Options
    """Groups, to a host."""
    shared_network: str | None = None


def read_settings(data: bytes) -> Settings:
    """Subnets and hosts of the file. Raises Unreadable if the file is of something else."""
    check_bounds(data, MAX_SETTINGS)
    remarks = Remarks()
    reader = _Reader(remarks.tell)
    body = tuple(statements(data, remarks.tell))
    says = reader.says(body)
    reader.walk(body, _Around(_Says(), {}))
    return Settings(
        subnets=tuple(reader.with_ranges()),
        hosts=tuple(reader.hosts),
        options=says.options,
        times=says.times,
        authoritative=bool(says.authoritative),
        remarks=remarks.in_order(),
    )


class _Reader:
    """Goes through the blocks. Recursive: `isc.MAX_NESTING` bounds it."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._codes = dict(DHCPD)
        self._ranges: list[tuple[int, IPv4Address, IPv4Address]] = []
        self._subnets: list[FoundSubnet] = []
        self.hosts: list[FoundHost] = []

    def walk(self, body: Sequence[Statement], around: _Around) -> None:
        """Read the blocks in `body`."""
        for block in body:
            if block.body is None:
                continue
            match block.words:
                case ["group", *_]:
                    self._group(block.body, around)
                case ["shared-network", name]:
                    self._shared_network(block.body, around, _text(name))
                case ["subnet", str(address), "netmask", str(mask)]:
                    self._subnet(block, address, mask, around)
                case ["pool"]:
                    self._pool(block)
                case ["host", name]:
                    self._host(block, _text(name), around)
                case _:
                    self._stays_out(block)

    def with_ranges(self) -> list[FoundSubnet]:
        """The subnets; a range is of the subnet that it lies in, wherever its pool stands."""
        own: dict[IPv4Network, list[tuple[IPv4Address, IPv4Address]]] = {}
        networks = [subnet.network for subnet in self._subnets]
        for line, first, last in self._ranges:
            network = next((n for n in networks if first in n), None)
            if network is None:
                self._tell(line, f"range {first} to {last} is in no subnet of this file; left out")
            else:
                own.setdefault(network, []).append((first, last))
        return [
            replace(subnet, ranges=tuple(own.pop(subnet.network, ()))) for subnet in self._subnets
        ]

    def _group(self, body: Sequence[Statement], around: _Around) -> None:
        says = self.says(body)
        host = {**around.host, **says.options}
        self.walk(body, replace(around, subnet=_merged(around.subnet, says), host=host))

    def _shared_network(self, body: Sequence[Statement], around: _Around, name: str) -> None:
        says = _merged(around.subnet, self.says(body))
        self.walk(body, replace(around, subnet=says, shared_network=name))

    def _subnet(self, block: Statement, address: str, mask: str, around: _Around) -> None:
        body = block.body or ()
        try:
            network = IPv4Network(f"{value.address(address)}/{value.address(mask)}")
        except ValueError:
            self._tell(block.line, f"`{block}` is no subnet; left out")
            return
        says = _merged(around.subnet, self.says(body))
        if says.mask is not None and says.mask != str(network.netmask):
            self._tell(
                block.line, f"`option subnet-mask {shown(says.mask)}` stays out; {network} says it"
            )
        self._subnets.append(
            FoundSubnet(
                line=block.line,
                network=network,
                ranges=(),
                options=says.options,
                times=says.times,
                authoritative=says.authoritative,
                shared_network=around.shared_network,
            )
        )
        self.walk(body, around)

    def _pool(self, block: Statement) -> None:
        before = len(self._ranges)
        says = self.says(block.body or ())
        closed = next(filter(_is_for_some, block.body or ()), None)
        if closed is not None:
            del self._ranges[before:]
            why = f"`{closed}` makes it one for some machines; see [[dhcp.class]]"
            self._tell(block.line, f"the addresses of this pool are left out: {why}")
            return
        if says.options or says.times != FoundTimes():
            why = "options and times stay out; see [[dhcp.class]]"
            self._tell(block.line, f"the addresses of this pool are for everybody; its {why}")
        self.walk(block.body or (), _Around(_Says(), {}))

    def _host(self, block: Statement, name: str, around: _Around) -> None:
        says = self.says(block.body or ())
        self.walk(block.body or (), around)
        self.hosts.append(
            FoundHost(
                line=block.line,
                name=says.host_name or name,
                hardware=says.hardware,
                client_id=says.client_id,
                circuit_id=says.circuit_id,
                address=says.address,
                options={**around.host, **says.options},
                denied=says.denied,
            )
        )

    def says(self, body: Sequence[Statement]) -> _Says:
        """What the statements of `body` say that are no blocks."""
        says = _Says()
        for statement in body:
            if statement.body is None:
                try:
                    understood = self._parameter(statement, says)
                except ValueError as error:
                    self._tell(statement.line, f"`{statement}`: {shown(str(error))}; left out")
                else:
                    if not understood:
                        self._stays_out(statement)
        return says

    def _parameter(self, statement: Statement, says: _Says) -> bool:
        """Enter one statement; whether it is one that has a place here. Raises ValueError."""
        match statement.words:
            case ["option", str(name), *words]:
                return self._option(statement.line, name, words, says)
            case [str(kind), str(seconds)] if kind in _TIMES:
                says.times = replace(says.times, **{_TIMES[kind]: _seconds(seconds)})
            case ["authoritative"]:
                says.authoritative = True
            case ["not", "authoritative"]:
                says.authoritative = False
            case ["range", *words]:
                self._range(statement.line, words)
            case ["hardware", "ethernet", str(text)]:
                says.hardware = value.ethernet(text)
            case ["uid", word]:
                says.client_id = _data(word)
            case ["host-identifier", "option", "agent.circuit-id", word]:
                says.circuit_id = _data(word)
            case ["fixed-address", str(text), *more]:
                says.address = value.address(text)
                if more:
                    self._tell(statement.line, f"`{statement}`: only {text} is taken over")
            case ["deny" | "ignore", "booting"]:
                says.denied = True
            case _:
                return False
        return True

    def _option(self, line: int, name: str, words: Sequence[Word], says: _Says) -> bool:
        if len(words) >= 4 and words[0] == "code" and words[2] == "=":
            return self._definition(name, str(words[1]), words[3:])
        listed = [word for word in words if word != ","]
        code = self._codes.get(name)
        if name == "dhcp-client-identifier" and len(listed) == 1:
            says.client_id = _data(listed[0])
        elif code is None:
            return False
        elif code == SUBNET_MASK and len(listed) == 1:
            says.mask = _text(listed[0])
        elif code == HOST_NAME and len(listed) == 1:
            says.host_name = _text(listed[0])
        else:
            says.options[code] = option(code, self._without_names(line, name, code, listed))
        return True

    def _without_names(
        self, line: int, name: str, code: int, words: Sequence[Word]
    ) -> Sequence[Word]:
        """`words` but for the host names among addresses, which dhcpd looks up in the DNS."""
        kind = OPTIONS.get(code)
        if kind is None or kind.layout not in (formats.ADDRESSES, formats.ADDRESSES_IF_ANY):
            return words
        found = [word for word in words if _is_address(_text(word))]
        if found:
            for word in words:
                if word not in found:
                    why = "is not an IPv4 address; left out, the others stay"
                    self._tell(line, f"`option {name}`: {shown(word)} {why}")
        return found or words

    def _definition(self, name: str, number: str, kind: Sequence[Word]) -> bool:
        """`option voip-servers code 150 = array of ip-address;`"""
        layout = " ".join(map(_text, kind)).replace("unsigned ", "")
        code = value.number(number)
        known = code in OPTIONS or layout in _LAYOUTS
        if known and 0 < code < 255 and "." not in name:
            self._codes[name] = code
        return known

    def _range(self, line: int, words: Sequence[Word]) -> None:
        texts = [str(word) for word in words if word != "dynamic-bootp"]
        if len(texts) not in (1, 2):
            raise ValueError("one or two addresses are expected")
        self._ranges.append((line, value.address(texts[0]), value.address(texts[-1])))
        if len(texts) < len(words):
            self._tell(
                line,
                "`dynamic-bootp` stays out: machines that speak BOOTP get none of this"
                " range; see dhcp.bootp",
            )

    def _stays_out(self, statement: Statement) -> None:
        word = _text(statement.words[0]) if statement.words else ""
        self._tell(statement.line, f"`{statement}` {_ELSEWHERE.get(word, 'is not understood')}")


def _merged(outer: _Says, inner: _Says) -> _Says:
    """What holds where `inner` stands in `outer`."""
    times = {
        name: getattr(outer.times, name) if (own := getattr(inner.times, name)) is None else own
        for name in _TIMES.values()
    }
    authoritative = outer.authoritative if inner.authoritative is None else inner.authoritative
    return _Says(
        options={**outer.options, **inner.options},
        times=FoundTimes(**times),
        authoritative=authoritative,
        mask=inner.mask or outer.mask,
    )


def _is_for_some(statement: Statement) -> bool:
    """Whether it shuts machines out of its pool: `allow` whom it does not name, `deny` the rest."""
    words = tuple(map(_text, statement.words))
    return words[:1] in (("allow",), ("deny",), ("ignore",)) and words not in _FOR_ALL


def _is_address(text: str) -> bool:
    with suppress(ValueError):
        value.address(text)
        return True
    return False


def _seconds(text: str) -> int:
    """dhcpd takes -1 for ever."""
    return INFINITE if text == "-1" else value.number(text)


def _text(word: Word) -> str:
    return word if isinstance(word, str) else word.decode("utf-8", "backslashreplace")


def _data(word: Word) -> bytes:
    data = word if isinstance(word, bytes) else value.octets(word)
    if not 0 < len(data) <= value.MAX_CLIENT_ID:
        raise ValueError(f"1 to {value.MAX_CLIENT_ID} bytes are expected")
    return data
