"""Why a port could not be bound, for any daemon."""

from __future__ import annotations

import errno
import os

from ops.start import bind_error


def told(number: int, port: int) -> str:
    error = OSError(number, os.strerror(number))
    return str(bind_error(error, "API", "TCP", port, daemon="pushd", settings="api.addresses"))


def test_a_port_that_needs_privilege() -> None:
    """The daemon that gives the privilege up again is the one that asks."""
    assert "and pushd gives the privilege up" in told(errno.EACCES, 443)


def test_an_address_that_is_not_here() -> None:
    """The setting that names the address is named."""
    assert told(errno.EADDRNOTAVAIL, 8443).endswith(
        "its address is not on this machine; check api.addresses and the interfaces' state"
    )
