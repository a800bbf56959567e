"""Fetch one file by HTTP, as firmware and iPXE do: one GET."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.error import ConnectError, ConnectionClosed
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import (
    Agent,
    RequestTransmissionFailed,
    ResponseDone,
    ResponseFailed,
    ResponseNeverReceived,
)
from twisted.web.error import Error, SchemeNotSupported
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH

PATIENCE = 30.0
"""Seconds for the head of an answer, and for each further piece."""
FAULTS = (
    ConnectError,
    ConnectionClosed,
    RequestTransmissionFailed,
    ResponseFailed,
    ResponseNeverReceived,
    DeferredTimeout,
    CancelledError,
    Error,
    SchemeNotSupported,
    ValueError,  # no URL
    OSError,
)


class HttpFailed(Exception):
    """The file did not come."""


class _Body(Protocol):
    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take
        self.ended: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self._take(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if isinstance(reason.value, (ResponseDone, PotentialDataLoss)):
            self.ended.callback(None)
        else:
            self.ended.errback(reason)


async def get(
    reactor: Any,
    url: str,
    *,
    take: Callable[[bytes], None],
    sized: Callable[[int], None] = lambda size: None,
    agent: bytes = b"iPXE/1.21.1",
) -> int:
    """Give the bytes at `url` to `take`; how many. Raises HttpFailed."""
    got = 0

    def count(data: bytes) -> None:
        nonlocal got
        got += len(data)
        take(data)

    client = Agent(reactor, connectTimeout=5)  # type: ignore[no-untyped-call]
    try:
        headers = Headers({b"User-Agent": [agent]})
        asking = client.request(b"GET", url.encode("ascii"), headers, None)
        response = await asking.addTimeout(PATIENCE, reactor)
        if response.code != 200:
            raise HttpFailed(f"HTTP {response.code} {response.phrase.decode('latin-1')}")
        if response.length is not UNKNOWN_LENGTH:
            sized(response.length)
        body = _Body(count)
        response.deliverBody(body)  # type: ignore[no-untyped-call]
        await body.ended
    except FAULTS as error:
        raise HttpFailed(_reason(error)) from None
    if response.length is not UNKNOWN_LENGTH and got != response.length:
        raise HttpFailed(f"{got} bytes came, {response.length} were promised")
    return got


def _reason(error: BaseException) -> str:
    reasons = getattr(error, "reasons", None)
    if reasons:
        return str(reasons[0].value) or type(reasons[0].value).__name__
    return str(error) or type(error).__name__
