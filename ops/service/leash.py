"""A daemon that its parent stops by closing its standard input, where there are no signals.

It must not be begun without being asked for: a daemon's standard input may be anything.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, MutableMapping

LEASH = "TWISTD_ENDS_WITH_STDIN"
"""In the environment of a child whose parent holds the other end."""


def hold(environment: MutableMapping[str, str], end: Callable[[], object]) -> None:
    """Call `end`, from another thread, when standard input ends; if the environment asks for it."""
    if not environment.pop(LEASH, "") or sys.__stdin__ is None:
        return
    descriptor = sys.__stdin__.fileno()

    def wait_thd() -> None:
        while os.read(descriptor, 1024):
            pass
        end()

    threading.Thread(target=wait_thd, name="leash", daemon=True).start()
