"""A sender and a receiver on the two ends of a `tests.link.Link`."""

from __future__ import annotations

from protocols.tftp.negotiate import Limits, negotiate
from protocols.tftp.packet import Data, OptionAck, ReadRequest, decode, encode
from protocols.tftp.receiver import Receiver
from protocols.tftp.sender import Blocks, Sender
from tests.link import Faults, Link

CLIENT = ("192.0.2.50", 2070)
SERVER = ("192.0.2.1", 40000)


class Pair:
    """One transfer of `content`. The request counts as received; all else is on the link."""

    def __init__(
        self,
        content: bytes,
        request: ReadRequest,
        *,
        seed: int = 1,
        faults: Faults | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.link = Link(seed, faults or Faults())
        self.content = content
        self.terms = negotiate(
            request.options, size=len(content), limits=limits or Limits(block_size=65464)
        )
        self.sender = Sender(self.terms, len(content) // self.terms.block_size + 1)
        self.receiver = Receiver(request)
        self.received = bytearray()
        self.blocks_sent = 0

    def run(self) -> None:
        """From the request to the end of both."""
        now = self.link.now
        self.receiver.start(now)
        self._watch_receiver()
        self._send_blocks(self.sender.start(now))
        self._watch_sender()
        self.link.run(until=lambda: bool(self.sender.ended and self.receiver.ended))

    def _send_blocks(self, blocks: Blocks | None) -> None:
        if blocks is None:
            return
        first, count = blocks
        for block in range(first, first + count):
            self.link.send(self._datagram(block), self._to_receiver)

    def _datagram(self, block: int) -> bytes:
        if block == 0:
            return encode(OptionAck(options=self.terms.accepted))
        self.blocks_sent += 1
        size = self.terms.block_size
        return encode(
            Data(block=block & 0xFFFF, data=self.content[(block - 1) * size : block * size])
        )

    def _to_receiver(self, datagram: bytes) -> None:
        step = self.receiver.receive(datagram, SERVER, self.link.now)
        for data in step.data:
            self.received += data
        for answer, peer in step.send:
            assert peer == SERVER
            self.link.send(answer, self._to_sender)

    def _to_sender(self, datagram: bytes) -> None:
        self._send_blocks(self.sender.receive(datagram, self.link.now))

    def _watch_sender(self) -> None:
        self._send_blocks(self.sender.tick(self.link.now))
        if self.sender.ended is None:
            self.link.at(max(self.sender.deadline, self.link.now + 0.001), self._watch_sender)

    def _watch_receiver(self) -> None:
        for answer, peer in self.receiver.tick(self.link.now).send:
            if peer is not None:
                decode(answer)
                self.link.send(answer, self._to_sender)
        if self.receiver.ended is None:
            self.link.at(max(self.receiver.deadline, self.link.now + 0.001), self._watch_receiver)
