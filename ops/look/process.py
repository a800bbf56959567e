"""May a daemon do what it has to? Capabilities, and how many files it may have open.

Of a daemon that runs, its own process is looked at; otherwise this one, which stands for whoever
would start it.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from ops.finding import Finding, Severity

RIGHTS: Final = "privileges"
FILES: Final = "open files"
CAPABILITIES: Final[Mapping[str, int]] = {"CAP_NET_BIND_SERVICE": 10, "CAP_NET_RAW": 13}
"""capabilities(7): the number of each that daemons here make use of."""
UNPRIVILEGED: Final = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")


def capabilities_of(pid: int | str = "self") -> frozenset[str] | None:
    """The effective ones of a process, as far as they matter; None: it cannot be told."""
    if sys.platform != "linux":
        return None
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    match = re.search(r"^CapEff:\s*([0-9a-f]+)$", status, re.MULTILINE)
    if match is None:
        return None
    mask = int(match[1], 16)
    return frozenset(name for name, bit in CAPABILITIES.items() if mask >> bit & 1)


def first_free_port() -> int:
    """The first port that anybody may bind."""
    try:
        return int(UNPRIVILEGED.read_text())
    except (OSError, ValueError):
        return 1024 if os.name == "posix" else 0


def allowed_files(pid: int | str = "self") -> int | None:
    """The limit of open files that a process could raise its own to; None: there is none, or it
    cannot be told."""
    try:
        limits = Path(f"/proc/{pid}/limits").read_text()
    except OSError:
        return None
    match = re.search(r"^Max open files\s+\S+\s+(\d+)", limits, re.MULTILINE)
    return None if match is None else int(match[1])


def about_files(wanted: int, allowed: int | None, whose: str) -> Iterator[Finding]:
    """A finding about the limit of open files of `whose` (`netbootd`, `this shell`)."""
    if allowed is None:
        yield Finding(Severity.OK, FILES, f"{wanted} may be needed; the system has no limit")
    elif allowed < wanted:
        text = f"{whose} may have {allowed} open, {wanted} may be needed"
        remedy = f"raise the limit (systemd: LimitNOFILE={wanted}), or lower max_transfers and such"
        yield Finding(Severity.WARNING, FILES, text, remedy)
    else:
        yield Finding(Severity.OK, FILES, f"{whose} may have {allowed} open, {wanted} are enough")
