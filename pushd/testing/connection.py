"""One connection of the simulator: TLS and HTTP/2 by h2, answers and faults as told.

    TLS, ALPN h2 ──▶ SETTINGS ──▶ requests ──▶ PushService ──▶ answers, after their latency
                                                        └────▶ or what a rule says in their place

h2 judges what the client does: what is no HTTP/2 ends the connection by GOAWAY and is remembered
(`violation`). The stream limit is not h2's but ours, since Apple's is stricter than HTTP/2's.
"""

from __future__ import annotations

import heapq
import typing
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any, Final

from h2.config import H2Configuration
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    RequestReceived,
    SettingsAcknowledged,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from twisted.internet.interfaces import (
    IDelayedCall,
    IHandshakeListener,
    IPushProducer,
    IReactorTime,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from pushd.testing.certificate import scope_of
from pushd.testing.conduct import Conduct
from pushd.testing.http2 import Engine, Request, TlsTransport
from pushd.testing.rule import REFUSED_STREAM, Cut, GoAway, Reset, Silence
from pushd.testing.service import MAX_BODY, Answer, Call, Caller, PushService
from pushd.testing.wire import (
    MAX_CONCURRENT_STREAMS,
    MAX_STREAM,
    Gauge,
    goaway_frame,
    settings_frame,
    settings_of,
    without_pongs,
)

ALPN: Final = b"h2"
LINGER: Final = 5.0
"""Seconds that a client has to close what the simulator has closed."""
VIOLATED: Final = b"Maximum active streams violated"


class Watcher(typing.Protocol):
    """Who is told what happens to a connection."""

    def begun(self, connection: ApnsConnection) -> None:
        """HTTP/2 was agreed on."""

    def received(self, connection: ApnsConnection) -> None:
        """Something was received, and dealt with."""

    def over(self, connection: ApnsConnection) -> None:
        """It has ended, begun or not."""


@implementer(IHandshakeListener, IPushProducer)
class ApnsConnection(Protocol):
    """One connection, from its TLS handshake on."""

    transport: TlsTransport  # type: ignore[assignment]

    def __init__(
        self,
        service: PushService,
        *,
        number: int,
        conduct: Conduct,
        clock: IReactorTime,
        unix: Callable[[], float],
        random: Random,
        watcher: Watcher,
    ) -> None:
        self.number = number
        self.conduct = conduct
        """May be changed; SETTINGS are not said again by that."""
        self.violation: str | None = None
        """What the client did that is not HTTP/2."""
        self.is_open = False
        """HTTP/2 was agreed on, and it is not over."""
        self._service = service
        self._clock = clock
        self._unix = unix
        self._random = random
        self._watcher = watcher
        self._h2 = Engine(H2Configuration(client_side=False, header_encoding=None))
        self._caller: Caller | None = None
        self._streams: dict[int, Request] = {}
        self._highest = 0
        self._last = MAX_STREAM
        self._closes = False
        self._limits: deque[int] = deque()
        """Of streams: the one in force, and those that the client has not acknowledged."""
        self._is_narrow = False
        """The next acceptance brings the limit up to the conduct's."""
        self._rejections = 0
        self._due: list[tuple[float, int, int, Answer]] = []
        self._sequence = 0
        self._timer: IDelayedCall | None = None
        self._idle_timer: IDelayedCall | None = None
        self._unsent: dict[int, bytes] = {}
        """Bodies that wait for the client's windows."""
        self._arriving: Gauge | None = None
        self._leaving: Gauge | None = None
        if conduct.cut is not None:
            received = conduct.cut.direction == "received"
            gauge = Gauge(conduct.cut, preface=received)
            self._arriving, self._leaving = (gauge, None) if received else (None, gauge)
        self._handlers: dict[type[Event], Callable[[Any], None]] = {
            RequestReceived: self._request,
            DataReceived: self._data,
            StreamEnded: self._end,
            StreamReset: self._reset,
            WindowUpdated: self._widened,
            RemoteSettingsChanged: self._widened,
            SettingsAcknowledged: self._acknowledged,
            ConnectionTerminated: self._terminated,
        }

    # What Twisted calls.

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)
        self.transport.registerProducer(self, True)

    def handshakeCompleted(self) -> None:
        if self.transport.negotiatedProtocol != ALPN:
            self.transport.abortConnection()
            return
        certificate = self.transport.getPeerCertificate()
        scope = None if certificate is None else scope_of(certificate.to_cryptography())
        self._caller = self._service.caller(scope)
        self.is_open = True
        conduct = self.conduct
        self._is_narrow = scope is None
        streams = conduct.first_streams if self._is_narrow else conduct.streams
        self._limits.append(streams)
        settings = settings_of(conduct, streams)
        self._h2.initiate_connection()
        self._h2.clear_outbound_data_buffer()  # ours are said instead, and hold once acknowledged
        self._h2.local_settings.update(settings)
        if conduct.settings:
            self._write(settings_frame(settings))
        self._watch_idleness()
        self._watcher.begun(self)

    def dataReceived(self, data: bytes) -> None:
        if not self.is_open:
            return
        if self._arriving is not None:
            data = self._arriving.admit(data)
        try:
            for event in self._h2.receive_data(data):
                handler = self._handlers.get(type(event))
                if handler is not None:
                    handler(event)
        except ProtocolError as error:
            self.violation = f"{type(error).__name__}: {error}"
            self._flush()
            self._close()
        self._flush()
        if self._arriving is not None and self._arriving.is_shut:
            self.cut(abort=self._arriving.abort)
        self._close_if_done()
        self._watcher.received(self)

    def pauseProducing(self) -> None:
        """The client reads nothing: it may not go on asking."""
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        self.transport.resumeProducing()

    def stopProducing(self) -> None:
        """The connection is about to be lost."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.is_open = False
        for timer in (self._timer, self._idle_timer):
            if timer is not None and timer.active():
                timer.cancel()
        self._streams.clear()
        self._watcher.over(self)

    # What a test may call.

    @property
    def open_streams(self) -> int:
        """Requests that were begun and not answered."""
        return len(self._streams)

    def goaway(self, going: GoAway) -> None:
        """Say GOAWAY; answers to what is at most its last stream are still given."""
        last = self._highest if going.last_stream is None else going.last_stream
        self._flush()
        self._write(goaway_frame(going, last))
        self._last = min(self._last, last)
        for stream in [stream for stream in self._streams if stream > self._last]:
            del self._streams[stream]
        self._closes = self._closes or going.closes
        self._close_if_done()

    def limit_streams(self, streams: int) -> None:
        """Say another SETTINGS_MAX_CONCURRENT_STREAMS."""
        if streams != self._limits[-1]:
            self._limits.append(streams)
            self._flush()
            self._write(settings_frame({MAX_CONCURRENT_STREAMS: streams}))

    def widen(self, increment: int, stream: int | None = None) -> None:
        """WINDOW_UPDATE for a stream, or for the connection."""
        self._h2.increment_flow_control_window(increment, stream)
        self._flush()

    def cut(self, *, abort: bool = False) -> None:
        """End the connection without a word of TLS or HTTP/2."""
        if not self.is_open:
            return
        self.is_open = False
        if abort:
            self.transport.abortConnection()
        else:
            self.transport.transport.loseConnection()

    # What the client did.

    def _request(self, event: RequestReceived) -> None:
        stream = event.stream_id
        self._highest = max(self._highest, stream)
        if stream > self._last:
            return  # RFC 9113 §6.8: ignored
        if len(self._streams) < max(self._limits):
            self._streams[stream] = Request(event.headers)
        elif self.conduct.excess == "refuse":
            self._h2.reset_stream(stream, REFUSED_STREAM)
            self._service.record.refused += 1
        else:
            last = max(self._streams, default=0)
            self.goaway(GoAway(last_stream=last, code=REFUSED_STREAM, debug=VIOLATED))

    def _data(self, event: DataReceived) -> None:
        if self.conduct.widens:
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        stream = self._streams.get(event.stream_id)
        if stream is not None and len(stream.body) < MAX_BODY:
            stream.body = (stream.body + event.data)[:MAX_BODY]

    def _end(self, event: StreamEnded) -> None:
        stream = self._streams.get(event.stream_id)
        if stream is None or self._caller is None:
            return
        call = Call(
            connection=self.number,
            stream=event.stream_id,
            headers=stream.headers,
            body=stream.body,
            at=self._unix(),
        )
        answer = self._service.answer(self._caller, call)
        latency = self.conduct.latency if answer.latency is None else answer.latency
        if self.conduct.jitter:
            latency += self._random.uniform(0, self.conduct.jitter)
        if latency > 0:
            self._sequence += 1
            due = self._clock.seconds() + latency
            heapq.heappush(self._due, (due, self._sequence, event.stream_id, answer))
            self._wait()
        else:
            self._answer(event.stream_id, answer)
        self._watch_idleness()

    def _reset(self, event: StreamReset) -> None:
        self._streams.pop(event.stream_id, None)
        self._unsent.pop(event.stream_id, None)

    def _widened(self, _event: WindowUpdated | RemoteSettingsChanged) -> None:
        for stream, body in list(self._unsent.items()):
            if self._send_body(stream, body):
                del self._unsent[stream]

    def _acknowledged(self, _event: SettingsAcknowledged) -> None:
        if len(self._limits) > 1:
            self._limits.popleft()

    def _terminated(self, _event: ConnectionTerminated) -> None:
        self._closes = True
        self._last = min(self._last, self._highest)

    # What it is told.

    def _wait(self) -> None:
        """Have the timer go off when the first answer is due."""
        delay = max(0.0, self._due[0][0] - self._clock.seconds())
        if self._timer is None or not self._timer.active():
            self._timer = self._clock.callLater(delay, self._answer_due)
        elif self._timer.getTime() > self._due[0][0]:
            self._timer.reset(delay)

    def _answer_due(self) -> None:
        now = self._clock.seconds()
        while self._due and self._due[0][0] <= now:
            _, _, stream, answer = heapq.heappop(self._due)
            self._answer(stream, answer)
        self._flush()
        if self._due and self.is_open:
            self._wait()
        self._close_if_done()

    def _answer(self, stream: int, answer: Answer) -> None:
        if stream not in self._streams or not self.is_open:
            return  # reset, or above the last stream, meanwhile
        match answer.instead:
            case Silence():
                return
            case Cut(abort=abort):
                self._flush()
                self.cut(abort=abort)
                return
            case Reset(code=code):
                self._h2.reset_stream(stream, code)
                del self._streams[stream]
                return
            case GoAway() as going:
                self.goaway(going)
                if stream not in self._streams:
                    return
        del self._streams[stream]
        headers = [(":status", str(answer.status)), *answer.headers]
        self._h2.send_headers(stream, headers, end_stream=not answer.body)
        if answer.body and not self._send_body(stream, answer.body):
            self._unsent[stream] = answer.body
        self._learn(answer.status)

    def _send_body(self, stream: int, body: bytes) -> bool:
        """Whether the client's windows let it be sent."""
        if self._h2.local_flow_control_window(stream) < len(body):
            return False
        self._h2.send_data(stream, body, end_stream=True)
        return True

    def _learn(self, status: int) -> None:
        """Let more or fewer streams in, now that the client is known better."""
        conduct = self.conduct
        if status == 200:
            if self._is_narrow:
                self._is_narrow = False
                self.limit_streams(conduct.streams)
            return
        if status == 410:  # "is not considered an error condition"
            return
        if conduct.lowers:
            self._is_narrow = True
            self.limit_streams(1)
        self._rejections += 1
        if conduct.rejections is not None and self._rejections >= conduct.rejections:
            self.goaway(GoAway())

    def _watch_idleness(self) -> None:
        if self.conduct.idle is None:
            return
        if self._idle_timer is not None and self._idle_timer.active():
            self._idle_timer.reset(self.conduct.idle)
        else:
            self._idle_timer = self._clock.callLater(self.conduct.idle, self._idle)

    def _idle(self) -> None:
        if self._streams:
            self._watch_idleness()
        elif self.is_open:
            self.goaway(GoAway(reason="IdleTimeout"))

    def _close_if_done(self) -> None:
        if self._closes and not self._streams and not self._unsent:
            self._close()

    def _close(self) -> None:
        if not self.is_open:
            return
        self.is_open = False
        self.transport.unregisterProducer()  # or Twisted would wait for the client's end
        self.transport.loseConnection()
        self._timer = self._clock.callLater(LINGER, self.transport.abortConnection)

    def _flush(self) -> None:
        data = self._h2.data_to_send()
        if data:
            self._write(data)

    def _write(self, data: bytes) -> None:
        """Whole frames."""
        if not self.is_open:
            return
        if not self.conduct.pongs:
            data = without_pongs(data)
        if self._leaving is not None:
            data = self._leaving.admit(data)
        self.transport.write(data)
        if self._leaving is not None and self._leaving.is_shut:
            self.cut(abort=self._leaving.abort)
