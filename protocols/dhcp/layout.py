"""A construct definition with a type: the bridge from construct's errors to ours.

It must let no construct error through: `decode` raises DecodeError, `encode` EncodeError.
"""

from __future__ import annotations

import io
from typing import Final, Generic, TypeVar

from construct import Construct, ConstructError

from protocols.errors import DecodeError, EncodeError

T = TypeVar("T")

VALUE_LIMIT: Final = 16 * 255
"""The longest value that is read or written: sixteen full instances. The longest in use, a search
list or the routes of a large site, need two or three. A forged option 82 of 4080 bytes costs 15 ms,
a search list 50 ms; one that fills a datagram would cost sixteen times as much.
"""


class Layout(Generic[T]):
    """How a `T` lies in the whole of an option's data; `shape` says it in words for errors."""

    __slots__ = ("_format", "shape")

    def __init__(self, shape: str, format: Construct) -> None:
        self.shape: Final = shape
        self._format: Final = format

    def decode(self, data: bytes, what: object) -> T:
        """The value in `data`, all of it; DecodeError names `what` and the byte within `data`."""
        if len(data) > VALUE_LIMIT:
            raise DecodeError(str(what), VALUE_LIMIT, f"{len(data)} bytes, more than {VALUE_LIMIT}")
        stream = io.BytesIO(data)
        try:
            value: T = self._format.parse_stream(stream)
        except ConstructError:
            pass
        else:
            if stream.tell() == len(data):
                return value
        why = f"{len(data)} bytes that are not {self.shape}"
        raise DecodeError(str(what), stream.tell(), why)

    def encode(self, value: T, what: object) -> bytes:
        """The bytes of `value`; EncodeError names `what` if the layout cannot hold it."""
        try:
            data: bytes = self._format.build(value)
        except (ConstructError, ValueError):
            raise EncodeError(f"{what}: {value!r} is not {self.shape}") from None
        if len(data) > VALUE_LIMIT:
            raise EncodeError(f"{what}: {len(data)} bytes, more than {VALUE_LIMIT}")
        return data
