"""One request and its response, whichever version of HTTP carries them.

    session ── open(exchange) ──▶ site ──▶ Sink
    session ── received(data)…, ended() or lost() ──▶ Sink ── respond(response) ──▶ session

A sink may respond before the body has ended: the rest of the body is then nobody's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from cryptography import x509

Fields = tuple[tuple[str, str], ...]

JSON: Final = ("content-type", "application/json")
NDJSON: Final = ("content-type", "application/x-ndjson")


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Who is at the other end of a connection."""

    address: str
    certificate: x509.Certificate | None = None
    """As the TLS handshake verified it, if it asked for one and got one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The head of a request."""

    method: str
    path: str
    """As sent: nothing that we serve needs an escape."""
    query: str
    headers: Mapping[str, str]
    """Names in lower case. Of a repeated one the values are joined by `, ` (RFC 9110 §5.3)."""
    repeated: frozenset[str] = frozenset()
    """The names that came more than once."""
    client: Client


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What is answered. A body in pieces is made as the client takes it."""

    status: int
    headers: Fields = ()
    """Names in lower case."""
    body: bytes | Iterator[bytes] = b""
    own: Fields = field(default=())
    """Headers that no other response has: not worth a place in HPACK's table."""


class Exchange(Protocol):
    """One request that is to be answered once."""

    @property
    def request(self) -> Request: ...

    def respond(self, response: Response) -> None:
        """Answer. Without effect when the client has gone."""


class Sink(Protocol):
    """Takes the body of a request."""

    def received(self, data: bytes) -> None: ...

    def ended(self) -> None:
        """That was all of it."""

    def lost(self) -> None:
        """The client has gone: before the end, or before it was answered."""


class Opener(Protocol):
    """What the sessions are given: the site."""

    def open(self, exchange: Exchange) -> Sink | None:
        """Take a request; None if it has been answered already."""


class Link(Protocol):
    """The bytes' way to the client, as a session uses it."""

    @property
    def writable(self) -> bool:
        """Whether the client takes what is written; otherwise the session is told later."""

    def write(self, data: bytes) -> None: ...

    def read(self, wanted: bool) -> None:
        """Whether more is to be read."""

    def finish(self) -> None:
        """Close when all has been written."""

    def abort(self) -> None:
        """Close at once."""


class Session(Protocol):
    """One version of HTTP on one connection."""

    def received(self, data: bytes) -> None: ...

    def resume(self) -> None:
        """The link is writable again."""

    def sweep(self, now: float) -> None:
        """Look at what has taken too long; `now` is monotonic."""

    def drain(self) -> None:
        """Take no new requests, answer those that there are, then close."""

    def lost(self) -> None:
        """The connection is gone."""
