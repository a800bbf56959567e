"""The client's side of one read: what to send, what came of the file, when to repeat.

It holds no file and no socket. A peer is whatever the shell identifies one by, an (address, port)
pair; the server's is learned from its first answer (RFC 1350, section 4: transfer identifiers), and
packets from any other are answered with ERROR 5 and do not disturb the transfer.

| what comes                          | what happens                                              |
|-------------------------------------|-----------------------------------------------------------|
| OACK to our request                 | ACK 0; what it may not say: ERROR 8, REFUSED              |
| DATA, the next block                | its bytes are given out; ACK at the end of a window       |
| DATA, the short block               | … ACK, COMPLETE                                           |
| DATA, the block that came last      | ACK again: ours was lost                                  |
| DATA beyond the next block          | ACK of what came in order, once per gap (RFC 7440)        |
| DATA, older                         | nothing                                                   |
| DATA longer than agreed             | ERROR 4, REFUSED                                          |
| ERROR                               | FAILED, its text kept                                     |
| any other packet, or none at all    | nothing                                                   |
| no answer in time                   | the last packet again, a bounded number of times          |
| … and none of them answered         | TIMEOUT                                                   |

After COMPLETE it still answers the last block, for a server that missed our last ACK; how long it
is kept around for that ("dallying", RFC 1350 section 6) is the shell's choice.
"""

from __future__ import annotations

import enum
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final

from protocols.errors import DecodeError
from protocols.tftp.negotiate import (
    BLKSIZE,
    TIMEOUT,
    TSIZE,
    WINDOWSIZE,
    Terms,
    agree,
)
from protocols.tftp.packet import (
    MAX_BLOCK,
    UNKNOWN_TID,
    Ack,
    Data,
    Error,
    ErrorCode,
    OptionAck,
    Options,
    ReadRequest,
    decode,
    encode,
)
from protocols.tftp.rto import Rto

REPEATS: Final = 6
"""Repeats before giving up: 1 + 2 + 4 + 5 x 4 s."""


class Fetched(enum.Enum):
    """How a fetch ended."""

    COMPLETE = "complete"
    FAILED = "failed"
    """The server sent an ERROR."""
    REFUSED = "refused"
    """The server broke the protocol."""
    TIMEOUT = "timeout"


@dataclass(slots=True)
class Step:
    """What one call brought: file bytes in order, and datagrams to send, each with its peer.

    The peer of the first request is None: the server's well-known port.
    """

    data: list[bytes] = field(default_factory=list)
    send: list[tuple[bytes, Hashable | None]] = field(default_factory=list)


def read_request(
    filename: bytes,
    *,
    mode: bytes = b"octet",
    block_size: int | None = None,
    window_size: int | None = None,
    timeout: int | None = None,
    size: bool = False,
) -> ReadRequest:
    """A request with the options named; `size` asks for the file's."""
    wishes = (
        (TSIZE, 0 if size else None),
        (BLKSIZE, block_size),
        (TIMEOUT, timeout),
        (WINDOWSIZE, window_size),
    )
    options: Options = tuple((name, b"%d" % wish) for name, wish in wishes if wish is not None)
    return ReadRequest(filename=filename, mode=mode, options=options)


class Receiver:
    """Drive it with `start`, `receive` and, once `deadline` has come, `tick`."""

    def __init__(self, request: ReadRequest) -> None:
        self._request = request
        self._received = 0
        """The last block that came in order, not wrapped."""
        self._acked = -1
        """The last block that we acknowledged."""
        self._last_sent = encode(request)
        self._sent_at = 0.0
        self._resent = False
        self._repeats_left = REPEATS
        self._rto = Rto()
        self.deadline = 0.0
        self.peer: Hashable | None = None
        """The server's transfer identifier, once it has answered."""
        self.terms = Terms()
        self.error: Error | None = None
        """What the server said, after FAILED; what we said, after REFUSED."""
        self.ended: Fetched | None = None

    def start(self, now: float) -> Step:
        """The request."""
        step = Step()
        self._send(self._last_sent, step, now)
        return step

    def receive(self, data: bytes, peer: Hashable, now: float) -> Step:
        """One datagram. What is no TFTP packet changes nothing."""
        step = Step()
        try:
            packet = decode(data)
        except DecodeError:
            return step
        if self.peer is not None and peer != self.peer:
            # An ERROR is not answered: two hosts would never stop.
            if not isinstance(packet, Error):
                step.send.append((UNKNOWN_TID, peer))
            return step
        match packet:
            case Data() if packet.block == 1 or self.peer is not None:
                self.peer = peer
                self._data(packet, step, now)
            case OptionAck() if self._received == 0 and self.ended is None:
                self.peer = peer
                self._option_ack(packet, step, now)
            case Error() if self.ended is None:
                self.ended, self.error = Fetched.FAILED, packet
        return step

    def tick(self, now: float) -> Step:
        """Time has passed: the last packet again if its answer is overdue."""
        step = Step()
        if self.ended is not None or now < self.deadline:
            return step
        if not self._repeats_left:
            self.ended = Fetched.TIMEOUT
            return step
        self._repeats_left -= 1
        self._rto.back_off()
        # In the middle of a window the server waits to hear what came of it.
        if self._received > self._acked and self._received:
            self._last_sent = encode(Ack(block=self._received & MAX_BLOCK))
            self._acked = self._received
        self._send(self._last_sent, step, now)
        self._resent = True
        return step

    def abort(self, error: Error) -> Step:
        """End the transfer from our side, telling the server."""
        self.ended, self.error = Fetched.REFUSED, error
        return Step(send=[(encode(error), self.peer)])

    def _option_ack(self, packet: OptionAck, step: Step, now: float) -> None:
        try:
            self.terms = agree(self._request.options, packet.options)
        except DecodeError as error:
            refusal = Error(code=ErrorCode.OPTION_REFUSED, message=error.why.encode())
            step.send += self.abort(refusal).send
            return
        if self.terms.timeout is not None:
            self._rto.fix(self.terms.timeout)
        self._acknowledge(step, now)

    def _data(self, packet: Data, step: Step, now: float) -> None:
        ahead = (packet.block - self._received) & MAX_BLOCK
        if ahead == 0 and self._received and self._acked == self._received:
            self._acknowledge(step, now)
        elif ahead == 1 and self.ended is None:
            self._next_block(packet.data, step, now)
        elif 1 < ahead <= self.terms.window_size and self.ended is None:
            if self._acked != self._received:
                self._acknowledge(step, now)

    def _next_block(self, data: bytes, step: Step, now: float) -> None:
        size = self.terms.block_size
        if len(data) > size:
            error = Error(code=ErrorCode.ILLEGAL_OPERATION, message=b"block longer than agreed")
            step.send += self.abort(error).send
            return
        self._received += 1
        self._repeats_left = REPEATS
        self.deadline = now + self._rto.seconds
        step.data.append(data)
        if len(data) < size:
            self.ended = Fetched.COMPLETE
        if self.ended or self._received - max(0, self._acked) >= self.terms.window_size:
            self._acknowledge(step, now)

    def _acknowledge(self, step: Step, now: float) -> None:
        if not self._resent and self._acked < self._received:
            self._rto.sample(self._sent_at, now)
        self._acked = self._received
        self._last_sent = encode(Ack(block=self._received & MAX_BLOCK))
        self._send(self._last_sent, step, now)

    def _send(self, data: bytes, step: Step, now: float) -> None:
        self._resent = False
        self._sent_at = now
        self.deadline = now + self._rto.seconds
        step.send.append((data, self.peer))
