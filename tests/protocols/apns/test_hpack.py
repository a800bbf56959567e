"""Header blocks: Apple's rules for ours, the same meaning as hpack's for all."""

from __future__ import annotations

import pytest
from hpack import Decoder, Encoder, HeaderTuple, NeverIndexedHeaderTuple
from hpack.exceptions import HPACKError
from hypothesis import event, given, settings
from hypothesis import strategies as st

from protocols.apns.hpack import (
    MAX_HEADERS,
    MAX_SHAPES,
    Header,
    RequestEncoder,
    Shape,
    decode_block,
)
from protocols.errors import DecodeError
from tests.protocols.apns.far_end import SHAPE, block, request

AUTHORITY = b"api.push.apple.com"
FIRST: list[Header] = [(b":method", b"POST"), (b":scheme", b"https"), (b":authority", AUTHORITY)]

TEXTS = st.one_of(st.binary(max_size=12), st.binary(min_size=120, max_size=300))
NAMES = st.sampled_from([b"apns-topic", b"apns-priority", b"accept", b"x"]) | st.binary(max_size=9)
SHAPES: st.SearchStrategy[Shape] = st.lists(st.tuples(NAMES, TEXTS), max_size=5).map(tuple)
OWN: st.SearchStrategy[Shape] = st.lists(
    st.tuples(st.sampled_from([b"apns-id", b"apns-expiration", b"apns-collapse-id"]), TEXTS),
    max_size=3,
    unique_by=lambda header: header[0],
).map(tuple)
BEARERS = st.none() | st.binary(min_size=1, max_size=300)
REQUESTS = st.tuples(TEXTS, SHAPES, OWN, BEARERS)


def whole(path: bytes, shape: Shape, own: Shape, bearer: bytes | None) -> list[Header]:
    token = [] if bearer is None else [(b"authorization", bearer)]
    return [*FIRST, (b":path", path), *shape, *token, *own]


def understood(decoder: Decoder, written: bytes) -> list[Header]:
    return [(bytes(name), bytes(value)) for name, value in decoder.decode(written, raw=True)]


@given(
    st.lists(SHAPES, min_size=1, max_size=4),
    st.lists(st.integers(0, 5000) | st.tuples(st.integers(0, 3), TEXTS, OWN, BEARERS), max_size=30),
)
@settings(max_examples=300, deadline=None)
def test_hpack_understands_what_we_write(
    shapes: list[Shape], steps: list[int | tuple[int, bytes, Shape, bytes | None]]
) -> None:
    """Whatever the requests, and whatever sizes its table is given between them, a decoder that
    enforces those sizes sees the same headers in the same order (RFC 7541)."""
    encoder, decoder = RequestEncoder(AUTHORITY), Decoder()

    for step in steps:
        if isinstance(step, int):
            encoder.resize(step)
            decoder.max_allowed_table_size = step
            continue
        pick, path, own, bearer = step
        shape = shapes[pick % len(shapes)]
        written = encoder.block(path, shape, own, bearer)
        assert understood(decoder, written) == whole(path, shape, own, bearer)
        assert decoder.header_table._current_size <= 4096


def test_apples_rules() -> None:
    """`:path` and `authorization` are never indexed, what differs is indexed once for its name, and
    what is common always ("Communicating with APNs")."""
    encoder, decoder = RequestEncoder(AUTHORITY), Decoder()

    for number in range(100):
        one = request(number, bearer=b"bearer %d" % number)
        understood(decoder, encoder.block(one.path, one.shape, one.own, one.authorization))

    names = [bytes(name) for name, _ in decoder.header_table.dynamic_entries]
    expected = [b":authority", *(name for name, _ in SHAPE), *(name for name, _ in request().own)]
    assert names[::-1] == expected


def test_an_ordinary_push_is_small() -> None:
    """From the second push on, all that is common takes a byte a header."""
    encoder = RequestEncoder(AUTHORITY)
    one = request()

    encoder.block(one.path, one.shape, one.own, None)
    second = encoder.block(one.path, one.shape, one.own, None)

    own = sum(len(value) + 2 for _, value in one.own)
    # POST, https, authority, path's index and size; push type, topic, priority
    assert len(second) <= 5 + len(one.path) + 3 + own + len(one.own)


