"""Whatever an NBImageInfo.plist or a boot.toml holds, setting a key gives a file that reads as before
but for that key, or a BundleError."""

from __future__ import annotations

import plistlib
import tomllib
from pathlib import Path

from images.edit import edited, edited_toml
from images.errors import BundleError

PATH = Path("/images/x.nbi/NBImageInfo.plist")


def target(data: bytes) -> None:
    info(data)
    toml(data)


def info(data: bytes) -> None:
    keys = {"IsEnabled": False, "Name": "<Lab & more>", "Index": 4711}
    try:
        after = edited(data, keys, PATH)
    except BundleError as error:
        assert error.path == PATH
        assert error.remedy
        return
    before = plistlib.loads(data)
    found = plistlib.loads(after)
    assert {key: found[key] for key in keys} == keys
    assert list(found) == list(dict.fromkeys([*before, *keys]))
    assert after.startswith(b"bplist00") == data.startswith(b"bplist00")
    assert edited(after, keys, PATH) is after


def toml(data: bytes) -> None:
    keys = {"enabled": False, "default": True}
    try:
        after = edited_toml(data, keys, PATH)
    except BundleError as error:
        assert error.path == PATH
        assert error.remedy
        return
    # repr, for a number that is none is not equal to itself.
    before = tomllib.loads(data.decode("utf-8-sig")) | keys
    found = tomllib.loads(after.decode("utf-8-sig"))
    assert sorted(map(repr, found.items())) == sorted(map(repr, before.items()))
    assert edited_toml(after, keys, PATH) == after
