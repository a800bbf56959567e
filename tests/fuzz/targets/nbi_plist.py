"""Whatever the bytes of an NBImageInfo.plist, the outcome is an image that can be offered or a
BundleError that names the file, the reason and the remedy."""

from __future__ import annotations

from pathlib import Path

from images.errors import BundleError
from images.info import ImageInfo, parse_info

PATH = Path("/images/x.nbi/NBImageInfo.plist")


def outcome(data: bytes) -> ImageInfo | BundleError:
    try:
        return parse_info(data, PATH)
    except BundleError as error:
        return error


def target(data: bytes) -> None:
    info = outcome(data)
    if isinstance(info, BundleError):
        assert info.path == PATH
        assert info.why
        assert info.remedy
        assert len(str(info).encode()) < 1000
        return
    assert info.title
    assert 1 <= info.index <= 0xFFFF
    assert 0 <= info.kind <= 0x7F
    assert 0 < info.image_id < 2**32
    assert info.architectures
    assert ".." not in info.boot_file.split("/")
    assert all(len(mac) == 6 for mac in info.enabled_macs | info.disabled_macs)
