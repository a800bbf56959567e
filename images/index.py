"""Which Index an image has that nobody else has: machines know images by it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from images.bundle import Bundle
from images.catalog import Snapshot
from images.errors import BundleError, shown
from images.info import MAX_INDEX, ImageInfo


def bundles_of(snapshot: Snapshot) -> Iterator[Bundle]:
    """All complete images for Macs, those that are disabled included."""
    yield from snapshot.bundles
    for each in snapshot.disabled:
        if isinstance(each, Bundle):
            yield each


def holder_of(snapshot: Snapshot, image_id: int) -> Bundle | None:
    """The image that has the ID already, be it disabled."""
    return next((each for each in bundles_of(snapshot) if each.image_id == image_id), None)


def free_index(snapshot: Snapshot, like: int = 0) -> int:
    """The first Index from `like` on that no image has, whatever its kind; from 1 on if there is
    none. Raises ValueError if all are taken."""
    taken = {each.index for each in bundles_of(snapshot)}
    for index in range(max(like, 1), MAX_INDEX + 1):
        if index not in taken:
            return index
    for index in range(1, like):
        if index not in taken:
            return index
    raise ValueError(f"all {MAX_INDEX} indexes are taken")


def require_free(snapshot: Snapshot, path: Path, info: ImageInfo) -> None:
    """Raise `BundleError` for `path` if another image has its ID."""
    other = holder_of(snapshot, info.image_id)
    if other is not None:
        raise BundleError(
            path,
            f"has the same Index, {info.index}, as {shown(other.path)}",
            f"give it another one: --index {free_index(snapshot, info.index)}",
        )
