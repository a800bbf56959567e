"""The production codec and the normative definitions agree on every input, malformed ones too."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

from hypothesis import event, given, settings
from hypothesis import strategies as st

from protocols.dhcp.codec import decode, encode
from protocols.dhcp.message import DhcpMessage
from protocols.dhcp.option import PADDING, RawOption
from protocols.errors import DecodeError
from tests.protocols.dhcp.capture import captured
from tests.protocols.dhcp.reference import reference_decode, reference_encode

CAPTURED = tuple({datagram.payload: None for datagram in captured() if datagram.is_dhcp})

ADDRESSES = st.integers(0, 0xFFFFFFFF).map(IPv4Address)
OPTIONS = st.one_of(
    st.just(PADDING),
    st.builds(RawOption, st.integers(1, 254), st.binary(max_size=40)),
    st.builds(RawOption, st.just(52), st.sampled_from([b"\1", b"\2", b"\3", b"\0", b""])),
    st.builds(RawOption, st.integers(1, 254), st.binary(min_size=250, max_size=255)),
)
MESSAGES = st.builds(
    DhcpMessage,
    op=st.integers(1, 2),
    htype=st.integers(0, 255),
    hlen=st.integers(0, 16),
    hops=st.integers(0, 255),
    xid=st.integers(0, 0xFFFFFFFF),
    secs=st.integers(0, 0xFFFF),
    flags=st.integers(0, 0xFFFF),
    ciaddr=ADDRESSES,
    yiaddr=ADDRESSES,
    siaddr=ADDRESSES,
    giaddr=ADDRESSES,
    chaddr=st.binary(max_size=16),
    sname=st.binary(max_size=64),
    file=st.binary(max_size=128),
    options=st.lists(OPTIONS, max_size=12).map(tuple),
    tail=st.one_of(st.just(b""), st.binary(max_size=20).map(b"\xff".__add__)),
)


@st.composite
def mutants(draw: st.DrawFn) -> bytes:
    """A real message after a few edits: bytes set, cut out, put in, the end cut off."""
    data = bytearray(draw(st.sampled_from(CAPTURED)))
    for _ in range(draw(st.integers(0, 4))):
        # Half of the edits hit the options, where the structure is.
        at = draw(st.integers(0, len(data)) | st.integers(min(240, len(data)), len(data)))
        edit = draw(st.sampled_from(["set", "set", "cut", "insert", "truncate"]))
        if edit == "set":
            data[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
        elif edit == "cut":
            del data[at : at + draw(st.integers(1, 8))]
        elif edit == "insert":
            data[at:at] = draw(st.binary(max_size=8) | st.just(b"\x34\x01\x03"))
        else:
            del data[at:]
    return bytes(data)


def decoded(data: bytes) -> DhcpMessage | None:
    try:
        return decode(data)
    except DecodeError as error:
        refusal = error
    assert 0 <= refusal.offset <= len(data)
    assert refusal.what
    assert refusal.why
    return None


@given(mutants() | st.binary(max_size=400))
@settings(max_examples=400, deadline=None)
def test_decoders_agree_on_any_bytes(data: bytes) -> None:
    """Both decoders see the same message in the same bytes, or both refuse them."""
    message = decoded(data)

    event("refused" if message is None else "accepted")
    assert message == reference_decode(data)
    if message is not None:
        assert encode(message) == data == reference_encode(message)


@given(MESSAGES)
@settings(max_examples=200, deadline=None)
def test_encoders_agree_on_any_message(message: DhcpMessage) -> None:
    """Both encoders write a message to the same bytes, and both decoders read it back, unless its
    overload is malformed, which both refuse."""
    try:
        message.instances(12)
    except DecodeError:
        event("refused")
        data = encode(message)
        assert decoded(data) is None
        assert reference_decode(data) is None
        return

    data = encode(message)

    assert data == reference_encode(message)
    assert decode(data) == message == reference_decode(data)


@given(MESSAGES, st.integers(0, 1000))
@settings(max_examples=100, deadline=None)
def test_built_message_survives_the_wire(message: DhcpMessage, minimum: int) -> None:
    """A message built without a tail comes back the same but for its end option and padding."""
    built = replace(
        message, options=tuple(option for option in message.options if option.code != 52), tail=None
    )

    data = encode(built, minimum=minimum)

    found = decode(data)
    assert len(data) >= minimum
    assert found.tail is not None
    assert found.tail.rstrip(b"\0") == b"\xff"
    assert replace(found, tail=None) == built


@given(st.integers(1, 254).filter(lambda code: code not in (43, 52)), st.binary(max_size=2000))
@settings(max_examples=100, deadline=None)
def test_long_option_survives_the_wire(code: int, value: bytes) -> None:
    """An option of any length comes back joined (RFC 3396)."""
    message = DhcpMessage(op=1, options=(RawOption(53, b"\1"), RawOption(code, value)))

    found = decode(encode(message)).instances(code)

    assert b"".join(found) == (b"\1" if code == 53 else b"") + value
    assert all(len(part) <= 255 for part in found)
