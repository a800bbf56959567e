"""What the pages are made from: the admin API's answers, the meter, the tally of outcomes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ops.web.meter import Meter
from ops.web.route import Request
from pushd.admin import shape
from pushd.admin.credentials import CredentialDesk
from pushd.admin.queue import QueueDesk
from pushd.admin.status import StatusDesk
from pushd.admin.story import StoryDesk
from pushd.console.outcomes import Outcomes

if TYPE_CHECKING:
    from pushd.service import PushService


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """All of one daemon."""

    service: PushService
    meter: Meter
    outcomes: Outcomes
    queue: QueueDesk
    stories: StoryDesk
    credentials: CredentialDesk

    @classmethod
    def of(cls, service: PushService, meter: Meter, outcomes: Outcomes) -> Sources:
        queue, store = service.queue, service.store
        return cls(
            service=service,
            meter=meter,
            outcomes=outcomes,
            queue=QueueDesk(queue=queue, store=store, dispatcher=service.dispatcher),
            stories=StoryDesk(queue=queue, store=store),
            credentials=CredentialDesk(
                queue=queue, credentials=service.credentials, unix=service.world.unix
            ),
        )

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.service.world.unix(), UTC)

    def status(self) -> shape.Status:
        """How pushd is."""
        status: shape.Status = StatusDesk(service=self.service).status(asking()).value
        return status

    # Versions of parts of pages.

    def moved(self) -> object:
        """Another one when pushes have come, or gone somewhere."""
        queue, dispatcher = self.service.queue, self.service.dispatcher
        return queue.depth, dispatcher.under_way, dispatcher.connections, self.settled()

    def settled(self) -> object:
        """Another one when a push has its outcome."""
        return self.outcomes.accepted, self.outcomes.refused

    def looked(self) -> object:
        """Another one when the meter has looked."""
        return self.meter.count


def asking(**query: str) -> Request:
    """A request of the admin API; empty parameters are left out."""
    given = {name: value for name, value in query.items() if value}
    return Request(method="GET", query=given)


def at(milliseconds: int) -> datetime:
    """A time of the admin API's."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
