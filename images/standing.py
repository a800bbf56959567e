"""Which images stand in the way of another one that is to be the default. Pure.

The list begins with defaults for every model, then come those for some models (see
images.catalog); so an image is what a machine boots by default unless an earlier one in the list
applies to it, too.
"""

from __future__ import annotations

from collections.abc import Iterable

from images.bundle import Bundle
from images.entry import BootEntry


def rivals(chosen: Bundle, others: Iterable[Bundle]) -> list[Bundle]:
    """The other defaults that some machine may boot as well as `chosen`."""
    return [
        other
        for other in others
        if other is not chosen and other.is_default and _may_meet(chosen, other)
    ]


def rival_entries(chosen: BootEntry, others: Iterable[BootEntry]) -> list[BootEntry]:
    """The same for boot entries."""
    return [
        other
        for other in others
        if other is not chosen
        and other.is_default
        and not chosen.platforms.isdisjoint(other.platforms)
        and _overlap(chosen.enabled_system_ids, other.enabled_system_ids)
        and _overlap(chosen.enabled_macs, other.enabled_macs)
    ]


def _may_meet(one: Bundle, other: Bundle) -> bool:
    return (
        not set(one.architectures).isdisjoint(other.architectures)
        and _overlap(one.enabled_system_ids, other.enabled_system_ids)
        and _overlap(one.enabled_macs, other.enabled_macs)
    )


def _overlap(one: frozenset[object], other: frozenset[object]) -> bool:
    """Whether some machine is meant by both; an empty set means every machine."""
    return not one or not other or not one.isdisjoint(other)
