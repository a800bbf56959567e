"""Apple's end of a connection, frame by frame: written and read by the normative definitions.

`h2` cannot be made to break the rules; this can. Nothing of the engine's own reading and writing
is used here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from construct import Container, GreedyRange
from hpack import Decoder, Encoder

from protocols.apns.event import Event, Request
from protocols.apns.formats import FRAME, GOAWAY, PING, PREFACE, RST_STREAM, SETTINGS, WINDOW_UPDATE
from protocols.apns.frame import ErrorCode, Flags, FrameType, Setting

Headers = Sequence[tuple[bytes, bytes]]

APNS_ID: Final = b"eabeae54-14a8-11e5-b60b-1697f925ec7b"
ACCEPTED: Final = ((b":status", b"200"), (b"apns-id", APNS_ID))
GONE: Final = ((b":status", b"410"), (b"apns-id", APNS_ID))
UNREGISTERED: Final = b'{"reason":"Unregistered","timestamp":1425164400000}'

SHAPE: Final = (
    (b"apns-push-type", b"alert"),
    (b"apns-topic", b"com.example.App"),
    (b"apns-priority", b"10"),
)


def request(
    number: int = 1, body: bytes = b'{"aps":{}}', *, bearer: bytes | None = None
) -> Request:
    """A push to device `number`, with all headers that a push may have."""
    own = (
        (b"apns-id", b"eabeae54-14a8-11e5-b60b-%012x" % number),
        (b"apns-expiration", b"%d" % (1_800_000_000 + number)),
        (b"apns-collapse-id", b"c%d" % number),
    )
    return Request(b"/3/device/%064x" % number, SHAPE, own, body, bearer)


def framed(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """Any frame, lawful or not."""
    number = Container(reserved=False, id=stream)
    built: bytes = FRAME.build(
        Container(length=len(payload), type=kind, flags=flags, stream=number, payload=payload)
    )
    return built


def settings(*values: tuple[int, int]) -> bytes:
    listed = [Container(identifier=identifier, value=value) for identifier, value in values]
    return framed(FrameType.SETTINGS, payload=SETTINGS.build(listed))


def streams(limit: int) -> bytes:
    return settings((Setting.MAX_CONCURRENT_STREAMS, limit))


SETTINGS_ACK: Final = framed(FrameType.SETTINGS, Flags.ACK)
HELLO: Final = streams(1000) + SETTINGS_ACK
"""What a server says first."""


def ping(opaque: bytes = b"12345678", flags: int = 0) -> bytes:
    return framed(FrameType.PING, flags, payload=PING.build(Container(opaque=opaque)))


def goaway(last: int, code: int = ErrorCode.NO_ERROR, debug: bytes = b"") -> bytes:
    number = Container(reserved=False, id=last)
    said = Container(last_stream=number, error_code=code, debug_data=debug)
    return framed(FrameType.GOAWAY, payload=GOAWAY.build(said))


def reset(stream: int, code: int = ErrorCode.REFUSED_STREAM) -> bytes:
    payload = RST_STREAM.build(Container(error_code=code))
    return framed(FrameType.RST_STREAM, stream=stream, payload=payload)


def window(stream: int, increment: int) -> bytes:
    payload = WINDOW_UPDATE.build(Container(reserved=False, increment=increment))
    return framed(FrameType.WINDOW_UPDATE, stream=stream, payload=payload)


def block(headers: Headers, *, huffman: bool = False, update: bool = True) -> bytes:
    """A header block of an encoder that may remember nothing; `update` says so at its start, as
    RFC 7541 §4.2 asks of the first."""
    encoder = Encoder()
    encoder.header_table_size = 0
    encoder.table_size_changes.clear()
    encoded: bytes = encoder.encode(headers, huffman=huffman)
    return b"\x20" + encoded if update else encoded


def headers(
    stream: int,
    fields: Headers,
    *,
    ends: bool = True,
    huffman: bool = False,
    padding: int | None = None,
    priority: bool = False,
    pieces: int = 1,
) -> bytes:
    """HEADERS, with CONTINUATIONs if there are several pieces."""
    whole = block(fields, huffman=huffman)
    cuts = [len(whole) * piece // pieces for piece in range(pieces + 1)]
    parts = [whole[start:end] for start, end in pairwise(cuts)]
    flags = (Flags.END_STREAM if ends else 0) | (Flags.END_HEADERS if pieces == 1 else 0)
    first = parts[0]
    if priority:
        flags |= Flags.PRIORITY
        first = b"\0\0\0\0\x10" + first
    first, flags = padded(first, flags, padding)
    written = framed(FrameType.HEADERS, flags, stream, first)
    for at, part in enumerate(parts[1:], 2):
        last = Flags.END_HEADERS if at == pieces else 0
        written += framed(FrameType.CONTINUATION, last, stream, part)
    return written


def data(stream: int, body: bytes, *, ends: bool = True, padding: int | None = None) -> bytes:
    payload, flags = padded(body, Flags.END_STREAM if ends else 0, padding)
    return framed(FrameType.DATA, flags, stream, payload)


def padded(payload: bytes, flags: int, padding: int | None) -> tuple[bytes, int]:
    if padding is None:
        return payload, flags
    return bytes((padding,)) + payload + bytes(padding), flags | Flags.PADDED


@dataclass(slots=True)
class Sent:
    """A request, as it arrived."""

    headers: list[tuple[bytes, bytes]]
    body: bytes = b""
    has_ended: bool = False


@dataclass(slots=True)
class Listener:
    """What an engine writes, understood: the other half of Apple's end."""

    requests: dict[int, Sent] = field(default_factory=dict)
    pongs: list[bytes] = field(default_factory=list)
    resets: list[tuple[int, int]] = field(default_factory=list)
    goaways: list[int] = field(default_factory=list)
    pings: int = 0
    acknowledged: int = 0
    widened: int = 0
    settings: dict[int, int] = field(default_factory=dict)
    table_sizes: deque[int | None] = field(default_factory=deque)
    """What the server's SETTINGS said, each until it is acknowledged; None: nothing."""
    largest_table: int = 4096
    _decoder: Decoder = field(default_factory=Decoder)
    _has_preface: bool = False
    _block: bytes = b""

    def __post_init__(self) -> None:
        self._decoder.max_allowed_table_size = self.largest_table

    def hear(self, written: bytes) -> None:
        if not self._has_preface and written:
            assert written.startswith(PREFACE)
            written = written[len(PREFACE) :]
            self._has_preface = True
        heard = GreedyRange(FRAME).parse(written)
        assert b"".join(FRAME.build(one) for one in heard) == written
        for one in heard:
            self._hear(one.type, one.flags, one.stream.id, one.payload)

    def _hear(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind in (FrameType.HEADERS, FrameType.CONTINUATION):
            assert not flags & ~Flags.END_HEADERS
            self._block += payload
            if flags & Flags.END_HEADERS:
                decoded = self._decoder.decode(self._block, raw=True)
                assert stream not in self.requests
                self.requests[stream] = Sent([(bytes(n), bytes(v)) for n, v in decoded])
                self._block = b""
        elif kind == FrameType.DATA:
            sent = self.requests[stream]
            assert not sent.has_ended
            sent.body += payload
            sent.has_ended = bool(flags & Flags.END_STREAM)
        elif kind == FrameType.SETTINGS and flags & Flags.ACK:
            self.acknowledged += 1
            size = self.table_sizes.popleft() if self.table_sizes else None
            if size is not None:
                self._decoder.max_allowed_table_size = size
        elif kind == FrameType.SETTINGS:
            self.settings = {one.identifier: one.value for one in SETTINGS.parse(payload)}
        elif kind == FrameType.PING and flags & Flags.ACK:
            self.pongs.append(payload)
        elif kind == FrameType.PING:
            self.pings += 1
        elif kind == FrameType.RST_STREAM:
            self.resets.append((stream, RST_STREAM.parse(payload).error_code))
        elif kind == FrameType.GOAWAY:
            self.goaways.append(GOAWAY.parse(payload).error_code)
        else:
            assert (kind, stream) == (FrameType.WINDOW_UPDATE, 0)
            self.widened += WINDOW_UPDATE.parse(payload).increment


def keys_of(events: Iterable[Event]) -> list[object]:
    """The keys that came back, in their order."""
    return [event.key for event in events if hasattr(event, "key")]
