"""How connections behave, by Apple's book and against it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from pushd.testing import Conduct, CutAt, Rule
from pushd.testing.background import Background
from tests.pushd.testing.conftest import Connect
from tests.pushd.testing.hand import TOPIC, Answer, Hand
from tests.pushd.testing.test_request import reason


def conduct(**options: Any) -> Any:
    """A simulator all of whose connections behave so."""
    return pytest.mark.parametrize("options", [{"conduct": Conduct(**options)}])


def test_settings(connect: Connect) -> None:
    """Those that users have seen Apple say."""
    assert connect().settings == {1: 4096, 3: 1000, 4: 65535, 5: 16384, 6: 8000}


@conduct(settings=False)
def test_no_settings(connect: Connect) -> None:
    """A connection that says nothing, and yet answers."""
    hand = connect(waits=False)

    answer = hand.push()

    assert hand.settings == {}
    assert answer.verdict == (200, b"")


def test_conducts_one_by_one(apple: Background, connect: Connect) -> None:
    """Scripted conducts are for one connection each; then the usual one holds."""
    apple.run(lambda simulator: simulator.script(Conduct(streams=7), Conduct(streams=8)))

    assert [connect().streams for _ in range(3)] == [[7], [8], [1000]]


class TestStreams:
    """How many requests at once."""

    @conduct(streams=2, latency=30.0)
    def test_too_many_are_refused(self, connect: Connect) -> None:
        """What exceeds the limit gets REFUSED_STREAM, and only that."""
        hand = connect()
        hand.h2.remote_settings.update({3: 100})
        hand.h2.remote_settings.acknowledge()

        streams = [hand.begin() for _ in range(3)]
        refused = hand.answer(streams[2])

        assert refused.reset == 7
        assert hand.answers[streams[0]].reset is None

    @conduct(streams=1, latency=30.0, excess="goaway")
    def test_too_many_end_the_connection(self, connect: Connect) -> None:
        """Or it is told to go, as users of Apple's have been."""
        hand = connect()
        hand.h2.remote_settings.update({3: 100})
        hand.h2.remote_settings.acknowledge()

        hand.begin()
        hand.begin()
        hand.until(lambda: hand.goaway is not None)

        assert hand.goaway is not None
        assert (hand.goaway.error_code, hand.goaway.last_stream_id) == (7, 1)
        assert hand.goaway.additional_data == b"Maximum active streams violated"

    @conduct(lowers=True)
    def test_down_by_a_rejection_and_up_by_a_success(
        self, apple: Background, connect: Connect
    ) -> None:
        """One stream after a 4xx, all after a 200; 410 is no mistake."""
        apple.run(
            lambda simulator: simulator.rules.add(
                Rule(prefix="dead", status=410, reason="Unregistered", timestamp=1)
            )
        )
        hand = connect()

        hand.push("dead" + "0" * 60)
        hand.push()
        before = list(hand.streams)
        hand.push(apns_priority="7")
        hand.until(lambda: len(hand.streams) == 2)
        hand.push()
        hand.until(lambda: len(hand.streams) == 3)

        assert before == [1000]
        assert hand.streams == [1000, 1, 1000]

    @conduct(latency=0.2)
    def test_those_on_their_way_are_served(self, apple: Background, connect: Connect) -> None:
        """A limit that sinks does not cost what was sent before the client knew."""
        hand = connect()
        first = hand.begin()
        apple.until(lambda simulator: simulator.connections[0].open_streams == 1)

        apple.run(lambda simulator: simulator.connections[0].limit_streams(1))
        second = hand.begin()  # before anything is read

        assert hand.answer(first).verdict == (200, b"")
        assert hand.answer(second).verdict == (200, b"")
        assert hand.streams == [1000, 1]


class TestTime:
    """Latency and idleness."""

    @conduct(latency=0.2)
    def test_latency(self, connect: Connect) -> None:
        """Answers come so much later, many in the time of one."""
        hand = connect()
        begun = time.monotonic()

        streams = [hand.begin() for _ in range(20)]
        answers = [hand.answer(stream).status for stream in streams]

        assert answers == [200] * 20
        assert 0.2 <= time.monotonic() - begun < 2.0

    @conduct(latency=0.01, jitter=0.1)
    def test_jitter(self, connect: Connect) -> None:
        """Answers overtake each other."""
        hand = connect()
        order: list[int] = []

        streams = [hand.begin() for _ in range(30)]
        while len(order) < len(streams):
            hand.receive(1.0)
            order += [s for s in streams if hand.answers[s].ended and s not in order]

        assert order != streams

    @conduct(idle=0.1)
    def test_idle(self, connect: Connect) -> None:
        """Who asks for nothing is sent away, with Apple's reason."""
        hand = connect()

        hand.push()
        hand.until_closed()

        assert hand.goaway is not None
        assert hand.goaway.additional_data == reason("IdleTimeout")

    @conduct(rejections=2)
    def test_too_many_rejections(self, connect: Connect) -> None:
        """Who goes on being wrong is sent away."""
        hand = connect()

        first, second = hand.push(apns_priority="7"), hand.push(apns_priority="7")
        hand.until_closed()

        assert first.status == second.status == 400
        assert hand.goaway is not None


