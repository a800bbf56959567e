"""`[admin]`: where the command line reaches a daemon that runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct


class AdminSettings(Struct, frozen=True, kw_only=True):
    """The admin API, by which the command line reaches a daemon that runs. It is not on the
    network."""

    enabled: bool = True
    """Serve it. Without it, commands that need a running daemon fail."""
    socket: Annotated[Path | None, Meta(examples=["/run/admin.sock"])] = None
    """UNIX socket, for the daemon's user, its group, and root. Default: admin.sock in the folder of
    the database."""
    loopback: bool = False
    """Serve it on 127.0.0.1 instead, with a token in admin.json in the folder of the database. So
    it is on Windows, and where the path of the socket is longer than the system allows."""
