"""Why netbootd cannot start, in one line with its remedy."""

from __future__ import annotations

import errno
import functools
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from twisted.logger import Logger

from ops import start
from ops.start import StartError

if TYPE_CHECKING:
    from netbootd.config import Config
    from netbootd.interface import Interface

_log = Logger()


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


def nothing_to_serve(interfaces: Sequence[Interface]) -> str:
    """What to tell where the configuration allows none of the interfaces that there are."""
    found = ", ".join(f"{a.ip} [{one.name}]" for one in interfaces for a in one.addresses)
    return (
        f"no address to serve on: this machine has {found or 'none'}, and [network] allows none of"
        " them; name its network in network.addresses, or bring the interface up"
    )


def require_images(config: Config) -> None:
    """Raises StartError where a folder of images is missing, unless there is other work to do."""
    for share in config.images.shares:
        if os.path.isdir(share.path):
            continue
        text = (
            f"image folder {share.path} does not exist;"
            " create it and put .nbi folders in it, or name another in [images]"
        )
        if config.requires_images:
            raise StartError(text)
        _log.warn("{text}", text=text)
