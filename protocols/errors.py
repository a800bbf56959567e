"""The three errors that cross a codec's boundary.

`DecodeError` is the peer's fault: the daemon counts it and drops the bytes. `EncodeError` and
`StateError` are ours: a value that cannot be put on the wire, or a state machine asked for what it
cannot do in its state. Anything else that leaves a codec is a bug.
"""

from __future__ import annotations


class ProtocolError(Exception):
    """The root of the three."""


class DecodeError(ProtocolError):
    """Bytes that are not what the protocol allows.

    `what` names the field or structure, `offset` is the byte in the input at which reading it went
    wrong, `why` says how.
    """

    def __init__(self, what: str, offset: int, why: str) -> None:
        super().__init__(what, offset, why)
        self.what = what
        self.offset = offset
        self.why = why

    def __str__(self) -> str:
        return f"{self.what} at byte {self.offset}: {self.why}"


class EncodeError(ProtocolError):
    """A value that the wire format cannot carry."""


class StateError(ProtocolError):
    """A state machine was driven in a way that its state does not allow."""
