"""HTTP/2, without a socket, before h2 as the client: streams, windows, bounds, abuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import h2.events
import msgspec
import pytest
from h2.errors import ErrorCodes
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pushd.api.http2 import MAX_DISCARDED, MAX_UNREAD, PATIENCE, Http2Session
from pushd.api.limit import LINGER, Limits
from tests.pushd.api.link import FakeLink, session_on, sweep
from tests.pushd.api.stand import APP, PUSH, Stand
from tests.pushd.rig import push_id

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
PAYLOAD = b'{"aps":{"alert":"hello"}}'


class Browser:
    """A client by h2."""

    def __init__(self, session: Http2Session, link: FakeLink, *, window: int = 65535) -> None:
        self.session = session
        self.link = link
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.h2.local_settings.initial_window_size = window
        self.h2.initiate_connection()
        self.status: dict[int, int] = {}
        self.headers: dict[int, dict[str, str]] = {}
        self.body: dict[int, bytes] = {}
        self.ended: list[int] = []
        self.resets: dict[int, int] = {}
        self.goodbye: int | None = None
        self.reads = True

    def exchange(self) -> None:
        """Bytes there and back, until there are no more."""
        while True:
            there = self.h2.data_to_send()
            if there:
                self.session.received(there)
            back = self.link.taken()
            if not there and not back:
                return
            for event in self.h2.receive_data(back):
                self._take(event)

    def _take(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.ResponseReceived):
            fields: Any = event.headers
            self.headers[event.stream_id] = dict(fields)
            self.status[event.stream_id] = int(self.headers[event.stream_id][":status"])
        elif isinstance(event, h2.events.DataReceived):
            self.body[event.stream_id] = self.body.get(event.stream_id, b"") + event.data
            if self.reads:
                size = event.flow_controlled_length
                self.h2.acknowledge_received_data(size, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            self.ended.append(event.stream_id)
        elif isinstance(event, h2.events.StreamReset):
            self.resets[event.stream_id] = event.error_code
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.goodbye = event.error_code

    def ask(
        self, method: str, path: str, body: bytes | None = None, *, end: bool = True, **more: str
    ) -> int:
        """Begin a request; its stream."""
        stream = self.h2.get_next_available_stream_id()
        headers = [
            (":method", method),
            (":scheme", "https"),
            (":authority", "a"),
            (":path", path),
            *((name.replace("_", "-"), value) for name, value in more.items()),
        ]
        self.h2.send_headers(stream, headers, end_stream=body is None and end)
        while body:
            size = min(
                len(body),
                self.h2.local_flow_control_window(stream),
                self.h2.max_outbound_frame_size,
            )
            assert size, "the window is closed"
            self.h2.send_data(stream, body[:size], end_stream=end and size == len(body))
            body = body[size:]
            self.exchange()
        return stream

    def push(self, device: str = "aabb", **more: str) -> int:
        """A push, Apple's way."""
        return self.ask("POST", f"/3/device/{device}", PAYLOAD, apns_topic=APP, **more)


def browser_on(stand: Stand, **more: Any) -> tuple[Browser, FakeLink]:
    session, link = session_on(stand, Http2Session)
    browser = Browser(session, link, **more)
    browser.exchange()
    return browser, link


def begun(stand: Stand) -> tuple[Http2Session, FakeLink]:
    """A session that is past its preface."""
    session, link = session_on(stand, Http2Session)
    session.received(PREFACE + SettingsFrame(0).serialize())
    return session, link


def goodbye_of(link: FakeLink) -> int | None:
    """The error code of the GOAWAY that was written."""
    client = h2.connection.H2Connection()
    client.initiate_connection()
    for event in client.receive_data(link.taken()):
        if isinstance(event, h2.events.ConnectionTerminated):
            return int(event.error_code or 0)
    return None


def test_a_push_and_its_answer(stand: Stand) -> None:
    """After the commit; the id comes back."""
    browser, _ = browser_on(stand)

    stream = browser.push(apns_id=push_id(1))
    before = dict(browser.status)
    stand.rig.settle_down()
    browser.exchange()

    assert (before, browser.status, browser.ended) == ({}, {stream: 200}, [stream])
    assert browser.headers[stream]["apns-id"] == push_id(1)


def test_many_streams_share_a_commit(stand: Stand) -> None:
    """Each has its own answer."""
    browser, _ = browser_on(stand)
    streams = [browser.push(f"{number:04x}") for number in range(300)]

    stand.rig.settle_down()
    browser.exchange()

    assert browser.status == dict.fromkeys(streams, 200)
    assert stand.rig.queue.depth == 300
    assert stand.rig.store._commits.value == 1


