"""Replies by splicing: the same question from the same machine costs a lookup and one join.

Firmware repeats its LIST every few seconds and every machine of a school asks the same, so a
responder that remembers what it answered does no work twice. Two halves:

`memo_key` gives the part of a datagram by which an answer may be remembered: chaddr, sname, file
and all options. What remains of the header is the same for every datagram that has a key (op,
htype, hlen, siaddr), is ignored (hops, secs, yiaddr), or varies and is spliced (xid, flags, ciaddr,
giaddr).

`ReplyTemplate` holds one reply that `is_repeatable`; `splice` gives it to another datagram with the
same key. That is what `respond` gives, byte for byte, as long as the other arguments of `respond`
are the same: drop what is remembered when the images, the server's identity or the number of known
clients change, and what has a machine's key when its binding does.
"""

from __future__ import annotations

from typing import Final

from protocols.dhcp.codec import CHADDR, CIADDR, FLAGS, GIADDR, SIADDR, XID

_ETHERNET_REQUEST: Final = bytes((1, 1, 6))
_NO_ADDRESS: Final = bytes(4)
_ZERO: Final = bytes((0,))
_MULTICAST: Final = bytes((0xE0,))
_CIADDR_FIRST: Final = slice(CIADDR.start, CIADDR.start + 1)
_FROM_CHADDR: Final = slice(CHADDR.start, None)
_FLAGS_AND_CIADDR: Final = slice(FLAGS.start, CIADDR.stop)
_GIADDR_AND_CHADDR: Final = slice(GIADDR.start, CHADDR.stop)
_YIADDR_AND_SIADDR: Final = slice(CIADDR.stop, GIADDR.start)
_NO_SECS: Final = bytes(2)


def memo_key(request: bytes) -> bytes | None:
    """What an answer to `request` may be remembered by, or None if by nothing.

    None for all that is not an Ethernet request without siaddr, and where ciaddr is no host's: then
    the answer depends on the source of the datagram too. So a proper DISCOVER never has a key.
    """
    if (
        request[:3] != _ETHERNET_REQUEST
        or not _ZERO < request[_CIADDR_FIRST] < _MULTICAST
        or request[SIADDR] != _NO_ADDRESS
    ):
        return None
    return request[_FROM_CHADDR]


class ReplyTemplate:
    """A reply that `is_repeatable`, ready to be given to others with the same key."""

    __slots__ = ("_addresses", "_op", "_rest")

    def __init__(self, reply: bytes) -> None:
        """`reply` is the encoded message of a `Reply`."""
        self._op = reply[: XID.start]
        self._addresses = reply[_YIADDR_AND_SIADDR]
        self._rest = reply[CHADDR.stop :]

    def splice(self, request: bytes) -> bytes:
        """The reply to `request`, which has the key of the request that this was the reply to."""
        return b"".join(
            (
                self._op,
                request[XID],
                _NO_SECS,
                request[_FLAGS_AND_CIADDR],
                self._addresses,
                request[_GIADDR_AND_CHADDR],
                self._rest,
            )
        )
