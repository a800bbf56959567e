"""The API in a process of its own, before a queue in memory, for clients that are programs.

    python -m tests.pushd.api.process FOLDER [SETTING=VALUE …]

FOLDER has `certificate.pem` and `key.pem`, and perhaps `authority.pem` and `clients.toml`. Prints
its port once it listens, and stops on SIGTERM. With `settle=1` each push is accepted at once; but
what is sent to devices that begin with `dead` is answered 410.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from twisted.internet import reactor

from ops.counter import Counters
from pushd.api.access import ClientsFile, load_clients
from pushd.api.service import ApiService
from pushd.api.settings import ApiSettings
from pushd.api.tls import load_tls
from pushd.job import Job
from pushd.outcome import Accepted, Rejected
from pushd.receipt import Receipt
from tests.pushd.api.fake_queue import FakeQueue


class Everything:
    """Credentials: one for every topic but `com.example.none`, two for `com.example.two`."""

    def names_for(self, topic: str) -> Sequence[str]:
        if topic == "com.example.none":
            return ()
        return ("first", "second") if topic == "com.example.two" else ("first",)


class SettlingQueue(FakeQueue):
    """Has Apple answer at once."""

    def submit(self, jobs: Sequence[Job], done: Callable[[Sequence[Receipt]], object]) -> None:
        def committed(receipts: Sequence[Receipt]) -> None:
            done(receipts)
            for job in jobs:
                if job.order_key.startswith("dead"):
                    gone = Rejected(
                        status=410, reason="Unregistered", invalid_since=1_600_000_000_000
                    )
                    self.settle(job.id, gone)
                else:
                    self.settle(job.id, Accepted(apns_id=job.id))

        super().submit(jobs, committed)


def main() -> None:
    folder = Path(sys.argv[1])
    given = dict(argument.split("=", 1) for argument in sys.argv[2:])
    clients = folder / "clients.toml"
    authority = folder / "authority.pem"
    settings = ApiSettings(
        port=0,
        certificate=folder / "certificate.pem",
        key=folder / "key.pem",
        clients=clients if clients.exists() else None,
        client_authority=authority if authority.exists() and clients.exists() else None,
        anonymous=not clients.exists(),
    )
    the_reactor: Any = reactor
    queue = (SettlingQueue if given.get("settle") else FakeQueue)(the_reactor)
    service = ApiService(
        the_reactor,
        settings,
        tls=load_tls(settings),
        clients=load_clients(settings.clients) if settings.clients else ClientsFile(),
        queue=queue,
        credentials=Everything(),
        counters=Counters(),
        version="0.1.0",
        unix=time.time,
        monotonic=time.monotonic,
    )
    service.startService()
    the_reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    the_reactor.callWhenRunning(lambda: print(service.bound[0][1], flush=True))
    the_reactor.run()


if __name__ == "__main__":
    main()
