"""Read a root disk image over HTTP as a booted kernel does: many byte ranges, in any order.

What Apple's kernel sends exactly is not published. What is known: it tries to connect five times,
and it reads a multi-gigabyte image at random, which needs ranges. So does this reader: the length
first, then the trailer, then every block in shuffled order over one kept-alive connection.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.web.client import Agent, HTTPConnectionPool, ResponseFailed, readBody
from twisted.web.http_headers import Headers
from twisted.web.iweb import IResponse

from netbootd.simulate.watch import BootFailed, BootWatcher, size_text

STAGE = "root image"
CONNECT_ATTEMPTS = 5
"""`KDIHTTPBackingStore::_connectToServer connect() attempt 1..5` in a kernel's panic log."""
CONNECT_PAUSE = 1.0
"""Seconds between two attempts (guess)."""
BLOCK = 1 << 20
"""Bytes in one range."""
TRAILER = 512
"""Bytes at the end of a disk image that say what it is; a kernel reads them first."""
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
        return int(told[0])

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
        response: IResponse = await self._agent.request(method, url.encode("ascii"), fields)
        if method == b"HEAD":
            await readBody(response)
        return response

    async def _blocks(self, url: str, size: int, into: Path, watcher: BootWatcher) -> None:
        starts = list(range(0, size, BLOCK))
        self._random.shuffle(starts)
        ranges = [(max(size - TRAILER, 0), size)]
        ranges += [(start, min(start + BLOCK, size)) for start in starts]
        done = 0
        with into.open("wb") as file:
            file.truncate(size)
            for start, end in ranges if size else []:
                data = await self._range(url, start, end, size)
                file.seek(start)
                file.write(data)
                done += len(data)
                watcher.progressed(min(done, size), size)

    async def _range(self, url: str, start: int, end: int, size: int) -> bytes:
        wanted = f"bytes={start}-{end - 1}"
        try:
            response = await self._request(b"GET", url, Range=wanted)
            body = bytes(await readBody(response))
        except (ConnectError, ResponseFailed) as error:
            raise BootFailed(STAGE, f"{wanted} of {url}: {error}") from None
        told = response.headers.getRawHeaders(b"Content-Range") or [b""]
        match = CONTENT_RANGE.fullmatch(told[0])
        expected = (start, end - 1, size)
        if response.code != 206 or not match or tuple(map(int, match.groups())) != expected:
            raise BootFailed(STAGE, f"{wanted} was answered {response.code} {told[0]!r}")
        if len(body) != end - start:
            raise BootFailed(STAGE, f"{wanted} brought {len(body)} bytes")
        return body
