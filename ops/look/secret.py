"""Can others on this computer read what only the daemon should?"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ops.finding import Finding, Severity
from ops.secret import why_exposed
from ops.text import escape


def about_secret(subject: str, path: Path) -> Iterator[Finding]:
    """A warning if everybody may read or change the file. One that is not there is told of by who
    needs it."""
    try:
        why = why_exposed(os.stat(path).st_mode)
    except OSError:
        return
    if why is not None:
        name = escape(str(path))
        yield Finding(Severity.WARNING, subject, f"{name}: {why}", f"run: chmod o-rwx {name}")
