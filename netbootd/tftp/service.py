"""The TFTP service: read requests in, transfers out.

    datagram on port 69 ─▶ decode ─▶ admission ─▶ open the file ─▶ negotiate ─▶ a `Session`

Each transfer has a port of its own; all of them live in one `PollGroup`, and one sweep looks after
their timers while there are any. Files may only be read, and only those that `open_file` gives.
"""

from __future__ import annotations

import time
from collections import Counter as Tally
from collections.abc import Callable, Sequence
from typing import Protocol

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorFDSet, IReactorTime

from images.paths import OpenFile, PathRefused, Refusal
from netbootd.arrival import Arrival
from netbootd.config import TftpSettings
from netbootd.datagram import Datagrams, open_datagrams
from netbootd.interface import Interface
from netbootd.poll import PollGroup, poll_group
from netbootd.tftp.admission import Admission
from netbootd.tftp.content import Content, NetasciiContent, OctetContent
from netbootd.tftp.counters import TftpCounters
from netbootd.tftp.endpoint import Endpoint
from netbootd.tftp.segment import can_segment
from netbootd.tftp.session import Session
from netbootd.transfer import Outcome, Transfer, TransferObserver
from ops.counter import Counters
from ops.service.inherited import Inherited
from ops.text import escape
from protocols.errors import DecodeError
from protocols.tftp.negotiate import Limits, Terms, negotiate
from protocols.tftp.packet import (
    Error,
    ErrorCode,
    ReadRequest,
    WriteRequest,
    decode,
    encode,
)
from protocols.tftp.sender import Blocks

SWEEP = 0.025
"""Seconds between looks at the timers of all transfers: a quarter of the shortest timeout."""
STALE = 1.0
"""Seconds of silence after which a request repeated word for word means that the client has begun
anew (it was reset, and its port numbers repeat), rather than that the network doubled it."""
NETASCII = b"netascii"
OCTET = b"octet"

_ERROR_CODES = {
    Refusal.TRAVERSAL: ErrorCode.ACCESS_VIOLATION,
    Refusal.BAD_NAME: ErrorCode.ACCESS_VIOLATION,
    Refusal.DISABLED: ErrorCode.ACCESS_VIOLATION,
    Refusal.CHANGED: ErrorCode.ACCESS_VIOLATION,
    Refusal.UNREADABLE: ErrorCode.ACCESS_VIOLATION,
}
"""The others are FILE_NOT_FOUND."""


class IReactor(IReactorFDSet, IReactorTime):
    """What the service needs of a reactor."""


class OpenByName(Protocol):
    """`netbootd.booter.Booter.open_file`."""

    def __call__(self, name: bytes, *, peer: str, service: str) -> OpenFile: ...


