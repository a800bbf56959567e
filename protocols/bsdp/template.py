"""Replies given again: the same question from the same machine costs a lookup and a concatenation.

Firmware repeats its LIST every few seconds, with another xid and nothing else changed, so a
responder that remembers what it answered does no work twice. Three parts:

`question_of` is the datagram without its first eight bytes: op, htype, hlen, hops and xid.
`is_memorable` says whether an answer depends on that question alone (op, htype and hlen are what
they must be, hops is ignored, the source of the datagram does not matter).
`ReplyTemplate` holds one reply that `is_repeatable`; `with_xid` gives it to another datagram that
is memorable and asks the same. That is what `respond` gives, byte for byte, as long as the other
arguments of `respond` are the same: drop what is remembered when the images, the server's identity,
a binding or the number of known clients change.
"""

from __future__ import annotations

from typing import Final

from protocols.dhcp.codec import CIADDR, SIADDR, XID

ETHERNET_REQUEST: Final = bytes((1, 1, 6))
"""op, htype and hlen of every BSDP request."""

_NO_ADDRESS: Final = bytes(4)
_ZERO: Final = bytes((0,))
_MULTICAST: Final = bytes((0xE0,))
_CIADDR_FIRST: Final = slice(CIADDR.start, CIADDR.start + 1)


def question_of(request: bytes) -> bytes:
    """What an answer to `request` may be remembered by."""
    return request[XID.stop :]


def is_memorable(request: bytes) -> bool:
    """Whether the answer to `request` may be given to all that ask the same.

    Not for what is no Ethernet request or has a siaddr, and not where ciaddr is no host's: then the
    answer depends on the source of the datagram too. So a proper DISCOVER is never memorable.
    """
    return (
        request.startswith(ETHERNET_REQUEST)
        and _ZERO < request[_CIADDR_FIRST] < _MULTICAST
        and request[SIADDR] == _NO_ADDRESS
    )


class ReplyTemplate:
    """A reply that `is_repeatable`, ready to be given to others that ask the same question."""

    __slots__ = ("_after_xid", "_before_xid")

    def __init__(self, reply: bytes) -> None:
        """`reply` is the encoded message of a `Reply`."""
        self._before_xid = reply[: XID.start]
        self._after_xid = reply[XID.stop :]

    def with_xid(self, xid: bytes) -> bytes:
        """The reply to a request with the `xid` given (4 bytes)."""
        return self._before_xid + xid + self._after_xid
