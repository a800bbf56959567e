"""kill -9 of a process that submits, sends and settles in full flow, again and again."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

from ops.database import Database
from pushd.statement import SCHEMA
from tests.ops.facts import run

ROUNDS = 12
"""Kills. Each costs the start of a process, 0.5 s."""

DAEMON = """
    import os, sys, time
    from pathlib import Path
    from twisted.internet import reactor
    from ops.counter import Counters
    from ops.database import Database
    from ops.store import Store
    from pushd.outcome import Accepted
    from pushd.queue import Queue
    from pushd.queue_settings import QueueSettings
    from pushd.receipt import Queued
    from pushd.statement import SCHEMA
    from tests.pushd.rig import alert

    FOREVER = 1 << 40
    counters = Counters()
    store = Store(Database(Path(sys.argv[1]), SCHEMA), reactor=reactor, counters=counters,
                  prefix="pushd")
    say = lambda word, ids: os.write(1, "".join(f"{word} {i}\\n" for i in ids).encode())
    say("opening", [0])
    store.open_thd()
    queue = Queue(store, settings=QueueSettings(), clock=reactor, unix=time.time, counters=counters)
    numbers = iter(range(int(sys.argv[2]), 1 << 40))

    def submit(receipts=()):
        say("queued", [r.id for r in receipts if isinstance(r, Queued)])
        # Some devices have several at once.
        jobs = [alert(n, device=n // 2, deadline=FOREVER) for n, _ in zip(numbers, range(20))]
        queue.submit(jobs, submit)

    def send(lane):
        jobs = lane.take(15)
        say("sent", [job.id for job in jobs])
        for job in jobs:
            queue.settle(job, Accepted(apns_id=job.id), lambda id_=job.id: say("settled", [id_]))
        if jobs:
            reactor.callLater(0, send, lane)

    queue.load_thd()
    queue.listen(send)
    queue.start()
    reactor.callWhenRunning(submit)
    reactor.callWhenRunning(submit)
    reactor.run()
"""


def test_kill_9_loses_no_acknowledged_push_and_repeats_no_settled_one(tmp_path: Path) -> None:
    """Whatever was told queued is on disk, waiting or with its outcome; what was told settled is
    never sent by a later process."""
    seeded = random.Random(4)
    path = tmp_path / "pushd.db"
    told: dict[str, set[str]] = {"opening": set(), "queued": set(), "sent": set(), "settled": set()}
    for round_ in range(ROUNDS):
        settled_before = set(told["settled"])
        sent: set[str] = set()
        # Killed while it opens (0), soon after, or in full flow.
        lines = 0 if round_ < 2 else seeded.randrange(1, 3000)
        with run(DAEMON, path, round_ * 1_000_000, stdout=subprocess.PIPE) as daemon:
            assert daemon.stdout is not None
            output = [daemon.stdout.readline() for _ in range(1 + lines)]
            daemon.kill()
            output += [line for line in daemon.stdout if line.endswith(b"\n")]
        for line in output:
            word, id_ = line.decode().split()
            told[word].add(id_)
            if word == "sent":
                assert id_ not in sent, "twice in one life, though it was accepted"
                sent.add(id_)
        assert not sent & settled_before

    database = Database(path, SCHEMA)
    database.open_thd()
    waiting = {row[0] for row in database.read_thd("SELECT id FROM pushes", {})}
    results = {row[0] for row in database.read_thd("SELECT id FROM results", {})}
    database.close_thd()
    assert len(told["queued"]) > 1000
    assert len(told["settled"]) > 500
    assert told["queued"] <= waiting | results
    assert told["settled"] <= results
    assert not waiting & results