class TestWindows:
    """Flow control."""

    @conduct(window=10)
    def test_tiny_windows(self, connect: Connect) -> None:
        """A body arrives ten bytes at a time, and is whole."""
        hand = connect()
        payload = b'{"aps":{"alert":"a text of more than ten bytes"}}'

        stream = begin_without_body(hand)
        while payload:
            hand.until(lambda: hand.h2.local_flow_control_window(stream) > 0)
            room = hand.h2.local_flow_control_window(stream)
            assert room <= 10
            part, payload = payload[:room], payload[room:]
            hand.h2.send_data(stream, part, end_stream=not payload)
            hand.flush()

        assert hand.answer(stream).verdict == (200, b"")

    @conduct(widens=False)
    def test_windows_that_are_never_widened(self, apple: Background, connect: Connect) -> None:
        """The connection's window runs dry; it is widened when the test says so."""
        hand = connect()
        payload = b'{"a":"%s"}' % (b"x" * 4000)

        while hand.h2.outbound_flow_control_window >= len(payload):
            assert hand.push(payload=payload).status == 200
        dry = hand.h2.outbound_flow_control_window
        apple.run(lambda simulator: simulator.connections[0].widen(5000))
        hand.until(lambda: hand.h2.outbound_flow_control_window > dry)

        assert dry < len(payload)
        assert hand.push(payload=payload).status == 200

    def test_a_client_without_room(self, connect: Connect) -> None:
        """A body waits until the client has room for it."""
        hand = connect()
        hand.h2.update_settings({4: 0})
        hand.flush()

        stream = hand.begin(apns_priority="7")
        hand.until(lambda: bool(hand.answers[stream].headers))
        before = hand.answers[stream].body
        hand.h2.increment_flow_control_window(100, stream)
        hand.flush()

        assert before == b""
        assert hand.answer(stream).verdict == (400, reason("BadPriority"))


class TestPing:
    """Signs of life."""

    def test_a_ping_is_answered(self, connect: Connect) -> None:
        """By the book."""
        hand = connect()

        hand.h2.ping(b"12345678")
        hand.flush()
        hand.until(lambda: hand.pongs == 1)

    @conduct(pongs=False)
    def test_or_it_is_not(self, connect: Connect) -> None:
        """Everything is answered but PING."""
        hand = connect()

        hand.h2.ping(b"12345678")
        answers = [hand.push().status for _ in range(3)]

        assert answers == [200] * 3
        assert hand.pongs == 0


class TestCut:
    """Connections that end in the middle of anything."""

    @pytest.mark.parametrize("frames", range(1, 8))
    def test_after_frames_received(self, apple: Background, connect: Connect, frames: int) -> None:
        """Preface, SETTINGS, the acknowledgement of ours, then two frames for each push."""
        cut = CutAt(count=frames)
        apple.run(lambda simulator: simulator.script(Conduct(cut=cut)))
        hand = connect(waits=False)

        try:
            push_thrice(hand)
        except AssertionError:
            assert hand.closed
        apple.until(lambda simulator: not simulator.connections)

        received = apple.run(lambda simulator: simulator.record.received)
        assert hand.closed
        assert received in {(frames - 2) // 2, (frames - 3) // 2, 0}
        assert connect().push().status == 200

    @pytest.mark.parametrize("count", [0, 1, 23, 24, 25, 60, 100])
    def test_after_bytes_received(self, apple: Background, connect: Connect, count: int) -> None:
        """Likewise at any byte."""
        cut = CutAt(count=count, unit="bytes")
        apple.run(lambda simulator: simulator.script(Conduct(cut=cut)))
        hand = connect(waits=False)

        with pytest.raises(AssertionError):
            hand.push()

        assert apple.run(lambda simulator: simulator.record.received) == 0

    @pytest.mark.parametrize("abort", [False, True])
    @pytest.mark.parametrize(("frames", "answered"), [(1, 0), (2, 0), (3, 1), (4, 2)])
    def test_after_frames_sent(
        self, apple: Background, connect: Connect, frames: int, answered: int, abort: bool
    ) -> None:
        """SETTINGS, the acknowledgement of the client's, then one frame for each answer."""
        cut = CutAt(count=frames, direction="sent", abort=abort)
        apple.run(lambda simulator: simulator.script(Conduct(cut=cut)))
        hand = connect(waits=False)

        with pytest.raises(AssertionError):
            push_thrice(hand)

        ended = sum(answer.ended for answer in hand.answers.values())
        assert ended <= answered if abort else ended == answered

    def test_after_bytes_sent(self, apple: Background, connect: Connect) -> None:
        """In the middle of the answer's header."""
        cut = CutAt(count=39 + 9 + 4, unit="bytes", direction="sent")
        apple.run(lambda simulator: simulator.script(Conduct(cut=cut)))
        hand = connect(waits=False)

        with pytest.raises(AssertionError):
            hand.push()

        assert apple.run(lambda simulator: simulator.record.accepted) == 1
        assert not any(answer.headers for answer in hand.answers.values())


def begin_without_body(hand: Hand) -> int:
    stream = hand.h2.get_next_available_stream_id()
    fields = [
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", "/3/device/" + "ab" * 32),
        ("apns-topic", TOPIC),
    ]
    hand.answers[stream] = Answer()
    hand.h2.send_headers(stream, fields)
    hand.flush()
    return stream


def push_thrice(hand: Hand) -> None:
    for _ in range(3):
        hand.push()
