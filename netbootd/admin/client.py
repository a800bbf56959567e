"""How a command finds the netbootd that runs."""

from __future__ import annotations

from pathlib import Path

from netbootd.config import load, state_directory
from ops.web.client import AdminClient, NotRunning


def admin_client(configuration: Path | None) -> AdminClient:
    """The one that was started with this configuration. Raises ConfigError, Failed."""
    settings = load(configuration)
    return AdminClient.find("netbootd", settings.admin, state_directory(settings.state))


def running_client(configuration: Path | None) -> AdminClient | None:
    """The same, if it runs and may be asked. Raises ConfigError, Failed."""
    if not load(configuration).admin.enabled:
        return None
    client = admin_client(configuration)
    try:
        client.get("/v1/status")
    except NotRunning:
        return None
    return client