def test_nothing_is_driven_out() -> None:
    """A full table stays as it is: later headers are literals, earlier ones stay indexed."""
    encoder, decoder = RequestEncoder(AUTHORITY), Decoder()
    one = request()
    encoder_first = encoder.block(one.path, one.shape, one.own, None)
    understood(decoder, encoder_first)

    for number in range(60):
        shape = ((b"apns-topic", b"com.example.%0100d" % number),)
        written = encoder.block(b"/", shape, (), None)
        assert understood(decoder, written) == whole(b"/", shape, (), None)
    again = encoder.block(one.path, one.shape, one.own, None)

    assert understood(decoder, again) == whole(one.path, one.shape, one.own, None)
    assert (b":authority", AUTHORITY) in list(decoder.header_table.dynamic_entries)
    assert len(again) < len(encoder_first) - 80


def test_shapes_are_forgotten_in_time() -> None:
    """However many topics there are, what is remembered of them is bounded."""
    encoder, decoder = RequestEncoder(AUTHORITY), Decoder()

    for number in range(2 * MAX_SHAPES + 10):
        shape = ((b"apns-topic", b"com.example.%d" % number),)
        for _ in range(2):
            written = encoder.block(b"/", shape, (), None)
            assert understood(decoder, written) == whole(b"/", shape, (), None)

    assert len(encoder._shapes) <= MAX_SHAPES


@given(
    st.lists(
        st.tuples(st.sampled_from([b":status", b"apns-id", b"content-type"]) | TEXTS, TEXTS),
        max_size=9,
    ),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_we_understand_what_hpack_writes(
    fields: list[Header], huffman: bool, never: bool, update: bool
) -> None:
    """In any representation of RFC 7541 §6, of an encoder whose table has no size."""
    kind = NeverIndexedHeaderTuple if never else HeaderTuple
    written = block([kind(name, value) for name, value in fields], huffman=huffman, update=update)

    assert decode_block(written) == fields


@given(st.binary(max_size=60))
@settings(max_examples=1000, deadline=None)
def test_any_bytes_mean_the_same_or_nothing(data: bytes) -> None:
    """hpack's decoder with a table of no size sees the same headers, or refuses as we do; we
    also refuse numbers with needless bytes."""
    decoder = Decoder()
    decoder.header_table_size = 0
    decoder.max_allowed_table_size = 0
    try:
        expected = understood(decoder, data)
    except HPACKError:
        expected = None
    try:
        found = decode_block(data)
    except DecodeError:
        found = None

    event("refused" if found is None else "read")
    assert found == expected or (found is None and b"\x80\x80\x80" in data)


@pytest.mark.parametrize(
    "data",
    [
        b"\x80",  # §6.1: index 0
        b"\xbe",  # §2.3.3: index 62, the first of a table that we did not offer
        b"\x7e\x01x",  # such a name
        b"\x21",  # §6.3: a table of one byte
        b"\x88\x20",  # §4.2: late
        b"\x00",  # nothing behind
        b"\x00\x05appl",  # §5.2: a name cut off
        b"\x00\x01a\x02b",  # a value cut off
        b"\x00\x81\xfe\x00",  # no Huffman code
        b"\x00\x81\x00\x00",  # §5.2: padding that is none
        b"\xff",  # §5.1: a number cut off
        b"\xff\x80\x80\x80\x80\x80\x01",  # a number above all
        b"\x88" * (MAX_HEADERS + 1),
    ],
)
def test_malformed_blocks(data: bytes) -> None:
    """What is no header block of an encoder without a table is a DecodeError."""
    with pytest.raises(DecodeError):
        decode_block(data)


def test_examples_of_the_rfc() -> None:
    """RFC 7541 appendix C.5.1 and C.6.1: a response, plain and in Huffman code."""
    fields = [
        (b":status", b"302"),
        (b"cache-control", b"private"),
        (b"date", b"Mon, 21 Oct 2013 20:13:21 GMT"),
        (b"location", b"https://www.example.com"),
    ]
    plain = (
        "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d54"
        "6e1768747470733a2f2f7777772e6578616d706c652e636f6d"
    )
    huffman = (
        "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff"
        "6e919d29ad171863c78f0b97c8e9ae82ae43d3"
    )

    assert decode_block(bytes.fromhex(plain)) == fields
    assert decode_block(bytes.fromhex(huffman)) == fields


def test_hpack_itself_writes_an_update_first() -> None:
    """The far end of these tests begins as RFC 7541 §4.2 asks: with the size of its table."""
    encoder = Encoder()
    encoder.header_table_size = 0

    assert encoder.encode([(b":status", b"200")])[:1] == b"\x20"
