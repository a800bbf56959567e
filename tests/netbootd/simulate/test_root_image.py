"""Reading a root image over HTTP: whole from a good server, and why not from a bad one."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import TestCase
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from netbootd.simulate import root_image
from netbootd.simulate.root_image import BLOCK, RootImageRead, RootImageReader
from netbootd.simulate.watch import BootFailed
from tests.netbootd.daemon import free_port
from tests.netbootd.temporary import folder

SIZE = 2 * BLOCK + 12_345
CONTENT = Random(5).randbytes(SIZE)


class Shown:
    """A watcher that remembers."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.progress: list[tuple[int, int]] = []

    def began(self, stage: str, doing: str) -> None:
        self.stages.append(f"{stage}: {doing}")

    def progressed(self, done: int, total: int) -> None:
        self.progress.append((done, total))

    def ended(self, result: str) -> None:
        self.stages.append(result)


class Scripted(Resource):
    """Answers HEAD well, and GET as the test wants."""

    isLeaf = True

    def __init__(
        self, get: Callable[[Request], bytes | int], status: int = 200, size: int = SIZE
    ) -> None:
        super().__init__()
        self._status = status
        self._get = get
        self._size = size

    def render_HEAD(self, request: Request) -> bytes:
        request.setResponseCode(self._status)
        request.setHeader("Accept-Ranges", "bytes")
        request.setHeader("Content-Length", str(self._size))
        return b""

    def render_GET(self, request: Request) -> bytes | int:
        return self._get(request)


def ranged(request: Request, *, shift: int = 0, told: int = SIZE, short: int = 0) -> bytes:
    """What was asked for, or something near it."""
    asked = (request.getHeader("Range") or "").removeprefix("bytes=")
    start, end = (int(number) + shift for number in asked.split("-"))
    request.setResponseCode(206)
    request.setHeader("Content-Range", f"bytes {start}-{end}/{told}")
    return CONTENT[start : end + 1 - short]


class ReaderTests(TestCase):
    def setUp(self) -> None:
        from twisted.internet import reactor

        self.reactor: Any = reactor
        self.patch(root_image, "CONNECT_PAUSE", 0.0)
        self.folder = folder(self)
        self.watcher = Shown()

    def serve(self, resource: Resource | Factory) -> str:
        """The URL of an image on a server of that kind."""
        factory = Site(resource) if isinstance(resource, Resource) else resource
        port = self.reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        return f"http://127.0.0.1:{port.getHost().port}/a.dmg"

    async def read(self, url: str, into: Path | None = None) -> RootImageRead:
        reader = RootImageReader(self.reactor, Random(3))
        return await reader.read(url, into or self.folder / "root.dmg", self.watcher)

    async def failure(self, url: str, into: Path | None = None) -> str:
        try:
            await self.read(url, into)
        except BootFailed as error:
            self.assertEqual(error.stage, "root image")
            return error.why.replace(url, "URL")
        self.fail("the image was read")


class GoodServerTests(ReaderTests):
    async def test_every_byte_arrives(self) -> None:
        """The trailer first, then all blocks in any order, over one connection."""
        connections: list[object] = []
        site = Site(Scripted(ranged))
        built = site.buildProtocol
        site.buildProtocol = lambda addr: (connections.append(addr), built(addr))[1]  # type: ignore[method-assign, func-returns-value]

        read = await self.read(self.serve(site))

        self.assertEqual((self.folder / "root.dmg").read_bytes(), CONTENT)
        self.assertEqual((read.size, read.requests), (SIZE, 5))
        self.assertEqual(len(connections), 1)
        self.assertEqual(self.watcher.stages[-1], "2.0 MiB by HTTP, in 5 requests")
        self.assertEqual(self.watcher.progress[-1], (SIZE, SIZE))
        self.assertTrue(all(done <= total for done, total in self.watcher.progress))

    async def test_an_image_smaller_than_a_trailer(self) -> None:
        """A file of a few bytes is read, too; whether it is an image is decided elsewhere."""
        await self.read(self.serve(Scripted(lambda request: ranged(request, told=4), size=4)))

        self.assertEqual((self.folder / "root.dmg").read_bytes(), CONTENT[:4])


