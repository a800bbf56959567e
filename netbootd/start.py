"""Why netbootd could not have a port, in one line with its remedy."""

from __future__ import annotations

import errno
import functools

from ops import start
from ops.start import StartError


def bind_error(error: OSError, service: str, kind: str, port: int) -> StartError:
    """What to tell when `service` (`BSDP`) could not bind `kind` (`UDP`) `port`."""
    told = functools.partial(
        start.bind_error, error, service, kind, port, daemon="netbootd", settings="[network]"
    )
    if port != 67 or error.errno != errno.EADDRINUSE:
        return told()
    if service == "DHCP":  # it knows no other port, and two servers would lease one address twice
        return told(otherwise=", or set dhcp.enabled = false and leave the addresses to it")
    shared = "or set bsdp.share_port = true if that program shares the port, too"
    return told(otherwise=f", or set another port, {shared}")