class TftpService(Service):
    """Serves the files of published bundles, and nothing else, on the interfaces given."""

    name = "tftp"

    def __init__(
        self,
        reactor: IReactor,
        interfaces: Sequence[Interface],
        settings: TftpSettings,
        *,
        open_file: OpenByName,
        observer: TransferObserver,
        counters: Counters,
        monotonic: Callable[[], float] = time.monotonic,
        inherited: Inherited | None = None,
    ) -> None:
        """`inherited` has sockets that are bound already."""
        self.observer = observer
        self.counters = TftpCounters(counters)
        self._counters = counters
        self.now = monotonic
        self.answers: list[tuple[Session, Blocks]] = []
        self.can_segment = can_segment()
        self.group: PollGroup = poll_group(reactor, self._answer_all)
        self._reactor = reactor
        self._interfaces = interfaces
        self._inherited = inherited
        self._settings = settings
        self._limits = Limits(block_size=settings.max_blksize, window_size=settings.max_windowsize)
        self._open_file = open_file
        self._listeners: list[Datagrams] = []
        self._sweep: IDelayedCall | None = None
        self._forget_all()

    def _forget_all(self) -> None:
        self._sessions: dict[tuple[str, int], Session] = {}
        self._of_client: Tally[str] = Tally()
        self._admission = Admission()

    # What Twisted calls.

    @property
    def under_way(self) -> int:
        """Transfers at this moment: a gauge."""
        return len(self._sessions)

    def privilegedStartService(self) -> None:
        """Bind the port, while we may. Raises OSError."""
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        self._listeners = open_datagrams(
            self._reactor,
            self._interfaces,
            self._settings.port,
            self._received,
            counters=self._counters,
            inherited=self._inherited,
        )

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        for listener in self._listeners:
            listener.start()

    def stopService(self) -> None:
        super().stopService()  # type: ignore[no-untyped-call]
        for listener in self._listeners:
            listener.stop()
        self._listeners = []
        for session in list(self._sessions.values()):
            session.end(Outcome.STOPPED, "the server stops")
        self._forget_all()
        self.group.close()

    # What others ask.

    @property
    def ports(self) -> list[int]:
        """The UDP ports bound."""
        return [listener.port for listener in self._listeners]

    def serve(self, interfaces: Sequence[Interface]) -> None:
        """The table of interfaces has changed."""
        self._interfaces = interfaces
        for listener in self._listeners:
            listener.serve(interfaces)

    def session_ended(self, session: Session) -> None:
        """For `Session` only."""
        address, _ = session.peer
        del self._sessions[session.peer]
        self._of_client[address] -= 1
        if not self._of_client[address]:
            del self._of_client[address]
        if not self._sessions and self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None

    # The packet path.

    def _received(
        self, datagrams: Datagrams, data: bytes, peer: tuple[str, int], arrival: Arrival
    ) -> None:
        try:
            packet = decode(data)
        except DecodeError:
            self.counters.malformed.inc()
            return
        match packet:
            case ReadRequest():
                refusal = self._requested(packet, data, peer, arrival)
            case WriteRequest():
                self.counters.refused.inc()
                refusal = Error(code=ErrorCode.ACCESS_VIOLATION, message=b"this server only reads")
            case _:
                self.counters.stray.inc()
                return
        if refusal is not None:
            datagrams.send(encode(refusal), peer, arrival)

    def _requested(
        self, request: ReadRequest, data: bytes, peer: tuple[str, int], arrival: Arrival
    ) -> Error | None:
        """Begin a transfer, or say why not, or (None) leave it at that."""
        self.counters.requests.inc()
        if not self._is_welcome(data, peer):
            return None
        mode = request.mode.lower()
        if mode not in (OCTET, NETASCII):
            self.counters.refused.inc()
            return Error(code=ErrorCode.ILLEGAL_OPERATION, message=b"unknown mode")
        try:
            file = self._open_file(request.filename, peer=peer[0], service=self.name)
        except PathRefused as refused:
            return self._missing(request, peer, refused)
        try:
            endpoint = Endpoint(arrival.local, peer)
        except OSError:  # no sockets left, or the address has just gone
            file.close()
            self.counters.busy.inc()
            return None
        self._begin(request, data, file, endpoint)
        return None

    def _is_welcome(self, data: bytes, peer: tuple[str, int]) -> bool:
        address = peer[0]
        if not self._admission.admits(address, self.now()):
            self.counters.limited.inc()
            return False
        present = self._sessions.get(peer)
        if present is not None:
            if present.request == data and not self._is_stale(present):
                self.counters.duplicate.inc()
                return False
            present.end(Outcome.ABORTED)
        if (
            len(self._sessions) >= self._settings.max_transfers
            or self._of_client[address] >= self._settings.max_transfers_per_client
        ):
            self.counters.busy.inc()
            return False
        return True

    def _is_stale(self, session: Session) -> bool:
        sender = session.sender
        return sender.confirmed and self.now() - sender.heard_at > STALE

    def _missing(self, request: ReadRequest, peer: tuple[str, int], refused: PathRefused) -> Error:
        self.counters.missing.inc()
        name = escape(request.filename.decode(errors="replace"))
        self.observer.missing(self.name, peer[0], name, str(refused))
        return Error(
            code=_ERROR_CODES.get(refused.reason, ErrorCode.FILE_NOT_FOUND),
            message=refused.reason.value.encode(),
        )

    def _begin(self, request: ReadRequest, data: bytes, file: OpenFile, endpoint: Endpoint) -> None:
        # The size of a converted text is not known before its end, so tsize goes unanswered.
        is_text = request.mode.lower() == NETASCII
        size = None if is_text else file.size
        terms = negotiate(request.options, size=size, limits=self._limits)
        now = self.now()
        transfer = Transfer(
            service=self.name,
            peer=endpoint.peer[0],
            name=file.name,
            role=file.role.value,
            size=file.size,
            started_at=now,
            told_at=now,
        )
        session = Session(
            self,
            request=data,
            endpoint=endpoint,
            file=file,
            content=_content(file, terms, is_text),
            terms=terms,
            give_up=self._settings.give_up,
            transfer=transfer,
        )
        self._sessions[endpoint.peer] = session
        self._of_client[endpoint.peer[0]] += 1
        if self._sweep is None:
            self._sweep = self._reactor.callLater(SWEEP, self._look_after)
        session.start()

    def _answer_all(self) -> None:
        try:
            for session, blocks in self.answers:
                session.answer(blocks)
        finally:
            self.answers.clear()

    def _look_after(self) -> None:
        self._sweep = self._reactor.callLater(SWEEP, self._look_after)
        now = self.now()
        for session in list(self._sessions.values()):
            session.tick(now)


def _content(file: OpenFile, terms: Terms, is_text: bool) -> Content:
    if is_text:
        return NetasciiContent(file.fd, terms.block_size, terms.window_size)
    return OctetContent(file.fd, file.size, terms.block_size, terms.window_size)
