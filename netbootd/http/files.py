"""Open files and what is the same in every answer about them.

A connection leases a file for as long as it keeps asking for it, and connections that ask for the
same version of the same file share one descriptor. After `FRESH` seconds the name is opened anew: a
file that was replaced gives a new `PublishedFile`, while answers on their way keep the old one,
whose descriptor is closed when the last lease ends. So no answer mixes two versions by replacement;
`PublishedFile.changed` tells when a file is written to in place.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Protocol

from images.paths import OpenFile
from netbootd.http.media import media_type
from netbootd.http.precondition import http_date

FRESH = 1.0
"""Seconds for which a lease answers for its name. Opening costs about 40 us, so 300 machines that
read at the same time cost 1.2 % of a core."""


class Opener(Protocol):
    """How a name becomes an open file: the daemon's `Booter`, which asks `images.paths`."""

    def __call__(self, name: bytes, *, peer: str, service: str) -> OpenFile:
        """Raises `images.paths.PathRefused`."""


class PublishedFile:
    """One version of a published file, open, with the header lines that describe it."""

    __slots__ = (
        "_opened",
        "described",
        "fd",
        "identity",
        "media",
        "modified",
        "name",
        "part_head",
        "part_of",
        "role",
        "size",
        "tag",
        "users",
        "validators",
    )

    def __init__(self, opened: OpenFile, identity: tuple[str, int, int, int], now: float) -> None:
        """`now` is POSIX seconds."""
        self._opened = opened
        self.identity = identity
        self.users = 0
        self.fd = opened.fd
        self.size = opened.size
        self.name = opened.name
        self.role = opened.role.value
        self.media = media_type(opened.name, is_efi=opened.is_efi)
        self.modified = opened.mtime_ns // 1_000_000_000
        self.tag = b'"%x-%x-%x"' % (opened.inode, opened.size, opened.mtime_ns)
        self.validators = b"ETag: " + self.tag + b"\r\n"
        # RFC 9110, 8.8.2.1: no Last-Modified that is later than Date.
        if self.modified <= now:
            self.validators += b"Last-Modified: " + http_date(self.modified) + b"\r\n"
        self.described = b"Content-Type: %b\r\nAccept-Ranges: bytes\r\n%b" % (
            self.media,
            self.validators,
        )
        self.part_head = self.part_of = b""
        """Where the head of a 206 begins, as the responder made it for what it was made of."""

    def changed(self) -> bool:
        """Whether the open file itself has been written to since it was opened."""
        status = os.fstat(self.fd)
        return (status.st_size, status.st_mtime_ns) != (self._opened.size, self._opened.mtime_ns)

    def close(self) -> None:
        self._opened.close()


class Files:
    """The files that are leased, one descriptor for each version of each."""

    def __init__(self, open_file: Opener, service: str, utc: Callable[[], float]) -> None:
        self._open_file = open_file
        self._service = service
        self._utc = utc
        self._leased: dict[tuple[str, int, int, int], PublishedFile] = {}

    def lease(self, name: bytes, peer: str) -> PublishedFile:
        """The file that `peer` gets for `name`, as it is now; to be given back by `release`.

        Raises `images.paths.PathRefused`.
        """
        opened = self._open_file(name, peer=peer, service=self._service)
        identity = (opened.name, opened.inode, opened.size, opened.mtime_ns)
        file = self._leased.get(identity)
        if file is None:
            file = self._leased[identity] = PublishedFile(opened, identity, self._utc())
        else:
            opened.close()
        file.users += 1
        return file

    def release(self, file: PublishedFile) -> None:
        """End a lease; the last one closes the file."""
        file.users -= 1
        if not file.users:
            del self._leased[file.identity]
            file.close()

    def __len__(self) -> int:
        """Open descriptors."""
        return len(self._leased)
