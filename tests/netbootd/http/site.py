"""A site for the tests: a real bundle on disk, real open files, an observer that remembers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from images.catalog import Root, scan_thd
from images.paths import OpenFile, open_file, resolve
from netbootd.http.limit import Admission, Limits
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
