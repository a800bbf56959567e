"""How pushd is, in one look."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from ops.web.route import Json, Request
from pushd import __version__
from pushd.admin import shape

if TYPE_CHECKING:
    from pushd.service import PushService

MAX_TROUBLES: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusDesk:
    """Answers how it is."""

    service: PushService

    def status(self, request: Request) -> Json:
        """`GET /v1/status`."""
        service = self.service
        queue, dispatcher, credentials = service.queue, service.dispatcher, service.credentials
        bound = [] if service.api is None else service.api.bound
        names = credentials.names()
        troubles = islice(dispatcher.troubles(), MAX_TROUBLES)
        return Json(
            shape.Status(
                version=__version__,
                pid=os.getpid(),
                started_at=service.started_at,
                api=tuple(f"[{h}]:{p}" if ":" in h else f"{h}:{p}" for h, p in bound),
                waiting=queue.depth,
                size=queue.size,
                most_waiting=service.config.queue.pushes,
                most_size=int(service.config.queue.size),
                sending=dispatcher.under_way,
                connections=dispatcher.connections,
                lanes=len(queue.lanes),
                credentials=len(names),
                unusable=sum(credentials.get(name) is None for name in names),
                disk_fails=queue.results.failing,
                troubles=tuple(
                    shape.Trouble(credential=key.credential, topic=key.topic, why=why)
                    for key, why in troubles
                ),
                answers=tuple(
                    shape.Bucket(seconds=seconds, answers=answers)
                    for seconds, answers in dispatcher.meter.latency.buckets()
                ),
                counters=service.counters.snapshot(),
            )
        )
