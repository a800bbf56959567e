"""One HTTP/2 connection to Apple, without the socket: bytes and time in; bytes and events out.

    send    ──▶ HEADERS, DATA ──▶ outgoing
    receive ──▶ HEADERS, DATA … END_STREAM ──▶ Answered
                RST_STREAM REFUSED_STREAM  ──▶ Unprocessed      may be sent elsewhere at once
                RST_STREAM other           ──▶ Uncertain        Apple may have it
                GOAWAY  ──▶ GoingAway, Unprocessed above its last stream; the others are waited for
                SETTINGS, WINDOW_UPDATE    ──▶ more or fewer free slots
    tick    ──▶ PING; Uncertain where an answer or the PING's is late

Until the peer's SETTINGS one request may be under way, then what they say, which may rise and fall:
Apple grants one until the first valid provider token, and goes back to one after a rejection. The
peer may say anything: what is not HTTP/2 ends the connection, with GOAWAY and `Closed`, and costs
no more memory than the bounds below. h2 is the oracle of the tests; it takes forty times as long.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final

from protocols.apns import frame
from protocols.apns.answer import Answer, Explanation, explanation_of
from protocols.apns.event import (
    Answered,
    Closed,
    Event,
    GoingAway,
    Request,
    SlotsChanged,
    Uncertain,
    Unprocessed,
)
from protocols.apns.formats import PREFACE
from protocols.apns.frame import (
    DEFAULT_WINDOW,
    HEADER_SIZE,
    MAX_FRAME_SIZE,
    MAX_STREAM_ID,
    MAX_WINDOW,
    ErrorCode,
    Flags,
    FrameType,
    Setting,
)
from protocols.apns.hpack import Header, RequestEncoder, decode_block
from protocols.errors import DecodeError, StateError

MAX_BODY: Final = 4096
"""Bytes of an answer's body that are kept: Apple's have under 100."""
MAX_BLOCK: Final = 16384
"""Bytes of a header block in all its frames: Apple announces 8,000 for ours."""
MAX_REPLIES: Final = 1000
"""Acknowledgements of SETTINGS and PING that wait to be sent, 17 bytes each. Who asks for more and
reads none is no peer."""
MAX_DEBUG: Final = 200
"""Characters of a GOAWAY's debug data that are told."""
PING_DATA: Final = b"netbootd"
REPLENISH: Final = DEFAULT_WINDOW // 2
"""Bytes received before the connection's window is widened again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What we allow a connection."""

    streams: int = 1500
    """Requests under way at most, whatever the peer allows."""
    answer: float = 60.0
    """Seconds that an answer may take."""
    quiet: float = 45.0
    """Seconds without a byte from the peer after which it is asked for a sign of life (PING).
    Routers forget connections that are idle for minutes."""
    pong: float = 15.0
    """Seconds that the sign of life may take."""


class _Broken(Exception):
    """What the peer did is no HTTP/2."""

    def __init__(self, code: ErrorCode, why: str) -> None:
        super().__init__(why)
        self.code = code


class _Stream:
    """A request under way."""

    __slots__ = ("at", "body", "headers", "key", "rest", "window")

    def __init__(self, key: Hashable, at: float, rest: bytes, window: int) -> None:
        self.key = key
        self.at = at
        self.rest = rest
        """What of the request's body waits for the peer's windows."""
        self.window = window
        """Bytes that may be sent of it, as far as the stream goes."""
        self.headers: list[Header] | None = None
        self.body = b""


_ACCEPTED: Final = Answer(status=200)


