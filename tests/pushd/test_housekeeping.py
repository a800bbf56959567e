"""What is done now and then: at its time, and whatever the disk says."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ops.database import StoreError
from pushd.housekeeping import INTERVAL, Housekeeping

RETENTION = 3600.0
NOW = 1_790_000_000.0


class FakeQueue:
    """Notes when it is swept, and what it is asked to forget."""

    def __init__(self) -> None:
        self.results = self
        self.swept = 0
        self.forgotten: list[int] = []
        self.disk: Deferred[None] = Deferred()

    def sweep(self) -> None:
        self.swept += 1

    async def prune(self, before: int) -> None:
        self.forgotten.append(before)
        await self.disk


class HousekeepingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.queue = FakeQueue()
        self.keeping = Housekeeping(
            cast(Any, self.queue), retention=RETENTION, clock=self.clock, unix=lambda: NOW
        )
        self.keeping.startService()

    def test_a_round(self) -> None:
        """What expired leaves, what is older than the retention is forgotten."""
        self.clock.advance(INTERVAL)

        self.assertEqual(self.queue.swept, 1)
        self.assertEqual(self.queue.forgotten, [int((NOW - RETENTION) * 1000)])

    def test_one_at_a_time(self) -> None:
        """A slow disk is not asked again before it has answered; then the rounds go on."""
        self.clock.advance(INTERVAL)
        self.clock.advance(INTERVAL)
        self.assertEqual(self.queue.swept, 1)

        self.queue.disk.callback(None)
        self.clock.advance(INTERVAL)

        self.assertEqual(self.queue.swept, 2)

    def test_a_disk_that_refuses(self) -> None:
        """It is told, and tried again with the next round."""
        self.clock.advance(INTERVAL)

        self.queue.disk.errback(StoreError("the disk is full", "make room"))
        self.queue.disk = Deferred()
        self.clock.advance(INTERVAL)

        self.assertEqual(self.queue.swept, 2)

    def test_a_stop_waits_for_what_is_under_way(self) -> None:
        """Nothing of it remains in the clock."""
        self.clock.advance(INTERVAL)

        stopped = self.keeping.stopService()

        self.assertNoResult(stopped)
        self.queue.disk.callback(None)
        self.successResultOf(stopped)
        self.assertEqual(self.clock.getDelayedCalls(), [])
