"""One TLS connection to Apple: the shell around the engine, with its timer and its backpressure.

    handshake ──▶ ALPN says h2? ──▶ engine ──▶ SETTINGS ──▶ opened
    send(...) ... flush()       ──▶ one write
    bytes ──▶ engine ──▶ happened(events), and the owner's turn soon

A TLS record may hold a single answer, and a read a thousand of them: so nothing is written when
bytes come. The owner takes its turn once all have been read, sends what there is room for, and
calls `flush`. Must never raise into the reactor, and never send before the server is known.
"""

from __future__ import annotations

import typing
from collections.abc import Hashable, Sequence
from typing import Final

from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IDelayedCall,
    IHandshakeListener,
    IPushProducer,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from ops.text import escape
from protocols.apns.engine import ClientEngine, Limits
from protocols.apns.event import Event, Request, SlotsChanged
from pushd.world import World

H2: Final = b"h2"
GOODBYE: Final = 5.0
"""Seconds that a peer has to close a connection that is at its end."""


class TlsTransport(typing.Protocol):
    """What is used of Twisted's `TLSMemoryBIOProtocol`."""

    negotiatedProtocol: bytes | None

    def write(self, data: bytes) -> None: ...

    def loseConnection(self) -> None: ...

    def abortConnection(self) -> None: ...

    def registerProducer(self, producer: IPushProducer, streaming: bool) -> None: ...

    def unregisterProducer(self) -> None: ...

    def setTcpNoDelay(self, enabled: bool) -> None: ...


class Owner(typing.Protocol):
    """Who uses a connection, and is told what becomes of it."""

    def opened(self, connection: Connection) -> None:
        """The peer speaks HTTP/2; pushes may be sent."""

    def happened(self, connection: Connection, events: Sequence[Event]) -> None:
        """Answers, and all else that the engine tells; the last of each push that was sent."""

    def turn_soon(self) -> None:
        """There may be something to flush, or room to send more."""

    def closed(self, connection: Connection, why: str) -> None:
        """It is gone. Called once, also where it was never opened."""