class ClientEngine:
    """One connection. Not for several threads."""

    def __init__(self, authority: bytes, now: float, limits: Limits | None = None) -> None:
        """`authority` is the host, with its port unless that is 443; `now` monotonic seconds."""
        self._limits = limits or Limits()
        self._encoder = RequestEncoder(authority)
        self._streams: dict[int, _Stream] = {}
        self._next_stream = 1
        self._allowed = 1
        self._has_settings = False
        self._last_stream = MAX_STREAM_ID
        self._is_draining = False
        self._closed: str | None = None
        self._window = DEFAULT_WINDOW
        self._stream_window = DEFAULT_WINDOW
        self._received = 0
        self._block: tuple[int, int, bytes] | None = None
        self._blocked: dict[int, _Stream] = {}
        self._input = b""
        self._output = [
            PREFACE,
            frame.settings(((Setting.HEADER_TABLE_SIZE, 0), (Setting.ENABLE_PUSH, 0))),
        ]
        self._replies = 0
        self._heard_at = now
        self._pinged_at: float | None = None
        self._events: list[Event] = []
        self._handlers: dict[int, Callable[[int, int, bytes], None]] = {
            FrameType.DATA: self._data,
            FrameType.HEADERS: self._headers,
            FrameType.PRIORITY: self._priority,
            FrameType.RST_STREAM: self._reset,
            FrameType.SETTINGS: self._settings,
            FrameType.PUSH_PROMISE: self._push_promise,
            FrameType.PING: self._ping,
            FrameType.GOAWAY: self._goaway,
            FrameType.WINDOW_UPDATE: self._window_update,
            FrameType.CONTINUATION: self._continuation,
        }

    # What there is to know.

    @property
    def under_way(self) -> int:
        """Requests without an answer."""
        return len(self._streams)

    @property
    def free_slots(self) -> int:
        """Requests that may be sent now. None while one waits for the peer's windows: what is sent
        behind it would only wait in memory."""
        if self._is_draining or self._closed is not None or self._blocked:
            return 0
        return max(0, min(self._allowed, self._limits.streams) - len(self._streams))

    @property
    def is_draining(self) -> bool:
        """Whether no request may be sent any more, though answers may come."""
        return self._is_draining

    @property
    def closed(self) -> str | None:
        """Why the connection is at its end, or None while it is not."""
        return self._closed

    def outgoing(self) -> bytes:
        """What is to be written now; nothing is kept of it."""
        written = b"".join(self._output)
        self._output.clear()
        self._replies = 0
        return written

    # What we do.

    def send(self, key: Hashable, request: Request, now: float) -> None:
        """Send a push; its event will carry `key`. Raises StateError without a free slot."""
        if self.free_slots <= 0:
            raise StateError("there is no free slot")
        path, shape, own, body, authorization = request
        block = self._encoder.block(path, shape, own, authorization)
        if len(block) > MAX_FRAME_SIZE:
            raise StateError(f"a header block of {len(block)} bytes does not fit a frame")
        number = self._next_stream
        self._next_stream += 2
        if self._next_stream > MAX_STREAM_ID:
            self._is_draining = True  # all numbers are used up (§5.1.1)
        output, size = self._output, len(body)
        output.append(frame.head(len(block), FrameType.HEADERS, Flags.END_HEADERS, number))
        output.append(block)
        if size <= self._window and size <= self._stream_window and size <= MAX_FRAME_SIZE:
            self._window -= size
            output.append(frame.head(size, FrameType.DATA, Flags.END_STREAM, number))
            output.append(body)
            self._streams[number] = _Stream(key, now, b"", 0)
        else:
            stream = _Stream(key, now, body, self._stream_window)
            self._streams[number] = self._blocked[number] = stream
            self._send_rest(number, stream)

    def drain(self) -> list[Event]:
        """Send nothing new; wait for the answers, then close."""
        self._is_draining = True
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
        late = now - self._limits.answer
        for number, stream in list(self._streams.items()):
            if stream.at > late:
                break
            self._output.append(frame.reset(number, ErrorCode.CANCEL))
            self._finish(number, Uncertain(stream.key, "no answer in time"))
        if self._pinged_at is not None:
            if now - self._pinged_at >= self._limits.pong:
                self._end("the peer gives no sign of life")
        elif now - self._heard_at >= self._limits.quiet:
            self._pinged_at = now
            self._output.append(frame.ping(PING_DATA))
        self._close_when_done()
        return self._take_events()

    def next_timer(self) -> float | None:
        """When `tick` is to be called, in the clock of `now`; None: never again."""
        if self._closed is not None:
            return None
        if self._pinged_at is not None:
            sign = self._pinged_at + self._limits.pong
        else:
            sign = self._heard_at + self._limits.quiet
        for oldest in self._streams.values():
            return min(sign, oldest.at + self._limits.answer)
        return sign

    # What the peer does.

    def receive(self, data: bytes, now: float) -> list[Event]:
        """Bytes of the peer. Raises nothing, whatever they are."""
        if self._closed is not None:
            return []
        self._heard_at = now
        self._pinged_at = None
        try:
            self._read(self._input + data if self._input else data)
        except _Broken as broken:
            self._output.append(frame.goaway(0, broken.code))
            self._end(f"the peer broke HTTP/2: {broken}")
        self._close_when_done()
        return self._take_events()

    def _read(self, data: bytes) -> None:
        at, end, handlers = 0, len(data), self._handlers
        while end - at >= HEADER_SIZE:
            length = data[at] << 16 | data[at + 1] << 8 | data[at + 2]
            if length > MAX_FRAME_SIZE:
                raise _Broken(ErrorCode.FRAME_SIZE_ERROR, f"a frame of {length} bytes")
            after = at + HEADER_SIZE + length
            if after > end:
                break
            kind, flags = data[at + 3], data[at + 4]
            number = int.from_bytes(data[at + 5 : at + 9], "big") & MAX_STREAM_ID
            payload = data[at + HEADER_SIZE : after]
            at = after
            if not self._has_settings and (kind != FrameType.SETTINGS or flags & Flags.ACK):
                raise _Broken(ErrorCode.PROTOCOL_ERROR, "it does not begin with SETTINGS")
            if self._block is not None and kind != FrameType.CONTINUATION:
                raise _Broken(ErrorCode.PROTOCOL_ERROR, "a header block is interrupted")
            handler = handlers.get(kind)
            if handler is not None:  # §5.5: unknown ones are ignored
                handler(flags, number, payload)
        self._input = data[at:]

    def _headers(self, flags: int, number: int, payload: bytes) -> None:
        self._require_ours(number)
        if flags & (Flags.PADDED | Flags.PRIORITY):
            payload = _unpadded(payload, flags, 5 if flags & Flags.PRIORITY else 0)
        if flags & Flags.END_HEADERS:
            self._answer(number, payload, flags)
        else:
            self._block = number, flags, payload

    def _continuation(self, flags: int, number: int, payload: bytes) -> None:
        if self._block is None or self._block[0] != number:
            raise _Broken(ErrorCode.PROTOCOL_ERROR, "a header block is continued that is none")
        _, first, begun = self._block
        block = begun + payload
        if len(block) > MAX_BLOCK or not (payload or flags & Flags.END_HEADERS):
            raise _Broken(ErrorCode.ENHANCE_YOUR_CALM, "a header block without end")
        if flags & Flags.END_HEADERS:
            self._block = None
            self._answer(number, block, first)
        else:
            self._block = number, first, block

    def _answer(self, number: int, block: bytes, flags: int) -> None:
        """A whole header block: the head of an answer, or its trailers."""
        try:
            headers = decode_block(block)
        except DecodeError as error:
            raise _Broken(ErrorCode.COMPRESSION_ERROR, str(error)) from error
        stream = self._streams.get(number)
        if stream is None:
            return  # it was reset by us, and the peer does not know yet
        if stream.headers is None:
            if not headers or headers[0][0] != b":status":
                self._refuse(number, stream, "an answer without a status")
            elif headers[0][1][:1] == b"1" and not flags & Flags.END_STREAM:
                return  # 1xx: the answer comes later (RFC 9110 §15.2)
            else:
                stream.headers = headers
        elif not flags & Flags.END_STREAM:
            self._refuse(number, stream, "two heads of an answer")
        if flags & Flags.END_STREAM and number in self._streams:
            self._answered(number, stream)

    def _data(self, flags: int, number: int, payload: bytes) -> None:
        self._require_ours(number)
        self._received += len(payload)
        if self._received >= REPLENISH:
            self._output.append(frame.window_update(0, self._received))
            self._received = 0
        if flags & Flags.PADDED:
            payload = _unpadded(payload, flags, 0)
        stream = self._streams.get(number)
        if stream is None:
            return
        if stream.headers is None:
            self._refuse(number, stream, "a body without a head")
            return
        stream.body += payload
        if len(stream.body) > MAX_BODY:
            self._refuse(number, stream, "an answer without end")
        elif flags & Flags.END_STREAM:
            self._answered(number, stream)

    def _answered(self, number: int, stream: _Stream) -> None:
        assert stream.headers is not None  # noqa: S101 - the callers have seen to that
        answer = _answer_of(stream.headers, stream.body)
        if answer is None:
            self._refuse(number, stream, "an answer that is none of Apple's")
            return
        if stream.rest:  # it did not want to read all of it (RFC 9113 §8.1)
            self._output.append(frame.reset(number, ErrorCode.NO_ERROR))
        self._finish(number, Answered(stream.key, answer))

    def _refuse(self, number: int, stream: _Stream, why: str) -> None:
        """An answer that makes no sense: the stream ends, the connection goes on (§5.4.2)."""
        self._output.append(frame.reset(number, ErrorCode.PROTOCOL_ERROR))
        self._finish(number, Uncertain(stream.key, why))

    def _reset(self, flags: int, number: int, payload: bytes) -> None:
        self._require_ours(number)
        if len(payload) != 4:
            raise _Broken(ErrorCode.FRAME_SIZE_ERROR, "RST_STREAM is not four bytes")
        stream = self._streams.get(number)
        if stream is None:
            return
        code = frame.read_word(payload)[0]
        if code == ErrorCode.REFUSED_STREAM:
            self._finish(number, Unprocessed(stream.key))
        else:
            self._finish(number, Uncertain(stream.key, f"the peer reset it: {_named(code)}"))

    def _settings(self, flags: int, number: int, payload: bytes) -> None:
        if number or len(payload) % 6 or (flags & Flags.ACK and payload):
            raise _Broken(ErrorCode.FRAME_SIZE_ERROR, "SETTINGS of no settings' size")
        if flags & Flags.ACK:
            return
        if not self._has_settings:
            self._has_settings = True
            self._allowed = MAX_STREAM_ID  # §6.5.2: no limit, unless it says one
        before = self._allowed
        for setting, value in frame.read_settings(payload):
            self._set(setting, value)
        self._reply(frame.SETTINGS_ACK)
        if self._allowed != before or not self._events:
            self._events.append(SlotsChanged(self._allowed))
        self._send_all_rests()

    def _set(self, setting: int, value: int) -> None:
        if setting == Setting.MAX_CONCURRENT_STREAMS:
            self._allowed = value
        elif setting == Setting.HEADER_TABLE_SIZE:
            self._encoder.resize(value)
        elif setting == Setting.INITIAL_WINDOW_SIZE:
            if value > MAX_WINDOW:
                raise _Broken(ErrorCode.FLOW_CONTROL_ERROR, f"a window of {value} bytes")
            for stream in self._blocked.values():
                stream.window = _widened(stream.window, value - self._stream_window)
            self._stream_window = value
        elif setting == Setting.MAX_FRAME_SIZE:
            if not MAX_FRAME_SIZE <= value < 1 << 24:
                raise _Broken(ErrorCode.PROTOCOL_ERROR, f"frames of {value} bytes")
        elif setting == Setting.ENABLE_PUSH and value:
            raise _Broken(ErrorCode.PROTOCOL_ERROR, "a server that wants to be pushed to")

    def _ping(self, flags: int, number: int, payload: bytes) -> None:
        if number or len(payload) != 8:
            raise _Broken(ErrorCode.FRAME_SIZE_ERROR, "PING is not eight bytes")
        if not flags & Flags.ACK:
            self._reply(frame.ping(payload, ack=True))

    def _goaway(self, flags: int, number: int, payload: bytes) -> None:
        if number or len(payload) < 8:
            raise _Broken(ErrorCode.FRAME_SIZE_ERROR, "GOAWAY is under eight bytes")
        last, code = frame.read_goaway(payload)
        debug = payload[8:]
        try:
            explanation = explanation_of(debug)
        except DecodeError:
            explanation = Explanation()
        self._is_draining = True
        self._last_stream = min(self._last_stream, last & MAX_STREAM_ID)
        shown = debug[:MAX_DEBUG].decode("ascii", "backslashreplace")
        self._events.append(GoingAway(code, explanation, shown))
        for number_ in [number_ for number_ in self._streams if number_ > self._last_stream]:
            self._finish(number_, Unprocessed(self._streams[number_].key))

    def _window_update(self, flags: int, number: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise _Broken(ErrorCode.FRAME_SIZE_ERROR, "WINDOW_UPDATE is not four bytes")
        increment = frame.read_word(payload)[0] & MAX_WINDOW
        if not increment:
            raise _Broken(ErrorCode.PROTOCOL_ERROR, "a window that is widened by nothing")
        if not number:
            self._window = _widened(self._window, increment)
            self._send_all_rests()
            return
        self._require_ours(number)
        stream = self._blocked.get(number)
        if stream is not None:
            stream.window = _widened(stream.window, increment)
            self._send_rest(number, stream)

    def _priority(self, flags: int, number: int, payload: bytes) -> None:
        if not number or len(payload) != 5:
            raise _Broken(ErrorCode.FRAME_SIZE_ERROR, "PRIORITY is not five bytes of a stream")

    def _push_promise(self, flags: int, number: int, payload: bytes) -> None:
        raise _Broken(ErrorCode.PROTOCOL_ERROR, "a push that was ruled out")

    # Inside.

    def _require_ours(self, number: int) -> None:
        """Streams that we have not opened are idle: a frame on one is an error (§5.1)."""
        if not number & 1 or number >= self._next_stream:
            raise _Broken(ErrorCode.PROTOCOL_ERROR, f"stream {number} is none of ours")

    def _send_all_rests(self) -> None:
        for number, stream in list(self._blocked.items()):
            if self._window <= 0:
                break
            self._send_rest(number, stream)

    def _send_rest(self, number: int, stream: _Stream) -> None:
        """As much of a body as the windows let."""
        while stream.rest:
            size = min(len(stream.rest), self._window, stream.window, MAX_FRAME_SIZE)
            if size <= 0:
                return
            part, stream.rest = stream.rest[:size], stream.rest[size:]
            self._window -= size
            stream.window -= size
            flags = 0 if stream.rest else Flags.END_STREAM
            self._output += (frame.head(size, FrameType.DATA, flags, number), part)
        del self._blocked[number]

    def _reply(self, written: bytes) -> None:
        self._replies += 1
        if self._replies > MAX_REPLIES:
            raise _Broken(ErrorCode.ENHANCE_YOUR_CALM, "it asks and does not read")
        self._output.append(written)

    def _finish(self, number: int, event: Event) -> None:
        del self._streams[number]
        self._blocked.pop(number, None)
        self._events.append(event)

    def _close_when_done(self) -> None:
        if self._is_draining and not self._streams and self._closed is None:
            self._output.append(frame.goaway(0, ErrorCode.NO_ERROR))
            self._end("all requests are answered")

    def _end(self, why: str) -> None:
        if self._closed is None:
            self._closed = why
            self._events += [Uncertain(stream.key, why) for stream in self._streams.values()]
            self._events.append(Closed(why))
            self._streams.clear()
            self._blocked.clear()

    def _take_events(self) -> list[Event]:
        events, self._events = self._events, []
        return events


def _unpadded(payload: bytes, flags: int, skipped: int) -> bytes:
    """The payload without padding (§6.1) and the `skipped` bytes of a priority (§6.2)."""
    padding = 0
    if flags & Flags.PADDED:
        if not payload:
            raise _Broken(ErrorCode.FRAME_SIZE_ERROR, "padding of no length")
        padding, payload = payload[0], payload[1:]
    if padding + skipped > len(payload):
        raise _Broken(ErrorCode.PROTOCOL_ERROR, "more padding than frame")
    return payload[skipped : len(payload) - padding]


def _widened(window: int, by: int) -> int:
    if window + by > MAX_WINDOW:
        raise _Broken(ErrorCode.FLOW_CONTROL_ERROR, "a window wider than 2**31 - 1")
    return window + by


def _named(code: int) -> str:
    try:
        return ErrorCode(code).name
    except ValueError:
        return f"error {code}"


def _answer_of(headers: list[Header], body: bytes) -> Answer | None:
    """None: the status is not three digits. A body that is not Apple's does not matter."""
    written = headers[0][1]
    if len(written) != 3 or not written.isdigit():
        return None
    status = int(written)
    if status == 200 and len(headers) == 1:
        return _ACCEPTED
    apns_id = unique_id = None
    for name, value in headers:
        if name == b"apns-id":
            apns_id = value.decode("latin-1")
        elif name == b"apns-unique-id":
            unique_id = value.decode("latin-1")
    if status == 200:
        return Answer(status=200, apns_id=apns_id, unique_id=unique_id)
    try:
        said = explanation_of(body)
    except DecodeError:
        said = Explanation()  # the status stands for itself
    return Answer(
        status=status,
        reason=said.reason,
        timestamp=said.timestamp,
        apns_id=apns_id,
        unique_id=unique_id,
    )
