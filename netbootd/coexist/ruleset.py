"""A packet filter's rules as values, and what becomes of the first packet of a client.

Only what is certain counts. A rule whose conditions are not all understood may match or not: if it
accepts, the packet may get through, and nothing is said; if it drops, it is taken not to match.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MAX_DEPTH = 16
"""Chains that jump to one another; nft allows as many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """What a filter sees of a client's first packet."""

    interface: str
    protocol: str
    """`udp` or `tcp`."""
    port: int


class Verdict(enum.Enum):
    """What a rule does, and what becomes of a packet in a chain."""

    ACCEPT = "accept"
    DROP = "drop"
    """Or reject."""
    JUMP = "jump"
    GOTO = "goto"
    RETURN = "return"
    CONTINUE = "continue"
    """To the next rule; at the end of a chain, back to the rule after the jump."""
    UNSURE = "unsure"
    """The packet may be accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """What a rule says of one property of a packet; None: it does not say."""

    interfaces: tuple[str, ...] | None = None
    """Names, with `*` or `+` at the end for all that begin so."""
    protocols: tuple[str, ...] | None = None
    ports: tuple[tuple[int, int], ...] | None = None
    """First and last of each range."""
    is_new: bool | None = None
    """Whether it matches packets that begin something new, by the state of the connection."""
    is_negated: bool = False
    is_understood: bool = True

    def fits(self, packet: Packet) -> bool | None:
        """None: that cannot be said."""
        if not self.is_understood:
            return None
        fits = (
            (self.interfaces is None or any(_names(it, packet.interface) for it in self.interfaces))
            and (self.protocols is None or packet.protocol in self.protocols)
            and (self.ports is None or any(a <= packet.port <= b for a, b in self.ports))
            and self.is_new in (None, True)
        )
        return fits is not self.is_negated


def _names(pattern: str, interface: str) -> bool:
    if pattern.endswith(("*", "+")):
        return interface.startswith(pattern[:-1])
    return interface == pattern


UNKNOWN = Match(is_understood=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What is done with packets that all of `matches` fit."""

    matches: tuple[Match, ...] = ()
    verdict: Verdict = Verdict.CONTINUE
    target: str = ""
    """The chain of JUMP and GOTO."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Rules in order; `policy` is what becomes of who gets to the end of a base chain."""

    rules: Sequence[Rule]
    policy: Verdict = Verdict.CONTINUE


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Chains by name; `inputs` are those that packets to this computer go through."""

    name: str
    """With its family, as nft writes it: `inet filter`."""
    chains: Mapping[str, Chain]
    inputs: tuple[str, ...]

    def closed_by(self, packet: Packet) -> str | None:
        """The input chain that a packet certainly gets no further than."""
        for name in self.inputs:
            if self._ends(name, packet) is Verdict.DROP:
                return name
        return None

    def _ends(self, name: str, packet: Packet) -> Verdict:
        """ACCEPT, DROP or UNSURE, of a base chain."""
        end = self._walk(name, packet, 0)
        return self.chains[name].policy if end is Verdict.CONTINUE else end

    def _walk(self, name: str, packet: Packet, depth: int) -> Verdict:
        """ACCEPT, DROP, UNSURE or, at the end of the chain, CONTINUE."""
        chain = self.chains.get(name)
        if chain is None or depth > MAX_DEPTH:
            return Verdict.UNSURE
        for rule in chain.rules:
            fits = [match.fits(packet) for match in rule.matches]
            if False in fits:
                continue
            verdict = rule.verdict
            if verdict in (Verdict.JUMP, Verdict.GOTO):
                verdict = self._walk(rule.target, packet, depth + 1)
                if rule.verdict is Verdict.GOTO and verdict is Verdict.CONTINUE:
                    verdict = Verdict.RETURN
            if None in fits:
                if verdict in (Verdict.ACCEPT, Verdict.RETURN, Verdict.UNSURE):
                    return Verdict.UNSURE
                continue
            if verdict is Verdict.RETURN:
                return Verdict.CONTINUE
            if verdict is not Verdict.CONTINUE:
                return verdict
        return Verdict.CONTINUE
