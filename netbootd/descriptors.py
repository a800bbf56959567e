"""How many files and sockets netbootd needs to have open at once."""

from __future__ import annotations

from netbootd.config import Config
from ops.descriptor import SPARE

PER_TRANSFER = 3
"""TFTP: the socket for the peer, the one for strays, the file."""
PER_CONNECTION = 2
"""HTTP: the socket, the file."""


def descriptors_for(config: Config) -> int:
    """What the limits in the configuration add up to."""
    transfers = config.tftp.max_transfers if config.tftp.enabled else 0
    web = config.http.enabled or config.https.enabled
    connections = config.http.max_connections if web else 0
    return PER_TRANSFER * transfers + PER_CONNECTION * connections + SPARE
