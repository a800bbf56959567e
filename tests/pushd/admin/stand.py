"""The admin API before a real queue, without its server: requests go in, values come out."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import msgspec
from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from ops.counter import Counters
from ops.web.route import Answer, Events, Json, Problem, Request, encoded
from pushd.admin.credentials import CredentialDesk
from pushd.admin.events import EventDesk
from pushd.admin.queue import QueueDesk
from pushd.admin.send import SendDesk
from pushd.admin.story import StoryDesk
from pushd.api.desk import Desk
from pushd.api.limit import Limits, Ration
from pushd.api.outcomes import News
from pushd.choice import Choice
from pushd.credentials import Credentials
from pushd.dial import Dialer
from pushd.dispatcher import Dispatcher
from pushd.job import OrderedIds
from pushd.queue_settings import QueueSettings
from pushd.settings import AppleSettings, CredentialSettings
from pushd.world import World
from tests.pushd.rig import Rig

T = TypeVar("T")


class Stand:
    """The desks, and what they stand before."""

    def __init__(
        self,
        folder: Path,
        *,
        credentials: Sequence[CredentialSettings] = (),
        queue: QueueSettings | None = None,
    ) -> None:
        self.rig = Rig(folder / "pushd.db", queue)
        clock, counters = self.rig.clock, Counters()
        world = World(reactor=clock, monotonic=clock.seconds, unix=self.rig.unix, random=Random(7))
        self.credentials = Credentials(
            credentials,
            clock=clock,
            unix=self.rig.unix,
            in_thread=lambda work: succeed(work()),
            counters=counters,
        )
        self.dispatcher = Dispatcher(
            self.rig.queue,
            self.credentials,
            dialer=Dialer(AppleSettings(), world=world, in_thread=lambda work: succeed(work())),
            world=world,
            settings=AppleSettings(),
            counters=counters,
        )
        store, held = self.rig.store, self.rig.queue
        self.queue = QueueDesk(queue=held, store=store, dispatcher=self.dispatcher)
        self.stories = StoryDesk(queue=held, store=store)
        self.credential_desk = CredentialDesk(
            queue=held, credentials=self.credentials, unix=self.rig.unix
        )
        self.events = EventDesk(queue=held, clock=clock)
        self.send = SendDesk(
            desk=Desk(
                queue=held,
                news=News(held.results, clock),
                credentials=Choice(credentials, self.credentials),
                limits=Limits(),
                ration=Ration(1 << 20),
                clock=clock,
                unix=self.rig.unix,
                ids=OrderedIds(Random(7).getrandbits),
                max_age=3600,
            )
        )

    def close(self) -> None:
        self.rig.close()

    def begin(
        self,
        handler: Callable[[Request], Any],
        body: Any = b"",
        *,
        path: dict[str, str] | None = None,
        **query: str,
    ) -> list[Answer | Failure]:
        """Ask; what comes of it is in the list once it is known."""
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        request = Request(method="GET", path=path or {}, query=query, body=data, who="user root")
        told: list[Any] = []
        answer = handler(request)
        if inspect.iscoroutine(answer):
            Deferred.fromCoroutine(answer).addBoth(told.append)
        else:
            told.append(answer)
        return told

    def ask(
        self, type: type[T], handler: Callable[[Request], Any], body: Any = b"", **more: Any
    ) -> T:
        """The answer, once the disk has done its work, read as who asks would read it."""
        told = self.begin(handler, body, **more)
        self.rig.settle_down()
        (answer,) = told
        if isinstance(answer, Failure):
            answer.raiseException()
        assert isinstance(answer, Json)
        return msgspec.json.decode(encoded(answer.value), type=type)

    def problem(self, handler: Callable[[Request], Any], body: Any = b"", **more: Any) -> Problem:
        """Why it is not done."""
        try:
            self.ask(msgspec.Raw, handler, body, **more)
        except Problem as problem:
            return problem
        raise AssertionError("it was done")

    def watch(self, **query: str) -> tuple[list[Any], Callable[[], None]]:
        """What is told from now on, and what ends that."""
        (events,) = self.begin(self.events.events, **query)
        assert isinstance(events, Events)
        told: list[Any] = []
        return told, events.subscribe(told.append)
