"""Why netbootd could not have a port, in one line with its remedy."""

from __future__ import annotations

import errno

from ops import start
from ops.start import StartError


def bind_error(error: OSError, service: str, kind: str, port: int) -> StartError:
    """What to tell when `service` (`BSDP`) could not bind `kind` (`UDP`) `port`."""
    told = start.bind_error(error, service, kind, port, daemon="netbootd", settings="[network]")
    if port == 67 and error.errno == errno.EADDRINUSE:
        shared = "or set bsdp.share_port = true if that program shares the port, too"
        return StartError(f"{told}, {shared}")
    return told
