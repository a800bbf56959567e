"""Why the daemon cannot start, in one line with its remedy."""

from __future__ import annotations

import errno
import sys

from netbootd.coexist.owner import owners_of


class StartError(Exception):
    """The daemon cannot start; `str()` is one clear line for the operator."""


def bind_error(error: OSError, service: str, kind: str, port: int) -> StartError:
    """What to tell when `service` (`BSDP`) could not bind `kind` (`UDP`) `port`."""
    what = f"cannot bind {kind} port {port} for {service}"
    if error.errno == errno.EADDRINUSE:
        return StartError(f"{what}: it is in use{_who_has(kind, port)}")
    if error.errno in (errno.EACCES, errno.EPERM):
        return StartError(f"{what}: not permitted; {_privilege_remedy(port)}")
    if error.errno == errno.EADDRNOTAVAIL:
        return StartError(
            f"{what}: its address is not on this machine; check [network] and the interfaces' state"
        )
    return StartError(f"{what}: {error.strerror or error}")


def _who_has(kind: str, port: int) -> str:
    """The program, or how to learn which it is; and what to do."""
    owners = owners_of(kind, port)
    if owners.programs:
        remedy = f" by {owners}; stop that, or set another port"
    else:
        table = f"`ss -{kind[0].lower()}lnp 'sport = :{port}'`"
        if sys.platform != "linux":
            table = "netstat"
        remedy = f"; {table} names the program that has it; stop that, or set another port"
    if port == 67:
        remedy += ", or set bsdp.share_port = true if that program shares the port, too"
    return remedy


def _privilege_remedy(port: int) -> str:
    if port >= 1024:
        return "a security policy forbids it"
    return (
        "ports below 1024 need root or CAP_NET_BIND_SERVICE; start as root with `user` set in the"
        " configuration, and netbootd gives the privilege up once its ports are bound"
    )
