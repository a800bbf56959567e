"""The engine, clause by clause: what it sends, what it makes of what a server does."""

from __future__ import annotations

import gc
import itertools
import tracemalloc
from collections.abc import Callable

import pytest

from protocols.apns.answer import MAX_BODY, Answer, Explanation
from protocols.apns.engine import MAX_DEBUG, MAX_REPLIES, ClientEngine
from protocols.apns.event import (
    Answered,
    Closed,
    Event,
    GoingAway,
    Limits,
    SlotsChanged,
    Uncertain,
    Unprocessed,
)
from protocols.apns.frame import MAX_STREAM_ID, ErrorCode, Flags, FrameType, Setting
from protocols.apns.reader import FRAMES_PER_PUSH, MAX_BLOCK, MAX_FRAMES
from protocols.errors import StateError
from tests.protocols.apns.far_end import (
    ACCEPTED,
    APNS_ID,
    GONE,
    HELLO,
    SETTINGS_ACK,
    UNREGISTERED,
    Listener,
    block,
    data,
    framed,
    goaway,
    headers,
    keys_of,
    ping,
    request,
    reset,
    settings,
    streams,
    window,
)

OK = Answer(status=200, apns_id=APNS_ID.decode())
NO_MORE = [Closed("all requests are answered")]


class Connection:
    """An engine that has the server's SETTINGS, and ears at the other end."""

    def __init__(self, *, hello: bytes = HELLO, limits: Limits | None = None) -> None:
        self.engine = ClientEngine(b"api.push.apple.com", 0.0, limits)
        self.listener = Listener()
        self.sent = 0
        self.events = self.receive(hello)

    def send(self, count: int = 1, body: bytes = b"{}", *, now: float = 0.0) -> None:
        """The keys are 0, 1, 2 …; their streams 1, 3, 5 …"""
        for _ in range(count):
            self.engine.send(self.sent, request(self.sent, body), now)
            self.sent += 1
        self.listen()

    def receive(self, written: bytes, now: float = 0.0) -> list[Event]:
        events = self.engine.receive(written, now)
        self.listen()
        return events

    def listen(self) -> None:
        self.listener.hear(self.engine.outgoing())

    def bodies(self) -> list[tuple[int, bool]]:
        """How much of each body arrived, and whether that is all."""
        return [(len(one.body), one.has_ended) for one in self.listener.requests.values()]


def broken(code: ErrorCode, *written: bytes, count: int = 1) -> None:
    """The server broke the connection: it is told why, and nobody knows of the pushes."""
    connection = Connection()
    connection.send(count)

    events = connection.receive(b"".join(written))

    assert keys_of(events) == list(range(count))
    assert all(isinstance(event, Uncertain) for event in events[:-1])
    assert isinstance(events[-1], Closed)
    assert connection.listener.goaways == [code]
    assert connection.engine.closed is not None
    assert connection.receive(headers(1, ACCEPTED)) == []


def refused(code: ErrorCode, *written: bytes) -> None:
    """The server broke one stream: it is reset, and the other goes on (RFC 9113 §5.4.2)."""
    connection = Connection()
    connection.send(2)

    events = connection.receive(b"".join(written))
    others = connection.receive(headers(3, ACCEPTED))

    assert keys_of(events) == [0]
    assert isinstance(events[0], Uncertain)
    assert connection.listener.resets == [(1, code)]
    assert others == [Answered(1, OK)]


# Beginning (RFC 9113 §3.4), and slots.


def test_what_is_said_first() -> None:
    """Preface and SETTINGS: no table for responses, no pushes, short header lists."""
    connection = Connection(hello=b"")

    assert connection.listener.settings == {
        Setting.HEADER_TABLE_SIZE: 0,
        Setting.ENABLE_PUSH: 0,
        Setting.MAX_HEADER_LIST_SIZE: MAX_BLOCK,
    }


def test_one_slot_until_settings() -> None:
    """Before the server's SETTINGS one request may be under way, no second."""
    connection = Connection(hello=b"")

    connection.send()

    assert connection.engine.free_slots == 0
    with pytest.raises(StateError):
        connection.send()
    assert list(connection.listener.requests) == [1]


def test_settings_without_a_limit() -> None:
    """§6.5.2: a server that names no limit has none; ours holds."""
    connection = Connection(hello=settings(), limits=Limits(streams=7))

    assert connection.events == [SlotsChanged(MAX_STREAM_ID)]
    assert connection.engine.free_slots == 7
    assert connection.listener.acknowledged == 1


