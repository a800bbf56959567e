"""HTTP/2 on one connection, without the socket: h2 reads and writes, this answers.

    received ──▶ h2 ──▶ Exchange by stream ──▶ site
    write    ◀── h2 ◀── answers, as far as windows and link let them

What a client can make us hold is bounded: streams and header lists by SETTINGS, bodies by windows
that reopen only as they are read, answers by not taking requests while they are not read. What it
can make us do for nothing (resets, pings, settings, empty frames; CVE-2019-9512 to 9518,
CVE-2023-44487) is counted, and too much of it ends the connection.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from typing import Any, Final

import h2.config
import h2.connection
import h2.events
import h2.settings
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError, StreamClosedError
from hpack import HeaderTuple, NeverIndexedHeaderTuple
from twisted.logger import Logger

from pushd.api.exchange import Client, Link, Opener, Request, Response, Sink
from pushd.api.limit import LINGER, SLOWEST, Limits
from pushd.api.problem import problem
from pushd.api.site import ApiCounters

MAX_UNREAD: Final = 1 << 20
"""Bytes of answers that wait for the client. No request is begun while there are more."""
MAX_CONTROL: Final = 256 << 10
"""Bytes of frames that are no answers, for a client that does not read."""
MAX_DISCARDED: Final = 256 << 10
"""Bytes of a body that are read after its request has been answered."""
PATIENCE: Final = 500
"""Frames that achieve nothing, within `PERIOD`. A client that cancels all of its streams is at one
for each."""
PERIOD: Final = 10.0
"""Seconds."""
WINDOW: Final = 1 << 20
"""Bytes of bodies that may be under way, all streams together; the same for each one."""


class Http2Session:
    """One connection."""

    def __init__(
        self,
        site: Opener,
        link: Link,
        client: Client,
        *,
        limits: Limits,
        counters: ApiCounters,
        monotonic: Callable[[], float],
        date: Callable[[], bytes],
    ) -> None:
        """`date` gives the value of a Date header."""
        self._site = site
        self._link = link
        self._client = client
        self._limits = limits
        self._counters = counters
        self._monotonic = monotonic
        self._date = date
        self._h2 = h2.connection.H2Connection(_CONFIG)
        self._h2.local_settings = h2.settings.Settings(
            client=False,
            initial_values={
                h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: limits.max_streams,
                h2.settings.SettingCodes.MAX_HEADER_LIST_SIZE: limits.max_head,
                h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: WINDOW,
                h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL: 0,
            },
        )
        self._h2.decoder.max_header_list_size = limits.max_head
        self._streams: dict[int, Http2Exchange] = {}
        self._later: deque[Http2Exchange] = deque()  # complete heads, not yet begun
        self._sending: OrderedDict[int, Http2Exchange] = OrderedDict()
        self._unread = 0
        self._out: list[bytes] = []
        self._out_size = 0
        self._wasted = 0
        self._wasted_since = monotonic()
        self._since = monotonic()
        self._begun = False
        self._ended_at: float | None = None
        self._draining = False
        self._busy = False  # whoever set it proceeds at the end
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(WINDOW - 65535)

    # What the connection calls.

    def received(self, data: bytes) -> None:
        if self._ended_at is not None:
            return
        self._since = self._monotonic()
        try:
            events = self._h2.receive_data(data)
        except ProtocolError:
            self._counters.abuse.inc()
            self._end()  # with the GOAWAY that h2 has made
            return
        self._busy = True
        try:
            for event in events:
                handle = _HANDLERS.get(type(event))
                if handle is not None:
                    handle(self, event)
                if self._ended_at is not None:
                    return
        except Exception:
            _log.failure("api: a request failed; its connection is closed")
            self._goodbye(ErrorCodes.INTERNAL_ERROR)
        finally:
            self._busy = False
        self._proceed()

    def resume(self) -> None:
        self._since = self._monotonic()
        self._proceed()

    def sweep(self, now: float) -> None:
        limits = self._limits
        lasted = now - self._since
        if self._ended_at is not None:
            if now - self._ended_at >= LINGER:
                self._link.abort()
            return
        if not self._begun:
            if lasted >= limits.request_timeout:
                self._time_out()
        elif not self._link.writable or self._unread:
            if lasted >= limits.stall_timeout:
                self._time_out()
        elif not self._streams:
            if lasted >= limits.idle_timeout:
                self._goodbye(ErrorCodes.NO_ERROR)
        else:
            self._sweep_streams(now)

    def drain(self) -> None:
        if not self._draining and self._ended_at is None:
            self._draining = True
            self._h2.close_connection(last_stream_id=self._h2.highest_inbound_stream_id)
            # h2 would take its own GOAWAY for the end of all streams (RFC 9113 §6.8: it is not).
            self._h2.state_machine.state = h2.connection.ConnectionState.SERVER_OPEN
            self._proceed()

    def lost(self) -> None:
        if self._ended_at is None:
            self._ended_at = self._monotonic()
        streams, self._streams = self._streams, {}
        self._later.clear()
        self._sending.clear()
        for exchange in streams.values():
            exchange.lost()

    # What h2 tells.

    def _on_settings(self, event: h2.events.RemoteSettingsChanged) -> None:
        if self._begun:
            self._waste()
        self._begun = True

    def _on_request(self, event: h2.events.RequestReceived) -> None:
        self._counters.requests.inc()
        stream_id = event.stream_id
        assert stream_id is not None and event.headers is not None  # noqa: S101, PT018 - h2's types
        if self._draining:
            self._h2.reset_stream(stream_id, ErrorCodes.REFUSED_STREAM)
            return
        exchange = Http2Exchange(self, stream_id, self._request(event.headers), self._since)
        self._streams[stream_id] = exchange
        if self._unread > MAX_UNREAD or self._later:
            self._later.append(exchange)
        else:
            self._begin(exchange)

    def _on_data(self, event: h2.events.DataReceived) -> None:
        stream_id, size = event.stream_id, event.flow_controlled_length
        assert stream_id is not None and size is not None  # noqa: S101, PT018
        exchange = self._streams.get(stream_id)
        if not event.data and event.stream_ended is None:
            self._waste()
        if exchange is None:
            self._h2.acknowledge_received_data(size, stream_id)
            return
        exchange.body += size
        if exchange.begun:
            if event.data and exchange.sink is not None and exchange.response is None:
                exchange.sink.received(event.data)
            self._acknowledge(stream_id, size)
            if exchange.over:
                self._discard(exchange)
        else:
            exchange.held.append(event.data or b"")
            exchange.held_size += size

    def _on_ended(self, event: h2.events.StreamEnded) -> None:
        exchange = self._streams.get(event.stream_id or 0)
        if exchange is None:
            return
        exchange.complete = True
        if exchange.over:
            self._streams.pop(exchange.stream_id, None)
        elif exchange.begun and exchange.sink is not None and exchange.response is None:
            exchange.sink.ended()

    def _on_reset(self, event: h2.events.StreamReset) -> None:
        self._waste()
        self._forget(event.stream_id or 0)

    def _on_window(self, event: h2.events.WindowUpdated) -> None:
        if not self._sending:
            self._waste()

    def _on_waste(self, event: h2.events.Event) -> None:
        self._waste()

    def _on_goodbye(self, event: h2.events.ConnectionTerminated) -> None:
        """The client makes no new streams; what there is may be answered (RFC 9113 §6.8), but h2
        does not send on a connection that has been told goodbye."""
        self._end()

    # Our own.

    def answered(self, exchange: Http2Exchange, response: Response) -> None:
        """A request has been answered."""
        if exchange.stream_id not in self._streams:
            return
        if response.status >= 400:
            self._counters.errors.inc()
        headers = [HeaderTuple(b":status", b"%d" % response.status)]
        headers.append(HeaderTuple(b"date", self._date()))
        body = b"" if exchange.request.method == "HEAD" else response.body
        for name, value in response.headers:
            headers.append(HeaderTuple(name.encode(), value.encode()))
        for name, value in response.own:
            headers.append(NeverIndexedHeaderTuple(name.encode(), value.encode()))
        if isinstance(body, bytes):
            headers.append(NeverIndexedHeaderTuple(b"content-length", b"%d" % len(body)))
        try:
            self._h2.send_headers(exchange.stream_id, headers, end_stream=not body)
        except ProtocolError:  # it has been reset
            self._forget(exchange.stream_id)
            return
        if not body:
            self._finished(exchange)
        elif isinstance(body, bytes):
            exchange.unsent = body
            self._unread += len(body)
            self._sending[exchange.stream_id] = exchange
        else:
            exchange.pieces = body
            self._sending[exchange.stream_id] = exchange
        if not self._busy:
            self._proceed()

    def _request(self, fields: list[tuple[bytes, bytes]]) -> Request | None:
        headers: dict[str, str] = {}
        repeated = set()
        try:
            for raw_name, raw_value in fields:
                name, value = raw_name.decode(), raw_value.decode()
                if name in headers:
                    repeated.add(name)
                    headers[name] += ("; " if name == "cookie" else ", ") + value
                else:
                    headers[name] = value
        except UnicodeDecodeError:
            return None
        path, _, query = headers.pop(":path", "").partition("?")
        method = headers.pop(":method", "")
        return Request(
            method=method,
            path=path,
            query=query,
            headers=headers,
            repeated=frozenset(repeated),
            client=self._client,
        )

    def _begin(self, exchange: Http2Exchange) -> None:
        """Have the site take the request, and what there is of its body."""
        exchange.begun = True
        if exchange.malformed:
            exchange.respond(problem(400, "BadRequest", "a header is not UTF-8"))
            return
        exchange.sink = self._site.open(exchange)
        held, exchange.held = exchange.held, []
        for data in held:
            if exchange.sink is not None and exchange.response is None:
                exchange.sink.received(data)
        if exchange.held_size:
            self._acknowledge(exchange.stream_id, exchange.held_size)
        if exchange.complete and exchange.sink is not None and exchange.response is None:
            exchange.sink.ended()

    def _acknowledge(self, stream_id: int, size: int) -> None:
        try:
            self._h2.acknowledge_received_data(size, stream_id)
        except StreamClosedError:
            pass

    def _proceed(self) -> None:
        """Send what may be sent; begin what waits for that."""
        if self._ended_at is not None:
            return
        self._busy = True
        try:
            while self._link.writable:
                while self._later and self._unread <= MAX_UNREAD:
                    self._begin(self._later.popleft())
                sent = self._send_some()
                self._flush()
                if not sent:
                    break
        finally:
            self._busy = False
        self._flush()
        if self._out_size > MAX_CONTROL:
            self._time_out()
        elif self._draining and all(exchange.over for exchange in self._streams.values()):
            self._end()

    def _send_some(self) -> bool:
        """A frame for each stream that has something to send; whether there was any."""
        sent = False
        for stream_id in tuple(self._sending):
            exchange = self._sending[stream_id]
            if not exchange.unsent and exchange.pieces is not None:
                exchange.unsent = next(exchange.pieces, b"")
                self._unread += len(exchange.unsent)
                if not exchange.unsent:
                    exchange.pieces = None
            window = self._h2.local_flow_control_window(stream_id)
            size = min(window, len(exchange.unsent), self._h2.max_outbound_frame_size)
            last = exchange.pieces is None and size == len(exchange.unsent)
            if not size and not last:
                continue
            data, exchange.unsent = exchange.unsent[:size], exchange.unsent[size:]
            self._unread -= size
            self._h2.send_data(stream_id, data, end_stream=last)
            sent = True
            if last:
                self._finished(exchange)
        return sent

    def _finished(self, exchange: Http2Exchange) -> None:
        self._sending.pop(exchange.stream_id, None)
        exchange.over = True
        if exchange.complete:
            self._streams.pop(exchange.stream_id, None)
        else:
            self._discard(exchange)

    def _discard(self, exchange: Http2Exchange) -> None:
        """Read on what has been answered. A reset is due at once (RFC 9113 §8.1), but curl 7.88
        takes it for a failure when it meets a body that is just being sent."""
        if exchange.body > MAX_DISCARDED:
            self._h2.reset_stream(exchange.stream_id, ErrorCodes.NO_ERROR)
            self._streams.pop(exchange.stream_id, None)

    def _forget(self, stream_id: int) -> None:
        exchange = self._streams.pop(stream_id, None)
        if exchange is None:
            return
        self._sending.pop(stream_id, None)
        self._unread -= len(exchange.unsent)
        if exchange in self._later:
            self._later.remove(exchange)
        exchange.lost()

    def _waste(self) -> None:
        """The client had us do something for nothing."""
        now = self._since
        if now - self._wasted_since >= PERIOD:
            self._wasted, self._wasted_since = 0, now
        self._wasted += 1
        if self._wasted > PATIENCE + len(self._streams):
            self._counters.abuse.inc()
            self._goodbye(ErrorCodes.ENHANCE_YOUR_CALM)

    def _sweep_streams(self, now: float) -> None:
        limits = self._limits
        for exchange in tuple(self._streams.values()):
            lasted = now - exchange.since
            slow = lasted >= limits.request_timeout + exchange.body / SLOWEST
            if not exchange.complete and exchange.begun and slow:
                self._counters.timeouts.inc()
                self._h2.reset_stream(exchange.stream_id, ErrorCodes.CANCEL)
                self._forget(exchange.stream_id)
        self._proceed()

    def _flush(self) -> None:
        data = self._h2.data_to_send()
        if data:
            self._out.append(data)
            self._out_size += len(data)
        if self._out and self._link.writable:
            self._link.write(b"".join(self._out))
            self._out.clear()
            self._out_size = 0

    def _goodbye(self, why: ErrorCodes) -> None:
        self._h2.close_connection(why)
        self._end()

    def _end(self) -> None:
        self._ended_at = self._monotonic()
        self._flush()
        self._link.finish()
        self.lost()

    def _time_out(self) -> None:
        self._counters.timeouts.inc()
        self._ended_at = self._monotonic()
        self._link.abort()


class Http2Exchange:
    """One request, which is one stream."""

    __slots__ = (
        "_session",
        "begun",
        "body",
        "complete",
        "held",
        "held_size",
        "malformed",
        "over",
        "pieces",
        "request",
        "response",
        "since",
        "sink",
        "stream_id",
        "unsent",
    )

    def __init__(
        self, session: Http2Session, stream_id: int, request: Request | None, since: float
    ) -> None:
        self._session = session
        self.stream_id = stream_id
        self.malformed = request is None
        self.request = request or _NOBODYS
        self.since = since
        self.begun = False
        self.complete = False
        """The body has arrived."""
        self.over = False
        """The response has been sent."""
        self.body = 0
        self.held: list[bytes] = []
        self.held_size = 0
        self.sink: Sink | None = None
        self.response: Response | None = None
        self.unsent = b""
        self.pieces: Iterator[bytes] | None = None

    def respond(self, response: Response) -> None:
        if self.response is None:
            self.response = response
            self._session.answered(self, response)

    def lost(self) -> None:
        if self.response is None:
            self.response = _GONE
            if self.sink is not None:
                self.sink.lost()


_GONE: Final = Response(status=500)
_NOBODYS: Final = Request(method="", path="", query="", headers={}, client=Client(address=""))
_CONFIG: Final = h2.config.H2Configuration(client_side=False, header_encoding=None)

_HANDLERS: Final[dict[type, Callable[[Http2Session, Any], None]]] = {
    h2.events.RequestReceived: Http2Session._on_request,
    h2.events.DataReceived: Http2Session._on_data,
    h2.events.StreamEnded: Http2Session._on_ended,
    h2.events.StreamReset: Http2Session._on_reset,
    h2.events.WindowUpdated: Http2Session._on_window,
    h2.events.RemoteSettingsChanged: Http2Session._on_settings,
    h2.events.PingReceived: Http2Session._on_waste,
    h2.events.PriorityUpdated: Http2Session._on_waste,
    h2.events.UnknownFrameReceived: Http2Session._on_waste,
    h2.events.ConnectionTerminated: Http2Session._on_goodbye,
}

_log = Logger()
