"""`GET /metrics`, on a port of its own: where Prometheus asks a daemon what it counts.

It must tell nobody anything but numbers, and cost nothing while nobody asks but a look, twice a
second, at how late the reactor is. Imported only where `[metrics]` is enabled.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.error import CannotListenError

from ops.counter import Counters
from ops.metrics import MetricsSettings, exposition
from ops.web.admin import Lazy
from ops.web.route import Answer, Headers, Page, Problem, Request, Route

if TYPE_CHECKING:
    from ops.web.http import WebFactory

BEAT: Final = 0.5
"""Seconds between two looks at how late the reactor is."""
BEATS: Final = 120
"""Looks that count: the last minute."""


class Lateness:
    """How late the reactor calls whom it was to call: what a client waits on top of all else."""

    def __init__(self, clock: Any) -> None:
        """`clock` is the reactor, or what stands for it."""
        self._clock = clock
        self._found: deque[float] = deque(maxlen=BEATS)
        self._due = 0.0
        self._call: Any = None

    def start(self) -> None:
        """Begin to look."""
        self._due = self._clock.seconds() + BEAT
        self._call = self._clock.callLater(BEAT, self._beat)

    def stop(self) -> None:
        """Look no more."""
        call, self._call = self._call, None
        if call is not None and call.active():
            call.cancel()

    def worst(self) -> float:
        """Seconds, of the last minute."""
        return max(self._found, default=0.0)

    def _beat(self) -> None:
        self._found.append(max(0.0, self._clock.seconds() - self._due))
        self.start()


class MetricsService(Service):
    """Serves the counters of a daemon."""

    name = "metrics"

    def __init__(
        self, reactor: Any, settings: MetricsSettings, *, counters: Counters, daemon: str
    ) -> None:
        """`daemon` is what our own names begin with."""
        self._reactor = reactor
        self._settings = settings
        self._counters = counters
        self._lateness = Lateness(reactor)
        self._factory = Lazy(self._made, "metrics")
        self._ports: list[Any] = []
        counters.gauge(
            f"{daemon}_reactor_lag_seconds",
            "Longest time of the last minute that the reactor was late.",
            self._lateness.worst,
        )

    @property
    def bound(self) -> list[tuple[str, int]]:
        """Addresses and ports."""
        return [(port.getHost().host, port.getHost().port) for port in self._ports]

    def privilegedStartService(self) -> None:
        """Bind. Raises OSError."""
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        if self._ports:
            return
        settings = self._settings
        try:
            for address in settings.addresses:
                self._ports.append(
                    self._reactor.listenTCP(settings.port, self._factory, interface=address)
                )
        except CannotListenError as error:
            self._close()
            raise error.socketError from error

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        self._lateness.start()

    def stopService(self) -> Deferred[None]:
        """Close the ports, and every connection."""
        super().stopService()  # type: ignore[no-untyped-call]
        self._lateness.stop()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        await self._close()
        await self._factory.close()

    def _close(self) -> Deferred[Any]:
        ports, self._ports = self._ports, []
        return gatherResults([maybeDeferred(port.stopListening) for port in ports])

    def _made(self) -> WebFactory:
        from ops.web.http import WebFactory

        def metrics(request: Request) -> Page:
            body, kind = exposition(self._counters, request.headers.get("accept", ""))
            return Page(body=body, type=kind)

        return WebFactory([Route("GET", "/metrics", metrics)], Everybody(), self._reactor)


class Everybody:
    """Lets everybody in who reaches the port."""

    def admit(self, request: Request) -> Answer | Request:
        return request

    def headers(self, request: Request) -> Headers:
        return (("cache-control", "no-store"), ("x-content-type-options", "nosniff"))

    def explain(self, request: Request, problem: Problem) -> Answer:
        text = f"{problem}\n".encode()
        return Page(body=text, type="text/plain; charset=utf-8", status=problem.status)
