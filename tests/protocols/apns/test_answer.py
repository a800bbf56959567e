"""The body of Apple's answers: read as documented, and refused as anything else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.apns.answer import MAX_BODY, Explanation, explanation_of
from protocols.errors import DecodeError


@pytest.mark.parametrize(
    ("body", "reason", "timestamp"),
    [
        (b"", None, None),
        (b"{}", None, None),
        (b'{"reason":"BadTopic"}', "BadTopic", None),
        (b'{"reason":"Unregistered","timestamp":1425164400000}', "Unregistered", 1425164400000),
        (b'{"reason":"New","more":[1]}', "New", None),
    ],
)
def test_what_apple_says(body: bytes, reason: str | None, timestamp: int | None) -> None:
    """A reason and, with 410, milliseconds; what else there is does not matter."""
    assert explanation_of(body) == Explanation(reason=reason, timestamp=timestamp)


@pytest.mark.parametrize(
    "body",
    [
        b"x",
        b"[]",
        b"\xff",
        b'"reason"',
        b"[" * 4000,
        b'{"reason":1}',
        b'{"reason":""}',
        b'{"reason":"%s"}' % (b"x" * 101),
        b'{"timestamp":"1"}',
        b'{"timestamp":true}',
        b'{"timestamp":-1}',
        b'{"timestamp":1e3}',
        b'{"timestamp":9007199254740992}',
        b" " * (MAX_BODY + 1),
    ],
)
def test_what_is_not_apples(body: bytes) -> None:
    """Anything else is a DecodeError, however long or deep."""
    with pytest.raises(DecodeError):
        explanation_of(body)


@given(body=st.binary(max_size=200))
def test_any_bytes(body: bytes) -> None:
    """No bytes raise anything but DecodeError."""
    try:
        explanation_of(body)
    except DecodeError:
        pass