class BadServerTests(ReaderTests):
    async def test_nobody_listens(self) -> None:
        """Five attempts, as a kernel makes them."""
        port = free_port(socket.SOCK_STREAM)

        why = await self.failure(f"http://127.0.0.1:{port}/a.dmg")

        self.assertRegex(why, r"^URL: no connection in 5 attempts \(.*Connection refused.*\)$")

    async def test_the_image_is_not_there(self) -> None:
        """The status is told."""
        self.assertEqual(
            await self.failure(self.serve(Scripted(ranged, 404))), "HEAD URL was answered 404"
        )

    async def test_no_ranges_are_offered(self) -> None:
        """A kernel cannot read an image without them."""
        resource = Resource()
        resource.render_HEAD = lambda request: b""  # type: ignore[attr-defined]
        resource.isLeaf = True

        self.assertEqual(await self.failure(self.serve(resource)), "URL does not offer byte ranges")

    async def test_a_length_that_cannot_be(self) -> None:
        """No length, none of an image, or one that no disk holds: told, and nothing is written."""
        for length, why in (
            ("", "HEAD URL does not tell the length"),
            ("0", "HEAD URL tells a length of 0 bytes"),
            ("9" * 30, f"HEAD URL tells a length of {'9' * 30} bytes"),
        ):
            told = f"Content-Length: {length}\r\n" if length else ""
            head = f"HTTP/1.1 200 OK\r\nAccept-Ranges: bytes\r\n{told}Connection: close\r\n\r\n"

            url = self.serve(Factory.forProtocol(lambda head=head: Canned(head.encode())))

            self.assertEqual(await self.failure(url), why)
        self.assertEqual(list(self.folder.iterdir()), [])

    async def test_ranges_are_promised_and_ignored(self) -> None:
        """A server that sends the whole image each time is cut off, not read to the end."""
        cut_off: Deferred[None] = Deferred()

        def whole(request: Request) -> int:
            request.setHeader("Content-Length", str(1 << 40))
            request.notifyFinish().addErrback(lambda _: cut_off.callback(None))
            request.write(bytes(64 << 10))
            return NOT_DONE_YET

        why = await self.failure(self.serve(Scripted(whole)))

        self.assertEqual(why, f"bytes={SIZE - 512}-{SIZE - 1} was answered 200")
        await cut_off

    async def test_another_range_than_was_asked_for(self) -> None:
        """Bytes from the wrong place are not taken."""
        for resource in (
            Scripted(lambda request: ranged(request, shift=-1)),
            Scripted(lambda request: ranged(request, told=SIZE + 1)),
        ):
            why = await self.failure(self.serve(resource))

            self.assertRegex(why, r"^bytes=\d+-\d+ was answered 206 bytes \d+-\d+/\d+$")

    async def test_fewer_bytes_than_were_promised(self) -> None:
        """A body shorter than its range is not taken."""
        why = await self.failure(self.serve(Scripted(lambda request: ranged(request, short=5))))

        self.assertEqual(why, f"bytes={SIZE - 512}-{SIZE - 1} brings 507 bytes")

    async def test_the_server_dies_in_the_middle(self) -> None:
        """A connection that ends in a body is told as such."""

        def dies(request: Request) -> int:
            body = ranged(request)
            request.setHeader("Content-Length", str(len(body)))
            request.write(body[:100])
            request.loseConnection()
            return NOT_DONE_YET

        why = await self.failure(self.serve(Scripted(dies)))

        self.assertRegex(why, r"^URL: .*(closed|lost|body).*$")

    async def test_the_server_says_nothing(self) -> None:
        """A server that accepts and is silent does not keep us for ever."""
        self.patch(root_image, "PATIENCE", 0.05)

        why = await self.failure(self.serve(Factory.forProtocol(lambda: Canned(b""))))

        self.assertEqual(why, "URL: no answer in 0.05 s")

    async def test_the_server_speaks_something_else(self) -> None:
        """What is no HTTP is told as such."""
        why = await self.failure(
            self.serve(Factory.forProtocol(lambda: Canned(b"220 ftp\r\n\r\n")))
        )

        self.assertTrue(why.startswith("URL: "), why)

    async def test_a_root_path_that_is_no_url(self) -> None:
        """Whatever a server puts into the root path, it ends in a line, not in a traceback."""
        for url in (
            "http://127.0.0.1:x/a.dmg",
            "http://127.0.0.1/\xfc.dmg",
            "http://127.0.0.1/a b\r\n.dmg",
            "http://127.0.0.1:99999/a.dmg",
            "http:///a.dmg",
            "http://",
        ):
            self.assertTrue((await self.failure(url)), url)

    async def test_our_own_disk(self) -> None:
        """A file that cannot be written is told with the system's reason."""
        url = self.serve(Scripted(ranged))

        why = await self.failure(url, self.folder / "none" / "root.dmg")

        self.assertRegex(why, r"^URL: .*No such file or directory.*$")


class Canned(Protocol):
    """Gives one answer to whatever comes, and keeps the connection."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(self._answer)
