"""dhcpd.leases, the journal of ISC dhcpd: of several entries for an address the last one holds.

    lease 10.77.0.100 {
      starts 0 2026/11/22 08:55:01;         weekday, UTC; or `epoch 1795337701; # …`
      ends 0 2026/11/22 09:05:01;           or `never`
      binding state active;
      hardware ethernet 52:54:00:77:00:51;
      uid "\\001RT\\000w\\000Q";
      client-hostname "blue";
    }

Source: dhcpd.leases(5) of ISC DHCP 4.4, files under tests/data/dhcp-import.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from netbootd.dhcp.importer import value
from netbootd.dhcp.importer.found import (
    INFINITE,
    FoundLease,
    Leases,
    Remarks,
    State,
    Tell,
    check_bounds,
    shown,
)
from netbootd.dhcp.importer.isc import Statement, Word, statements

_UTC = re.compile(r"(\d{4})/(\d\d?)/(\d\d?) (\d\d?):(\d\d?):(\d\d?)", re.ASCII)

_STATES: Final = {
    "active": State.BOUND,
    "expired": State.OVER,
    "released": State.OVER,
    "free": State.OVER,
    "reset": State.OVER,
    "backup": State.OVER,  # a free address that the failover partner may lease
    "bootp": State.BOUND,
    "abandoned": State.CONFLICT,
}

_OF_NO_USE: Final = frozenset(
    # Times of failover and of last contact, what comes after, DNS updates, class of the client.
    "tstp tsfp atsfp cltt next rewind set on billing vendor-class-identifier bootp reserved"
    " dynamic-bootp ddns-fwd-name ddns-rev-name ddns-client-fqdn ddns-txt ddns-dhcid".split()
)

_NO_LEASES: Final = {
    "authoring-byte-order": None,
    "server-duid": None,
    "failover": "the state of failover: we have none",
    "host": "a host that was added while dhcpd ran: copy it to dhcpd.conf and import that",
    "group": "a group that was added while dhcpd ran: copy it to dhcpd.conf and import that",
    "class": "a class: we do not keep what dhcpd counted for it",
    "subclass": "a class: we do not keep what dhcpd counted for it",
    "ia-na": "a lease of IPv6",
    "ia-ta": "a lease of IPv6",
    "ia-pd": "a lease of IPv6",
}
"""What else stands in the file, and why it stays out; None for what says nothing of any client."""


def read_leases(data: bytes) -> Leases:
    """The last word on each address. Raises Unreadable if the file is of something else."""
    check_bounds(data)
    remarks = Remarks()
    found: dict[int, FoundLease | None] = {}
    for statement in statements(data, remarks.tell):
        kind = statement.words[0] if statement.words else ""
        if kind == "lease" and statement.body is not None and len(statement.words) == 2:
            _read_entry(statement, found, remarks.tell)
        elif kind not in _NO_LEASES:
            remarks.tell(statement.line, f"`{statement}` is not understood")
        elif (why := _NO_LEASES[str(kind)]) is not None:
            remarks.tell(statement.line, f"`{statement}` is {why}")
    leases = (lease for lease in found.values() if lease is not None)
    return Leases(tuple(leases), remarks.in_order())


def _read_entry(entry: Statement, found: dict[int, FoundLease | None], tell: Tell) -> None:
    """Read one lease; an entry that is not understood takes the place of older ones, too."""
    text = entry.words[1]
    try:
        address = value.address(str(text))
    except ValueError:
        tell(entry.line, f"`{entry}` names no IPv4 address")
        return
    found[int(address)] = None
    facts = _facts(entry, tell)
    if facts is None:
        return
    hardware, client_id = facts.get("hardware"), facts.get("uid")
    state = facts.get("binding") or _state_of_old(facts)
    if hardware is None and client_id is None and state is not State.CONFLICT:
        if state is State.BOUND:
            tell(entry.line, f"lease {address} is bound, but to whom is not said")
        return  # a free address without a history is what every address is
    found[int(address)] = FoundLease(
        line=entry.line,
        address=address,
        state=state,
        hardware=hardware,
        client_id=client_id,
        host_name=facts.get("client-hostname", ""),
        starts=facts.get("starts", 0),
        ends=facts.get("ends", INFINITE),
        circuit_id=facts.get("agent.circuit-id", b""),
        remote_id=facts.get("agent.remote-id", b""),
    )


def _state_of_old(facts: dict[str, Any]) -> State:
    """Before dhcpd 3 there was no binding state: a lease was bound, or had the flag `abandoned`."""
    return State.CONFLICT if "abandoned" in facts else State.BOUND


def _facts(entry: Statement, tell: Tell) -> dict[str, Any] | None:
    """What the entry says, by keyword; None if that is not enough to go by."""
    facts: dict[str, Any] = {}
    for statement in entry.body or ():
        key, *words = statement.words or ("",)
        if key == "option" and words:
            key, *words = words
        if key in _OF_NO_USE:
            continue
        read = _FACTS.get(str(key))
        if read is None or statement.body is not None:
            tell(statement.line, f"`{statement}` is not understood")
            continue
        try:
            facts[str(key)] = read(words)
        except ValueError as error:
            tell(statement.line, f"`{statement}`: {shown(str(error))}")
            if key in _VITAL:
                tell(entry.line, f"`{entry}` is left out for that")
                return None
    return facts


def _one(words: list[Word]) -> Word:
    if len(words) != 1:
        raise ValueError("one word is expected")
    return words[0]


def _time(words: list[Word]) -> int:
    match words:
        case ["never"]:
            return INFINITE
        case ["epoch", str(seconds)]:
            return value.moment(seconds)
        case [str(), str(day), str(clock)]:
            match = _UTC.fullmatch(f"{day} {clock}")
            if match is None:
                raise ValueError("is not a time")
            date = datetime(*map(int, match.groups()), tzinfo=UTC)  # type: ignore[arg-type, misc]
            return max(0, min(int(date.timestamp()), INFINITE))
    raise ValueError("is not a time")


def _state(words: list[Word]) -> State:
    match words:
        case ["state", str(state)] if state in _STATES:
            return _STATES[state]
    raise ValueError("is no state that we know")


def _hardware(words: list[Word]) -> bytes:
    match words:
        case ["ethernet", str(text)]:
            return value.ethernet(text)
    raise ValueError("is no Ethernet address")


def _data(words: list[Word]) -> bytes:
    """A text in quotes, or octets."""
    word = _one(words)
    data = word if isinstance(word, bytes) else value.octets(word)
    if len(data) > value.MAX_CLIENT_ID:
        raise ValueError(f"has more than {value.MAX_CLIENT_ID} bytes")
    return data


def _name(words: list[Word]) -> str:
    return value.name(_one(words))


def _flag(words: list[Word]) -> bool:
    if words:
        raise ValueError("takes no value")
    return True


_FACTS: Final[dict[str, Callable[[list[Word]], Any]]] = {
    "starts": _time,
    "ends": _time,
    "binding": _state,
    "hardware": _hardware,
    "uid": _data,
    "client-hostname": _name,
    "hostname": _name,  # dhcpd 2
    "agent.circuit-id": _data,
    "agent.remote-id": _data,
    "abandoned": _flag,
}

_VITAL: Final = frozenset(("ends", "binding", "hardware", "uid"))
"""Without these a lease would be somebody else's, or last for ever."""
