"""Responses: what is read at a glance means what decoding says."""

from __future__ import annotations

from hypothesis import event, given, settings
from hypothesis import strategies as st

from protocols.apns.answer import Answer
from protocols.apns.hpack import decode_block
from protocols.apns.response import accepted, answer_of, head_of
from protocols.errors import DecodeError
from tests.protocols.apns.far_end import ACCEPTED, APNS_ID, block

USUAL = [
    before + b"\x88" + literal + name + b"\x24" + APNS_ID
    for before in (b"", b"\x20")
    for literal in (b"\x00", b"\x10", b"\x40")
    for name in (b"\x07apns-id", b"\x85\x1d\x75\x21\x63\x49")
]


@st.composite
def nearly_usual(draw: st.DrawFn) -> bytes:
    """A usual block after a few edits."""
    written = bytearray(draw(st.sampled_from(USUAL)))
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(written) - 1))
        written[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=2))
    return bytes(written)


def decoded(written: bytes) -> Answer | None:
    try:
        return answer_of(head_of(decode_block(written)), b"")
    except DecodeError:
        return None


def test_the_usual_is_seen() -> None:
    """All spellings of the usual answer are read without decoding."""
    for written in (*USUAL, block(ACCEPTED)):
        assert accepted(written) == decoded(written) == Answer(status=200, apns_id=APNS_ID.decode())


@given(nearly_usual() | st.binary(max_size=60))
@settings(max_examples=1000, deadline=None)
def test_what_is_seen_is_what_is_there(written: bytes) -> None:
    """Whatever the block, a glance never sees what decoding does not."""
    seen = accepted(written)

    event("unusual" if seen is None else "usual")
    if seen is not None:
        assert seen == decoded(written)
