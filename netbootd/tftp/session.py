"""One read on its way: the socket shell around a `protocols.tftp.sender.Sender`.

Its path from ACK to DATA is synchronous and runs 20,000 times a second: it reads one datagram, asks
the state machine, sends what it says. It creates no Deferred and no timer; the service's sweep
calls `tick`. It never decides who may read what.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Protocol

from netbootd.poll import PollGroup
from netbootd.tftp.content import Content, OctetContent, Unreadable
from netbootd.tftp.counters import TftpCounters
from netbootd.tftp.endpoint import Endpoint
from netbootd.tftp.segment import REFUSED, cut_into
from netbootd.transfer import PROGRESS_INTERVAL, Outcome, Transfer, TransferObserver
from protocols.errors import DecodeError
from protocols.tftp.formats import ERROR
from protocols.tftp.negotiate import Terms
from protocols.tftp.packet import HEAD, UNKNOWN_TID, Error, ErrorCode, OptionAck, encode
from protocols.tftp.sender import Blocks, Sender

RECEIVE_SIZE = 128
"""Bytes read of a datagram: an ACK has 4; the text of an ERROR is not kept. A larger number makes
Python allocate that much for each ACK."""


Run = Callable[[int, int], memoryview]


class Closeable(Protocol):
    def close(self) -> None: ...


class Host(Protocol):
    """What a session needs of the service that runs it."""

    group: PollGroup
    observer: TransferObserver
    counters: TftpCounters
    now: Callable[[], float]
    can_segment: bool
    answers: list[tuple[Session, Blocks]]
    """What is to be sent once all peers that are ready have been heard."""

    def session_ended(self, session: Session) -> None:
        """Forget it."""


class Session:
    """One file on its way to one peer. `request` is the datagram that asked for it."""

    __slots__ = (
        "_block_size",
        "_content",
        "_cut",
        "_endpoint",
        "_file",
        "_host",
        "_oack",
        "_receive",
        "_run",
        "_send",
        "_stride",
        "request",
        "sender",
        "transfer",
    )

    def __init__(
        self,
        host: Host,
        *,
        request: bytes,
        endpoint: Endpoint,
        file: Closeable,
        content: Content,
        terms: Terms,
        give_up: float,
        transfer: Transfer,
    ) -> None:
        """Takes `endpoint` and `file`, and closes them when it ends."""
        self.request = request
        self.transfer = transfer
        self.sender = Sender(terms, content.last_block, give_up)
        self._host = host
        self._endpoint = endpoint
        self._file = file
        self._content = content
        self._oack = encode(OptionAck(options=terms.accepted))
        self._block_size = terms.block_size
        self._stride = HEAD.size + terms.block_size
        self._receive = endpoint.sock.recv
        self._send = endpoint.sock.send
        self._cut = cut_into(self._stride)
        self._run: Run | None = None
        """Where blocks come in one piece for the kernel to cut."""
        if host.can_segment and terms.window_size > 1 and isinstance(content, OctetContent):
            self._run = content.run

    @property
    def peer(self) -> tuple[str, int]:
        return self._endpoint.peer

    def start(self) -> None:
        """Send the first packet."""
        self._host.group.watch(self._endpoint.sock.fileno(), self.on_readable)
        if self._endpoint.strays is not None:
            self._host.group.watch(self._endpoint.strays.fileno(), self.on_stray)
        self._host.observer.started(self.transfer)
        self.answer(self.sender.start(self._host.now()))

    def on_readable(self) -> None:
        """A datagram from the peer, or word that it is gone."""
        try:
            data = self._receive(RECEIVE_SIZE)
            blocks = self.sender.receive(data, self._host.now())
        except BlockingIOError:
            return
        except ConnectionRefusedError:  # it has closed its port
            self.end(Outcome[self.sender.stopped().name])
            return
        except OSError:  # a passing fault of the network: the timer repeats what was lost
            return
        except DecodeError:
            self._host.counters.malformed.inc()
            return
        if blocks is not None:
            self._host.answers.append((self, blocks))
        elif self.sender.ended is not None:
            self.end(Outcome[self.sender.ended.name])

    def answer(self, blocks: Blocks) -> None:
        """Put `blocks` on the wire. What the kernel does not take counts as lost."""
        if self.transfer.outcome is not None:
            return
        first, count = blocks
        try:
            if first == 0:
                self._send(self._oack)
            elif count == 1:
                self._send_block(first)
            elif self._run is not None:
                self._send_runs(self._run, first, count)
            else:
                self._send_each(first, count)
        except Unreadable as error:
            self.end(Outcome.FAILED, str(error))
        except ConnectionRefusedError:
            self.end(Outcome[self.sender.stopped().name])
        except OSError as error:
            if self._run is not None and error.errno in REFUSED:
                self._run = None
                self.answer(blocks)
            else:
                self._host.counters.unsent.inc()

    def on_stray(self) -> None:
        """A datagram for our port that is not from our peer (RFC 1350, section 4)."""
        strays = self._endpoint.strays
        if strays is None:
            return
        try:
            data, source = strays.recvfrom(RECEIVE_SIZE)
            self._host.counters.stray.inc()
            # An ERROR is not answered: two hosts would never stop.
            if len(data) >= HEAD.size and HEAD.unpack_from(data)[0] != ERROR:
                strays.sendto(UNKNOWN_TID, source)
        except OSError:
            return

    def tick(self, now: float) -> None:
        """Repeat what is overdue, tell how far it is."""
        transfer = self.transfer
        if now >= self.sender.deadline:
            blocks = self.sender.tick(now)
            if blocks is not None:
                self.answer(blocks)
            elif self.sender.ended is not None:
                self.end(Outcome[self.sender.ended.name])
        if transfer.outcome is None and now - transfer.told_at >= PROGRESS_INTERVAL:
            self._measure()
            transfer.told_at = now
            self._host.observer.progressed(transfer)

    def end(self, outcome: Outcome, message: str = "") -> None:
        """End it, once; with a message, the peer is told why."""
        transfer = self.transfer
        if transfer.outcome is not None:
            return
        if message:
            self._tell(message)
        transfer.outcome = outcome
        transfer.ended_at = self._host.now()
        self._measure()
        for sock in (self._endpoint.sock, self._endpoint.strays):
            if sock is not None:
                self._host.group.forget(sock.fileno())
        self._endpoint.close()
        self._file.close()
        counters = self._host.counters
        counters.ended[outcome].inc()
        counters.bytes.inc(transfer.sent)
        counters.repeated.inc(self.sender.repeated)
        self._host.session_ended(self)
        self._host.observer.finished(transfer)

    def _send_each(self, first: int, count: int) -> None:
        for block in range(first, first + count):
            self._send_block(block)
            if self.sender.last_block == block:
                return

    def _send_block(self, block: int) -> None:
        datagram = self._content.datagram(block)
        self._send(datagram)
        if len(datagram) < self._stride:
            self.sender.ends_at(block)

    def _send_runs(self, run: Run, first: int, count: int) -> None:
        while count > 0:
            datagrams = run(first, count)
            self._endpoint.sock.sendmsg((datagrams,), self._cut)
            sent = -(-len(datagrams) // self._stride)
            first += sent
            count -= sent

    def _measure(self) -> None:
        done = self.sender.acknowledged * self._block_size
        self.transfer.sent = min(done, self.transfer.size)

    def _tell(self, message: str) -> None:
        error = Error(code=ErrorCode.UNDEFINED, message=message.encode(errors="replace"))
        with contextlib.suppress(OSError):
            self._send(encode(error))