def test_a_large_batch_there_and_back(stand: Stand) -> None:
    """Windows are opened as the body is read, and kept as the answer is."""
    browser, _ = browser_on(stand)
    line = msgspec.json.encode({**PUSH, "alert": "x" * 500}) + b"\n"

    stream = browser.ask("POST", "/v1/pushes", line * 4000, content_type="application/x-ndjson")
    stand.rig.settle_down()
    browser.exchange()

    assert browser.status == {stream: 202}
    assert len(browser.body[stream].splitlines()) == 4000
    assert browser.ended == [stream]


def test_who_does_not_read_an_answer_gets_no_more(stand: Stand) -> None:
    """Answers wait in pieces that are not made yet; requests beyond a bound are not begun."""
    browser, _ = browser_on(stand)
    browser.reads = False
    big = msgspec.json.encode([PUSH] * 100)
    for _ in range(3):
        stand.post(big)
    stand.rig.settle_down()
    session = browser.session
    for _ in range(400):
        browser.ask("GET", "/v1/openapi.json")
        browser.exchange()

    assert session._unread <= MAX_UNREAD + 20_000
    assert session._later
    browser.reads = True
    for stream, body in browser.body.items():
        browser.h2.acknowledge_received_data(len(body), stream)
    browser.exchange()
    assert len(browser.ended) == 400
    assert session._unread == 0


def test_streams_are_bounded(tmp_path: Path) -> None:
    """By SETTINGS; who opens more breaks HTTP/2."""
    stand = Stand(tmp_path, limits=Limits(max_streams=10))
    browser, link = browser_on(stand)
    limit = browser.h2.remote_settings.max_concurrent_streams
    browser.h2.remote_settings.max_concurrent_streams = 100
    browser.h2.remote_settings.acknowledge()

    for _ in range(10):
        browser.push()
    taken = link.finished
    browser.push()
    stand.close()

    assert (limit, taken, link.finished) == (10, False, True)


def test_a_cancelled_request_is_forgotten(stand: Stand) -> None:
    """Whatever it had begun."""
    browser, _ = browser_on(stand)
    waiting = browser.push(prefer="wait=60")
    half = browser.ask("POST", "/v1/pushes", b"[", end=False, content_type="application/json")
    stand.rig.settle_down()

    browser.h2.reset_stream(waiting)
    browser.h2.reset_stream(half)
    browser.exchange()

    assert stand.rig.queue._watchers == {}
    assert stand.ration.left == 64 << 20
    assert browser.session._streams == {}


