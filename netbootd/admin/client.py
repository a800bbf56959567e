"""How a command finds the netbootd that runs."""

from __future__ import annotations

from pathlib import Path

from netbootd.config import load, state_directory
from ops.web.client import AdminClient


def admin_client(configuration: Path | None) -> AdminClient:
    """The one that was started with this configuration. Raises ConfigError, Failed."""
    settings = load(configuration)
    return AdminClient.find("netbootd", settings.admin, state_directory(settings.state))
