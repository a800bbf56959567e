"""Whatever a reader sends, the sender sends the window after what was acknowledged, or nothing.

The input is a first byte that picks the terms, then datagrams: a byte for its length, a byte for
the time since the last one (in 1/16 s), and its bytes. Time also passes for the timer.
"""

from __future__ import annotations

from protocols.errors import DecodeError
from protocols.tftp.negotiate import Terms
from protocols.tftp.sender import Blocks, Sender

OACK = ((b"windowsize", b"4"),)
TERMS = (
    Terms(),
    Terms(window_size=4, accepted=OACK),
    Terms(window_size=64, size_asked=True, accepted=OACK),
    Terms(timeout=3, accepted=OACK),
)
LAST_BLOCK = 70_000
MAX_STEPS = 200


def target(data: bytes) -> None:
    if not data:
        return
    terms = TERMS[data[0] % len(TERMS)]
    sender = Sender(terms, LAST_BLOCK)
    now = 0.0
    highest = _checked(sender, terms, sender.start(now), 0)
    at = 1
    for _ in range(MAX_STEPS):
        if at + 2 > len(data):
            break
        length, wait = data[at], data[at + 1]
        datagram = data[at + 2 : at + 2 + length]
        at += 2 + length
        now += wait / 16
        highest = _checked(sender, terms, sender.tick(now), highest)
        try:
            highest = _checked(sender, terms, sender.receive(datagram, now), highest)
        except DecodeError:
            assert length < 4 or len(datagram) < 4
    assert sender.acknowledged <= highest


def _checked(sender: Sender, terms: Terms, blocks: Blocks | None, highest: int) -> int:
    """The highest block sent so far."""
    if blocks is None:
        return highest
    assert sender.ended is None
    first, count = blocks
    assert 1 <= count <= terms.window_size
    assert first + count - 1 <= LAST_BLOCK
    assert first == sender.acknowledged + 1 or (first, count, sender.confirmed) == (0, 1, False)
    return max(highest, first + count - 1)