def test_slots_rise_and_fall() -> None:
    """Apple lowers its limit after rejections and raises it again: only changes are told."""
    connection = Connection(hello=streams(1))

    assert connection.receive(streams(5)) == [SlotsChanged(5)]
    connection.send(4)
    assert connection.receive(streams(1)) == [SlotsChanged(1)]
    assert (connection.engine.free_slots, connection.engine.under_way) == (0, 4)
    connection.receive(headers(1, ACCEPTED) + headers(3, ACCEPTED) + headers(5, ACCEPTED))
    assert connection.engine.free_slots == 0
    connection.receive(headers(7, ACCEPTED))
    assert connection.engine.free_slots == 1
    assert connection.receive(streams(1)) == []
    assert connection.receive(settings()) == []
    assert connection.listener.acknowledged == 5


def test_one_to_a_thousand_to_one() -> None:
    """The limit is kept at each step from 1 to 1000 to 1, however much waits."""
    connection = Connection(hello=streams(1))
    for limit in (1, 2, 1000, 500, 1):
        connection.receive(streams(limit))
        connection.send(connection.engine.free_slots)
        assert connection.engine.under_way >= limit
        assert connection.engine.free_slots == 0
        with pytest.raises(StateError):
            connection.send()
        for number in sorted(connection.engine._streams)[: -limit // 2]:
            connection.receive(headers(number, ACCEPTED))


def test_no_slots_at_all() -> None:
    """A limit of 0 is kept."""
    connection = Connection(hello=streams(0))

    assert connection.engine.free_slots == 0
    with pytest.raises(StateError):
        connection.send()


# Requests (§8.3.1) and their bodies (§5.2, §6.9).


def test_what_a_request_is() -> None:
    """POST, https, authority and path, Apple's headers, then the body."""
    connection = Connection()

    connection.engine.send("key", request(7, b'{"aps":1}', bearer=b"bearer t"), 0.0)
    connection.listen()

    sent = connection.listener.requests[1]
    assert sent.headers == [
        (b":method", b"POST"),
        (b":scheme", b"https"),
        (b":authority", b"api.push.apple.com"),
        (b":path", b"/3/device/%064x" % 7),
        (b"apns-push-type", b"alert"),
        (b"apns-topic", b"com.example.App"),
        (b"apns-priority", b"10"),
        (b"authorization", b"bearer t"),
        (b"apns-id", b"eabeae54-14a8-11e5-b60b-000000000007"),
        (b"apns-expiration", b"1800000007"),
        (b"apns-collapse-id", b"c7"),
    ]
    assert (sent.body, sent.has_ended) == (b'{"aps":1}', True)


def test_a_header_block_of_several_frames() -> None:
    """§4.3: headers above 16,384 bytes go on in CONTINUATIONs."""
    connection = Connection()

    connection.engine.send(0, request(bearer=b"bearer " + b"x" * 40_000), 0.0)
    connection.listen()

    assert (b"authorization", b"bearer " + b"x" * 40_000) in connection.listener.requests[1].headers
    assert connection.bodies() == [(10, True)]


def test_the_connections_window() -> None:
    """65,535 bytes may be sent on a connection; what follows waits for WINDOW_UPDATE, and nothing
    is sent behind it."""
    connection = Connection()

    connection.send(15, b"x" * 4096)
    connection.send(1, b"y" * 4096)

    assert connection.bodies()[14:] == [(4096, True), (4095, False)]
    assert connection.engine.free_slots == 0
    with pytest.raises(StateError):
        connection.send()


def test_a_body_that_waits_is_sent_in_parts() -> None:
    """Each WINDOW_UPDATE lets as much go as it says."""
    connection = Connection()
    connection.send(1, b"x" * 65_535)
    connection.send(1, b"y" * 300)
    assert connection.bodies() == [(65_535, True), (0, False)]

    connection.receive(window(0, 100))
    first = connection.bodies()[1], connection.engine.free_slots
    connection.receive(window(0, 1000))

    assert first == ((100, False), 0)
    assert connection.bodies()[1] == (300, True)
    assert connection.engine.free_slots == 998


def test_the_streams_window() -> None:
    """INITIAL_WINDOW_SIZE bounds each body, whatever the connection has."""
    connection = Connection(hello=settings((Setting.INITIAL_WINDOW_SIZE, 10)))
    connection.send(1, b"x" * 25)

    connection.receive(window(0, 1000))
    connection.receive(window(1, 5))
    before = connection.bodies()
    connection.receive(window(1, 100))

    assert before == [(15, False)]
    assert connection.bodies() == [(25, True)]


def test_a_window_below_nothing() -> None:
    """§6.9.2: a lowered INITIAL_WINDOW_SIZE may make a window negative, which is made up first."""
    connection = Connection(hello=settings((Setting.INITIAL_WINDOW_SIZE, 100)))
    connection.send(1, b"x" * 200)

    connection.receive(settings((Setting.INITIAL_WINDOW_SIZE, 0)))  # now at -100
    connection.receive(window(1, 100))
    before = connection.bodies()
    connection.receive(settings((Setting.INITIAL_WINDOW_SIZE, 30)))

    assert before == [(100, False)]
    assert connection.bodies() == [(130, False)]


def test_an_empty_body() -> None:
    """A body of no bytes needs no window."""
    connection = Connection(hello=settings((Setting.INITIAL_WINDOW_SIZE, 0)))

    connection.send(1, b"")

    assert connection.bodies() == [(0, True)]


def test_frames_of_the_least_size() -> None:
    """§4.2: no DATA is above 16,384 bytes, even if the server takes more."""
    connection = Connection(hello=settings((Setting.MAX_FRAME_SIZE, 1 << 20)))

    connection.send(1, b"x" * 40_000)  # the listener's definition has no limit; see the next line

    assert connection.bodies() == [(40_000, True)]


# Answers (§8.1).


def test_answers_as_apple_writes_them() -> None:
    """200 with its apns-id; an error with a body that says why."""
    connection = Connection()
    connection.send(2)

    events = connection.receive(
        headers(3, ACCEPTED) + headers(1, GONE, ends=False) + data(1, UNREGISTERED)
    )

    gone = Answer(
        status=410, reason="Unregistered", timestamp=1425164400000, apns_id=APNS_ID.decode()
    )
    assert events == [Answered(1, OK), Answered(0, gone)]
    assert connection.engine.under_way == 0


@pytest.mark.parametrize("size", [1, 2, 3, 8, 9, 10])
def test_answers_in_pieces(size: int) -> None:
    """Cut at every byte, answers are the same."""
    connection = Connection()
    connection.send(2)
    written = headers(1, GONE, ends=False, padding=3) + data(1, UNREGISTERED, padding=2)
    written += headers(3, ACCEPTED, pieces=3)

    events = []
    for at in range(0, len(written), size):
        events += connection.receive(written[at : at + size])

    assert keys_of(events) == [0, 1]
    assert events[1] == Answered(1, OK)


@pytest.mark.parametrize(
    "written",
    [
        headers(1, ACCEPTED, huffman=True),
        headers(1, ACCEPTED, padding=200),
        headers(1, ACCEPTED, priority=True),
        headers(1, ACCEPTED, padding=0, priority=True, pieces=4),
        headers(1, ACCEPTED, ends=False) + data(1, b""),
        headers(1, ACCEPTED, ends=False) + headers(1, ((b"x", b"y"),)),
        headers(1, ((b":status", b"103"),), ends=False) + headers(1, ACCEPTED),
        headers(1, (*ACCEPTED, (b"content-length", b"0"))),
        framed(1, 5, 1, block(ACCEPTED, update=False)),
    ],
)
def test_other_ways_to_write_an_answer(written: bytes) -> None:
    """Huffman code, padding, priority, CONTINUATION, an empty DATA, trailers, 1xx before it: all
    the same answer."""
    connection = Connection()
    connection.send()

    assert connection.receive(written) == [Answered(0, OK)]


@pytest.mark.parametrize("before", [b"\x20", b""])
@pytest.mark.parametrize("literal", [b"\x00", b"\x10", b"\x40"])
@pytest.mark.parametrize("name", [b"\x07apns-id", b"\x85\x1d\x75\x21\x63\x49"])
def test_the_usual_answer_at_a_glance(before: bytes, literal: bytes, name: bytes) -> None:
    """Each spelling that is not decoded means what decoding says."""
    connection = Connection()
    connection.send(2)
    usual = before + b"\x88" + literal + name

    events = connection.receive(framed(1, 5, 1, usual + b"\x24" + APNS_ID))
    longer = connection.receive(framed(1, 5, 3, usual + b"\x25" + APNS_ID + b"!"))

    assert events == [Answered(0, OK)]
    assert longer == [Answered(1, Answer(status=200, apns_id=APNS_ID.decode() + "!"))]


def test_what_is_not_apples_does_not_matter() -> None:
    """A body that is no JSON leaves the status; an endless apns-id is not kept."""
    connection = Connection()
    connection.send(2)
    strange = ((b":status", b"503"), (b"apns-id", b"x" * 101), (b"apns-unique-id", b"u"))

    events = connection.receive(
        headers(1, strange, ends=False) + data(1, b"<html>") + headers(3, (*ACCEPTED, (b"a", b"b")))
    )

    assert events == [Answered(0, Answer(status=503, unique_id="u")), Answered(1, OK)]


@pytest.mark.parametrize(
    "fields",
    [
        (),
        ((b"apns-id", APNS_ID),),
        ((b":status", b"20"),),
        ((b":status", b"2OO"),),
        ((b":status", b"600"),),
        ((b":status", b"200"), (b":status", b"200")),
        ((b":status", b"200"), (b":path", b"/")),
        ((b"x", b"y"), (b":status", b"200")),
        (*ACCEPTED, (b"Upper", b"case")),
        (*ACCEPTED, (b"", b"nameless")),
        (*ACCEPTED, (b"connection", b"close")),
        (*ACCEPTED, (b"transfer-encoding", b"chunked")),
        (*ACCEPTED, (b"x", b" y")),
        (*ACCEPTED, (b"x", b"a\r\nb")),
        (*ACCEPTED, (b"x", b"a\0b")),
        (*ACCEPTED, (b"content-length", b"5")),
        (*ACCEPTED, (b"content-length", b"-0")),
        ((b":status", b"103"),),
    ],
)
def test_malformed_heads(fields: tuple[tuple[bytes, bytes], ...]) -> None:
    """§8.1.1, §8.2, §8.3: no push is accepted by a malformed answer; its stream is reset."""
    refused(ErrorCode.PROTOCOL_ERROR, headers(1, fields))


@pytest.mark.parametrize(
    "written",
    [
        (data(1, b"{}"),),
        (headers(1, GONE, ends=False), headers(1, GONE, ends=False)),
        (headers(1, GONE, ends=False), headers(1, ((b":status", b"200"),))),
        (headers(1, GONE, ends=False), headers(1, ACCEPTED)),
        (headers(1, (*GONE, (b"content-length", b"9")), ends=False), data(1, b"{}")),
        (headers(1, GONE, ends=False), data(1, b"x" * MAX_BODY, ends=False), data(1, b"x")),
    ],
)
def test_malformed_messages(written: tuple[bytes, ...]) -> None:
    """§8.1: a body without a head, two heads, trailers with a status, a wrong length, no end."""
    refused(ErrorCode.PROTOCOL_ERROR, *written)


def test_an_answer_before_the_body_was_sent() -> None:
    """§8.1: a server may answer and not want the rest; the stream is reset without an error, and
    what waited is dropped."""
    connection = Connection(hello=settings((Setting.INITIAL_WINDOW_SIZE, 10)))
    connection.send(1, b"x" * 25)
    assert connection.engine.free_slots == 0

    events = connection.receive(headers(1, ACCEPTED) + reset(1, ErrorCode.NO_ERROR))
    connection.receive(window(1, 100))

    assert events == [Answered(0, OK)]
    assert connection.listener.resets == [(1, ErrorCode.NO_ERROR)]
    assert connection.bodies() == [(10, False)]
    assert connection.engine.free_slots == 1500


def test_windows_of_answers_are_widened() -> None:
    """Bodies of errors count against our window, padding too: it is given back by halves."""
    connection = Connection()
    connection.send(20)

    for number in range(1, 40, 2):
        connection.receive(
            headers(number, GONE, ends=False) + data(number, b"x" * 4000, padding=255)
        )

    received = 20 * (4000 + 256)
    assert received - 65_535 // 2 < connection.listener.widened <= received


# Resets (§6.4, §8.7).


def test_refused_and_other_resets() -> None:
    """REFUSED_STREAM: Apple has not looked at it. Any other: nobody knows."""
    connection = Connection()
    connection.send(3)

    events = connection.receive(
        reset(1) + reset(3, ErrorCode.INTERNAL_ERROR) + reset(5, 99) + reset(1)
    )

    assert events == [
        Unprocessed(0),
        Uncertain(1, "the peer reset it: INTERNAL_ERROR"),
        Uncertain(2, "the peer reset it: error 99"),
    ]


def test_a_reset_of_an_unsent_body() -> None:
    """What waited is dropped, and others may be sent."""
    connection = Connection(hello=settings((Setting.INITIAL_WINDOW_SIZE, 10)))
    connection.send(1, b"x" * 25)

    events = connection.receive(reset(1))
    connection.receive(settings((Setting.INITIAL_WINDOW_SIZE, 100)))

    assert events == [Unprocessed(0)]
    assert connection.engine.free_slots == 1500
    assert connection.bodies() == [(10, False)]


def test_frames_on_streams_that_have_ended() -> None:
    """§5.1: what was on its way when we reset a stream is ignored, but for the window."""
    connection = Connection(limits=Limits(answer=5.0))
    connection.send(1)
    connection.engine.tick(5.0)

    events = connection.receive(
        headers(1, GONE, ends=False) + data(1, b"x" * 16_000) + window(1, 5) + window(1, 0)
    )
    events += connection.receive(data(1, b"x" * 16_000) + data(1, b"x" * 16_000, ends=False))

    assert events == []
    assert connection.engine.closed is None
    assert connection.listener.widened == 48_000


# GOAWAY (§6.8).


@pytest.mark.parametrize("last", range(0, 12))
def test_goaway_with_every_last_stream(last: int) -> None:
    """Streams above the last one are unprocessed; the others are waited for, then it closes."""
    connection = Connection()
    connection.send(5)

    events = connection.receive(goaway(last, 0, b'{"reason":"Shutdown"}'))
    kept = [number for number in (1, 3, 5, 7, 9) if number <= last]
    answers = [connection.receive(headers(number, ACCEPTED)) for number in kept]

    gone = GoingAway(0, Explanation(reason="Shutdown"), '{"reason":"Shutdown"}')
    dropped: list[Event] = [Unprocessed(key) for key in range(len(kept), 5)]
    assert events == [gone, *dropped, *([] if kept else NO_MORE)]
    for key, answer in enumerate(answers):
        assert answer == [Answered(key, OK), *(NO_MORE if key == len(kept) - 1 else [])]
    assert connection.engine.is_draining
    assert connection.listener.goaways == [ErrorCode.NO_ERROR]
    with pytest.raises(StateError):
        connection.send()


def test_goaway_twice() -> None:
    """§6.8: first a warning with the greatest stream, then the last that counts; a greater one
    brings nothing back."""
    connection = Connection()
    connection.send(3)

    events = [connection.receive(goaway(last)) for last in (MAX_STREAM_ID, 3, 5, 1)]

    assert [keys_of(one) for one in events] == [[], [2], [], [1]]
    assert connection.engine.under_way == 1
    assert connection.receive(settings((Setting.MAX_CONCURRENT_STREAMS, 5))) == [SlotsChanged(5)]
    assert connection.engine.free_slots == 0


def test_what_goaway_says() -> None:
    """Its debug data is Apple's JSON, or anything: then it is shown, shortened."""
    connection = Connection()
    connection.send()

    events = connection.receive(goaway(1, 77, b"\xff" + b"x" * 500))

    shown = "\\xff" + "x" * (MAX_DEBUG - 1)
    assert events == [GoingAway(77, Explanation(), shown)]


# Errors of the connection (§5.4.1).


@pytest.mark.parametrize(
    ("code", "written"),
    [
        (ErrorCode.PROTOCOL_ERROR, headers(0, ACCEPTED)),
        (ErrorCode.PROTOCOL_ERROR, framed(FrameType.HEADERS, 0, 0)),
        (ErrorCode.PROTOCOL_ERROR, headers(2, ACCEPTED)),
        (ErrorCode.PROTOCOL_ERROR, headers(3, ACCEPTED)),
        (ErrorCode.PROTOCOL_ERROR, data(0, b"")),
        (ErrorCode.PROTOCOL_ERROR, data(3, b"")),
        (ErrorCode.PROTOCOL_ERROR, reset(0)),
        (ErrorCode.PROTOCOL_ERROR, reset(3)),
        (ErrorCode.PROTOCOL_ERROR, window(3, 1)),
        (ErrorCode.PROTOCOL_ERROR, window(0, 0)),
        (ErrorCode.FLOW_CONTROL_ERROR, window(0, (1 << 31) - 1)),
        (ErrorCode.FRAME_SIZE_ERROR, framed(FrameType.WINDOW_UPDATE, payload=b"\0\0\1")),
        (ErrorCode.FRAME_SIZE_ERROR, framed(FrameType.RST_STREAM, stream=1, payload=b"\0")),
        (ErrorCode.FRAME_SIZE_ERROR, framed(FrameType.SETTINGS, payload=b"\0\3\0\0\0")),
        (ErrorCode.FRAME_SIZE_ERROR, framed(FrameType.SETTINGS, Flags.ACK, payload=b"\0" * 6)),
        (ErrorCode.PROTOCOL_ERROR, framed(FrameType.SETTINGS, stream=1)),
        (ErrorCode.FRAME_SIZE_ERROR, framed(FrameType.PING, payload=b"1234567")),
        (ErrorCode.PROTOCOL_ERROR, framed(FrameType.PING, stream=1, payload=b"12345678")),
        (ErrorCode.FRAME_SIZE_ERROR, framed(FrameType.GOAWAY, payload=b"1234567")),
        (ErrorCode.PROTOCOL_ERROR, framed(FrameType.GOAWAY, stream=1, payload=b"\0" * 8)),
        (ErrorCode.PROTOCOL_ERROR, framed(FrameType.PRIORITY, payload=b"12345")),
        (ErrorCode.FRAME_SIZE_ERROR, framed(FrameType.PRIORITY, stream=1, payload=b"1234")),
        (ErrorCode.PROTOCOL_ERROR, framed(FrameType.PUSH_PROMISE, 4, 1, b"\0\0\0\2\x88")),
        (ErrorCode.PROTOCOL_ERROR, framed(FrameType.CONTINUATION, 4, 1, b"\x88")),
        (ErrorCode.FRAME_SIZE_ERROR, framed(FrameType.DATA, Flags.PADDED, 1)),
        (ErrorCode.PROTOCOL_ERROR, framed(FrameType.DATA, Flags.PADDED, 1, b"\x02x")),
        (ErrorCode.FRAME_SIZE_ERROR, framed(FrameType.HEADERS, Flags.PRIORITY | 4, 1, b"1234")),
        (ErrorCode.PROTOCOL_ERROR, framed(FrameType.HEADERS, Flags.PADDED | 4, 1, b"\x09\x88")),
        (ErrorCode.FRAME_SIZE_ERROR, framed(FrameType.DATA, 0, 1, b"x" * 16_385)[:9]),
        (ErrorCode.COMPRESSION_ERROR, framed(FrameType.HEADERS, 5, 1, b"\xbe")),
        (ErrorCode.PROTOCOL_ERROR, settings((Setting.ENABLE_PUSH, 1))),
        (ErrorCode.FLOW_CONTROL_ERROR, settings((Setting.INITIAL_WINDOW_SIZE, 1 << 31))),
        (ErrorCode.PROTOCOL_ERROR, settings((Setting.MAX_FRAME_SIZE, 16_383))),
        (ErrorCode.PROTOCOL_ERROR, settings((Setting.MAX_FRAME_SIZE, 1 << 24))),
        (ErrorCode.ENHANCE_YOUR_CALM, ping() * (MAX_REPLIES + 1)),
        (ErrorCode.ENHANCE_YOUR_CALM, settings() * (MAX_REPLIES + 1)),
    ],
)
def test_errors_of_the_connection(code: ErrorCode, written: bytes) -> None:
    """What is no HTTP/2 ends the connection with the code that RFC 9113 gives it."""
    broken(code, written)


@pytest.mark.parametrize(
    "between", [ping(), headers(3, ACCEPTED), framed(9, 4, 3), framed(0x42), data(1, b"")]
)
def test_an_interrupted_header_block(between: bytes) -> None:
    """§6.10: nothing comes between HEADERS and its CONTINUATION."""
    broken(ErrorCode.PROTOCOL_ERROR, framed(FrameType.HEADERS, 1, 1, b"\x88"), between, count=2)


@pytest.mark.parametrize("part", [b"", b"x" * 9000])
def test_a_header_block_without_end(part: bytes) -> None:
    """CONTINUATIONs of nothing, or without end, are not gathered (CVE-2024-27316)."""
    begun = framed(FrameType.HEADERS, 1, 1, b"\x88")
    broken(ErrorCode.ENHANCE_YOUR_CALM, begun, framed(9, 0, 1, part) * 2)


@pytest.mark.parametrize("hello", [SETTINGS_ACK, ping(), headers(1, ACCEPTED), b"HTTP/1.1 400 Bad"])
def test_a_server_that_does_not_begin_with_settings(hello: bytes) -> None:
    """§3.4: whatever it is, it is no HTTP/2 server."""
    connection = Connection(hello=hello)

    assert [type(event) for event in connection.events] == [Closed]
    assert len(connection.listener.goaways) == 1


def test_a_window_widened_by_nothing() -> None:
    """§6.9: an increment of 0 is the stream's error, whether its body waits or not."""
    refused(ErrorCode.PROTOCOL_ERROR, window(1, 0))


def test_a_window_of_a_stream_that_is_too_wide() -> None:
    """§6.9.1: above 2**31 - 1 while the connection's is used up."""
    connection = Connection()
    connection.send(1, b"x" * 65_535)
    connection.send(1, b"y" * 5)

    events = connection.receive(window(3, (1 << 31) - 1))

    assert keys_of(events) == [1]
    assert connection.listener.resets == [(3, ErrorCode.FLOW_CONTROL_ERROR)]
    assert connection.engine.under_way == 1


def test_settings_that_make_a_window_too_wide() -> None:
    """§6.9.2: the error of SETTINGS is the connection's."""
    connection = Connection()
    connection.send(1, b"x" * 65_535)
    connection.send(1, b"y" * 5)
    connection.receive(window(3, (1 << 31) - 1 - 65_535))

    events = connection.receive(settings((Setting.INITIAL_WINDOW_SIZE, 65_536)))

    assert keys_of(events) == [0, 1]
    assert connection.listener.goaways == [ErrorCode.FLOW_CONTROL_ERROR]


def test_what_is_unknown_is_ignored() -> None:
    """§5.5, §6.5.2: frames and settings of extensions, flags without meaning."""
    connection = Connection()
    connection.send()

    events = connection.receive(
        framed(0x42, 0xFF, 0, b"x" * 50)
        + settings((0xBEEF, 1))
        + framed(FrameType.PRIORITY, 0, 77, b"12345")
        + framed(FrameType.PING, 0xFE, 0, b"12345678")
        + SETTINGS_ACK
    )

    assert events == []
    assert connection.listener.pongs == [b"12345678"]
    assert connection.engine.closed is None


# Floods: no more memory, and an end.


@pytest.mark.parametrize(
    "frame",
    [
        window(0, 1),
        window(1, 1),
        data(1, b"", ends=False),
        data(1, b"", ends=False, padding=20),
        framed(FrameType.PRIORITY, 0, 1, b"12345"),
        framed(0x42),
        SETTINGS_ACK,
        ping(flags=Flags.ACK),
        ping(),
        settings(),
        goaway(1),
        reset(3),
        headers(3, ACCEPTED),
        headers(5, ((b":status", b"100"),), ends=False),
    ],
)
def test_a_flood_of_any_frame(frame: bytes) -> None:
    """More frames in a second than pushes explain end the connection, whatever they are; before
    that nothing grows. (Ours are read away: what waits for a peer that does not read is bounded by
    `MAX_REPLIES`.)"""
    connection = Connection()
    connection.send(3)
    connection.receive(headers(3, ACCEPTED) + headers(1, GONE, ends=False))
    tracemalloc.start()
    received = 0

    for _ in range(MAX_FRAMES // 50 + FRAMES_PER_PUSH):
        connection.engine.receive(frame * 50, 0.5)
        connection.engine.outgoing()
        received += 50
        if connection.engine.closed is not None:
            break
    gc.collect()
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert connection.engine.closed == "the peer broke HTTP/2: a flood of frames"
    assert received > MAX_FRAMES
    assert grown < 64 * 1024


def test_what_is_no_flood() -> None:
    """As many frames as pushes explain, or in as many seconds, are let be."""
    connection = Connection(limits=Limits(quiet=1e9))
    for second in range(5):
        for _ in range(MAX_FRAMES // 100):
            connection.receive(window(0, 1) * 90, second * 1.01)
    connection.receive(window(0, 1), 10.0)
    for _ in range(2 * MAX_FRAMES // FRAMES_PER_PUSH):
        connection.send(1, b"")
        number = 2 * connection.sent - 1
        connection.receive(window(0, 1) * 6 + headers(number, ACCEPTED), 10.5)

    assert connection.engine.closed is None


def test_what_waits_for_a_peer_that_does_not_read() -> None:
    """While the shell cannot write, replies are counted: a thousand wait, no more."""
    engine = ClientEngine(b"a", 0.0)
    engine.receive(HELLO, 0.0)

    for second in range(MAX_REPLIES + 5):
        engine.receive(ping(), float(second))

    assert engine.closed == "the peer broke HTTP/2: it asks and does not read"
    assert len(engine.outgoing()) < 17 * (MAX_REPLIES + 20)


def test_a_frame_in_single_bytes() -> None:
    """A frame that comes byte by byte is kept once."""
    connection = Connection()
    connection.send()
    written = headers(1, GONE, ends=False) + data(1, b"x" * 4000)

    events = [connection.receive(written[at : at + 1]) for at in range(len(written))]

    assert keys_of(itertools.chain(*events)) == [0]
    assert connection.engine._reader._rest == b""


# Time.


def test_an_answer_that_is_late() -> None:
    """Its stream is reset, the others go on; nobody knows what became of it."""
    connection = Connection(limits=Limits(answer=5.0))
    connection.send(2, now=1.0)
    connection.send(1, now=2.0)
    assert connection.engine.next_timer() == 6.0
    assert connection.engine.tick(5.9) == []

    events = connection.engine.tick(6.0)
    connection.listen()

    assert events == [Uncertain(0, "no answer in time"), Uncertain(1, "no answer in time")]
    assert connection.listener.resets == [(1, ErrorCode.CANCEL), (3, ErrorCode.CANCEL)]
    assert connection.engine.next_timer() == 7.0
    assert connection.receive(headers(1, ACCEPTED)) == []
    assert connection.receive(headers(5, ACCEPTED)) == [Answered(2, OK)]


def test_a_late_answer_of_an_unsent_body() -> None:
    """A body that waited in vain waits no longer."""
    connection = Connection(
        hello=settings((Setting.INITIAL_WINDOW_SIZE, 0)), limits=Limits(answer=5.0)
    )
    connection.send(1, now=0.0)

    connection.engine.tick(5.0)

    assert connection.engine.free_slots == 1500


def test_a_sign_of_life() -> None:
    """After a while of silence the peer is asked; any byte is an answer."""
    connection = Connection(limits=Limits(quiet=45.0, pong=15.0))
    assert connection.engine.next_timer() == 45.0
    assert connection.engine.tick(44.9) == []
    connection.listen()
    assert connection.listener.pings == 0

    assert connection.engine.tick(45.0) == []
    connection.listen()
    assert connection.listener.pings == 1
    assert connection.engine.next_timer() == 60.0
    connection.receive(b"\0", 59.0)

    assert connection.engine.next_timer() == 59.0 + 45.0
    assert connection.engine.tick(60.0) == []


def test_no_sign_of_life() -> None:
    """A peer that says nothing is gone, and nobody knows of what it had."""
    connection = Connection(limits=Limits(quiet=45.0, pong=15.0, answer=600.0))
    connection.send()
    connection.engine.tick(45.0)
    assert connection.engine.tick(59.9) == []

    events = connection.engine.tick(60.0)

    why = "the peer gives no sign of life"
    assert events == [Uncertain(0, why), Closed(why)]
    assert connection.engine.next_timer() is None
    assert connection.engine.tick(61.0) == []


@pytest.mark.parametrize("now", [0.1, 1e5 + 0.1, 123456.789])
def test_a_timer_that_has_come_does_something(now: float) -> None:
    """`tick` at the time of `next_timer` moves it, whatever floating point makes of the sum."""
    engine = ClientEngine(b"a", now, Limits(answer=0.1, quiet=0.3, pong=0.7))
    engine.receive(HELLO, now)
    engine.send(0, request(), now)

    for _ in range(3):
        timer = engine.next_timer()
        assert timer is not None
        engine.tick(timer)
        assert engine.next_timer() != timer

    assert engine.closed is not None


# The end.


def test_drain() -> None:
    """Nothing new is sent, answers are waited for, then it closes."""
    connection = Connection()
    connection.send(2)

    assert connection.engine.drain() == []
    assert connection.engine.free_slots == 0
    assert connection.receive(headers(3, ACCEPTED)) == [Answered(1, OK)]
    assert connection.receive(headers(1, ACCEPTED)) == [Answered(0, OK), *NO_MORE]
    assert connection.listener.goaways == [ErrorCode.NO_ERROR]


def test_drain_of_nothing() -> None:
    """With nothing under way it closes at once, and once."""
    connection = Connection()

    assert connection.engine.drain() == NO_MORE
    assert connection.engine.drain() == []


def test_drain_of_a_body_that_waits() -> None:
    """What has begun is sent to its end."""
    connection = Connection(hello=settings((Setting.INITIAL_WINDOW_SIZE, 0)))
    connection.send(1, b"x" * 25)
    connection.engine.drain()

    connection.receive(window(1, 25))

    assert connection.bodies() == [(25, True)]
    assert connection.receive(headers(1, ACCEPTED)) == [Answered(0, OK), *NO_MORE]


def test_drain_with_a_late_answer() -> None:
    """An answer that never comes does not hold it up for ever."""
    connection = Connection(limits=Limits(answer=5.0))
    connection.send()
    connection.engine.drain()

    assert connection.engine.tick(5.0) == [Uncertain(0, "no answer in time"), *NO_MORE]


def test_lost() -> None:
    """Nobody knows of what was under way, answers that had begun included."""
    connection = Connection()
    connection.send(2)
    connection.receive(headers(1, GONE, ends=False))

    events = connection.engine.lost("cut")

    assert events == [Uncertain(0, "cut"), Uncertain(1, "cut"), Closed("cut")]
    assert connection.engine.lost("again") == []
    assert connection.engine.closed == "cut"
    with pytest.raises(StateError):
        connection.send()


@pytest.mark.parametrize("cut", range(0, 160, 7))
def test_a_connection_cut_anywhere(cut: int) -> None:
    """Answers that came whole count, the others do not: each key comes back once."""
    connection = Connection()
    connection.send(3)
    written = headers(3, ACCEPTED) + headers(1, GONE, ends=False) + data(1, UNREGISTERED)
    written += headers(5, ACCEPTED)

    events = connection.receive(written[:cut]) + connection.engine.lost("cut")

    assert sorted(map(str, keys_of(events))) == ["0", "1", "2"]


def test_all_numbers_are_used_up() -> None:
    """§5.1.1: the last stream is 2**31 - 1; then it drains, and another connection follows."""
    connection = Connection()
    connection.engine._next_stream = MAX_STREAM_ID - 2
    connection.send(1)
    assert not connection.engine.is_draining
    connection.send(1)

    assert connection.engine.is_draining
    assert connection.engine.free_slots == 0
    assert list(connection.listener.requests) == [MAX_STREAM_ID - 2, MAX_STREAM_ID]
    events = connection.receive(headers(MAX_STREAM_ID - 2, ACCEPTED) + headers(MAX_STREAM_ID, GONE))
    assert keys_of(events) == [0, 1]
    assert events[2:] == NO_MORE


def test_a_table_that_shrinks() -> None:
    """RFC 7541 §4.2: once SETTINGS_HEADER_TABLE_SIZE is acknowledged, the next block says so and
    uses no more."""
    connection = Connection()
    connection.send(3)

    for size in (0, 100, 4096, 50, 65_536):
        connection.listener.table_sizes.append(size)
        connection.receive(settings((Setting.HEADER_TABLE_SIZE, size)))
        connection.send(3)
        assert connection.listener._decoder.header_table._current_size <= min(size, 4096)

    paths = {dict(sent.headers)[b":path"] for sent in connection.listener.requests.values()}
    assert len(paths) == 18


@pytest.mark.parametrize("feed", [lambda one: [one], lambda one: [one[:9], one[9:]]])
def test_nothing_is_left_to_say(feed: Callable[[bytes], list[bytes]]) -> None:
    """`outgoing` gives each byte once."""
    connection = Connection()
    connection.send()
    for piece in feed(headers(1, ACCEPTED)):
        connection.receive(piece)

    assert connection.engine.outgoing() == b""
