"""A site for the tests: a real bundle on disk, real open files, an observer that remembers."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import HTTP
from http.client import HTTPResponse
from pathlib import Path

from images.catalog import Root, scan_thd
from images.paths import OpenFile, open_file, resolve
from netbootd.http.conversation import Conversation
from netbootd.http.limit import Admission, Limits
from netbootd.http.response import Response
from netbootd.http.site import Site
from netbootd.transfer import Transfer
from ops.counter import Counters
from tests.images.folder import make_folder

BOUNDARY = b"f00dface"
FOLDER = b"/NetBoot/NetBootSP0/A.nbi/"
IMAGE = FOLDER + b"NetInstall.dmg"
NOON = 784111777.0
"""Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110."""


@dataclass(slots=True)
class Observer:
    """Remembers what it is told."""

    begun: list[Transfer] = field(default_factory=list)
    progress: list[tuple[str, int]] = field(default_factory=list)
    ended: list[Transfer] = field(default_factory=list)
    absent: list[tuple[str, str, str]] = field(default_factory=list)

    def started(self, transfer: Transfer) -> None:
        self.begun.append(transfer)

    def progressed(self, transfer: Transfer) -> None:
        self.progress.append((transfer.name, transfer.sent))

    def finished(self, transfer: Transfer) -> None:
        assert transfer.outcome is not None
        self.ended.append(transfer)

    def missing(self, service: str, peer: str, name: str, why: str) -> None:
        self.absent.append((service, peer, name))


class Place:
    """A folder with the bundle `A.nbi`, published; the site that serves it, and its clocks."""

    def __init__(
        self,
        folder: Path,
        *,
        files: Mapping[str, bytes] | None = None,
        service: str = "http",
        limits: Limits | None = None,
        admission: Admission | None = None,
    ) -> None:
        self.bundle = make_folder(folder, files=files)
        self.monotonic = 1000.0
        self.utc = NOON
        self.opened: list[tuple[bytes, str, str]] = []
        self.observer = Observer()
        self.counters = Counters()
        self.admission = admission or Admission()
        self._snapshot = scan_thd([Root(path=folder)])
        assert not self._snapshot.errors
        self.site = Site.build(
            service,
            open_file=self._open,
            observer=self.observer,
            counters=self.counters,
            boundary=BOUNDARY,
            limits=limits,
            admission=self.admission,
            monotonic=lambda: self.monotonic,
            utc=lambda: self.utc,
        )

    def _open(self, name: bytes, *, peer: str, service: str) -> OpenFile:
        self.opened.append((name, peer, service))
        return open_file(resolve(self._snapshot, name))

    def later(self, seconds: float) -> None:
        """Time goes by."""
        self.monotonic += seconds
        self.utc += seconds

    def counted(self, thing: str) -> int:
        """The value of `netbootd_http_<thing>_total`."""
        return self.counters.snapshot()[f"netbootd_http_{thing}_total"]


def rendered(responses: Iterable[Response]) -> bytes:
    """What a shell puts on the wire for `responses`."""
    wire = b""
    for response in responses:
        while True:
            count = response.end - response.position
            wire += response.head
            if count:
                wire += os.pread(response.file_fd, count, response.position)
            if not response.later:
                break
            response.next_segment()
    return wire


def told(conversation: Conversation, data: bytes) -> bytes:
    """What comes back for `data`, all of it received at once."""
    conversation.received(data)
    return rendered(iter(conversation.next_response, None))


class Answer:
    """The first response in `wire`, read by the standard library's client."""

    def __init__(self, wire: bytes, method: str = "GET") -> None:
        _head, separator, self.rest = wire.partition(b"\r\n\r\n")
        assert separator, wire
        response = HTTPResponse(_Wire(wire), method=method)  # type: ignore[arg-type]
        response.begin()
        self.status = response.status
        self.fields = response.msg
        self.body = response.read()
        assert self.rest.startswith(self.body)
        self.rest = self.rest[len(self.body) :]

    @property
    def parts(self) -> list[tuple[str, bytes]]:
        """Content-Range and content of each part of a multipart response."""
        head = b"Content-Type: %b\r\n\r\n" % self.fields["Content-Type"].encode()
        message = message_from_bytes(head + self.body, policy=HTTP)
        return [
            (part["Content-Range"], part.get_payload(decode=True)) for part in message.iter_parts()
        ]


def answers(wire: bytes) -> list[Answer]:
    """All the responses in `wire`, none of them to HEAD."""
    found = []
    while wire:
        found.append(Answer(wire))
        wire = found[-1].rest
    return found


class _Wire(io.BytesIO):
    """What HTTPResponse takes for a socket."""

    def makefile(self, mode: str) -> io.BytesIO:
        return self
