"""HTTP/1.1 for the admin API and the console, by Twisted's web server, with its gaps closed.

Imported at the first connection only: an idle daemon does without it.

    connection ──▶ Channel (deadlines) ──▶ Exchange ──▶ Gate.admit ──▶ route's handler ──▶ answer

Bounds: connections at the same time, size of a request, the time it may take to arrive, the time
an answer may take to be read, what waits for the reader of a stream.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Awaitable, Sequence
from typing import Any, Protocol, cast
from urllib.parse import unquote

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.web import http

from ops.text import escape
from ops.web.route import (
    Answer,
    Events,
    Headers,
    Json,
    Page,
    Problem,
    Request,
    Route,
    encoded,
    find,
    query,
)
from ops.web.stream import Stream

MAX_BODY = 4 << 20
"""Bytes. The largest request is a batch of pushes typed in by hand, or a list of ids."""
MAX_CONNECTIONS = 128
"""At the same time: a browser opens six, a command one; at 64 KiB each they hold 8 MiB."""
IDLE = 60.0
"""Seconds without a request until a connection is closed."""
REQUEST_TIME = 20.0
"""Seconds within which a request has to arrive, its body included."""
READING_TIME = 60.0
"""Seconds within which the last answer on a connection has to be taken."""

LAST_WORDS = 1.0
"""Seconds that a client has to take what is written when the daemon stops."""


class Gate(Protocol):
    """Who may ask, what every answer carries, how a refusal looks."""

    def admit(self, request: Request) -> Answer | Request:
        """An answer instead of the route's, or the request, with `who` filled in. Raises
        Problem."""

    def headers(self, request: Request) -> Headers:
        """What every answer carries."""

    def explain(self, request: Request, problem: Problem) -> Answer | Awaitable[Answer]:
        """The answer that says why not."""


class Channel(http.HTTPChannel):
    """One connection."""

    factory: WebFactory
    maxHeaders = 64
    _deadline: Any = None

    def connectionMade(self) -> None:
        super().connectionMade()  # type: ignore[no-untyped-call]
        self.factory.channels.add(self)

    def dataReceived(self, data: bytes) -> None:
        # Twisted's own timer begins anew with every byte.
        if data and self._deadline is None and not self._handlingRequest:
            self._deadline = self._later(REQUEST_TIME)
        super().dataReceived(data)  # type: ignore[no-untyped-call]

    def allContentReceived(self) -> None:
        self._arrived()
        super().allContentReceived()  # type: ignore[no-untyped-call]

    def requestDone(self, request: Any) -> None:
        super().requestDone(request)  # type: ignore[no-untyped-call]
        if not self.persistent:
            self.drop()

    def drop(self, within: float = READING_TIME) -> None:
        """Close when what is written has been read, after `within` seconds at the latest."""
        self.persistent = 0
        self.loseConnection()  # type: ignore[no-untyped-call]
        if self in self.factory.channels:
            self._arrived()
            self._deadline = self._later(within)

    def abort(self) -> None:
        """Close now."""
        self._arrived()
        cast(Any, self.transport).abortConnection()

    def timeoutConnection(self) -> None:
        self.drop()

    def connectionLost(self, reason: Any = None) -> None:
        self._arrived()
        self.factory.left(self)
        super().connectionLost(reason)  # type: ignore[no-untyped-call]

    def _later(self, seconds: float) -> Any:
        return self.factory.reactor.callLater(seconds, self.abort)

    def _arrived(self) -> None:
        deadline, self._deadline = self._deadline, None
        if deadline is not None and deadline.active():
            deadline.cancel()


class Exchange(http.Request):
    """One request and its answer."""

    channel: Channel
    _refused = False
    _received = 0

    @property
    def _most(self) -> int:
        return self.channel.factory.max_body

    def gotLength(self, length: int | None) -> None:
        super().gotLength(  # type: ignore[no-untyped-call]
            0 if length is None else min(length, self._most)
        )
        if length is not None and length > self._most:
            self._refuse()

    def handleContentChunk(self, data: bytes) -> None:
        self._received += len(data)
        if self._received > self._most and not self._refused:
            self._refuse()
        if not self._refused:
            super().handleContentChunk(data)  # type: ignore[no-untyped-call]

    def _refuse(self) -> None:
        self._refused = True
        channel = self.channel
        cast(Any, channel.transport).write(
            b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        )
        channel.drop()

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """All of it is there. Twisted would take forms to pieces here, whoever asks for what."""
        cast(Any, self.content).seek(0)
        self.method, self.uri, self.clientproto = command, path, version
        self.process()

    def process(self) -> None:
        if self._refused:
            return
        done = Deferred.fromCoroutine(self._answer())
        done.addErrback(self._broke)

    def _broke(self, failure: Any) -> None:
        """Nothing can be said any more; that must not look like thinking."""
        _log.failure("An answer was cut off", failure=failure)
        if self.channel is not None and not self._disconnected:
            self.channel.abort()

    async def _answer(self) -> None:
        factory = self.channel.factory
        request = self._request()
        try:
            answer = await self._made(factory, request)
        except Problem as problem:
            answer = await _settled(factory.gate.explain(request, problem))
        except Exception:
            path = escape(request.target)
            _log.failure("{method} {path} failed", method=request.method, path=path)
            wrong = Problem(500, "that went wrong", "the daemon's log says why")
            answer = await _settled(factory.gate.explain(request, wrong))
        if self.channel is not None and not self._disconnected:
            self._respond(request, answer, factory)

    async def _made(self, factory: WebFactory, request: Request) -> Answer:
        admitted = factory.gate.admit(request)
        if not isinstance(admitted, Request):
            return admitted
        raw, _, parameters = self.uri.decode("latin-1").partition("?")
        route, names = find(factory.routes, request.method, raw)
        asked = _with(admitted, names, query(parameters))
        made = await _settled(route.handler(asked))
        if asked.method not in ("GET", "HEAD"):
            _log.info(
                "{who}: {method} {path}",
                who=asked.who,
                method=asked.method,
                path=escape(asked.target),
            )
        return made

    def _request(self) -> Request:
        headers = {
            name.decode("latin-1").lower(): values[-1].decode("latin-1")
            for name, values in self.requestHeaders.getAllRawHeaders()
        }
        assert self.content is not None  # noqa: S101 - it has been received
        raw = self.uri.decode("latin-1").partition("?")[0]
        return Request(
            method=self.method.decode("latin-1"),
            target=unquote(raw),
            body=self.content.read(),
            headers=headers,
            peer=getattr(self.channel.getPeer(), "host", ""),  # type: ignore[no-untyped-call]
            is_secure=bool(self.isSecure()),  # type: ignore[no-untyped-call]
            who=_user_of(self.channel.transport),
        )

    def _respond(self, request: Request, answer: Answer, factory: WebFactory) -> None:
        for name, value in factory.gate.headers(request):
            self.responseHeaders.setRawHeaders(name, [value])
        match answer:
            case Json(value=value, status=status):
                self._whole(status, "application/json", encoded(value))
            case Page(body=body, type=type, status=status, headers=headers):
                for name, value in headers:
                    self.responseHeaders.setRawHeaders(name, [value])
                self._whole(status, type, body)
            case Events(subscribe=subscribe, form=form):
                kind = "text/event-stream" if form == "sse" else "application/x-ndjson"
                self.responseHeaders.setRawHeaders("content-type", [kind])
                self.responseHeaders.setRawHeaders("cache-control", ["no-store"])
                if self.method == b"HEAD":
                    self.finish()  # type: ignore[no-untyped-call]
                    return
                Stream(self, form, factory.reactor.callLater).start(subscribe)

    def _whole(self, status: int, type: str, body: bytes) -> None:
        self.setResponseCode(status)
        if body:
            self.responseHeaders.setRawHeaders("content-type", [type])
        self.responseHeaders.setRawHeaders("content-length", [str(len(body))])
        self.write(body)  # type: ignore[no-untyped-call]
        self.finish()  # type: ignore[no-untyped-call]


class WebFactory(Factory):
    """Makes connections, as many as are allowed."""

    noisy = False

    def __init__(
        self, routes: Sequence[Route], gate: Gate, reactor: Any, *, max_body: int | None = None
    ) -> None:
        """`max_body` is in bytes; None: MAX_BODY."""
        self.max_body = MAX_BODY if max_body is None else max_body
        self.routes = routes
        self.gate = gate
        self.reactor = reactor
        self.channels: set[Channel] = set()
        self._emptied: Deferred[None] | None = None

    def buildProtocol(  # type: ignore[override]
        self, addr: IAddress | None
    ) -> Channel | None:
        if len(self.channels) >= MAX_CONNECTIONS:
            return None
        channel: Any = Channel()  # type: ignore[no-untyped-call]
        channel.factory = self
        channel.requestFactory = Exchange
        channel.callLater = self.reactor.callLater
        channel.timeOut = IDLE
        return cast(Channel, channel)

    def log(self, request: object) -> None:
        """Twisted calls it with every request that is done; what changed something is logged."""

    def left(self, channel: Channel) -> None:
        self.channels.discard(channel)
        if not self.channels and self._emptied is not None:
            emptied, self._emptied = self._emptied, None
            emptied.callback(None)

    def close(self) -> Deferred[None] | None:
        """Close every connection; who reads events hears of the end."""
        if not self.channels:
            return None
        self._emptied = Deferred()
        emptied = self._emptied
        for channel in tuple(self.channels):
            channel.drop(LAST_WORDS)
        return emptied


async def _settled(answer: Answer | Awaitable[Answer]) -> Answer:
    return answer if isinstance(answer, Answer) else await answer


def _with(request: Request, names: dict[str, str], parameters: dict[str, str]) -> Request:
    from dataclasses import replace

    return replace(request, path=names, query=parameters)


def _user_of(transport: Any) -> str:
    """Which user of this system asks by a UNIX socket; empty where it is none, or not told."""
    sock: Any = getattr(transport, "socket", None)
    option = getattr(socket, "SO_PEERCRED", None)  # Linux
    if option is None or getattr(sock, "family", None) != getattr(socket, "AF_UNIX", -1):
        return ""
    try:
        _, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, option, 12))
    except (OSError, struct.error):
        return ""
    import pwd

    try:
        return f"user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"user {uid}"


_log = Logger()
