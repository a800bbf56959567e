"""Serves a folder of bundles over HTTP in a process of its own, whose memory can be looked at.

    python -m tests.netbootd.http.process FOLDER

Prints its port once it listens, and stops on SIGTERM.
"""

from __future__ import annotations

import sys
from pathlib import Path

from twisted.internet import reactor

from images.catalog import Root, scan_thd
from images.paths import OpenFile, open_file, resolve
from netbootd.http.limit import Admission
from netbootd.http.service import HttpService
from netbootd.http.site import Site
from netbootd.transfer import Transfer
from ops.counter import Counters


class Nobody:
    """An observer to whom nothing matters."""

    def started(self, transfer: Transfer) -> None: ...

    def progressed(self, transfer: Transfer) -> None: ...

    def finished(self, transfer: Transfer) -> None: ...

    def missing(self, service: str, peer: str, name: str, why: str) -> None: ...


def main() -> None:
    folder = Path(sys.argv[1]).resolve()
    snapshot = scan_thd([Root(path=folder, share="NetBootSP0")])

    def published(name: bytes, *, peer: str, service: str) -> OpenFile:
        return open_file(resolve(snapshot, name))

    site = Site.build(
        "http",
        open_file=published,
        observer=Nobody(),
        counters=Counters(),
        boundary=b"boundary",
        admission=Admission(per_peer=1000),
    )
    service = HttpService(reactor, reactor, site, addresses=["127.0.0.1"], port=0)
    service.startService()
    print(service.bound[0][1], flush=True)
    reactor.run()


if __name__ == "__main__":
    main()
