"""Routes about images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from images.catalog import Snapshot
from netbootd.image_list import listed, record
from ops.web.route import Json, Request, Route

if TYPE_CHECKING:
    from netbootd.service import BootService


def image_routes(service: BootService) -> list[Route]:
    """What there is to boot, as netbootd serves it."""

    def images(request: Request) -> Json:
        return Json(_records(service, service.booter.snapshot))

    async def rescan(request: Request) -> Json:
        return Json(_records(service, await service.catalog_watch.rescan()))

    return [
        Route("GET", "/v1/images", images),
        Route("POST", "/v1/images/rescan", rescan),
    ]


def _records(service: BootService, snapshot: Snapshot) -> list[dict[str, Any]]:
    return [record(each) for each in listed(snapshot, service.publication, service.config)]
