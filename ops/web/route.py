"""What a handler of the admin API or of the console sees: a request, and the answers it may give.

    Request ──▶ Handler ──▶ Json | Page | Events, or raises Problem

Nothing here knows HTTP's bytes or Twisted's web server: `ops.web.http` does.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar
from urllib.parse import parse_qs, unquote

import msgspec

from ops.text import escape

if TYPE_CHECKING:
    from ops.web.session import Session

T = TypeVar("T")

MAX_FIELDS = 1000
"""Fields of a form or a query; no form of ours has a dozen."""


class Problem(Exception):
    """Why a request was not done: one line, and what would be right."""

    def __init__(self, status: int, title: str, remedy: str = "") -> None:
        super().__init__(status, title, remedy)
        self.status = status
        self.title = title
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.title}; {self.remedy}" if self.remedy else self.title


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked, and by whom."""

    method: str
    target: str = "/"
    """The path, decoded."""
    path: Mapping[str, str] = field(default_factory=dict)
    """What stands in the place of the names of the route's pattern."""
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    peer: str = ""
    """Address of the client; of a proxy, where there is one."""
    is_secure: bool = False
    """Whether it came by TLS."""
    who: str = ""
    """For the log: `user root`, `the bearer of the token`, `console 10.0.0.7`."""
    session: Session | None = None
    """Of the console, for whoever has logged in."""

    def json(self, type: type[T]) -> T:
        """The body as a value of `type`. Raises Problem, with the place in the body."""
        try:
            return msgspec.json.decode(self.body or b"{}", type=type)
        except msgspec.DecodeError as error:
            raise Problem(400, "the body cannot be used", escape(str(error))) from None

    def form(self) -> dict[str, str]:
        """The fields of a form that a browser sent. Raises Problem."""
        try:
            return _fields(self.body.decode())
        except ValueError:
            raise Problem(400, "the form cannot be read", "send it as the page has it") from None

    def cookie(self, name: str) -> str | None:
        """The value of a cookie that the browser sent; of several, the first."""
        for pair in self.headers.get("cookie", "").split(";"):
            key, _, value = pair.strip().partition("=")
            if key == name:
                return value
        return None


Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Json:
    """A value that msgspec can write; other objects in it are written as their text."""

    value: Any
    status: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Bytes as they are: a page, a style sheet, a redirection."""

    body: bytes = b""
    type: str = "text/html; charset=utf-8"
    status: int = 200
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Events:
    """Values as they come, until the reader goes: a line of JSON each (NDJSON), or an event of
    `text/event-stream` each.

    `subscribe(tell)` begins, and gives what ends it. A reader that lags behind is dropped.
    """

    subscribe: Callable[[Callable[[object], None]], Callable[[], None]]
    form: Literal["ndjson", "sse"] = "ndjson"


END: Final = object()
"""Told in place of an event: there will be no more."""

Answer = Json | Page | Events
Handler = Callable[[Request], Answer | Awaitable[Answer]]


class Route:
    """`Route("GET", "/v1/machines/{mac}", handler)`: a name in braces stands for one segment."""

    __slots__ = ("handler", "method", "pattern", "regex")

    def __init__(self, method: str, pattern: str, handler: Handler) -> None:
        self.method = method
        self.pattern = pattern
        self.handler = handler
        parts = re.split(r"\{([a-z_]+)\}", pattern)
        self.regex = re.compile(
            "".join(
                f"(?P<{part}>[^/]+)" if number % 2 else re.escape(part)
                for number, part in enumerate(parts)
            )
        )


def find(routes: Sequence[Route], method: str, raw_path: str) -> tuple[Route, dict[str, str]]:
    """The route for a path as it was sent, and what its names stand for. Raises Problem."""
    allowed = set()
    for route in routes:
        match = route.regex.fullmatch(raw_path)
        if match is None:
            continue
        if route.method == method or (route.method, method) == ("GET", "HEAD"):
            return route, {name: unquote(value) for name, value in match.groupdict().items()}
        allowed.add(route.method)
    if allowed:
        raise Problem(405, f"{method} is not possible here", f"use {' or '.join(sorted(allowed))}")
    raise Problem(404, "there is nothing of that name", "")


def query(raw: str) -> dict[str, str]:
    """The parameters behind the `?`; of one that is repeated, the last. Raises Problem."""
    try:
        return _fields(raw)
    except ValueError:
        raise Problem(400, "the query cannot be read", "") from None


def _fields(text: str) -> dict[str, str]:
    found: Iterable[tuple[str, list[str]]] = parse_qs(
        text, keep_blank_values=True, max_num_fields=MAX_FIELDS
    ).items()
    return {name: values[-1] for name, values in found}


_encoder = msgspec.json.Encoder(enc_hook=str)


def encoded(value: object) -> bytes:
    """`value` as JSON; what JSON has no form for (an address, a path) as its text."""
    return _encoder.encode(value)
