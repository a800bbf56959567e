"""A transfer's own port: what RFC 1350 calls a transfer identifier.

Two sockets share the port. One is connected to the peer: it costs less for each datagram, and tells
us when the peer has closed its port. The other catches what anybody else sends there, which the
RFC wants answered with ERROR 5; a connected socket never sees it.

    peer ────────▶ connected socket ─┐
                                     ├─ one local address and port
    anybody else ─▶ strays' socket ──┘

The kernel gives a datagram to the socket that matches it best, so the peer's never reach the
second one. Both are allowed to share the port only while we bind them; afterwards no other process
can join them. On Windows delivery to two sockets is undefined, and strays go unanswered.
"""

from __future__ import annotations

import socket
import sys

SHARES_PORTS = sys.platform != "win32"
SHARE = getattr(socket, "SO_REUSEPORT", 0) if sys.platform == "darwin" else socket.SO_REUSEADDR
"""What lets a second socket have the port; BSD wants SO_REUSEPORT for an address in use."""


class Endpoint:
    """The sockets of one transfer, non-blocking; `strays` is None where there is none."""

    __slots__ = ("peer", "sock", "strays")

    def __init__(self, local: str, peer: tuple[str, int]) -> None:
        """Bind a free port of address `local` for `peer`. Raises OSError, nothing left open."""
        self.peer = peer
        self.strays: socket.socket | None = None
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self.sock.setblocking(False)
            self.sock.bind((local, 0))
            self.sock.connect(peer)
            if SHARES_PORTS:
                self._catch_strays()
        except OSError:
            self.close()
            raise

    def _catch_strays(self) -> None:
        self.strays = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.strays.setblocking(False)
        pair = (self.sock, self.strays)
        for sock in pair:
            sock.setsockopt(socket.SOL_SOCKET, SHARE, 1)
        self.strays.bind(self.sock.getsockname())
        for sock in pair:
            sock.setsockopt(socket.SOL_SOCKET, SHARE, 0)

    def close(self) -> None:
        self.sock.close()
        if self.strays is not None:
            self.strays.close()
