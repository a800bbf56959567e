"""Read a root disk image over HTTP as a booted kernel does: many byte ranges, in any order.

What Apple's kernel sends exactly is not published. What is known: it tries to connect five times,
and it reads a multi-gigabyte image at random, which needs ranges. So does this reader: the length
first, then the trailer, then every block in shuffled order over one kept-alive connection.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.error import ConnectError, ConnectionClosed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.web.client import (
    Agent,
    HTTPConnectionPool,
    RequestTransmissionFailed,
    ResponseDone,
    ResponseFailed,
)
from twisted.web.error import Error, SchemeNotSupported
from twisted.web.http_headers import Headers
from twisted.web.iweb import IResponse

from netbootd.simulate.watch import BootFailed, BootWatcher
from ops.amount import size_text

STAGE = "root image"
CONNECT_ATTEMPTS = 5
"""`KDIHTTPBackingStore::_connectToServer connect() attempt 1..5` in a kernel's panic log."""
CONNECT_PAUSE = 1.0
"""Seconds between two attempts (guess)."""
PATIENCE = 30.0
"""Seconds for the head of an answer, and again for its body (guess)."""
BLOCK = 1 << 20
"""Bytes in one range."""
MAX_SIZE = 1 << 40
"""Bytes of an image that we believe in: 1 TiB, a million blocks."""
TRAILER = 512
"""Bytes at the end of a disk image that say what it is; a kernel reads them first."""
FAULTS = (
    ConnectError,
    ConnectionClosed,
    RequestTransmissionFailed,
    ResponseFailed,
    TimeoutError,
    Error,
    SchemeNotSupported,
    ValueError,  # no URL
    OSError,  # no such host, or our own disk
)
"""What a server, or the URL that it told us, may do to us."""
CONTENT_RANGE = re.compile(rb"bytes (\d+)-(\d+)/(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class RootImageRead:
    """What was read."""

    size: int
    requests: int


class RootImageReader:
    """Reads one image from one server. `random` shuffles the blocks; seed it to repeat a run."""

    def __init__(self, reactor: Any, random: Random) -> None:
        """`reactor` gives TCP and time."""
        self._reactor: IReactorTime = reactor
        self._random = random
        self._pool = HTTPConnectionPool(  # type: ignore[no-untyped-call]
            reactor, persistent=True
        )
        self._agent = Agent(  # type: ignore[no-untyped-call]
            reactor, connectTimeout=5, pool=self._pool
        )
        self._requests = 0

    async def read(self, url: str, into: Path, watcher: BootWatcher) -> RootImageRead:
        """Write the image at `url` to the file `into`. Raises BootFailed."""
        watcher.began(STAGE, f"GET {url}")
        try:
            size = await self._length(url)
            await self._blocks(url, size, into, watcher)
        except FAULTS as error:
            raise BootFailed(STAGE, f"{url}: {_reason(error)}") from None
        finally:
            await self._pool.closeCachedConnections()  # type: ignore[no-untyped-call]
        watcher.ended(f"{size_text(size)} by HTTP, in {self._requests} requests")
        return RootImageRead(size=size, requests=self._requests)

    async def _length(self, url: str) -> int:
        response = await self._connect(url)
        if response.code != 200:
            raise BootFailed(STAGE, f"HEAD {url} was answered {response.code}")
        if response.headers.getRawHeaders("Accept-Ranges") != ["bytes"]:
            raise BootFailed(STAGE, f"{url} does not offer byte ranges")
        told = response.headers.getRawHeaders("Content-Length") or [""]
        if not told[0].isdecimal():
            raise BootFailed(STAGE, f"HEAD {url} does not tell the length")
        size = int(told[0])
        if not 0 < size <= MAX_SIZE:
            raise BootFailed(STAGE, f"HEAD {url} tells a length of {size} bytes")
        return size

    async def _connect(self, url: str) -> IResponse:
        for attempt in range(1, CONNECT_ATTEMPTS + 1):
            try:
                return await self._request(b"HEAD", url)
            except ConnectError as error:
                if attempt == CONNECT_ATTEMPTS:
                    why = f"{url}: no connection in {attempt} attempts ({error})"
                    raise BootFailed(STAGE, why) from None
                await deferLater(self._reactor, CONNECT_PAUSE)
        raise AssertionError("unreachable")

    async def _request(self, method: bytes, url: str, **headers: str) -> IResponse:
        self._requests += 1
        fields = Headers({"User-Agent": ["netbootd-simulated-mac"]})
        for name, value in headers.items():
            fields.addRawHeader(name, value)
        asking = self._agent.request(method, url.encode("ascii"), fields)
        response: IResponse = await asking.addTimeout(PATIENCE, self._reactor)
        if method == b"HEAD":
            await self._body(response, 0)
        return response

    async def _body(self, response: IResponse, size: int) -> bytes:
        """Its `size` bytes; whatever comes beyond them cuts it off."""
        body = _Body(size)
        response.deliverBody(body)  # type: ignore[no-untyped-call]
        return await body.ended.addTimeout(PATIENCE, self._reactor)

    async def _cut_off(self, response: IResponse) -> None:
        """Take nothing of a body that may be the whole image."""
        body = _Body(0)
        response.deliverBody(body)  # type: ignore[no-untyped-call]
        body.close()
        with suppress(*FAULTS):
            await body.ended

    async def _blocks(self, url: str, size: int, into: Path, watcher: BootWatcher) -> None:
        starts = list(range(0, size, BLOCK))
        self._random.shuffle(starts)
        ranges = [(max(size - TRAILER, 0), size)]
        ranges += [(start, min(start + BLOCK, size)) for start in starts]
        done = 0
        with into.open("wb") as file:
            file.truncate(size)
            for start, end in ranges:
                data = await self._range(url, start, end, size)
                file.seek(start)
                file.write(data)
                done += len(data)
                watcher.progressed(min(done, size), size)

    async def _range(self, url: str, start: int, end: int, size: int) -> bytes:
        wanted = f"bytes={start}-{end - 1}"
        response = await self._request(b"GET", url, Range=wanted)
        told = response.headers.getRawHeaders(b"Content-Range") or [b""]
        match = CONTENT_RANGE.fullmatch(told[0])
        expected = (start, end - 1, size)
        if response.code != 206 or not match or tuple(map(int, match.groups())) != expected:
            await self._cut_off(response)
            said = f"{response.code} {told[0].decode('ascii', 'backslashreplace')}".rstrip()
            raise BootFailed(STAGE, f"{wanted} was answered {said}")
        if response.length != end - start:
            await self._cut_off(response)
            raise BootFailed(STAGE, f"{wanted} brings {response.length} bytes")
        return await self._body(response, end - start)


class _Body(Protocol):
    """Collects a body of up to `limit` bytes. (Twisted's readBody has no limit, and its cancel no
    effect.)"""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._data = bytearray()
        self.ended: Deferred[bytes] = Deferred(lambda _: self.close())

    def close(self) -> None:
        if self.transport is not None:
            self.transport.loseConnection()

    def dataReceived(self, data: bytes) -> None:
        self._data += data
        if len(self._data) > self._limit:
            self.close()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.ended.called:
            return
        if isinstance(reason.value, ResponseDone):
            self.ended.callback(bytes(self._data))
        else:
            self.ended.errback(reason)


def _reason(error: Exception) -> str:
    """In words; Twisted wraps what went wrong once or twice."""
    while isinstance(error, RequestTransmissionFailed | ResponseFailed) and error.reasons:
        error = error.reasons[0].value
    if isinstance(error, CancelledError | TimeoutError):
        return f"no answer in {PATIENCE:g} s"
    return str(error) or type(error).__name__
