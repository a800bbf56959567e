"""Can others on this computer read what only the daemon should?"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ops.finding import Finding, Severity
from ops.text import escape

OTHERS = stat.S_IROTH | stat.S_IWOTH
"""A group is let be: Debian's `ssl-cert` has one for keys."""


def about_secret(subject: str, path: Path) -> Iterator[Finding]:
    """A warning if everybody may read or change the file. One that is not there is told of by who
    needs it; Windows has no such modes, there it is in the file's ACL."""
    try:
        mode = stat.S_IMODE(os.stat(path).st_mode)
    except OSError:
        return
    if os.name == "posix" and mode & OTHERS:
        name = escape(str(path))
        text = f"{name}: holds a secret, and others may read or change it (mode {mode:04o})"
        yield Finding(Severity.WARNING, subject, text, f"run: chmod o-rwx {name}")
