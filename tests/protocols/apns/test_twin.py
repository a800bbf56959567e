"""The engine and its oracle on h2 see the same in whatever a server does, and say the same to it.

Exceptions, each in `Pair.allowed`: where we end a stream h2 may end the connection, as RFC 9113
§5.4.1 lets it; and it does so for frames on a stream at its end, which §5.1 lets us ignore. How
wide the window of a body gets that is sent already is not looked at, and not asked here; nor
does h2 look at `content-length` where trailers end a body.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from hypothesis import event, given, settings
from hypothesis import strategies as st

from protocols.apns import frame
from protocols.apns.engine import ClientEngine
from protocols.apns.event import Closed, Event, Uncertain
from protocols.apns.frame import ErrorCode, Flags, FrameType, Setting
from tests.protocols.apns import far_end
from tests.protocols.apns.far_end import ACCEPTED, APNS_ID, GONE, HELLO, UNREGISTERED, Listener
from tests.protocols.apns.oracle import Oracle

AUTHORITY = b"api.push.apple.com"


def said(events: list[Event]) -> list[Event]:
    """Events without the words in which each side explains itself."""
    return [_without_why(event) for event in events]


def _without_why(event: Event) -> Event:
    if isinstance(event, Uncertain):
        return Uncertain(event.key, "")
    return Closed("") if isinstance(event, Closed) else event


class Pair:
    """Both engines, doing the same, and what they did."""

    def __init__(self) -> None:
        self.engine = ClientEngine(AUTHORITY, 0.0)
        self.oracle = Oracle(AUTHORITY, 0.0)
        self.listeners = Listener(), Listener(largest_table=65_536)
        self.unread = b""
        self.sent = 0
        self.returned: list[object] = []
        self.is_apart = False
        """h2 ended the connection where we did not."""

    def send(self, body: bytes, *, bearer: bytes | None = None) -> None:
        if self.is_apart or not self.oracle.free_slots:
            return
        one = far_end.request(self.sent, body, bearer=bearer)
        self.engine.send(self.sent, one, 0.0)
        self.oracle.send(self.sent, one, 0.0)
        self.sent += 1
        self._compare([], [])

    def receive(self, data: bytes, cuts: random.Random) -> None:
        """The same bytes for both, in pieces for ours."""
        if self.is_apart:
            return
        self._note_table_sizes(data)
        under_way = {2 * key + 1 for key in range(self.sent)} - {
            2 * int(str(key)) + 1 for key in self.returned
        }
        ours: list[Event] = []
        at = 0
        while at < len(data):
            size = cuts.choice((1, 2, 9, 17, 100, len(data)))
            ours += self.engine.receive(data[at : at + size], 0.0)
            at += size
        theirs = self.oracle.receive(data, 0.0)
        self.returned += far_end.keys_of(ours)
        if self.oracle.closed is not None and self.engine.closed is None:
            assert self.allowed(ours, under_way)
            self.is_apart = True
            return
        self._compare(ours, theirs)

    def _note_table_sizes(self, data: bytes) -> None:
        """What the decoder behind ours is to take, once the SETTINGS are acknowledged. (h2 forgets
        to say that its table is smaller if it is told so twice.)"""
        self.unread += data
        while len(self.unread) >= 9:
            size = 9 + int.from_bytes(self.unread[:3], "big")
            if len(self.unread) < size:
                break
            kind, flags = self.unread[3:5]
            if kind == FrameType.SETTINGS and not flags & Flags.ACK:
                values = dict(
                    frame.read_settings(0, 0, self.unread[9 : size - (size - 9) % 6]) or ()
                )
                self.listeners[0].table_sizes.append(values.get(Setting.HEADER_TABLE_SIZE))
            self.unread = self.unread[size:]

    def allowed(self, ours: list[Event], under_way: set[int]) -> bool:
        number = self.oracle.broken_at
        assert number is not None
        if number in under_way:
            return said(ours)[-1:] == [Uncertain((number - 1) // 2, "")]
        return number % 2 == 1 and number < 2 * self.sent and not ours

    def drain(self) -> None:
        if not self.is_apart:
            ours, theirs = self.engine.drain(), self.oracle.drain()
            self.returned += far_end.keys_of(ours)
            self._compare(ours, theirs)

    def lose(self) -> None:
        """The end: all that has not come back does."""
        ours = self.engine.lost("it is over")
        self.returned += far_end.keys_of(ours)
        if not self.is_apart:
            self._compare(ours, self.oracle.lost("it is over"))
        assert sorted(map(str, self.returned)) == sorted(map(str, range(self.sent)))

    def _compare(self, ours: list[Event], theirs: list[Event]) -> None:
        assert said(ours) == said(theirs)
        for name in ("under_way", "free_slots", "is_draining"):
            assert getattr(self.engine, name) == getattr(self.oracle, name), name
        assert (self.engine.closed is None) == (self.oracle.closed is None)
        for listener, engine in zip(self.listeners, (self.engine, self.oracle), strict=True):
            listener.hear(engine.outgoing())
        our, their = self.listeners
        assert our.requests == their.requests
        assert (our.pongs, our.acknowledged) == (their.pongs, their.acknowledged)


Step = Callable[[Pair, random.Random], None]
STREAMS = st.integers(0, 11)
SIZES = st.sampled_from((0, 1, 200, 4096, 5120, 16384, 16385, 40_000))


def number_of(pair: Pair, pick: int) -> int:
    """A stream, mostly one that was opened."""
    return 2 * (pick % pair.sent) + 1 if pair.sent else 1


def on_stream(write: Callable[[int], bytes], pick: int) -> Step:
    def step(pair: Pair, cuts: random.Random) -> None:
        if pair.sent:
            pair.receive(write(number_of(pair, pick)), cuts)

    return step


def on_connection(data: bytes) -> Step:
    return lambda pair, cuts: pair.receive(data, cuts)


def sends(count: int, size: int, is_with_token: bool) -> Step:
    bearer = b"bearer " + b"t" * 200 if is_with_token else None

    def step(pair: Pair, cuts: random.Random) -> None:
        for _ in range(count):
            pair.send(b"x" * size, bearer=bearer)

    return step


def drains(pair: Pair, cuts: random.Random) -> None:
    pair.drain()


def goes_away(pick: int, code: int, debug: bytes) -> Step:
    def step(pair: Pair, cuts: random.Random) -> None:
        pair.receive(far_end.goaway(max(0, 2 * pick - 1), code, debug), cuts)

    return step


WINDOWS = st.sampled_from((0, 1, 100, 65_535, 1 << 20, (1 << 31) - 1))
VALUES = st.sampled_from(
    [(Setting.MAX_CONCURRENT_STREAMS, value) for value in (0, 1, 2, 5, 1000, 1 << 31)]
    + [(Setting.INITIAL_WINDOW_SIZE, value) for value in (0, 1, 100, 5000, 65_535, 1 << 20)]
    + [(Setting.HEADER_TABLE_SIZE, value) for value in (0, 60, 200, 4096, 65_536)]
    + [(Setting.MAX_FRAME_SIZE, 16_384), (Setting.MAX_FRAME_SIZE, 1 << 20)]
    + [(Setting.MAX_HEADER_LIST_SIZE, 8000), (Setting.ENABLE_PUSH, 0), (77, 5)]
)
FIELDS = st.sampled_from(
    [
        ACCEPTED,
        GONE,
        ((b":status", b"200"),),
        (*ACCEPTED, (b"apns-unique-id", b"one")),
        (*ACCEPTED, (b"content-length", b"0")),
        ((b":status", b"200"), (b"apns-id", b"short")),
        ((b":status", b"429"), (b"apns-id", b"x" * 80)),
        ((b":status", b"500"), (b"content-length", b"0"), (b"x", b"")),
    ]
)
CODES = st.sampled_from([*ErrorCode, 99])

LAWFUL: st.SearchStrategy[Step] = st.one_of(
    st.builds(sends, st.integers(1, 6), SIZES, st.booleans()),
    st.builds(sends, st.just(1), st.just(200), st.booleans()),
    st.lists(VALUES, max_size=3).map(lambda values: on_connection(far_end.settings(*values))),
    st.integers(1, 70_000).map(lambda size: on_connection(far_end.window(0, size))),
    st.builds(
        lambda pick, size: on_stream(lambda number: far_end.window(number, size), pick),
        STREAMS,
        st.integers(1, 70_000),
    ),
    st.builds(
        lambda pick, fields, huffman, pieces, priority: on_stream(
            lambda number: far_end.headers(
                number, fields, huffman=huffman, pieces=pieces, priority=priority
            ),
            pick,
        ),
        STREAMS,
        FIELDS,
        st.booleans(),
        st.integers(1, 3),
        st.booleans(),
    ),
    st.builds(
        lambda pick, fields, body, pads, trails: on_stream(
            lambda number: (
                far_end.headers(number, ((b":status", b"103"), (b"link", b"x")), ends=False)
                + far_end.headers(
                    number,
                    (*fields, (b"content-length", b"%d" % len(body))),
                    ends=False,
                    padding=pads,
                )
                + far_end.data(number, body[:20], ends=False, padding=pads)
                + far_end.data(number, body[20:], ends=not trails, padding=pads)
                + (far_end.headers(number, ((b"x", b"y"),)) if trails else b"")
            ),
            pick,
        ),
        STREAMS,
        st.sampled_from((GONE, ((b":status", b"400"),))),
        st.sampled_from((UNREGISTERED, b'{"reason":"BadTopic"}', b"", b"\xff", b"x" * 4096)),
        st.sampled_from((None, 0, 9, 255)),
        st.booleans(),
    ),
    st.builds(
        lambda pick, code: on_stream(lambda number: far_end.reset(number, code), pick),
        STREAMS,
        CODES,
    ),
    st.binary(min_size=8, max_size=8).map(lambda opaque: on_connection(far_end.ping(opaque))),
    st.just(on_connection(far_end.framed(FrameType.PRIORITY, 0, 7, b"\0\0\0\0\1"))),
    st.just(on_connection(far_end.framed(0x42, 0xFF, 3, b"an extension"))),
)
ENDING: st.SearchStrategy[Step] = st.one_of(
    st.builds(
        goes_away,
        STREAMS,
        CODES,
        st.sampled_from((b"", b'{"reason":"Shutdown"}', b"\xff\x00", b"x" * 300)),
    ),
    st.just(drains),
)
MALFORMED = st.sampled_from(
    [
        (),
        ((b"apns-id", APNS_ID),),
        ((b":status", b"200"), (b":status", b"200")),
        ((b":status", b"200"), (b":path", b"/")),
        ((b"x", b"y"), (b":status", b"200")),
        (*ACCEPTED, (b"Upper", b"case")),
        (*ACCEPTED, (b"connection", b"close")),
        (*ACCEPTED, (b"transfer-encoding", b"chunked")),
        (*ACCEPTED, (b"x", b" y")),
        (*ACCEPTED, (b"x", b"y\n")),
        (*ACCEPTED, (b"x\0", b"y")),
        (*ACCEPTED, (b"content-length", b"five")),
        ((b":status", b"103"),),
    ]
)
KINDS = st.sampled_from(
    (0, 1, 2, 3, 4, 6, 7, 8, 9, 0x42)
)  # PUSH_PROMISE ends ours before its block is whole
HOSTILE: st.SearchStrategy[Step] = st.one_of(
    st.builds(
        lambda kind, flags, stream, payload: on_connection(
            far_end.framed(kind, flags, stream, payload)
        ),
        KINDS,
        st.sampled_from((0, 1, 4, 5, 8, 9, 0xC, 0x20, 0x24, 0x2D)),
        st.sampled_from((0, 1, 2, 3, 5, 7, 21, 2**31 - 1)),
        st.binary(max_size=24),
    ),
    st.builds(
        lambda pick, fields, ends: on_stream(
            lambda number: far_end.headers(number, fields, ends=ends), pick
        ),
        STREAMS,
        MALFORMED,
        st.booleans(),
    ),
    st.builds(
        lambda pick, body, ends, padding: on_stream(
            lambda number: far_end.data(number, body, ends=ends, padding=padding), pick
        ),
        STREAMS,
        st.sampled_from((b"", UNREGISTERED, b"x" * 4097)),
        st.booleans(),
        st.sampled_from((None, 0, 3)),
    ),
    st.builds(
        lambda pick, size: on_stream(lambda number: far_end.window(number, size), pick),
        STREAMS,
        st.sampled_from((0, 1, 100)),  # of too wide a one we know only while a body waits
    ),
    WINDOWS.map(lambda size: on_connection(far_end.window(0, size))),
    st.sampled_from(
        [
            (Setting.ENABLE_PUSH, 1),
            (Setting.INITIAL_WINDOW_SIZE, 1 << 31),
            (Setting.MAX_FRAME_SIZE, 1),
            (Setting.MAX_FRAME_SIZE, 1 << 24),
        ]
    ).map(lambda value: on_connection(far_end.settings(value))),
    st.just(on_connection(far_end.framed(FrameType.DATA, 0, 1, bytes(16_385)))),
    st.binary(max_size=40).map(on_connection),
)


def play(steps: list[Step], seed: int) -> Pair:
    pair, cuts = Pair(), random.Random(seed)
    pair.send(b"before SETTINGS")
    pair.receive(HELLO, cuts)
    for step in steps:
        step(pair, cuts)
    pair.lose()
    return pair


@given(st.lists(LAWFUL, max_size=25), st.lists(ENDING | LAWFUL, max_size=6), st.integers(0, 99))
@settings(max_examples=150, deadline=None)
def test_a_server_that_keeps_the_rules(steps: list[Step], last: list[Step], seed: int) -> None:
    """Settings, windows, answers, resets and GOAWAY, cut anywhere: equal events, equal requests."""
    pair = play(steps + last, seed)

    event("apart" if pair.is_apart else "together")


@given(st.lists(LAWFUL, max_size=8), st.lists(HOSTILE | LAWFUL | ENDING, max_size=8), st.integers())
@settings(max_examples=250, deadline=None)
def test_a_server_that_breaks_them(steps: list[Step], last: list[Step], seed: int) -> None:
    """What is no HTTP/2 ends stream or connection for both, and every key comes back once."""
    pair = play(steps + last, seed)

    event("apart" if pair.is_apart else "closed" if pair.oracle.closed else "together")
