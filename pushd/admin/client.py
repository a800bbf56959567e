"""How a command finds the pushd that runs."""

from __future__ import annotations

from pathlib import Path

from ops.web.client import AdminClient
from pushd.config import load, state_directory


def admin_client(configuration: Path | None) -> AdminClient:
    """The one that was started with this configuration. Raises ConfigError, Failed."""
    settings = load(configuration)
    return AdminClient.find("pushd", settings.admin, state_directory(settings.state))
