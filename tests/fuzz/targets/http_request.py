"""Whatever bytes a client sends, in whatever pieces, what comes back is well-formed responses that
hold nothing but bytes of published files, and what is kept of the client stays bounded."""

from __future__ import annotations

import atexit
import functools
import plistlib
import re
import tempfile
from pathlib import Path

from images.catalog import Root, scan_thd
from images.paths import OpenFile, open_file, resolve
from netbootd.http.conversation import Conversation
from netbootd.http.response import Response
from netbootd.http.site import Site
from netbootd.transfer import Transfer
from ops.counter import Counters

SECRET = b"never to be seen"
PUBLISHED = b"0123456789abcdefghijklmnopqrstuvwxyz"
READ = 16384
HEAD = re.compile(rb"HTTP/1\.1 [1-5]\d\d [ -~]+\r\n([A-Za-z-]+: [ -~]*\r\n)*\r\n")
LENGTH = re.compile(rb"\r\nContent-Length: (\d+)\r\n")


class Nobody:
    """An observer to whom nothing matters."""

    def started(self, transfer: Transfer) -> None: ...

    def progressed(self, transfer: Transfer) -> None: ...

    def finished(self, transfer: Transfer) -> None: ...

    def missing(self, service: str, peer: str, name: str, why: str) -> None:
        assert "\0" not in name


@functools.cache
def site() -> Site:
    """A share point with one bundle, and secrets beside and below it."""
    folder = tempfile.TemporaryDirectory(prefix="site-")
    atexit.register(folder.cleanup)
    root = Path(folder.name, "share")
    bundle = root / "A.nbi"
    info = {
        "Architectures": ["i386"],
        "BootFile": "booter",
        "Index": 7,
        "Name": "A",
        "RootPath": "NetInstall.dmg",
        "Type": "HTTP",
    }
    contents = {
        "NBImageInfo.plist": plistlib.dumps(info),
        "NetInstall.dmg": PUBLISHED,
        "i386/booter": PUBLISHED[:7],
        "i386/x86_64/kernelcache": PUBLISHED[:9],
        "../secret": SECRET,
        "../../secret": SECRET,
    }
    for relative, content in contents.items():
        path = bundle / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    snapshot = scan_thd([Root(root)])
    assert snapshot.bundles

    def published(name: bytes, *, peer: str, service: str) -> OpenFile:
        return open_file(resolve(snapshot, name))

    return Site.build(
        "http",
        open_file=published,
        observer=Nobody(),
        counters=Counters(),
        boundary=b"boundary",
        monotonic=lambda: 1.0,
        utc=lambda: 2e9,
    )


def target(data: bytes) -> None:
    whole = responses([data[at : at + READ] for at in range(0, len(data), READ)])
    middle = len(data) // 2
    halves = [data[:middle], data[middle:]]
    if len(data) <= READ:
        assert responses(halves) == whole


def responses(pieces: list[bytes]) -> list[bytes]:
    """The responses to `pieces`, each received on its own."""
    conversation = Conversation(site(), "10.0.0.9")
    wires = []
    for piece in pieces:
        conversation.received(piece)
        while (response := conversation.next_response()) is not None:
            wires.append(wire(response))
        assert not conversation.begun or len(conversation._buffer) <= 2 * READ
    conversation.close()
    assert len(site().files) == 0
    return wires


def wire(response: Response) -> bytes:
    """The bytes of one response, after a look at them."""
    size = response.file.size if response.file is not None else 0
    sent = b""
    while True:
        assert 0 <= response.position <= response.end <= size
        count = response.end - response.position
        sent += response.head
        if response.file is not None:
            with open(response.file.fd, "rb", closefd=False) as file:
                file.seek(response.position)
                sent += file.read(count)
        if not response.later:
            break
        response.next_segment()
    head = HEAD.match(sent)
    assert head is not None, sent[:200]
    content = sent[head.end() :]
    length = LENGTH.search(head[0])
    if length is None:
        assert response.status == 304
    assert not content or (length is not None and len(content) == int(length[1]))
    assert SECRET not in sent
    return sent
