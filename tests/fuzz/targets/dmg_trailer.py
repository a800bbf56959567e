"""Whatever the bytes of a disk image, inspecting and verifying it gives its format or a DmgError,
and no offset in it leads outside the file."""

from __future__ import annotations

import io

from images.dmg import DmgError, inspect_thd, verify_thd
from images.sectors import verify_partitions_thd


def target(data: bytes) -> None:
    file = io.BytesIO(data)
    try:
        image = inspect_thd(file)
    except DmgError:
        return
    assert image.file_size == len(data)
    assert 0 <= image.data_fork.start <= image.data_fork.stop <= len(data)
    assert image.sector_count is None or image.sector_count >= 0
    verify_thd(file, image)
    assert len(verify_partitions_thd(file, image)) == len(image.partitions)