def test_a_refused_body_is_not_waited_for(stand: Stand) -> None:
    """The answer comes at once. What still comes of the body is read and forgotten; if it is much,
    the stream is reset without blame (RFC 9113 §8.1)."""
    browser, link = browser_on(stand)
    short = browser.ask("POST", "/v1/pushes", b"x", end=False, content_type="text/plain")
    long = browser.ask("POST", "/v1/pushes", b"x", end=False, content_type="text/plain")
    browser.exchange()
    answered = dict(browser.status)

    browser.h2.send_data(short, b"x" * 1000, end_stream=True)
    for _ in range(MAX_DISCARDED // 10_000 + 1):
        browser.h2.send_data(long, b"x" * 10_000)
        browser.exchange()

    assert answered == {short: 415, long: 415}
    assert browser.resets == {long: ErrorCodes.NO_ERROR}
    assert browser.session._streams == {}
    assert not link.finished


def test_headers_that_are_too_large(stand: Stand) -> None:
    """End the connection, as h2 has it."""
    session, link = begun(stand)
    client = h2.connection.H2Connection()
    client.initiate_connection()
    client.clear_outbound_data_buffer()
    client.send_headers(
        1,
        [(":method", "GET"), (":path", "/"), (":scheme", "https"), (":authority", "a")]
        + [(f"x{n}", "y" * 1000) for n in range(60)],
        end_stream=True,
    )

    session.received(client.data_to_send())

    assert link.finished


def test_a_flood_of_continuations(stand: Stand) -> None:
    """CVE-2024-27316: a header block that never ends is cut short."""
    session, link = begun(stand)
    session.received(HeadersFrame(1, b"\x82").serialize())

    for _ in range(100):
        session.received(ContinuationFrame(1, b"").serialize())

    assert link.finished
    assert stand.counters.abuse.value == 1


def request_frame(stream: int) -> bytes:
    """GET / without a body."""
    return HeadersFrame(
        stream, b"\x82\x87\x84\x41\x01a", flags=("END_HEADERS", "END_STREAM")
    ).serialize()


@pytest.mark.parametrize(
    "frame",
    [
        PingFrame(0, b"12345678"),
        SettingsFrame(0, settings={4: 1000}),
        PriorityFrame(1, depends_on=0, stream_weight=1),
        WindowUpdateFrame(0, window_increment=1),
        DataFrame(1, b""),
    ],
    ids=lambda frame: type(frame).__name__,
)
def test_a_flood_of_frames_that_do_nothing(stand: Stand, frame: Any) -> None:
    """CVE-2019-9512, -9515, -9518 and the like: GOAWAY ENHANCE_YOUR_CALM."""
    session, link = begun(stand)
    block = b"\x83\x87\x41\x01a\x04\x0e/3/device/aabb"
    session.received(HeadersFrame(1, block, flags=("END_HEADERS",)).serialize())
    link.taken()

    for _ in range(PATIENCE * 2):
        session.received(frame.serialize())

    assert goodbye_of(link) == ErrorCodes.ENHANCE_YOUR_CALM
    assert link.finished


def test_rapid_reset(stand: Stand) -> None:
    """CVE-2023-44487: requests that are cancelled as fast as they are made."""
    session, link = begun(stand)
    link.taken()

    stream = 1
    while not link.finished and stream < 10 * PATIENCE:
        session.received(request_frame(stream) + RstStreamFrame(stream, error_code=8).serialize())
        stream += 2

    assert link.finished
    assert PATIENCE < stream / 2 < 3 * PATIENCE


def test_frames_that_do_nothing_may_come_now_and_then(stand: Stand) -> None:
    """A client that pings each second is welcome."""
    session, link = begun(stand)

    for _ in range(PATIENCE * 2):
        session.received(PingFrame(0, b"12345678").serialize())
        sweep(stand, session, 0.5)
        link.taken()

    assert not link.finished


def test_pings_of_a_client_that_does_not_read(stand: Stand) -> None:
    """Their answers do not pile up."""
    session, link = begun(stand)
    link.taken()
    link.writable = False

    for _ in range(400):
        session.received(PingFrame(0, b"12345678").serialize())

    assert link.written == b""
    assert session._out_size < 20_000
    sweep(stand, session, stand.limits.stall_timeout + 1)
    assert link.aborted


def test_a_connection_without_a_preface(stand: Stand) -> None:
    """Bytes that are no HTTP/2 end it; none at all, too, after a while."""
    wrong, wrong_link = session_on(stand, Http2Session)
    silent, silent_link = session_on(stand, Http2Session)

    wrong.received(b"GET / HTTP/1.1\r\n\r\n")
    sweep(stand, silent, stand.limits.request_timeout + 1)

    assert wrong_link.finished
    assert silent_link.aborted


def test_a_body_that_takes_too_long(stand: Stand) -> None:
    """Its stream is reset; the others go on."""
    browser, link = browser_on(stand)
    slow = browser.ask("POST", "/v1/pushes", b"[", end=False, content_type="application/json")

    sweep(stand, browser.session, stand.limits.request_timeout + 1)
    browser.exchange()
    good = browser.push()
    stand.rig.settle_down()
    browser.exchange()

    assert browser.resets == {slow: ErrorCodes.CANCEL}
    assert browser.status == {good: 200}
    assert not link.finished
    assert stand.ration.left == 64 << 20


def test_an_idle_connection_is_told_goodbye(stand: Stand) -> None:
    """And closed; but not one on which somebody waits."""
    browser, link = browser_on(stand)
    busy, busy_link = browser_on(stand)
    busy.push(prefer="wait=300")
    stand.rig.settle_down()

    for _ in range(1250):
        sweep(stand, browser.session, 0.5)
        if stand.clock.seconds() < 290:
            busy.session.sweep(stand.clock.seconds())
    browser.exchange()

    assert browser.goodbye == ErrorCodes.NO_ERROR
    assert (link.finished, busy_link.finished) == (True, False)
    sweep(stand, browser.session, LINGER + 1)
    assert link.aborted


def test_draining_answers_what_was_asked(stand: Stand) -> None:
    """New requests are refused in a way that lets them be made elsewhere; then it closes."""
    browser, link = browser_on(stand)
    asked = browser.push()

    browser.session.drain()
    before = link.finished
    stand.rig.settle_down()
    back = link.taken()

    assert (before, link.finished) == (False, True)
    # Not by h2: as a client it takes no answers after a goodbye.
    frames = []
    while back:
        frame, length = Frame.parse_frame_header(memoryview(back[:9]))
        frames.append((type(frame).__name__, frame.stream_id))
        back = back[9 + length :]
    assert frames == [("GoAwayFrame", 0), ("HeadersFrame", asked)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(data=st.binary(max_size=400), cut=st.integers(0, 400))
def test_any_bytes_end_in_order(stand: Stand, data: bytes, cut: int) -> None:
    """An answer, a goodbye, or nothing; never an exception, and nothing is kept."""
    session, _ = begun(stand)

    session.received(data[:cut])
    session.received(data[cut:])
    session.lost()

    assert stand.ration.left == 64 << 20
    assert session._streams == {}
