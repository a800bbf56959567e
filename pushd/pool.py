"""The connections of one credential and topic: opened when needed, left when Apple wants it.

    want ──▶ dial ──▶ ready ──(GOAWAY, replaced, numbers used up)──▶ draining ──▶ closed
              ▲  └─(failed)─▶ pause, 1 s … 60 s with jitter ─┐
              └──────────────────────────────────────────────┘

A connection is proved by an answer that lets us keep it. One that ends before is a failure, so
whoever accepts connections and drops them is not asked again at once: Apple takes many connections
in a short time for an attack. Must never send: it says which connections there are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from ops.text import escape
from protocols.apns.event import Event, GoingAway
from protocols.apns.reason import Backoff
from pushd.connection import Connection, Owner
from pushd.dial import ConnectFailed
from pushd.meter import Meter
from pushd.settings import AppleSettings
from pushd.world import World

Dial = Callable[[Owner], Deferred[Connection]]

MINUTE: Final = 60.0
"""Seconds."""
MAX_DRAINING: Final = 8
"""Connections that may drain for each that may be open, before no other is opened."""


class Client(Protocol):
    """Who sends by the pool's connections."""

    def pump(self) -> None:
        """Send what there is to be sent."""

    def happened(self, connection: Connection, events: Sequence[Event]) -> None:
        """Answers, and what else became of pushes."""


