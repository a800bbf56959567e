"""Our own API: JSON in, JSON out, and problems as RFC 9457 has them.

401 who?   403 not you   404 nothing there   405 not so   413 too much   415 not JSON
429 the queue is full    503 the disk is     both with Retry-After, and nothing was taken
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from pushd.api import openapi
from pushd.api.access import Denied
from pushd.api.desk import Desk
from pushd.api.exchange import JSON, Exchange, Response, Sink
from pushd.api.feed import Feed
from pushd.api.identity import Identity
from pushd.api.item import Health, InvalidTokens, Results, encoded
from pushd.api.problem import problem
from pushd.api.route import BadQuery, Found, arguments, find
from pushd.api.said import line_of, status_of, token_of
from pushd.api.submit import JsonSink, NdjsonSink
from pushd.outcome import Cancelled
from pushd.record import InvalidToken, Result

NDJSON_TYPES: Final = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl"})
CHALLENGE: Final = ("www-authenticate", 'Bearer realm="pushd"')
NO_STORE: Final = ("cache-control", "no-store")


class JsonFace:
    """Answers what is below `/v1/`."""

    def __init__(self, desk: Desk, *, version: str) -> None:
        """`version` is the daemon's."""
        self._desk = desk
        self._version = version

    def open(self, exchange: Exchange, identity: Identity | Denied) -> Sink | None:
        """Take a request."""
        request = exchange.request
        if isinstance(identity, Denied):
            exchange.respond(_denied(identity))
            return None
        found = find(request.method, request.path)
        if found is None:
            exchange.respond(problem(404, "NotFound", "there is nothing of that name"))
            return None
        if not isinstance(found, Found):
            allow = ("allow", ", ".join(found))
            exchange.respond(problem(405, "MethodNotAllowed", headers=(allow,)))
            return None
        scope = found.operation.scope
        if scope is not None and not identity.may(scope):
            detail = f"this client has not the scope {scope}"
            exchange.respond(problem(403, "Forbidden", detail))
            return None
        try:
            values = arguments(found.operation, request.query)
        except BadQuery as bad:
            response = problem(400, "BadRequest", bad.why, path=f"?{bad.name}")
            exchange.respond(response)
            return None
        return self._do(exchange, identity, found, values)

    def _do(
        self, exchange: Exchange, identity: Identity, found: Found, values: dict[str, int]
    ) -> Sink | None:
        match found.operation.name:
            case "submit":
                return self._submit(exchange, identity, values["wait"])
            case "status":
                return self._status(exchange, identity, found.id)
            case "cancel":
                return self._cancel(exchange, identity, found.id)
            case "results":
                return self._results(exchange, identity, values)
            case "invalid_tokens":
                return self._invalid_tokens(exchange, identity, values)
            case "health":
                waiting = self._desk.queue.depth
                health = Health(status="ok", version=self._version, waiting=waiting)
                exchange.respond(_said(encoded(health)))
            case "openapi":
                exchange.respond(
                    Response(status=200, headers=(JSON,), body=openapi.document(self._version))
                )
        return None

    def _submit(self, exchange: Exchange, identity: Identity, wait: int) -> Sink | None:
        headers = exchange.request.headers
        media = headers.get("content-type", "").partition(";")[0].strip().lower()
        coding = headers.get("content-encoding", "identity").lower()
        if coding != "identity":
            accept = ("accept-encoding", "identity")
            exchange.respond(problem(415, "Encoded", "do not compress", headers=(accept,)))
            return None
        said = headers.get("content-length", "")
        length = int(said) if said.isdecimal() and len(said) < 20 else 0
        limits = self._desk.limits
        wait = min(wait, int(limits.max_wait))
        sink: Sink
        if media in NDJSON_TYPES:
            most = limits.max_body
            sink = NdjsonSink(exchange, self._desk, identity, wait)
        elif media == "application/json":
            most = limits.max_array
            sink = JsonSink(exchange, self._desk, identity, wait)
        else:
            detail = "send application/json or application/x-ndjson"
            accept = ("accept-post", "application/json, application/x-ndjson")
            exchange.respond(problem(415, "MediaType", detail, headers=(accept,)))
            return None
        if length > most:
            exchange.respond(problem(413, "TooLarge", f"the body may have {most} bytes"))
            return None
        return sink

    def _status(self, exchange: Exchange, identity: Identity, id: str) -> Sink:
        async def find() -> Response:
            status = await self._desk.queue.find(id.lower())
            if status is None or not identity.sees(status.lane):
                return _unknown()
            return _said(encoded(status_of(status)))

        return Answered(exchange).by(Deferred.fromCoroutine(find()))

    def _cancel(self, exchange: Exchange, identity: Identity, id: str) -> Sink:
        async def cancel() -> Response:
            queue = self._desk.queue
            status = await queue.find(id.lower())
            if status is None or not identity.sees(status.lane):
                return _unknown()
            status = await queue.cancel(id.lower())
            if status is None:
                return _unknown()
            if isinstance(status.outcome, Cancelled):
                return _said(encoded(status_of(status)))
            state = status_of(status).state
            return problem(409, state.capitalize(), f"it cannot be taken back: it is {state}")

        return Answered(exchange).by(Deferred.fromCoroutine(cancel()))

    def _results(self, exchange: Exchange, identity: Identity, values: dict[str, int]) -> Sink:
        def render(lines: Sequence[Result], next: int, more: bool) -> bytes:
            page = Results(results=tuple(map(line_of, lines)), next=next, more=more)
            return encoded(page)

        feed = Feed(
            exchange,
            self._desk,
            read=self._desk.queue.results.after,
            shows=lambda line: identity.sees(line.status.lane),
            render=render,
            **values,
        )
        feed.begin()
        return feed

    def _invalid_tokens(
        self, exchange: Exchange, identity: Identity, values: dict[str, int]
    ) -> Sink:
        def render(lines: Sequence[InvalidToken], next: int, more: bool) -> bytes:
            page = InvalidTokens(tokens=tuple(map(token_of, lines)), next=next, more=more)
            return encoded(page)

        feed = Feed(
            exchange,
            self._desk,
            read=self._desk.queue.results.invalid_tokens,
            shows=lambda line: identity.sees_token(line.credential, line.topic),
            render=render,
            **values,
        )
        feed.begin()
        return feed


class Answered:
    """A request that is answered when something is known; a sink that expects no body."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def by(self, response: Deferred[Response]) -> Answered:
        """Answer with that."""
        response.addCallbacks(self._respond, self._failed)
        return self

    def received(self, data: bytes) -> None:
        """Nothing is expected."""

    def ended(self) -> None:
        """Nothing was."""

    def lost(self) -> None:
        """What is asked of the queue goes on; the exchange knows that nobody listens."""

    def _respond(self, response: Response) -> None:
        self._exchange.respond(response)

    def _failed(self, failure: Failure) -> None:
        _log.failure("api: a request failed", failure)
        detail = "it cannot be looked up at the moment"
        self._exchange.respond(problem(503, "Unreadable", detail, retry_after=5))


def _said(body: bytes) -> Response:
    return Response(status=200, headers=(JSON, NO_STORE), body=body)


def _unknown() -> Response:
    return problem(404, "UnknownPush", "no push has that id, or not any more")


def _denied(denied: Denied) -> Response:
    if denied.retry_after is not None:
        return problem(429, denied.reason, denied.detail, retry_after=denied.retry_after)
    return problem(401, "Unauthorized", denied.detail, headers=(CHALLENGE,))


_log = Logger()
