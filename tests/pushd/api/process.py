"""The API and the queue in a process of their own, for clients that are programs.

    python -m tests.pushd.api.process FOLDER [PORT] [apple]

FOLDER has `certificate.pem` and `key.pem`, perhaps `clients.toml` and `authority.pem`; the database
is put there. Prints its port once it listens, and stops on SIGTERM. With `apple`, each push is
answered at once: 410 if its device begins with `dead`, else 200. PORT is for a client that wants to
know it before.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred

from ops.counter import Counters
from ops.database import Database
from ops.store import Store
from pushd.api.access import load_clients
from pushd.api.service import ApiService
from pushd.api.settings import ApiSettings
from pushd.api.tls import load_tls
from pushd.lane import Lane
from pushd.outcome import Accepted, Rejected
from pushd.queue import Queue
from pushd.queue_settings import QueueSettings
from pushd.statement import SCHEMA

GONE = Rejected(status=410, reason="Unregistered", invalid_since=1_600_000_000_000)


class Choice:
    """One credential for every topic, but none for `com.example.none`, two for
    `com.example.two`."""

    def names_for(self, topic: str) -> Sequence[str]:
        if topic == "com.example.none":
            return ()
        return ("first", "second") if topic == "com.example.two" else ("first",)


def settings_for(folder: Path, port: int) -> ApiSettings:
    clients = folder / "clients.toml"
    authority = folder / "authority.pem"
    return ApiSettings(
        port=port,
        certificate=folder / "certificate.pem",
        key=folder / "key.pem",
        clients=clients if clients.exists() else None,
        client_authority=authority if authority.exists() else None,
        anonymous=not clients.exists(),
    )


def main() -> None:
    folder = Path(sys.argv[1])
    the_reactor: Any = reactor
    port = next((int(argument) for argument in sys.argv[2:] if argument.isdecimal()), 0)
    settings = settings_for(folder, port)
    counters = Counters()
    store = Store(
        Database(folder / "pushd.db", SCHEMA),
        reactor=the_reactor,
        counters=counters,
        prefix="pushd",
    )
    store.open_thd()
    queue = Queue(
        store, settings=QueueSettings(), clock=the_reactor, unix=time.time, counters=counters
    ).load_thd()

    def answer(lane: Lane) -> None:
        while jobs := lane.take(1000):
            for job in jobs:
                dead = job.order_key.startswith("dead")
                queue.settle(job, GONE if dead else Accepted(apns_id=job.id))

    if "apple" in sys.argv:
        queue.listen(answer)
    queue.start()
    service = ApiService(
        the_reactor,
        settings,
        tls=load_tls(settings),
        clients=load_clients(settings.clients),
        queue=queue,
        credentials=Choice(),
        counters=counters,
        version="0.1.0",
        unix=time.time,
        monotonic=time.monotonic,
    )
    service.startService()

    async def stop() -> None:
        await service.stopService()
        queue.stop()
        await store.close()

    the_reactor.addSystemEventTrigger("before", "shutdown", lambda: Deferred.fromCoroutine(stop()))
    the_reactor.callWhenRunning(lambda: print(service.bound[0][1], flush=True))
    the_reactor.run()


if __name__ == "__main__":
    main()
