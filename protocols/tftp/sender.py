"""The server's side of one read: which blocks to send, and when to send them again.

It holds no file and no socket. What to send is said as blocks `(first, count)`, numbered from 1 and
never wrapped; block 0 stands for the OACK, which is acknowledged like a block (RFC 2347). The shell
puts the bytes of these blocks on the wire, block n as number n modulo 65,536.

    peer      RRQ             ACK 0            ACK 4            ACK 6 (7 was lost)     ACK 8
    we            OACK (0,1)      DATA (1,4)       DATA (5,4)        DATA (7,2)             done

| what comes                              | what happens                                          |
|-----------------------------------------|-------------------------------------------------------|
| ACK of the last block in flight         | the next window                                       |
| ACK within the window                   | the window from there, once (RFC 7440)                |
| ACK of what was acknowledged before     | nothing: answering it starts the sorcerer's apprentice|
| ACK of what was not sent, or long ago   | nothing                                               |
| ACK of the file's last block            | COMPLETE                                              |
| ERROR before any data was acknowledged, |                                                       |
|   after the size was asked for          | PROBE                                                 |
| any other ERROR                         | ABORTED                                               |
| any other packet                        | nothing                                               |
| no answer in time                       | the window again, a bounded number of times           |
| … and none of them answered             | TIMEOUT                                               |
"""

from __future__ import annotations

import enum
import struct
from typing import Final

from protocols.errors import DecodeError, StateError
from protocols.tftp.formats import ACK, ERROR
from protocols.tftp.negotiate import Terms
from protocols.tftp.packet import HEAD, MAX_BLOCK
from protocols.tftp.rto import Rto

Blocks = tuple[int, int]
"""The first block to send, and how many."""

UNCONFIRMED_REPEATS: Final = 3
"""Repeats of the first packet while the peer has never answered from its port, so that a request
with a forged source brings its victim at most four packets: 1 + 2 + 4 + 5 s, then we give up."""
GIVE_UP: Final = 30.0
"""Seconds that a peer which has answered may be silent: about ten repeats of its window."""
PATIENCE: Final = 3
"""Timeouts waited for, at least, when a client has chosen a long one (up to 255 s, RFC 2349)."""

_unpack_head = HEAD.unpack_from


class Ended(enum.Enum):
    """How a read ended."""

    COMPLETE = "complete"
    PROBE = "probe"
    ABORTED = "aborted"
    TIMEOUT = "timeout"


class Sender:
    """Drive it with `start`, `receive` and, once `deadline` has come, `tick`; each says which
    blocks to send now, or None. `ended` is set when there is nothing more to do.
    """

    __slots__ = (
        "_acked",
        "_give_up",
        "_repeats_left",
        "_resent",
        "_rto",
        "_sent",
        "_sent_at",
        "_terms",
        "_window",
        "confirmed",
        "deadline",
        "ended",
        "heard_at",
        "last_block",
        "repeated",
    )

    def __init__(self, terms: Terms, last_block: int | None, give_up: float = GIVE_UP) -> None:
        """`last_block`: the short one that ends the file; None: `ends_at` will tell. `give_up`:
        seconds that the peer may be silent.
        """
        self._terms = terms
        self._window = terms.window_size
        self.last_block = last_block
        # Before the first block of what we send: the OACK is block 0.
        self._acked = -1 if terms.accepted else 0
        self._sent = self._acked
        self._sent_at = 0.0
        self._resent = False
        self._give_up = give_up
        self._repeats_left = UNCONFIRMED_REPEATS
        self._rto = Rto()
        self.deadline = 0.0
        """When to call `tick`, in the seconds of `now`."""
        self.confirmed = False
        """The peer has answered from its port: it asked, and nobody in its name."""
        self.heard_at = 0.0
        """When the peer last acknowledged something new, or when it asked."""
        self.repeated = 0
        """Blocks sent more than once."""
        self.ended: Ended | None = None

    @property
    def acknowledged(self) -> int:
        """Blocks of the file that the peer has."""
        return max(0, self._acked)

    def start(self, now: float) -> Blocks:
        """The OACK, or where there is none the first window, which is one block then."""
        if self._sent != self._acked:
            raise StateError("already started")
        self.heard_at = now
        return self._send_window(now, 1)

    def ends_at(self, block: int) -> None:
        """`block` turned out to be the short one that ends the file."""
        self.last_block = block
        self._sent = min(self._sent, block)

    def receive(self, data: bytes, now: float) -> Blocks | None:
        """One datagram from the peer; `DecodeError` when it is no TFTP packet."""
        try:
            opcode, number = _unpack_head(data)
        except struct.error:
            raise DecodeError("TFTP packet", len(data), "shorter than 4 bytes") from None
        if opcode != ACK:
            if opcode == ERROR and self.ended is None:
                self.stopped()
            return None
        acked = self._acked
        ahead = (number - acked) & MAX_BLOCK
        in_flight = self._sent - acked
        if not 0 < ahead <= in_flight or self.ended is not None:
            return None
        self._acked = acked = acked + ahead
        if acked == self.last_block:
            self.ended = Ended.COMPLETE
            return None
        if not self.confirmed:
            self._confirm()
        self.heard_at = now
        if ahead < in_flight:
            # The next window begins with what is missing, and is no measure of the round trip.
            self.repeated += in_flight - ahead
            self._resent = True
        elif self._resent:
            self._resent = False
        else:
            self._rto.sample(self._sent_at, now)
        return self._send_window(now, self._window)

    def stopped(self) -> Ended:
        """The peer said ERROR, or has closed its port: how the read ended.

        Firmware asks for the size, then says ERROR 8 (EDK2: "User aborted the transfer").
        """
        probe = self._terms.size_asked and self._acked <= 0
        self.ended = Ended.PROBE if probe else Ended.ABORTED
        return self.ended

    def tick(self, now: float) -> Blocks | None:
        """Time has passed: the window again if its answer is overdue."""
        if self.ended is not None or now < self.deadline:
            return None
        if self._gives_up(now):
            self.ended = Ended.TIMEOUT
            return None
        self._rto.back_off()
        self._resent = True
        in_flight = self._sent - self._acked
        self.repeated += in_flight
        self.deadline = now + self._rto.seconds
        return self._acked + 1, in_flight

    def _confirm(self) -> None:
        """The peer is there and has our OACK: from now on what was agreed holds."""
        self.confirmed = True
        if self._terms.timeout is not None:
            self._rto.fix(self._terms.timeout)
            self._give_up = max(self._give_up, PATIENCE * self._terms.timeout)

    def _gives_up(self, now: float) -> bool:
        if self.confirmed:
            return now - self.heard_at >= self._give_up
        self._repeats_left -= 1
        return self._repeats_left < 0

    def _send_window(self, now: float, size: int) -> Blocks:
        acked = self._acked
        end = self.last_block
        if end is not None and size > end - acked:
            size = end - acked
        self._sent = acked + size
        self._sent_at = now
        self.deadline = now + self._rto.seconds
        return acked + 1, size
