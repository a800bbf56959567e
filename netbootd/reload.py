"""What of the configuration a running netbootd can go by at once: tables [dhcp] and [pxe]."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from netbootd.config import Config, load
from ops.reload import Reload

AT_ONCE: Final = ("dhcp.", "pxe.")
"""Tables that apply to a running daemon."""
NOT_AT_ONCE: Final = frozenset({"pxe.enabled", "pxe.port", "pxe.loaders"})
"""What of them does not: a port to bind, a folder to scan. Nor can `dhcp.enabled` where it was off
at the start: the sockets of its probes need root."""


def reload_of(
    file: Path | None, started: Config, apply: Callable[[Config], None]
) -> Reload[Config]:
    """For a daemon that was started with the settings `started`, read from `file`."""

    def at_once(key: str) -> bool:
        if key == "dhcp.enabled":
            return started.dhcp.enabled
        return key.startswith(AT_ONCE) and key not in NOT_AT_ONCE

    return Reload(daemon="netbootd", load=lambda: load(file), apply=apply, at_once=at_once)
