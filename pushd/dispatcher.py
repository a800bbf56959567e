"""Has each lane of the queue delivered by a `Delivery` of its own.

    queue ──lane──▶ Delivery ──▶ Pool ──▶ Apple          one of each per credential and topic
      ▲                │
      └────settle──────┘

A credential that is renewed is passed on; a lane whose credential is missing waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults

from ops.counter import Counters
from pushd.credential import Credential
from pushd.delivery import Delivery, Lane
from pushd.job import Job, LaneKey
from pushd.meter import Meter
from pushd.outcome import Outcome
from pushd.pool import Dial
from pushd.settings import AppleSettings
from pushd.world import World


class Queue(Protocol):
    """What is used of the queue."""

    @property
    def lanes(self) -> Mapping[LaneKey, Lane]: ...

    def listen(self, listener: Callable[[Any], object]) -> None:
        """`listener` is told of a lane that was empty and has work."""

    def settle(self, job: Job, outcome: Outcome) -> None: ...

    def note(self, job: Job, why: str) -> None:
        """An attempt failed, and is made again at once."""


class Credentials(Protocol):
    """What is used of the credentials."""

    def get(self, name: str) -> Credential | None: ...

    def listen(
        self, listener: Callable[[Credential], object], removed: Callable[[str], object]
    ) -> None: ...


class Dialer(Protocol):
    """What is used of the dialer."""

    def line(self, credential: Credential) -> Dial: ...


class Dispatcher(Service):
    """All deliveries."""

    def __init__(
        self,
        queue: Queue,
        credentials: Credentials,
        *,
        dialer: Dialer,
        world: World,
        settings: AppleSettings,
        counters: Counters,
    ) -> None:
        self._queue = queue
        self._credentials = credentials
        self._dialer = dialer
        self._world = world
        self._settings = settings
        self._deliveries: dict[LaneKey, Delivery] = {}
        self._ending: set[Deferred[None]] = set()
        """Of deliveries whose credential was removed."""
        self.meter = Meter(counters)
        queue.listen(self._woke)
        credentials.listen(self._renewed, self._removed)

    # What there is to know.

    @property
    def under_way(self) -> int:
        """Pushes that Apple has not answered."""
        return sum(delivery.under_way for delivery in self._deliveries.values())

    @property
    def connections(self) -> int:
        """Open connections: a gauge."""
        pools = [delivery.pool for delivery in self._deliveries.values()]
        return sum(len(pool.ready) + len(pool.draining) for pool in pools)

    def troubles(self) -> Iterator[tuple[LaneKey, str]]:
        """Which lanes are not delivered, and why."""
        for key, lane in self._queue.lanes.items():
            if lane.ready and self._credentials.get(key.credential) is None:
                yield key, "its credential cannot be used"
        for key, delivery in self._deliveries.items():
            if delivery.breaker.value != "closed":
                yield key, "Apple refused too much"
            elif delivery.pool.problem is not None:
                yield key, delivery.pool.problem

    # What is done.

    def hurry(self, keys: Iterable[LaneKey]) -> int:
        """Have these lanes tried at once, whatever Apple said before; how many rested."""
        deliveries = [self._deliveries[key] for key in keys if key in self._deliveries]
        return sum(delivery.hurry() for delivery in deliveries)

    def startService(self) -> None:
        """Deliver what waits."""
        super().startService()  # type: ignore[no-untyped-call]
        for lane in list(self._queue.lanes.values()):
            self._woke(lane)

    def stopService(self) -> Deferred[None]:
        """Wait for answers, as long as the settings say; what has none stays in the queue."""
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        grace = self._settings.stop_timeout
        stopping = [delivery.stop(grace) for delivery in self._deliveries.values()]
        await gatherResults([*stopping, *self._ending])
        self._deliveries.clear()

    def _woke(self, lane: Lane) -> None:
        if not self.running:
            return
        delivery = self._deliveries.get(lane.key)
        if delivery is None:
            credential = self._credentials.get(lane.key.credential)
            if credential is None:
                return
            delivery = self._deliveries[lane.key] = Delivery(
                lane,
                credential=credential,
                dial=self._dialer.line(credential),
                settle=self._queue.settle,
                note=self._queue.note,
                settings=self._settings,
                world=self._world,
                meter=self.meter,
            )
        delivery.wake()

    def redial(self) -> None:
        """Have every delivery leave its connections for new ones: who is trusted has changed."""
        for name in {key.credential for key in self._deliveries}:
            credential = self._credentials.get(name)
            if credential is not None:
                self._renewed(credential)

    def _removed(self, name: str) -> None:
        """Its pushes wait, should it come back; those that were sent are awaited."""
        for key in [key for key in self._deliveries if key.credential == name]:
            ended = self._deliveries.pop(key).stop(self._settings.stop_timeout)
            if not ended.called:
                self._ending.add(ended)
                ended.addBoth(self._ended, ended)

    def _ended(self, result: object, ended: Deferred[None]) -> object:
        self._ending.discard(ended)
        return result

    def _renewed(self, credential: Credential) -> None:
        dial: Dial | None = None
        for key, delivery in self._deliveries.items():
            if key.credential == credential.name:
                dial = dial or self._dialer.line(credential)
                delivery.renew(credential, dial)
        for key, lane in list(self._queue.lanes.items()):
            if key.credential == credential.name:
                self._woke(lane)
