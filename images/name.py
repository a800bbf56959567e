"""Which file names may be published: one rule for what is on disk and for what a client asks.

The same names are refused on every platform, so that a folder served from Linux today means the
same when it is served from Windows or macOS tomorrow. Must never touch the disk.
"""

from __future__ import annotations

import re

# NAME_MAX of every file system in use; a longer component cannot exist.
MAX_NAME_BYTES = 255

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SEPARATOR = re.compile(r"[/\\:]")

# Names that Windows gives to devices in every folder, with any extension ("Naming Files, Paths,
# and Namespaces", Microsoft Learn); the superscript digits count as digits there.
_DEVICES = frozenset(
    {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$"}
    | {f"{port}{digit}" for port in ("COM", "LPT") for digit in "0123456789\u00b9\u00b2\u00b3"}
)


def objection(name: str) -> str | None:
    """Why one path component may not be published, or `None` when it may."""
    if name in {"", ".", ".."}:
        return "is not the name of a file"
    try:
        if len(name.encode()) > MAX_NAME_BYTES:
            return f"is longer than {MAX_NAME_BYTES} bytes"
    except UnicodeEncodeError:
        return "is not UTF-8"
    if _CONTROL.search(name):
        return "holds a control character"
    if _SEPARATOR.search(name):
        return "holds a slash, a backslash or a colon"
    if name[-1] in ". ":
        return "ends with a dot or a space"
    if name.split(".", 1)[0].rstrip(" ").upper() in _DEVICES:
        return "is the name of a Windows device"
    return None
