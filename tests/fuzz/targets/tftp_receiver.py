"""Whatever servers send, the receiver gives out blocks in order, each once, and never fails.

The input is datagrams: a byte for its length, a byte whose low bit tells which of two peers sent it
and whose other bits say how long after the last one (in 1/16 s), and its bytes.
"""

from __future__ import annotations

from protocols.errors import DecodeError
from protocols.tftp.packet import Data, decode
from protocols.tftp.receiver import Fetched, Receiver, Step, read_request

PEERS = (("192.0.2.1", 1024), ("192.0.2.2", 1024))
MAX_STEPS = 200


def target(data: bytes) -> None:
    receiver = Receiver(read_request(b"f", block_size=64, window_size=4, size=True, timeout=2))
    now = 0.0
    receiver.start(now)
    blocks = at = 0
    for _ in range(MAX_STEPS):
        if at + 2 > len(data):
            break
        length, extra = data[at], data[at + 1]
        datagram = data[at + 2 : at + 2 + length]
        at += 2 + length
        now += (extra >> 1) / 16
        _check_sent(receiver.tick(now))
        ended = receiver.ended
        step = receiver.receive(datagram, PEERS[extra & 1], now)
        _check_sent(step)
        assert len(step.data) <= 1
        assert not (step.data and ended)
        for given in step.data:
            blocks += 1
            packet = decode(datagram)
            assert isinstance(packet, Data)
            assert (packet.block, packet.data) == (blocks & 0xFFFF, given)
            assert len(given) <= receiver.terms.block_size
            assert (len(given) < receiver.terms.block_size) == (receiver.ended is Fetched.COMPLETE)


def _check_sent(step: Step) -> None:
    for datagram, _ in step.send:
        try:
            decode(datagram)
        except DecodeError as error:
            raise AssertionError("we sent what is no TFTP packet") from error
    assert len(step.send) <= 1
