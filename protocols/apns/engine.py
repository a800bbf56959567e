"""One HTTP/2 connection to Apple, without the socket: bytes and time in; bytes and events out.

    send    ──▶ HEADERS, DATA ──▶ outgoing
    receive ──▶ HEADERS, DATA … END_STREAM ──▶ Answered
                RST_STREAM REFUSED_STREAM  ──▶ Unprocessed      may be sent elsewhere at once
                RST_STREAM other           ──▶ Uncertain        Apple may have it
                GOAWAY  ──▶ GoingAway, Unprocessed above its last stream; the others are waited for
                SETTINGS, WINDOW_UPDATE    ──▶ more or fewer free slots
    tick    ──▶ PING; Uncertain where an answer or the PING's is late

Each key that was sent comes back in one event: Answered, Unprocessed or Uncertain.

Until the peer's SETTINGS one request may be under way, then what they say, which may rise and fall:
Apple grants one until the first valid provider token, and goes back to one after a rejection. The
peer may say anything: what is not HTTP/2 ends the connection, with GOAWAY and `Closed`, and costs
no more memory than the bounds below. h2 is the oracle of the tests; it takes forty times as long.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

from protocols.apns import frame
from protocols.apns.answer import Answer, Explanation, explanation_of
from protocols.apns.event import (
    Answered,
    Closed,
    Event,
    GoingAway,
    Limits,
    Request,
    SlotsChanged,
    Uncertain,
    Unprocessed,
)
from protocols.apns.formats import PREFACE
from protocols.apns.frame import (
    DEFAULT_WINDOW,
    MAX_FRAME_SIZE,
    MAX_STREAM_ID,
    ErrorCode,
    Flags,
    FrameType,
    Setting,
    Violation,
    pack_head,
)
from protocols.apns.hpack import RequestEncoder, decode_block
from protocols.apns.pulse import Pulse
from protocols.apns.reader import MAX_BLOCK, FrameReader
from protocols.apns.response import Responses, accepted
from protocols.apns.window import SendWindows
from protocols.errors import DecodeError, StateError

__all__ = ["ClientEngine", "Limits"]

MAX_REPLIES: Final = 1000
"""Acknowledgements of SETTINGS and PING that wait to be sent, 17 bytes each. Who asks for more and
reads none is no peer."""
MAX_DEBUG: Final = 200
"""Characters of a GOAWAY's debug data that are told."""
PING_DATA: Final = b"netbootd"
REPLENISH: Final = DEFAULT_WINDOW // 2
"""Bytes received before the connection's window is widened again."""

_HEADERS: Final = int(FrameType.HEADERS)
_DATA: Final = int(FrameType.DATA)
_END_STREAM: Final = Flags.END_STREAM
_END_HEADERS: Final = Flags.END_HEADERS