@implementer(IHandshakeListener, IPushProducer)
class Connection(Protocol):
    """From the TCP connection on; `Owner` is told the rest."""

    transport: TlsTransport  # type: ignore[assignment]

    def __init__(self, *, authority: bytes, limits: Limits, world: World, owner: Owner) -> None:
        """`authority` is the host, with its port unless that is 443."""
        self._authority = authority
        self._limits = limits
        self._world = world
        self._owner = owner
        self._engine: ClientEngine | None = None
        self._is_open = False
        self._is_paused = False
        self._is_closing = False
        self._why: str | None = None
        self._timer: IDelayedCall | None = None
        self._timer_at = 0.0
        self.limit = 1
        """Pushes that the peer allows at once."""
        self.opened_at = 0.0
        self.used_at = 0.0
        """When the last push was sent, or it was opened."""
        self.sent = 0
        self.answered = 0
        """Pushes by it, and answers; the owner counts them."""

    # What Twisted calls.

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)

    def handshakeCompleted(self) -> None:
        if self.transport.negotiatedProtocol != H2:
            self._abort("the server does not offer HTTP/2 (no h2 by ALPN)")
            return
        self.opened_at = self.used_at = self._world.monotonic()
        self._engine = ClientEngine(self._authority, self.opened_at, self._limits)
        self.transport.registerProducer(self, True)
        self.flush()

    def dataReceived(self, data: bytes) -> None:
        if self._engine is not None and not self._is_closing:
            self._tell(self._engine.receive(data, self._world.monotonic()))

    def pauseProducing(self) -> None:
        self._is_paused = True

    def resumeProducing(self) -> None:
        self._is_paused = False
        self._owner.turn_soon()

    def stopProducing(self) -> None:
        """The connection is about to be lost."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        why = self._why or reason_of(reason)
        self._is_open = False
        self._stop_timer()
        if self._engine is not None:
            self._tell(self._engine.lost(why))
        self._owner.closed(self, self._engine.closed or why if self._engine is not None else why)

    # What the owner calls.

    @property
    def is_open(self) -> bool:
        """Whether pushes may be sent, now or when there are slots again."""
        engine = self._engine
        return self._is_open and engine is not None and not engine.is_draining

    @property
    def free_slots(self) -> int:
        """Pushes that may be sent now."""
        if not self._is_open or self._is_paused or self._engine is None:
            return 0
        return self._engine.free_slots

    @property
    def under_way(self) -> int:
        """Pushes without an answer."""
        return 0 if self._engine is None else self._engine.under_way

    def send(self, key: Hashable, request: Request, now: float) -> None:
        """Send a push, with the next `flush`. Raises StateError without a free slot."""
        assert self._engine is not None  # noqa: S101 - there is a free slot
        self._engine.send(key, request, now)
        self.sent += 1
        self.used_at = now

    def send_all(self, pushes: Sequence[tuple[Hashable, Request]], now: float) -> int:
        """Likewise those for which there are slots; how many these were."""
        engine = self._engine
        assert engine is not None  # noqa: S101 - there are free slots
        send, sent = engine.send, 0
        for key, request in pushes:
            if engine.free_slots <= 0:
                break
            send(key, request, now)
            sent += 1
        self.sent += sent
        self.used_at = now
        return sent

    def flush(self) -> None:
        """Write what there is to be written, unless the transport has enough."""
        engine = self._engine
        if engine is None or self._is_closing:
            return
        if not self._is_paused:
            data = engine.outgoing()
            if data:
                self.transport.write(data)
            if engine.closed is not None:
                self._close()
                return
        self._set_timer()

    def drain(self) -> None:
        """Send nothing more; close when all is answered."""
        if self._engine is None:
            self._abort("it is not needed any more")
        else:
            self._tell(self._engine.drain())

    def abort(self, why: str) -> None:
        """Close at once; nobody knows what became of pushes under way."""
        self._abort(why)

    # Inside.

    def _tell(self, events: list[Event]) -> None:
        for event in events:
            if type(event) is SlotsChanged:
                self.limit = event.limit
                if not self._is_open and not self._is_closing:
                    self._is_open = True
                    self._owner.opened(self)
        if events:
            self._owner.happened(self, events)
        self._owner.turn_soon()

    def _close(self) -> None:
        """The engine is at its end, and has written its goodbye."""
        self._is_open = False
        self._is_closing = True
        self._stop_timer()
        self._timer = self._world.reactor.callLater(
            GOODBYE, self._abort, "it was not closed in time"
        )
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def _abort(self, why: str) -> None:
        if self._why is None:
            self._why = why
        self._is_open = False
        if self.transport is not None:
            self.transport.abortConnection()

    def _set_timer(self) -> None:
        """A timer that is early does no harm: it looks, and is set again."""
        engine = self._engine
        at = None if engine is None else engine.next_timer()
        if at is None:
            return
        if self._timer is not None:
            if at >= self._timer_at:
                return
            self._timer.cancel()
        self._timer_at = at
        delay = max(0.0, at - self._world.monotonic())
        self._timer = self._world.reactor.callLater(delay, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if self._engine is None or self._is_closing:
            return
        now = self._world.monotonic()
        events = self._engine.tick(now)
        if self._engine.closed is not None:
            # No goodbye is written to who gives no sign of life, nor waited for.
            self._why = self._engine.closed
        self._tell(events)
        if self._why is not None:
            self._abort(self._why)
        else:
            self.flush()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            if self._timer.active():
                self._timer.cancel()
            self._timer = None


def reason_of(reason: Failure) -> str:
    """Why a connection ended, for a log line: TLS alerts by their names."""
    error = reason.value
    if isinstance(error, VerificationError):
        return "the server's certificate is for another name"
    if isinstance(error, SSL.Error):
        words = [str(part[-1]) for part in _parts(error)]
        if any("certificate verify failed" in word for word in words):
            return "the server's certificate is not trusted; check trust_roots"
        return f"TLS failed ({escape('; '.join(words)) or 'without a word'})"
    if isinstance(error, ConnectionDone):
        return "the peer closed the connection"
    if isinstance(error, ConnectionLost):
        return "the connection was lost"
    return escape(str(error)) or type(error).__name__


def _parts(error: SSL.Error) -> list[Sequence[object]]:
    """OpenSSL's error queue: (library, function, reason) each, as pyOpenSSL has it."""
    queue = error.args[0] if error.args else []
    return [part for part in queue if part] if isinstance(queue, list) else []
