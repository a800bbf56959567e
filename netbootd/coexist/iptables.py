"""The filter table of iptables, from `iptables-save`.

What is not listed here is not understood; `ruleset` says what that means.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Final

from netbootd.coexist.ruleset import UNKNOWN, Chain, Match, Rule, Table, Verdict

TARGETS: Final = {
    "ACCEPT": Verdict.ACCEPT,
    "DROP": Verdict.DROP,
    "REJECT": Verdict.DROP,
    "RETURN": Verdict.RETURN,
    "LOG": Verdict.CONTINUE,
    "NFLOG": Verdict.CONTINUE,
    "MARK": Verdict.CONTINUE,
}
PASSED_BY: Final = frozenset(
    {"-m", "--match", "--comment", "--reject-with", "--limit", "--limit-burst", "--log-prefix"}
)
"""Options with a value that do not change whether one packet matches."""


def table_from(text: str) -> Table:
    """The filter table. ValueError: that is no output of iptables-save."""
    policies: dict[str, Verdict] = {}
    rules: dict[str, list[Rule]] = {}
    table = ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        elif table == "filter" and line.startswith(":"):
            name, policy, *_ = line[1:].split()
            policies[name] = TARGETS.get(policy, Verdict.CONTINUE)
            rules[name] = []
        elif table == "filter" and line.startswith("-A "):
            _, chain, *words = shlex.split(line)
            rules.setdefault(chain, []).append(_rule(words))
    chains = {
        name: Chain(rules=its, policy=policies.get(name, Verdict.CONTINUE))
        for name, its in rules.items()
    }
    inputs = ("INPUT",) if "INPUT" in chains else ()
    return Table(name="ip filter", chains=chains, inputs=inputs)


def _rule(words: list[str]) -> Rule:
    matches: list[Match] = []
    verdict, target = Verdict.CONTINUE, ""
    is_negated = False
    for option, value in _options(words):
        if option == "!":
            is_negated = True
            continue
        if option in ("-j", "--jump", "-g", "--goto"):
            to_chain = Verdict.JUMP if option in ("-j", "--jump") else Verdict.GOTO
            verdict = TARGETS.get(value, to_chain)
            target = value
        elif option not in PASSED_BY:
            matches.append(_match(option, value, is_negated))
        is_negated = False
    return Rule(matches=tuple(matches), verdict=verdict, target=target)


def _options(words: list[str]) -> Iterator[tuple[str, str]]:
    """Options with what follows them up to the next, `!` as one of its own."""
    option = ""
    values: list[str] = []
    for word in words:
        if word == "!" or (word.startswith("-") and len(word) > 1):
            if option:
                yield option, " ".join(values)
            option, values = word, []
        else:
            values.append(word)
    if option:
        yield option, " ".join(values)


def _match(option: str, value: str, is_negated: bool) -> Match:
    match option:
        case "-i" | "--in-interface":
            return Match(interfaces=(value,), is_negated=is_negated)
        case "-p" | "--protocol" if value.isalpha():
            protocols = None if value == "all" else (value,)
            return Match(protocols=protocols, is_negated=is_negated)
        case "--dport" | "--destination-port" | "--dports":
            ranges = tuple(_range(part) for part in value.split(","))
            return Match(ports=ranges, is_negated=is_negated)
        case "--state" | "--ctstate":
            return Match(is_new="NEW" in value.split(","), is_negated=is_negated)
    return UNKNOWN


def _range(text: str) -> tuple[int, int]:
    first, _, last = text.partition(":")
    return int(first or 0), int(last or first)
