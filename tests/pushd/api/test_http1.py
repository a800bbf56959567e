"""HTTP/1.1, without a socket: framing, order, bounds, timeouts."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pushd.api.http1 import MAX_FIELDS, MAX_PIPELINED, Http1Session
from pushd.api.limit import LINGER, Limits
from tests.pushd.api.link import DATE, FakeLink, session_on, sweep
from tests.pushd.api.stand import PUSH, Stand

HEALTH = b"GET /v1/health HTTP/1.1\r\nhost: a\r\n\r\n"
HEAD = re.compile(rb"HTTP/1\.1 (\d{3}) [A-Za-z -]+\r\n((?:[a-z-]+: [^\r\n]*\r\n)*)\r\n")


def post(body: bytes, *lines: bytes, media: bytes = b"application/json") -> bytes:
    """A request with a push in it."""
    head = [b"POST /v1/pushes HTTP/1.1", b"host: a", b"content-type: " + media, *lines]
    if not any(line.startswith(b"transfer-encoding") for line in lines):
        head.append(b"content-length: %d" % len(body))
    return b"\r\n".join(head) + b"\r\n\r\n" + body


ONE = post(msgspec.json.encode(PUSH))


def responses(data: bytes) -> list[tuple[int, bytes, bytes]]:
    """Status, header and body of each; all of `data` has to be responses."""
    found = []
    while data:
        head = HEAD.match(data)
        assert head is not None, data[:100]
        data = data[head.end() :]
        if head[1] == b"100":
            found.append((100, b"", b""))
            continue
        length = re.search(rb"content-length: (\d+)\r\n", head[2])
        if length is not None:
            body, data = data[: int(length[1])], data[int(length[1]) :]
        else:
            assert b"transfer-encoding: chunked\r\n" in head[2]
            body = b""
            while True:
                size, _, data = data.partition(b"\r\n")
                piece, data = data[: int(size, 16)], data[int(size, 16) + 2 :]
                body += piece
                if not piece:
                    break
        found.append((int(head[1]), head[2], body))
    return found


def statuses(link: FakeLink) -> list[int]:
    return [status for status, _, _ in responses(link.taken())]


def test_a_request_and_its_response(stand: Stand) -> None:
    """With date, type and length, on a connection that stays."""
    session, link = session_on(stand, Http1Session)

    session.received(HEALTH)

    ((status, head, body),) = responses(link.taken())
    assert (status, msgspec.json.decode(body)["status"]) == (200, "ok")
    assert b"date: " + DATE + b"\r\n" in head
    assert b"connection" not in head
    assert not link.finished


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_requests_may_come_in_any_pieces(stand: Stand, size: int) -> None:
    """And several in one."""
    session, link = session_on(stand, Http1Session)
    data = HEALTH + ONE + post(b"{}") + HEALTH

    for at in range(0, len(data), size):
        session.received(data[at : at + size])
    stand.rig.settle_down()

    assert statuses(link) == [200, 202, 400, 200]


def test_responses_keep_the_order_of_requests(stand: Stand) -> None:
    """One that is ready waits for those before it."""
    session, link = session_on(stand, Http1Session)

    session.received(ONE + HEALTH)
    before = link.taken()
    stand.rig.settle_down()

    assert before == b""
    assert statuses(link) == [202, 200]


def test_a_body_may_be_chunked(stand: Stand) -> None:
    """As clients do that make it while they send."""
    session, link = session_on(stand, Http1Session)
    push = msgspec.json.encode(PUSH)
    chunked = b"".join(b"1\r\n%c\r\n" % byte for byte in push) + b"0\r\n\r\n"

    session.received(post(chunked, b"transfer-encoding: chunked"))
    stand.rig.settle_down()

    assert statuses(link) == [202]


def test_results_of_a_batch_are_chunked(stand: Stand) -> None:
    """Made as the client takes them: nothing more is made while it does not."""
    session, link = session_on(stand, Http1Session)
    line = msgspec.json.encode(PUSH) + b"\n"

    session.received(post(line * 3000, media=b"application/x-ndjson"))
    link.writable = False
    stand.rig.settle_down()
    held = link.written
    link.writable = True
    session.resume()

    ((status, head, body),) = responses(link.taken())
    assert held == b""
    assert (status, len(body.splitlines())) == (202, 3000)
    assert b"chunked" in head


def test_an_old_client_gets_a_length_and_the_end(stand: Stand) -> None:
    """HTTP/1.0 knows no chunks."""
    session, link = session_on(stand, Http1Session)
    line = msgspec.json.encode(PUSH) + b"\n"
    body = line * 700
    head = b"POST /v1/pushes HTTP/1.0\r\ncontent-type: application/x-ndjson\r\n"

    session.received(head + b"content-length: %d\r\n\r\n" % len(body) + body)
    stand.rig.settle_down()

    ((status, said, results),) = responses(link.taken())
    assert (status, len(results.splitlines())) == (202, 700)
    assert b"connection: close" in said
    assert link.finished


def test_a_client_that_asks_whether_to_go_on_is_told(stand: Stand) -> None:
    """100 if its head will do; otherwise what is wrong with it, at once."""
    session, link = session_on(stand, Http1Session)
    good = post(b"", b"expect: 100-continue", b"content-length: 100").partition(
        b"content-length: 0\r\n"
    )
    other, other_link = session_on(stand, Http1Session)

    session.received(good[0] + good[2])
    other.received(post(b"", b"expect: 100-continue", media=b"text/plain"))

    assert statuses(link) == [100]
    assert statuses(other_link) == [415]


def test_a_body_that_is_refused_is_not_read(stand: Stand) -> None:
    """The connection ends with the refusal."""
    session, link = session_on(stand, Http1Session)

    session.received(
        post(b"", b"content-length: 1000000000").replace(b"content-length: 0\r\n", b"")
    )

    ((status, head, _),) = responses(link.taken())
    assert (status, link.finished) == (413, True)
    assert b"connection: close" in head


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: \xff\r\n\r\n", 400),
        (b"GET a HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nhost: a\r\n\r\n", 505),
        (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", 400),
        (post(b"1", b"transfer-encoding: chunked", b"content-length: 1"), 400),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nhost: a\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"a" * 20_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"a" * 20_000, 431),
        (b"GET / HTTP/1.1\r\nhost: a\r\n" + b"x: 1\r\n" * MAX_FIELDS + b"\r\n", 431),
    ],
)
def test_what_is_no_request_ends_the_connection(stand: Stand, data: bytes, status: int) -> None:
    """After it has been said."""
    session, link = session_on(stand, Http1Session)

    session.received(data)
    session.received(HEALTH)

    assert statuses(link) in ([status], [400])
    assert link.finished


def test_trailers_and_chunk_headers_are_bounded(stand: Stand) -> None:
    """A body that is mostly framing is refused before it fills the memory."""
    session, link = session_on(stand, Http1Session)
    session.received(post(b"", b"transfer-encoding: chunked") + b"0\r\nx: ")

    for _ in range(3):
        session.received(b"a" * 65536)

    assert statuses(link) == [400]
    assert link.finished


def test_many_requests_at_once_are_not_read_on(stand: Stand) -> None:
    """Until some of them have been answered."""
    session, link = session_on(stand, Http1Session)

    session.received(ONE * MAX_PIPELINED)
    reading = link.reading
    stand.rig.settle_down()

    assert (reading, link.reading) == (False, True)
    assert statuses(link) == [202] * MAX_PIPELINED


def test_a_client_that_does_not_read_is_not_read(stand: Stand) -> None:
    """So that nothing grows; after a while it is cut off."""
    session, link = session_on(stand, Http1Session)
    link.writable = False

    session.received(HEALTH)
    sweep(stand, session, stand.limits.stall_timeout - 1)
    before = link.aborted
    sweep(stand, session, 2)

    assert (link.reading, before, link.aborted) == (False, False, True)
    assert link.written == b""


def test_a_head_that_takes_too_long(stand: Stand) -> None:
    """408, however it trickles."""
    session, link = session_on(stand, Http1Session)

    for byte in b"GET / HTTP/1.1\r\nhost: aaaaaaaaaaaaaaaaaaaaaaaa":
        session.received(bytes((byte,)))
        sweep(stand, session, 0.5)

    assert statuses(link) == [408]
    assert link.finished
    sweep(stand, session, LINGER + 1)
    assert link.aborted


def test_a_body_that_takes_too_long(stand: Stand) -> None:
    """It is given up; nothing of it is queued."""
    session, link = session_on(stand, Http1Session)
    session.received(post(b"", b"content-length: 1000").replace(b"content-length: 0\r\n", b""))

    for _ in range(50):
        session.received(b" ")
        sweep(stand, session, 0.5)
    session.lost()

    assert link.aborted
    assert stand.ration.left == 64 << 20


def test_an_idle_connection_is_closed(tmp_path: Path) -> None:
    """But not one on which somebody waits."""
    stand = Stand(tmp_path, limits=Limits(idle_timeout=30))
    idle, idle_link = session_on(stand, Http1Session)
    waiting, waiting_link = session_on(stand, Http1Session)

    idle.received(HEALTH)
    waiting.received(b"GET /v1/results?wait=60 HTTP/1.1\r\nhost: a\r\n\r\n")
    stand.rig.settle_down()
    for _ in range(80):
        sweep(stand, idle, 0.5)
        waiting.sweep(stand.clock.seconds())
    stand.close()

    assert (idle_link.finished, waiting_link.finished) == (True, False)


def test_draining_answers_what_was_asked(stand: Stand) -> None:
    """And then closes."""
    session, link = session_on(stand, Http1Session)
    idle, idle_link = session_on(stand, Http1Session)

    session.received(ONE)
    session.drain()
    idle.drain()
    before = link.finished
    stand.rig.settle_down()

    ((status, head, _),) = responses(link.taken())
    assert (before, link.finished, idle_link.finished) == (False, True, True)
    assert (status, b"connection: close" in head) == (202, True)


def test_another_protocol_is_not_spoken(stand: Stand) -> None:
    """The request is answered, and the connection ends (RFC 9110 §7.8)."""
    session, link = session_on(stand, Http1Session)

    session.received(HEALTH[:-2] + b"connection: upgrade\r\nupgrade: h2c\r\n\r\nPRI * HTTP/2.0")

    assert statuses(link) == [200]
    assert link.finished


parts = st.sampled_from([HEALTH, ONE, b"\r\n", b"x"])
cuts = st.integers(1, 400)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(data=st.binary(max_size=300) | st.lists(parts, max_size=6).map(b"".join), cut=cuts)
def test_any_bytes_have_responses_or_none(stand: Stand, data: bytes, cut: int) -> None:
    """Well-formed ones, in whatever pieces the bytes come."""
    session, link = session_on(stand, Http1Session)

    session.received(data[:cut])
    session.received(data[cut:])
    stand.rig.settle_down()
    session.lost()

    responses(link.taken())
    assert stand.ration.left == 64 << 20
