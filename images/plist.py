"""Read a property list that may come from anywhere, XML or binary, within bounds; and write one.

Must never raise anything but `PlistError`, whatever the bytes.
"""

from __future__ import annotations

import plistlib
from collections.abc import Mapping
from typing import Any


class PlistError(ValueError):
    """Bytes that are no property list, or one whose top is not a dictionary."""


def parse_plist(data: bytes, *, maximum: int) -> dict[str, Any]:
    """The dictionary that `data` holds. `maximum` bounds the input, in bytes."""
    if len(data) > maximum:
        raise PlistError(f"is larger than {maximum} bytes")
    try:
        value = plistlib.loads(data)
    except Exception as error:
        # plistlib names one exception and lets out whatever expat, struct, int() or the recursion
        # limit raise; what they have in common is that the bytes are at fault.
        raise PlistError(f"is not a property list ({type(error).__name__})") from error
    if not isinstance(value, dict):
        raise PlistError("holds no dictionary")
    return value


def write_plist(keys: Mapping[str, Any], form: plistlib.PlistFormat = plistlib.FMT_XML) -> bytes:
    """The bytes of a property list, keys in their order. Raises `PlistError` for what it cannot
    hold: control characters in XML, numbers of more than 64 bits, keys that are no text, nesting
    without end."""
    try:
        return plistlib.dumps(keys, fmt=form, sort_keys=False)
    except Exception as error:  # as above: whatever plistlib lets out
        raise PlistError(f"cannot hold that: {str(error)[:100]}") from error


def kind_of(value: object) -> str:
    """What a plist value is, in the words of the plist format."""
    for kind, word in _WORDS:
        if isinstance(value, kind):
            return word
    return "something else"


_WORDS: tuple[tuple[type, str], ...] = (
    (bool, "a boolean"),
    (int, "an integer"),
    (float, "a real"),
    (str, "a string"),
    (bytes, "data"),
    (list, "an array"),
    (dict, "a dictionary"),
)
