"""Whatever an NBImageInfo.plist or a boot.toml holds, setting a key gives a file that reads as
before but for that key, or a BundleError."""

from __future__ import annotations

import plistlib
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from images.edit import edited, edited_toml
from images.errors import BundleError

PATH = Path("/images/x.nbi/NBImageInfo.plist")
PLIST_KEYS = {"IsEnabled": False, "Name": "<Lab & more>", "Index": 4711}
TOML_KEYS = {"enabled": False, "default": True}


def outcome(
    edit: Callable[[bytes, Mapping[str, Any], Path], bytes], data: bytes, keys: Mapping[str, Any]
) -> bytes | None:
    """The file after the change, or None where it is refused."""
    try:
        return edit(data, keys, PATH)
    except BundleError as error:
        refused = error
    assert refused.path == PATH
    assert refused.remedy
    return None


def target(data: bytes) -> None:
    plist, toml = outcome(edited, data, PLIST_KEYS), outcome(edited_toml, data, TOML_KEYS)
    if plist is not None:
        before, found = plistlib.loads(data), plistlib.loads(plist)
        assert {key: found[key] for key in PLIST_KEYS} == PLIST_KEYS
        assert list(found) == list(dict.fromkeys([*before, *PLIST_KEYS]))
        assert plist.startswith(b"bplist00") == data.startswith(b"bplist00")
        assert edited(plist, PLIST_KEYS, PATH) is plist
    if toml is not None:
        before = tomllib.loads(data.decode("utf-8-sig")) | TOML_KEYS
        found = tomllib.loads(toml.decode("utf-8-sig"))
        # Their repr, for a number that is none is not equal to itself.
        assert sorted(map(repr, found.items())) == sorted(map(repr, before.items()))
        assert edited_toml(toml, TOML_KEYS, PATH) == toml
