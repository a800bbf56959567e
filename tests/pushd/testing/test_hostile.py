"""Clients that do not keep to HTTP/2, or to good manners: the simulator survives, and remembers."""

from __future__ import annotations

import socket
import ssl
from random import Random

import pytest

from pushd.testing import Authority, Conduct, CutAt
from pushd.testing.background import Background
from pushd.testing.wire import Gauge, frames_in, without_pongs
from tests.pushd.testing.conftest import Connect
from tests.pushd.testing.hand import PAYLOAD, TOPIC, Answer

DATA, HEADERS, RST_STREAM, PING, WINDOW_UPDATE = 0, 1, 3, 6, 8


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    head = len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big")
    return head + payload


def violations(apple: Background) -> list[str]:
    return apple.run(lambda simulator: list(simulator.violations))


NONSENSE: list[tuple[str, bytes, int]] = [
    ("DATA before HEADERS", frame(DATA, 1, 1, b"{}"), 1),
    ("HEADERS of an even stream", frame(HEADERS, 5, 2, b"\x83"), 1),
    ("HEADERS that are no HPACK", frame(HEADERS, 5, 1, b"\xff\xff\xff\xff\xff"), 1),
    ("HEADERS without a method", frame(HEADERS, 5, 1, b"\x84"), 1),
    ("a header in capitals", frame(HEADERS, 5, 1, b"\x83\x84\x87\x00\x01A\x01b"), 1),
    ("PING of seven bytes", frame(PING, 0, 0, b"1234567"), 6),
    ("a window of 2^31", frame(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff"), 3),
    (
        "a header list of 9,000 bytes",
        frame(HEADERS, 5, 1, b"\x00\x01x\x7f\xa9\x45" + b"x" * 9000),
        11,
    ),
]


@pytest.mark.parametrize(
    ("bytes_", "code"), [row[1:] for row in NONSENSE], ids=[row[0] for row in NONSENSE]
)
def test_no_http_2(apple: Background, connect: Connect, bytes_: bytes, code: int) -> None:
    """GOAWAY with the error, the connection ends, and what it was is on record."""
    hand = connect()
    hand.push()  # so that SETTINGS are acknowledged

    hand.socket.sendall(bytes_.replace(b"\x00\x00\x00\x01", b"\x00\x00\x00\x03"))
    hand.until_closed()
    apple.until(lambda simulator: bool(simulator.violations))

    assert hand.goaway is not None
    assert hand.goaway.error_code == code
    assert len(violations(apple)) == 1
    assert connect().push().status == 200


def test_not_even_a_preface(apple: Background, authority: Authority) -> None:
    """HTTP/1.1 where HTTP/2 was agreed on."""
    context = ssl.create_default_context(cadata=authority.pem.decode())
    context.set_alpn_protocols(["h2"])

    with (
        socket.create_connection(("127.0.0.1", apple.port), 10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        secure.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while secure.recv(1000):
            pass

    apple.until(lambda simulator: bool(simulator.violations))


@pytest.mark.parametrize("options", [{"conduct": Conduct(widens=False)}])
def test_a_window_overrun(apple: Background, connect: Connect) -> None:
    """More DATA than the stream's window lets through is a flow control error."""
    hand = connect()
    hand.push()
    stream = hand.begin(payload=None, method="POST", path="/")
    hand.answer(stream)

    fields = [(":method", "POST"), (":scheme", "https"), (":path", "/"), (":authority", "x")]
    hand.h2.send_headers(stream + 2, fields)
    hand.flush()
    chunk = frame(DATA, 0, stream + 2, b"x" * 16384)
    hand.socket.sendall(chunk * 5)  # 80 KiB; of the connection's window as much is gone
    hand.until_closed()

    assert hand.goaway is not None
    assert hand.goaway.error_code == 3


def test_a_body_without_end_costs_little(apple: Background, connect: Connect) -> None:
    """Of a body that is too long only what decides is kept, and the answer comes at its end."""
    hand = connect()
    stream = hand.h2.get_next_available_stream_id()
    hand.answers[stream] = Answer()
    fields = [
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", "/3/device/" + "ab" * 32),
        ("apns-topic", TOPIC),
    ]
    hand.h2.send_headers(stream, fields)
    for _ in range(100):
        hand.until(lambda: hand.h2.local_flow_control_window(stream) >= 16000)
        hand.h2.send_data(stream, b"x" * 16000)
        hand.flush()
    hand.h2.send_data(stream, b"", end_stream=True)
    hand.flush()

    answer = hand.answer(stream)

    assert answer.verdict == (413, b'{"reason":"PayloadTooLarge"}')
    (push,) = apple.run(lambda simulator: simulator.pushes)
    assert len(push.payload) == 5121


def test_a_push_that_is_taken_back(apple: Background, connect: Connect) -> None:
    """A stream that the client resets before it is whole is no push."""
    hand = connect()
    stream = hand.begin()
    hand.answer(stream)
    taken_back = hand.h2.get_next_available_stream_id()
    fields = [(":method", "POST"), (":scheme", "https"), (":path", "/"), (":authority", "x")]
    hand.h2.send_headers(taken_back, fields)
    hand.h2.reset_stream(taken_back, 8)
    hand.flush()

    assert hand.push().status == 200
    assert apple.run(lambda simulator: simulator.record.received) == 2
    assert apple.run(lambda simulator: simulator.connections[0].open_streams) == 0


def test_who_reads_nothing_is_not_read(apple: Background, connect: Connect) -> None:
    """A client that takes no answers cannot make the simulator hold them without end."""
    hand = connect()
    hand.socket.settimeout(0.5)
    sent = 0

    try:
        while sent < 3_000_000:
            hand.socket.sendall(frame(PING, 0, 0, b"12345678") * 100)
            sent += 100
    except TimeoutError:
        pass

    assert sent < 3_000_000


class TestGauge:
    """Where a connection is cut."""

    STREAM = b"P" * 24 + b"".join(frame(4, 0, 0, b"x" * size) for size in (6, 0, 1, 30))

    def boundaries(self) -> list[int]:
        ends = [24]
        for size in (6, 0, 1, 30):
            ends.append(ends[-1] + 9 + size)
        return ends

    @pytest.mark.parametrize("seed", range(5))
    @pytest.mark.parametrize("count", range(6))
    def test_frames(self, count: int, seed: int) -> None:
        """So many whole frames pass, however they are cut up on their way."""
        random = Random(seed)
        gauge = Gauge(CutAt(count=count), preface=True)
        passed, rest = b"", self.STREAM

        while rest:
            size = random.randint(1, 12)
            part, rest = rest[:size], rest[size:]
            passed += gauge.admit(part)

        assert len(passed) == [0, *self.boundaries()][count]
        assert self.STREAM.startswith(passed)
        assert gauge.is_shut is (count <= 5)

    @pytest.mark.parametrize("count", [0, 1, 24, 50, 1000])
    def test_bytes(self, count: int) -> None:
        """So many bytes pass."""
        gauge = Gauge(CutAt(count=count, unit="bytes"), preface=True)

        passed = gauge.admit(self.STREAM[:30]) + gauge.admit(self.STREAM[30:])

        assert passed == self.STREAM[:count]
        assert gauge.is_shut is (count <= len(self.STREAM))


def test_only_acknowledgements_of_ping_are_withheld() -> None:
    """Every other frame goes out as it is, a PING of our own included."""
    frames = [
        frame(PING, 1, 0, b"12345678"),
        frame(PING, 0, 0, b"12345678"),
        frame(HEADERS, 5, 1, b"\x88"),
        frame(RST_STREAM, 0, 3, b"\0\0\0\7"),
        frame(DATA, 1, 5, PAYLOAD),
    ]

    assert list(frames_in(b"".join(frames))) == frames
    assert without_pongs(b"".join(frames)) == b"".join(frames[1:])
