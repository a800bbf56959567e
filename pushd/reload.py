"""What of the configuration a running pushd can go by at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from ops.reload import Reload
from pushd.config import Config, load

AT_ONCE: Final = frozenset(
    (
        "api.certificate",
        "api.client_authority",
        "api.clients",
        "api.key",
        "api.minimum_version",
        "apple.trust_roots",
        "credential",
    )
)
"""Settings that SIGHUP applies."""


def reload_of(file: Path | None, apply: Callable[[Config], None]) -> Reload[Config]:
    """For a daemon that was started with the settings in `file`."""
    return Reload(
        daemon="pushd", load=lambda: load(file), apply=apply, at_once=AT_ONCE.__contains__
    )
