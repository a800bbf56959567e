"""The routes of pushd's admin API. Made at the first connection: what is imported here costs an
idle daemon nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ops.web.route import Json, Route
from pushd import __version__

if TYPE_CHECKING:
    from pushd.service import PushService


def routes(service: PushService) -> list[Route]:
    """All of them; each part of pushd brings its own."""
    return [
        Route(
            "GET",
            "/v1/status",
            lambda request: Json(
                {
                    "version": __version__,
                    "waiting": service.queue.depth,
                    "counters": service.counters.snapshot(),
                }
            ),
        )
    ]