class Pool:
    """One pool."""

    def __init__(
        self,
        dial: Dial,
        *,
        name: str,
        client: Client,
        settings: AppleSettings,
        world: World,
        meter: Meter,
    ) -> None:
        """`name` is for the log."""
        self._dial = dial
        self._name = name
        self._client = client
        self._settings = settings
        self._world = world
        self._meter = meter
        self._backoff = Backoff(first=settings.first_retry, longest=settings.longest_retry)
        self.ready: list[Connection] = []
        """Those that may have free slots."""
        self.draining: list[Connection] = []
        """Those that only wait for answers, or to be closed."""
        self._dismissed: set[Connection] = set()
        """Those of them that we left for no fault of theirs."""
        self.problem: str | None = None
        """Why there is no connection, if the last was a failure."""
        self._opening: Deferred[None] | None = None
        self._failures = 0
        self._pause_until = 0.0
        self._openings: deque[float] = deque(maxlen=settings.openings)
        """When the latest were begun."""
        self._pausing: IDelayedCall | None = None
        self._turning: IDelayedCall | None = None
        self._idling: IDelayedCall | None = None
        self._stopping: IDelayedCall | None = None
        self._stopped: Deferred[None] | None = None

    # What the client asks for.

    def want(self) -> None:
        """There is something to send. Open the first connection, or one more if all are full."""
        if self._opening is not None or self._stopped is not None:
            return
        if self.ready and not self._may_grow():
            return
        if len(self.draining) >= MAX_DRAINING * self._settings.connections:
            return
        now = self._world.monotonic()
        wait = max(self._pause_until, self._paced_until()) - now
        if wait <= 0:
            self._openings.append(now)
            self._open()
        elif self._pausing is None:
            self._pausing = self._world.reactor.callLater(wait, self._paused)

    def replace(self, connection: Connection) -> None:
        """Send nothing more by it; it is closed once all is answered."""
        if connection in self.ready:
            self._meter.replaced.inc()
            self.ready.remove(connection)
            self.draining.append(connection)
            connection.drain()

    def renew(self, dial: Dial) -> None:
        """Dial otherwise from now on, and leave the connections there are."""
        self._dial = dial
        self._failures = 0
        self._pause_until = 0.0
        self._end_pause()
        if self._opening is not None:
            self._opening.cancel()
        self._dismiss_all()

    def hurry(self) -> bool:
        """Dial at once, after whatever failures. Whether there was a pause."""
        paused = self._pause_until > self._world.monotonic()
        self._pause_until = 0.0
        self._end_pause()
        self.turn_soon()
        return paused

    def stop(self, grace: float) -> Deferred[None]:
        """Open nothing more; fires once all are closed. After `grace` seconds none is waited for,
        and what became of their pushes is uncertain."""
        if self._stopped is not None:
            return self._stopped
        self._stopped = Deferred()
        self._end_pause()
        if self._idling is not None:
            self._idling.cancel()
            self._idling = None
        if self._opening is not None:
            self._opening.cancel()
        self._stopping = self._world.reactor.callLater(grace, self._give_up)
        self._dismiss_all()
        self._stop_if_done()
        return self._stopped

    # What connections tell.

    def opened(self, connection: Connection) -> None:
        self.problem = None
        self._meter.opened.inc()
        if self._stopped is not None:
            self.draining.append(connection)
            connection.drain()
            return
        self.ready.append(connection)
        if self._settings.idle is not None and self._idling is None:
            self._idling = self._world.reactor.callLater(self._settings.idle, self._idle)

    def happened(self, connection: Connection, events: Sequence[Event]) -> None:
        for event in events:
            if type(event) is GoingAway:
                self._meter.goaways.inc()
                _log.debug(
                    "{name}: Apple asks to leave a connection: {why}",
                    name=self._name,
                    why=event.explanation.reason or escape(event.debug) or f"error {event.code}",
                )
        self._client.happened(connection, events)
        if self._failures and connection.answered:
            self._failures = 0
        self._sort(connection)

    def turn_soon(self) -> None:
        """Once what is being read has been read: send, and write."""
        if self._turning is None:
            self._turning = self._world.reactor.callLater(0, self._turn)

    def closed(self, connection: Connection, why: str) -> None:
        self._meter.closed.inc()
        for group in (self.ready, self.draining):
            if connection in group:
                group.remove(connection)
        age = self._world.monotonic() - connection.opened_at
        is_useless = connection.sent or age < self._settings.longest_retry
        if connection in self._dismissed:
            self._dismissed.remove(connection)
        elif is_useless and not connection.answered:
            self._failed(why)
        self.turn_soon()
        self._stop_if_done()

    # Inside.

    def _dismiss_all(self) -> None:
        for connection in list(self.ready):
            self._dismissed.add(connection)
            self.replace(connection)
        self.turn_soon()

    def _may_grow(self) -> bool:
        """Whether another connection helps: Apple lets one push through at first, and after
        refusals; more connections would only be more of these."""
        return len(self.ready) < self._settings.connections and all(
            connection.answered and connection.limit > 1 and connection.free_slots <= 0
            for connection in self.ready
        )

    def _paced_until(self) -> float:
        """When another may be opened, for there are not to be too many in a minute."""
        if len(self._openings) < self._settings.openings:
            return 0.0
        return self._openings[0] + MINUTE

    def _open(self) -> None:
        dialled = self._dial(self)
        opening = dialled.addCallbacks(self._dialled, self._not_dialled)
        opening.addErrback(lambda failure: _log.failure("Dialling broke", failure=failure))
        if not opening.called:
            self._opening = opening

    def _dialled(self, connection: Connection) -> None:
        self._opening = None
        self.turn_soon()

    def _not_dialled(self, failure: Failure) -> None:
        self._opening = None
        if isinstance(failure.value, ConnectFailed):
            self._failed(str(failure.value))
        elif not isinstance(failure.value, CancelledError):
            _log.failure("Dialling broke", failure=failure)
            self._failed("an error of ours; the log has it")
        self.turn_soon()
        self._stop_if_done()

    def _failed(self, why: str) -> None:
        self._meter.failed.inc()
        self._failures += 1
        delay = self._backoff.delay(self._failures, self._world.random.random())
        self._pause_until = self._world.monotonic() + delay
        self.problem = why
        if self._stopped is None:
            _log.warn(
                "{name}: no connection to Apple: {why}; next try in {delay} s",
                name=self._name,
                why=why,
                delay=f"{delay:.1f}",
            )

    def _paused(self) -> None:
        self._pausing = None
        self.turn_soon()

    def _end_pause(self) -> None:
        if self._pausing is not None:
            self._pausing.cancel()
            self._pausing = None

    def _turn(self) -> None:
        self._turning = None
        for connection in list(self.ready):
            self._sort(connection)
        if self._stopped is None:
            self._client.pump()
        for connection in (*self.ready, *self.draining):
            connection.flush()

    def _sort(self, connection: Connection) -> None:
        """One that takes nothing more is not ready."""
        if not connection.is_open and connection in self.ready:
            self.ready.remove(connection)
            self.draining.append(connection)

    def _idle(self) -> None:
        assert self._settings.idle is not None  # noqa: S101 - or there were no timer
        now, idle = self._world.monotonic(), self._settings.idle
        for connection in list(self.ready):
            if not connection.under_way and now - connection.used_at >= idle:
                self._dismissed.add(connection)
                self.replace(connection)
        self._idling = None
        if self.ready:
            oldest = min(connection.used_at for connection in self.ready)
            wait = max(1.0, oldest + idle - now)
            self._idling = self._world.reactor.callLater(wait, self._idle)
        self.turn_soon()

    def _give_up(self) -> None:
        self._stopping = None
        for connection in (*self.ready, *self.draining):
            connection.abort("we stop")

    def _stop_if_done(self) -> None:
        if self._stopped is None or self._stopped.called:
            return
        if self.ready or self.draining or self._opening is not None:
            return
        if self._stopping is not None:
            self._stopping.cancel()
            self._stopping = None
        if self._turning is not None:
            self._turning.cancel()
            self._turning = None
        self._stopped.callback(None)


_log = Logger()
