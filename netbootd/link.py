"""Frames to machines that have no address yet.

A client that sets no broadcast flag is told its address in a frame to its hardware address, for it
does not answer ARP for that address before it has read the reply (RFC 2131 §4.1). Two ways to get
there: an entry in the system's ARP table, or a frame built whole and sent through a packet socket.
The second it is. It needs its privilege only once, when the socket is opened; an entry needs it
with every reply, stays behind, and can overwrite one that others use.

The socket only sends. It is opened for no protocol, so that the kernel never queues a frame on it,
and it is never read. Where it cannot be had (not root, not Linux, an interface that is no Ethernet)
the reply is broadcast instead, which RFC 2131 allows.
"""

from __future__ import annotations

import array
import socket
import struct
import sys
from collections.abc import Sequence
from typing import Any, Final

from twisted.application.service import Service
from twisted.logger import Logger

from protocols.errors import EncodeError
from protocols.ethernet.formats import IPV4_TYPE
from protocols.ethernet.frame import UdpSource

HAS_PACKET: Final = sys.platform == "linux"
"""Whether the system has packet sockets."""
SO_ATTACH_FILTER: Final = 26
"""Linux `<asm-generic/socket.h>`; Python's socket module does not name it."""
SEND_BUFFER: Final = 1 << 20
"""Bytes asked of the kernel: 800 replies that wait for a slow network card. The usual 208 KiB hold
170, and a room that is switched on asks for more within a millisecond."""


def packet_socket(kind: int, protocol: int = 0) -> Any:
    """A non-blocking packet socket on no interface in particular. Raises OSError."""
    if not HAS_PACKET:
        raise OSError("this system has no packet sockets")
    family: int = socket.AF_PACKET
    sock = socket.socket(family, kind, socket.htons(protocol))
    sock.setblocking(False)
    return sock


def attach_filter(sock: Any, program: Sequence[tuple[int, int, int, int]]) -> None:
    """Let `sock` wake only for frames that a classic BPF program takes. Raises OSError."""
    code = array.array("B", b"".join(struct.pack("HBBI", *line) for line in program))
    at, _ = code.buffer_info()
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", len(program), at))


class Link(Service):
    """The socket, for as long as the service is bound. Reactor thread only."""

    name = "link"

    def __init__(self, *, is_missed: bool) -> None:
        """`is_missed`: whether anybody would send a frame, and is to hear it if none can be."""
        self._socket: Any = None
        self._is_missed = is_missed

    @property
    def is_open(self) -> bool:
        """Whether frames can be sent at all."""
        return self._socket is not None

    def privilegedStartService(self) -> None:
        """Open the socket, while we may. Where we may not, say so once, and go on."""
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        try:
            self._socket = packet_socket(socket.SOCK_RAW)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        except OSError as error:
            if self._is_missed:
                self._is_missed = False
                _log.info(
                    "Machines without an address are answered by broadcast: {why}",
                    why=why_closed(error),
                )

    def stopService(self) -> None:
        super().stopService()  # type: ignore[no-untyped-call]
        sock, self._socket = self._socket, None
        if sock is not None:
            sock.close()

    def send(
        self,
        payload: bytes,
        *,
        interface: str,
        source: UdpSource,
        to_hardware: bytes,
        to: int,
        from_port: int,
        to_port: int,
    ) -> bool:
        """Send a UDP datagram to one station of an interface's link.

        False: it could not be sent (no socket, no Ethernet address, longer than the MTU, a full
        queue). Then it may be broadcast.
        """
        if self._socket is None:
            return False
        try:
            frame = source.frame(
                payload, to_hardware=to_hardware, to=to, from_port=from_port, to_port=to_port
            )
            self._socket.sendto(frame, (interface, IPV4_TYPE))
        except (OSError, EncodeError):
            return False
        return True


def why_closed(error: OSError) -> str:
    """What keeps a packet socket from being opened, with the remedy where there is one."""
    if isinstance(error, PermissionError):
        return "packet sockets need root or CAP_NET_RAW"
    return error.strerror or str(error)


_log = Logger()
