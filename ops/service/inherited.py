"""Sockets that systemd bound for us (sd_listen_fds(3)), and handed over with the start.

    LISTEN_PID       whom they are meant for
    LISTEN_FDS       how many there are, from descriptor 3 on
    LISTEN_FDNAMES   what the .socket unit calls each, separated by colons

A daemon that is about to bind a port asks here first. What it takes is a duplicate: the original
stays open, so that a service can be stopped and started again.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort

FIRST = 3
"""SD_LISTEN_FDS_START."""
EVERYWHERE = "0.0.0.0"  # noqa: S104 - the address of a socket that somebody else bound
"""Who takes it answers on all addresses, and has to turn away whom it does not serve."""

_KINDS = {socket.SOCK_STREAM: "TCP", socket.SOCK_DGRAM: "UDP"}


@dataclass(slots=True, kw_only=True)
class _Handed:
    socket: socket.socket
    name: str
    is_taken: bool = False

    def __str__(self) -> str:
        kind = _KINDS.get(self.socket.type)
        if kind is None or self.socket.family not in (socket.AF_INET, socket.AF_INET6):
            return f"{self.name} (neither TCP nor UDP)"
        address, port = self.socket.getsockname()[:2]
        if self.socket.family == socket.AF_INET6:
            return f"{self.name} ({kind} [{address}]:{port})"
        return f"{self.name} ({kind} {address}:{port})"


@dataclass(slots=True)
class Inherited:
    """The sockets; without any, whoever asks binds its own."""

    _handed: list[_Handed] = field(default_factory=list)

    def take(self, kind: socket.SocketKind, address: str, port: int) -> socket.socket | None:
        """The socket that is bound to `address` and `port`; it does not block.

        `kind` is SOCK_STREAM or SOCK_DGRAM. None: there is no such socket.
        """
        for one in self._handed:
            sock = one.socket
            if (sock.family, sock.type) != (_family(address), kind):
                continue
            if port and sock.getsockname()[:2] == (address, port):
                one.is_taken = True
                taken = sock.dup()
                taken.setblocking(False)
                return taken
        return None

    def unused(self) -> list[str]:
        """The sockets that nobody took, for the operator."""
        return [str(one) for one in self._handed if not one.is_taken]

    def close(self) -> None:
        """Let go of all."""
        for one in self._handed:
            one.socket.close()
        self._handed.clear()


def environment_of_start() -> Mapping[str, str]:
    """The environment that this process was started with.

    Twisted removes what systemd put there, once anything has it look for plugins of endpoints: they
    might want the sockets.
    """
    try:
        raw = Path("/proc/self/environ").read_bytes()
    except OSError:  # not Linux, so not systemd
        return os.environ
    pairs = (os.fsdecode(entry).partition("=") for entry in raw.split(b"\0"))
    return {name: value for name, _, value in pairs}


def inherited_of(environment: Mapping[str, str], *, pid: int) -> Inherited:
    """What systemd handed to the process `pid`, which is this one, by `environment`."""
    whose = environment.get("LISTEN_PID", "")
    count = environment.get("LISTEN_FDS", "")
    names = environment.get("LISTEN_FDNAMES", "").split(":")
    if whose != str(pid) or not count.isdecimal():
        return Inherited()
    handed = []
    for number, descriptor in enumerate(range(FIRST, FIRST + int(count))):
        os.set_inheritable(descriptor, False)  # nor does any child of ours get it
        name = names[number] if number < len(names) and names[number] else "a socket"
        handed.append(_Handed(socket=socket.socket(fileno=descriptor), name=name))
    return Inherited(handed)


def listen(
    reactor: Any,
    factory: Any,
    *,
    address: str,
    port: int,
    backlog: int,
    inherited: Inherited | None = None,
) -> IListeningPort:
    """Accept connections on an inherited socket, or else on a new one. Raises OSError."""
    taken = None if inherited is None else inherited.take(socket.SOCK_STREAM, address, port)
    if taken is not None:
        with taken:  # of which the reactor makes one of its own
            adopted: IListeningPort = reactor.adoptStreamPort(
                taken.fileno(), _family(address), factory
            )
            return adopted
    try:
        bound: IListeningPort = reactor.listenTCP(port, factory, backlog, address)
    except CannotListenError as error:
        raise error.socketError from None
    return bound


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET
