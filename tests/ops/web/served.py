"""An admin API on sockets of this process, and a client of it in a thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from ops.web.admin import AdminService
from ops.web.client import AdminClient
from ops.web.route import Events, Json, Problem, Request, Route
from ops.web.settings import AdminSettings
from tests.netbootd.temporary import folder

T = TypeVar("T")


class Subscribers:
    """Who listens to `/v1/events`."""

    def __init__(self) -> None:
        self.tellers: list[Callable[[object], None]] = []
        self.came: Deferred[None] = Deferred()
        self.left: Deferred[None] = Deferred()

    def subscribe(self, tell: Callable[[object], None]) -> Callable[[], None]:
        self.tellers.append(tell)
        self.came.callback(None)
        return lambda: self.left.callback(None)


class AdminTestCase(TestCase):
    """Starts services, and stops them at the end of the test."""

    def setUp(self) -> None:
        from twisted.internet import reactor

        self.reactor: Any = reactor
        self.folder = folder(self)
        self.subscribers = Subscribers()

    def routes(self) -> Sequence[Route]:
        """One of each kind."""

        async def later(request: Request) -> Json:
            waited: Deferred[None] = Deferred()
            self.reactor.callLater(0, waited.callback, None)
            await waited
            return Json({"later": True})

        def refuse(request: Request) -> Json:
            raise Problem(409, "it is asleep", "wake it")

        def fail(request: Request) -> Json:
            raise RuntimeError("a bug")

        return [
            Route("GET", "/v1/things/{name}", lambda r: Json([r.path["name"], r.query, r.who])),
            Route("POST", "/v1/things", lambda r: Json(r.json(dict[str, int]), 201)),
            Route("DELETE", "/v1/things/{name}", refuse),
            Route("GET", "/v1/later", later),
            Route("GET", "/v1/fail", fail),
            Route("GET", "/v1/events", lambda r: Events(self.subscribers.subscribe)),
        ]

    def service(self, settings: AdminSettings | None = None) -> AdminService:
        """Not started."""
        self.settings = settings or AdminSettings()
        service = AdminService(self.reactor, self.settings, self.folder, routes=self.routes)
        self.addCleanup(service.stopService)
        return service

    def started(self, settings: AdminSettings | None = None) -> AdminService:
        service = self.service(settings)
        service.startService()
        return service

    def client(self) -> AdminClient:
        return AdminClient.find("netbootd", self.settings, self.folder)

    @property
    def socket(self) -> Path:
        return self.folder / "admin.sock"

    def in_thread(self, work: Callable[..., T], *arguments: Any, **named: Any) -> Deferred[T]:
        """A client blocks, so it is elsewhere."""
        done: Deferred[T] = deferToThread(work, *arguments, **named)
        return done.addTimeout(60, self.reactor)