class ClientEngine:
    """One connection. Not for several threads."""

    def __init__(self, authority: bytes, now: float, limits: Limits | None = None) -> None:
        """`authority` is the host, with its port unless that is 443; `now` monotonic seconds."""
        self._limits = limits or Limits()
        announced = (
            (Setting.HEADER_TABLE_SIZE, 0),
            (Setting.ENABLE_PUSH, 0),
            (Setting.MAX_HEADER_LIST_SIZE, MAX_BLOCK),
        )
        self._output = [PREFACE, frame.settings(announced)]
        self._encoder = RequestEncoder(authority)
        self._windows = SendWindows(self._output)
        self._reader = FrameReader(now)
        self._streams: dict[int, tuple[Hashable, float]] = {}
        """Key and time of what is under way, in the order in which it was sent."""
        self._responses = Responses()
        self._next_stream = 1
        self._allowed: int | None = None
        self._slots = 1
        """Requests that may be under way."""
        self._is_draining = False
        self._closed: str | None = None
        self._received = 0
        self._replies = 0
        self._pulse = Pulse(now, quiet=self._limits.quiet, pong=self._limits.pong)
        self._events: list[Event] = []

    # What there is to know.

    @property
    def under_way(self) -> int:
        """Requests without an answer."""
        return len(self._streams)

    @property
    def free_slots(self) -> int:
        """Requests that may be sent now; it may change with any call. None while a body waits for
        the peer's windows: what is sent behind it would only wait in memory."""
        if self._windows.waiting:
            return 0
        return max(0, self._slots - len(self._streams))

    @property
    def is_draining(self) -> bool:
        """Whether no request may be sent any more, though answers may come."""
        return self._is_draining

    @property
    def closed(self) -> str | None:
        """Why the connection is at its end, or None while it is not."""
        return self._closed

    def outgoing(self) -> bytes:
        """What is to be written now; nothing is kept of it. Leave it here while the transport is
        full: a peer that does not read cannot make it grow without end."""
        written = b"".join(self._output)
        self._output.clear()
        self._replies = 0
        return written

    # What we do.

    def send(self, key: Hashable, request: Request, now: float) -> None:
        """Send a push; its event will carry `key`. Raises StateError without a free slot."""
        windows = self._windows
        if len(self._streams) >= self._slots or windows.waiting:
            raise StateError("there is no free slot")
        path, shape, own, body, authorization = request
        block = self._encoder.block(path, shape, own, authorization)
        number = self._next_stream
        self._next_stream = number + 2
        size = len(block)
        if size <= MAX_FRAME_SIZE:
            head = pack_head(size >> 8, size & 0xFF, _HEADERS, _END_HEADERS, number)
            self._output += (head, block)
        else:
            self._output += frame.header_block(block, number)
        self._streams[number] = key, now
        size = len(body)
        if size <= windows.connection and size <= windows.at_once:
            windows.connection -= size
            head = pack_head(size >> 8, size & 0xFF, _DATA, _END_STREAM, number)
            self._output += (head, body)
        else:
            windows.begin(number, body)
        if number >= MAX_STREAM_ID - 1:
            self._stop_sending()  # all numbers are used up (§5.1.1)

    def drain(self) -> list[Event]:
        """Send nothing new; wait for the answers, then close."""
        self._stop_sending()
        self._close_when_done()
        return self._take_events()

    def lost(self, why: str) -> list[Event]:
        """The connection is gone: nobody knows about what was under way."""
        self._end(why)
        return self._take_events()

    def tick(self, now: float) -> list[Event]:
        """The time of `next_timer` has come, or any other."""
        if self._closed is not None:
            return []
        while self._streams:
            number, (_, sent_at) = next(iter(self._streams.items()))
            if now < sent_at + self._limits.answer:
                break
            self._refuse(number, ErrorCode.CANCEL, "no answer in time")
        if self._pulse.is_dead(now):
            self._end("the peer gives no sign of life")
        elif self._pulse.asks(now):
            self._output.append(frame.ping(PING_DATA))
        self._close_when_done()
        return self._take_events()

    def next_timer(self) -> float | None:
        """When `tick` is to be called, in the clock of `now`; None: never again."""
        if self._closed is not None:
            return None
        sign = self._pulse.next_timer()
        for _, sent_at in self._streams.values():
            return min(sign, sent_at + self._limits.answer)
        return sign

    # What the peer does.

    def receive(self, data: bytes, now: float) -> list[Event]:
        """Bytes of the peer. Raises nothing, whatever they are."""
        if self._closed is not None:
            return []
        self._pulse.heard(now)
        try:
            for kind, flags, number, payload in self._reader.frames(data):
                if kind == _HEADERS:
                    self._headers(flags, number, payload)
                elif kind == _DATA:
                    self._data(flags, number, payload)
                else:
                    self._control(kind, flags, number, payload)
            self._reader.require_calm(now, self._next_stream // 2)
        except Violation as violation:
            self._output.append(frame.goaway(0, violation.code))
            self._end(f"the peer broke HTTP/2: {violation}")
        self._close_when_done()
        return self._take_events()

    def _headers(self, flags: int, number: int, block: bytes) -> None:
        """A whole header block: the head of an answer, or its trailers."""
        is_last = bool(flags & _END_STREAM)
        if is_last and number in self._streams and number not in self._responses.begun:
            answer = accepted(block)
            if answer is not None and not self._windows.waiting:
                self._events.append(Answered(self._streams.pop(number)[0], answer))
                return
        self._require_ours(number)
        try:
            headers = decode_block(block)
        except DecodeError as error:
            raise Violation(ErrorCode.COMPRESSION_ERROR, str(error)) from error
        if number not in self._streams:
            return  # it is at its end, perhaps by our reset, and the peer does not know yet
        try:
            self._answered(number, self._responses.headers(number, headers, is_last=is_last))
        except DecodeError as error:
            self._refuse(number, ErrorCode.PROTOCOL_ERROR, str(error))

    def _data(self, flags: int, number: int, payload: bytes) -> None:
        self._require_ours(number)
        self._received += len(payload)
        if self._received >= REPLENISH:
            self._output.append(frame.window_update(0, self._received))
            self._received = 0
        if flags & Flags.PADDED:
            payload = frame.unpadded(payload, flags & Flags.PADDED)
        if number not in self._streams:
            return
        try:
            is_last = bool(flags & _END_STREAM)
            self._answered(number, self._responses.data(number, payload, is_last=is_last))
        except DecodeError as error:
            self._refuse(number, ErrorCode.PROTOCOL_ERROR, str(error))

    def _control(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        """Any other frame; those of unknown types are ignored (§5.5)."""
        if kind == FrameType.WINDOW_UPDATE:
            self._window_update(number, payload)
        elif kind == FrameType.SETTINGS:
            self._settings(flags, number, payload)
        elif kind == FrameType.PING:
            opaque = frame.read_ping(number, payload)
            if not flags & Flags.ACK:
                self._reply(frame.ping(opaque, ack=True))
        elif kind == FrameType.RST_STREAM:
            self._reset(number, payload)
        elif kind == FrameType.GOAWAY:
            self._goaway(number, payload)
        elif kind == FrameType.PRIORITY:
            frame.check_priority(number, payload)
        elif kind == FrameType.PUSH_PROMISE:
            raise Violation(ErrorCode.PROTOCOL_ERROR, "a push that was ruled out")

    def _reset(self, number: int, payload: bytes) -> None:
        self._require_ours(number)
        code = frame.read_reset(payload)
        stream = self._streams.get(number)
        if stream is None:
            return
        if code == ErrorCode.REFUSED_STREAM:  # §8.7
            self._finish(number, Unprocessed(stream[0]))
        else:
            self._finish(number, Uncertain(stream[0], f"the peer reset it: {frame.named(code)}"))

    def _settings(self, flags: int, number: int, payload: bytes) -> None:
        settings = frame.read_settings(flags, number, payload)
        if settings is None:
            return
        # §6.5.2: no limit, unless they say one
        allowed = MAX_STREAM_ID if self._allowed is None else self._allowed
        for setting, value in settings:
            if setting == Setting.MAX_CONCURRENT_STREAMS:
                allowed = value
            else:
                self._set(setting, value)
        self._reply(frame.SETTINGS_ACK)
        self._windows.send()
        if allowed != self._allowed:
            self._allowed = allowed
            self._events.append(SlotsChanged(allowed))
            if not self._is_draining:
                self._slots = min(allowed, self._limits.streams)

    def _set(self, setting: int, value: int) -> None:
        """One of the peer's settings. Its MAX_HEADER_LIST_SIZE is advice (§6.5.2), and Apple's
        8,000 more than a push can have; of MAX_FRAME_SIZE we use the least."""
        if setting == Setting.HEADER_TABLE_SIZE:
            self._encoder.resize(value)
        elif setting == Setting.INITIAL_WINDOW_SIZE:
            self._windows.resize(value)
        elif setting == Setting.MAX_FRAME_SIZE:
            if not MAX_FRAME_SIZE <= value < 1 << 24:
                raise Violation(ErrorCode.PROTOCOL_ERROR, f"frames of {value} bytes")
        elif setting == Setting.ENABLE_PUSH and value:
            raise Violation(ErrorCode.PROTOCOL_ERROR, "a server that wants to be pushed to")

    def _goaway(self, number: int, payload: bytes) -> None:
        last, code, debug = frame.read_goaway(number, payload)
        try:
            explanation = explanation_of(debug)
        except DecodeError:
            explanation = Explanation()
        self._stop_sending()
        shown = debug[:MAX_DEBUG].decode("ascii", "backslashreplace")
        self._events.append(GoingAway(code, explanation, shown))
        # It may be told again, with a lower stream; a higher one finds nothing to end (§6.8).
        for late in [late for late in self._streams if late > last]:
            self._finish(late, Unprocessed(self._streams[late][0]))

    def _window_update(self, number: int, payload: bytes) -> None:
        increment = frame.read_window_update(payload)
        if not number:
            self._windows.widen(increment)
            return
        self._require_ours(number)
        if number not in self._streams:
            return
        try:
            self._windows.widen_stream(number, increment)
        except Violation as violation:
            self._refuse(number, violation.code, str(violation))

    # Inside.

    def _require_ours(self, number: int) -> None:
        """Streams that we have not opened are idle: a frame on one is an error (§5.1)."""
        if not number & 1 or number >= self._next_stream:
            raise Violation(ErrorCode.PROTOCOL_ERROR, f"stream {number} is none of ours")

    def _reply(self, written: bytes) -> None:
        self._replies += 1
        if self._replies > MAX_REPLIES:
            raise Violation(ErrorCode.ENHANCE_YOUR_CALM, "it asks and does not read")
        self._output.append(written)

    def _answered(self, number: int, answer: Answer | None) -> None:
        """None: the answer is not whole yet."""
        if answer is None:
            return
        if number in self._windows.waiting:  # it does not want the rest of the body (§8.1)
            self._output.append(frame.reset(number, ErrorCode.NO_ERROR))
        self._finish(number, Answered(self._streams[number][0], answer))

    def _refuse(self, number: int, code: ErrorCode, why: str) -> None:
        """The stream ends, the connection goes on (§5.4.2)."""
        self._output.append(frame.reset(number, code))
        self._finish(number, Uncertain(self._streams[number][0], why))

    def _finish(self, number: int, event: Event) -> None:
        del self._streams[number]
        if self._responses.begun:
            self._responses.begun.pop(number, None)
        if self._windows.waiting:
            self._windows.waiting.pop(number, None)
        self._events.append(event)

    def _stop_sending(self) -> None:
        self._is_draining = True
        self._slots = 0

    def _close_when_done(self) -> None:
        if self._is_draining and not self._streams and self._closed is None:
            self._output.append(frame.goaway(0, ErrorCode.NO_ERROR))
            self._end("all requests are answered")

    def _end(self, why: str) -> None:
        if self._closed is not None:
            return
        self._closed = why
        self._slots = 0
        self._events += [Uncertain(key, why) for key, _ in self._streams.values()]
        self._events.append(Closed(why))
        self._streams.clear()
        self._responses.begun.clear()
        self._windows.waiting.clear()

    def _take_events(self) -> list[Event]:
        events, self._events = self._events, []
        return events
