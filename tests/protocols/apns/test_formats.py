"""The frames written and read by hand are those of the definitions in `formats`."""

from __future__ import annotations

from construct import Container
from hypothesis import given
from hypothesis import strategies as st

from protocols.apns import frame
from protocols.apns.formats import FRAME, GOAWAY, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE
from protocols.apns.frame import ErrorCode, Flags, FrameType
from tests.protocols.apns import far_end

STREAMS = st.integers(0, 2**31 - 1)
CODES = st.sampled_from(ErrorCode)
WORDS = st.integers(0, 2**32 - 1)


def parsed(written: bytes, kind: FrameType, flags: int = 0, stream: int = 0) -> bytes:
    """The payload of the one frame in `written`."""
    one = FRAME.parse(written)
    assert FRAME.build(one) == written
    assert (one.type, one.flags, one.stream.id) == (kind, flags, stream)
    assert len(one.payload) == one.length
    payload: bytes = one.payload
    return payload


@given(st.integers(0, 2**24 - 1), st.integers(0, 255), st.integers(0, 255), STREAMS)
def test_head(length: int, kind: int, flags: int, stream: int) -> None:
    """RFC 9113 §4.1: length, type, flags, stream; read back the same."""
    written = frame.head(length, kind, flags, stream)

    one = FRAME.parse(written + bytes(length))
    assert (one.length, one.type, one.flags, one.stream.id) == (length, kind, flags, stream)
    high, low, *rest = frame.read_head(written)
    assert (high << 8 | low, *rest) == (length, kind, flags, stream)


@given(st.lists(st.tuples(st.integers(0, 2**16 - 1), WORDS), max_size=9))
def test_settings(values: list[tuple[int, int]]) -> None:
    """§6.5: pairs of identifier and value."""
    written = frame.settings(values)

    assert written == far_end.settings(*values)
    payload = parsed(written, FrameType.SETTINGS)
    assert [(one.identifier, one.value) for one in SETTINGS.parse(payload)] == values
    assert frame.read_settings(0, 0, payload) == values


@given(STREAMS.filter(bool), CODES)
def test_reset(stream: int, code: ErrorCode) -> None:
    """§6.4: an error code."""
    written = frame.reset(stream, code)

    payload = parsed(written, FrameType.RST_STREAM, stream=stream)
    assert RST_STREAM.parse(payload).error_code == frame.read_reset(payload) == code


@given(st.binary(min_size=8, max_size=8), st.booleans())
def test_ping(opaque: bytes, ack: bool) -> None:
    """§6.7: eight bytes of anything."""
    written = frame.ping(opaque, ack=ack)

    payload = parsed(written, FrameType.PING, Flags.ACK if ack else 0)
    assert PING.parse(payload).opaque == frame.read_ping(0, payload) == opaque


@given(STREAMS, CODES, st.binary(max_size=50))
def test_goaway(last: int, code: ErrorCode, debug: bytes) -> None:
    """§6.8: last stream, error code, and what is said about it."""
    written = frame.goaway(last, code, debug)

    payload = parsed(written, FrameType.GOAWAY)
    said = GOAWAY.parse(payload)
    assert (said.last_stream.id, said.error_code, said.debug_data) == (last, code, debug)
    assert frame.read_goaway(0, payload) == (last, code, debug)


@given(STREAMS, st.integers(1, 2**31 - 1), st.booleans())
def test_window_update(stream: int, increment: int, reserved: bool) -> None:
    """§6.9: an increment; the reserved bit does not matter."""
    written = frame.window_update(stream, increment)

    payload = parsed(written, FrameType.WINDOW_UPDATE, stream=stream)
    assert WINDOW_UPDATE.parse(payload).increment == increment
    marked = WINDOW_UPDATE.build(Container(reserved=reserved, increment=increment))
    assert frame.read_window_update(marked) == increment


@given(STREAMS.filter(bool), st.binary(min_size=1, max_size=40_000))
def test_header_block(stream: int, block: bytes) -> None:
    """§4.3: a block is cut into HEADERS and CONTINUATIONs of the size that all must take."""
    written = b"".join(frame.header_block(block, stream))

    kinds, joined = [], b""
    while written:
        one = FRAME.parse(written)
        kinds.append(one.type)
        joined += one.payload
        written = written[9 + one.length :]
        assert one.length <= 16_384
        assert bool(one.flags) == (not written)
    assert joined == block
    assert kinds == [1, 9, 9][: len(kinds)]
