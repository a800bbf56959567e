"""UDP segmentation offload: one send of many blocks, cut into datagrams by the kernel (Linux).

A window of 16 blocks then passes the IP stack once rather than 16 times, which doubles what a
server delivers. Linux has it since 4.18; a network card or a route may still
refuse it, so whoever uses it falls back to single sends.
"""

from __future__ import annotations

import errno
import socket
import struct
import sys
from collections.abc import Sequence

SOL_UDP = 17
UDP_SEGMENT = 103
"""Linux `<linux/udp.h>`; Python's socket module does not name it."""
REFUSED = frozenset({errno.EINVAL, errno.EIO, errno.EMSGSIZE})
"""How a send is refused: longer than the path's MTU (EINVAL, since 6.8 EMSGSIZE), or a card that
computes no checksums (EIO)."""


Ancillary = Sequence[tuple[int, int, bytes]]


def can_segment() -> bool:
    """Whether this kernel has it."""
    if sys.platform != "linux":
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.getsockopt(SOL_UDP, UDP_SEGMENT)
        except OSError:
            return False
    return True


def cut_into(size: int) -> Ancillary:
    """What has a `sendmsg` cut into datagrams of `size` bytes, the last one shorter."""
    return [(SOL_UDP, UDP_SEGMENT, struct.pack("=H", size))]
