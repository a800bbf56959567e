"""The routes of pushd's admin API. Made at the first connection: what is imported here costs an
idle daemon nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ops.web.route import Route
from pushd.admin.credentials import CredentialDesk
from pushd.admin.events import EventDesk
from pushd.admin.queue import QueueDesk
from pushd.admin.send import SendDesk
from pushd.admin.status import StatusDesk
from pushd.admin.story import StoryDesk
from pushd.api.desk import Desk
from pushd.api.limit import Limits, Ration
from pushd.api.outcomes import News
from pushd.job import OrderedIds

if TYPE_CHECKING:
    from pushd.service import PushService

MEMORY: Final = 8 << 20
"""Bytes of pushes on their way in."""


def routes(service: PushService) -> list[Route]:
    """All of them; each part of pushd brings its own."""
    world, queue, store = service.world, service.queue, service.store
    pushes = QueueDesk(queue=queue, store=store, dispatcher=service.dispatcher)
    stories = StoryDesk(queue=queue, store=store)
    credentials = CredentialDesk(queue=queue, credentials=service.credentials, unix=world.unix)
    desk = Desk(
        queue=queue,
        news=News(queue.results, world.reactor),
        credentials=service.choice,
        limits=Limits(),
        ration=Ration(MEMORY),
        clock=world.reactor,
        unix=world.unix,
        ids=OrderedIds(world.random.getrandbits),
        max_age=service.config.queue.max_age,
    )
    return [
        Route("GET", "/v1/status", StatusDesk(service=service).status),
        Route("GET", "/v1/queue", pushes.lanes),
        Route("GET", "/v1/queue/pushes", pushes.pushes),
        Route("POST", "/v1/queue/retry", pushes.retry),
        Route("POST", "/v1/queue/cancel", pushes.cancel),
        Route("POST", "/v1/pushes", SendDesk(desk=desk).send),
        Route("GET", "/v1/pushes/{id}", stories.story),
        Route("GET", "/v1/results", stories.results),
        Route("GET", "/v1/tokens", stories.tokens),
        Route("GET", "/v1/credentials", credentials.all),
        Route("GET", "/v1/events", EventDesk(queue=queue, clock=world.reactor).events),
    ]
