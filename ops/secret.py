"""Files that only the daemon should read: keys, passwords."""

from __future__ import annotations

import os
import stat

OTHERS = stat.S_IROTH | stat.S_IWOTH
"""A group is let be: Debian's `ssl-cert` has one for keys."""


def why_exposed(mode: int) -> str | None:
    """What is wrong with a secret in a file of this mode; None: nothing. Windows has no such modes:
    who may read a file is in its ACL there."""
    if os.name != "posix" or not mode & OTHERS:
        return None
    return f"holds a secret, and others may read or change it (mode {stat.S_IMODE(mode):04o})"
