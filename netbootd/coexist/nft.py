"""nftables' rules, from `nft -j list ruleset` (libnftables-json(5)).

What is not listed here is not understood; `ruleset` says what that means.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from netbootd.coexist.ruleset import UNKNOWN, Chain, Match, Rule, Table, Verdict

STATEMENTS: Final = frozenset({"counter", "log", "comment", "limit"})
"""What a packet passes by: they change nothing (a limit is not exceeded by one packet)."""
VERDICTS: Final = {
    "accept": Verdict.ACCEPT,
    "drop": Verdict.DROP,
    "reject": Verdict.DROP,
    "return": Verdict.RETURN,
    "continue": Verdict.CONTINUE,
    "jump": Verdict.JUMP,
    "goto": Verdict.GOTO,
}
FAMILIES: Final = ("ip", "inet")
NEW: Final = "new"


def tables_from(text: str) -> list[Table]:
    """The tables that IPv4 packets to this computer go through. ValueError: no such JSON."""
    try:
        items = json.loads(text)["nftables"]
        return list(_tables(items))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not what nft lists: {error!r}") from error


def _tables(items: list[dict[str, Any]]) -> Iterator[Table]:
    chains: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    rules: dict[tuple[str, str, str], list[Rule]] = {}
    for item in items:
        if chain := item.get("chain"):
            chains.setdefault((chain["family"], chain["table"]), {})[chain["name"]] = chain
        elif rule := item.get("rule"):
            of = rules.setdefault((rule["family"], rule["table"], rule["chain"]), [])
            of.extend(_rules(rule["expr"]))
    for (family, table), named in chains.items():
        inputs = tuple(name for name, chain in named.items() if chain.get("hook") == "input")
        if family not in FAMILIES or not inputs:
            continue
        yield Table(
            name=f"{family} {table}",
            inputs=inputs,
            chains={
                name: Chain(
                    rules=rules.get((family, table, name), []),
                    policy=VERDICTS[chain.get("policy", "accept")],
                )
                for name, chain in named.items()
            },
        )


def _rules(expressions: list[dict[str, Any]]) -> Iterator[Rule]:
    """One rule of ours, or one for each entry of a verdict map."""
    matches: list[Match] = []
    for expression in expressions:
        ((kind, value),) = expression.items()
        if kind == "match":
            matches.append(_match(value))
        elif kind == "vmap":
            yield from _verdict_map(tuple(matches), value)
        elif kind in VERDICTS:
            yield _rule(tuple(matches), kind, value)
        elif kind not in STATEMENTS:
            matches.append(UNKNOWN)


def _rule(matches: tuple[Match, ...], kind: str, value: Any) -> Rule:
    target = value["target"] if kind in ("jump", "goto") else ""
    return Rule(matches=matches, verdict=VERDICTS[kind], target=target)


def _verdict_map(matches: tuple[Match, ...], value: Any) -> Iterator[Rule]:
    data = value["data"]
    if not isinstance(data, dict) or "set" not in data:  # a map with a name
        yield Rule(matches=(*matches, UNKNOWN), verdict=Verdict.UNSURE)
        return
    for key, verdict in data["set"]:
        ((kind, target),) = verdict.items()
        match = _match({"op": "==", "left": value["key"], "right": key})
        yield _rule((*matches, match), kind, target)


def _match(value: dict[str, Any]) -> Match:
    if value["op"] not in ("==", "in", "!="):
        return UNKNOWN
    is_negated = value["op"] == "!="
    right = value["right"]
    match value["left"]:
        case {"meta": {"key": "iifname" | "iif"}}:
            names = _names(right)
            return UNKNOWN if names is None else Match(interfaces=names, is_negated=is_negated)
        case {"meta": {"key": "l4proto"}} | {"payload": {"protocol": "ip", "field": "protocol"}}:
            names = _names(right)
            return UNKNOWN if names is None else Match(protocols=names, is_negated=is_negated)
        case {"payload": {"protocol": "th", "field": "dport"}}:
            ports = _ports(right)
            return UNKNOWN if ports is None else Match(ports=ports, is_negated=is_negated)
        case {"payload": {"protocol": "udp" | "tcp" as protocol, "field": "dport"}}:
            ports = _ports(right)
            if ports is None or is_negated:
                return UNKNOWN
            return Match(protocols=(protocol,), ports=ports)
        case {"ct": {"key": "state"}}:
            states = _members(right)
            return Match(is_new=NEW in states, is_negated=is_negated)
    return UNKNOWN


def _members(right: Any) -> list[Any]:
    """What a property is compared with: one value, a list of flags, or a set."""
    if isinstance(right, dict) and "set" in right:
        right = right["set"]
    return right if isinstance(right, list) else [right]


def _names(right: Any) -> tuple[str, ...] | None:
    """None where that cannot be said (a set with a name)."""
    names = _members(right)
    if all(isinstance(name, str) and not name.startswith("@") for name in names):
        return tuple(names)
    return None


def _ports(right: Any) -> tuple[tuple[int, int], ...] | None:
    """The ranges that are meant; None where that cannot be said (a set with a name)."""
    ranges = []
    for item in _members(right):
        match item:
            case int():
                ranges.append((item, item))
            case {"range": [int() as first, int() as last]}:
                ranges.append((first, last))
            case _:
                return None
    return tuple(ranges)
