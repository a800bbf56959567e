"""Why a daemon cannot start, in one line with its remedy."""

from __future__ import annotations

import errno
import sys

from ops.owner import owners_of


class StartError(Exception):
    """The daemon cannot start; `str()` is one clear line for the operator."""


def bind_error(
    error: OSError,
    service: str,
    kind: str,
    port: int,
    *,
    daemon: str,
    settings: str,
    otherwise: str = ", or set another port",
) -> StartError:
    """What to tell when `service` (`HTTP`) of `daemon` could not bind `kind` (`TCP`) `port`.

    `settings` names what says which addresses are bound; `otherwise` is what can be done beside
    stopping the program that has the port.
    """
    what = f"cannot bind {kind} port {port} for {service}"
    if error.errno == errno.EADDRINUSE:
        return StartError(f"{what}: it is in use{_who_has(kind, port)}{otherwise}")
    if error.errno in (errno.EACCES, errno.EPERM):
        return StartError(f"{what}: not permitted; {_privilege_remedy(port, daemon)}")
    if error.errno == errno.EADDRNOTAVAIL:
        return StartError(
            f"{what}: its address is not on this machine;"
            f" check {settings} and the interfaces' state"
        )
    return StartError(f"{what}: {error.strerror or error}")


def _who_has(kind: str, port: int) -> str:
    """The program, or how to learn which it is; and to stop it."""
    owners = owners_of(kind, port)
    if owners.programs:
        return f" by {owners}; stop that"
    table = f"`ss -{kind[0].lower()}lnp 'sport = :{port}'`"
    if sys.platform != "linux":
        table = "netstat"
    return f"; {table} names the program that has it; stop that"


def _privilege_remedy(port: int, daemon: str) -> str:
    if port >= 1024:
        return "a security policy forbids it"
    return (
        "ports below 1024 need root or CAP_NET_BIND_SERVICE; start as root with `user` set in the"
        f" configuration, and {daemon} gives the privilege up once its ports are bound"
    )
