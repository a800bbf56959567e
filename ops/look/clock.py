"""Is the clock of this computer right, and does something keep it so?"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

from ops.finding import Finding, Severity

SUBJECT: Final = "clock"
BUILT: Final = 2026
"""A clock before the year of this program is wrong: it has none, or an empty battery."""
SANE_YEARS: Final = 30
"""Years after that for which nobody runs this program."""
TIME_ERROR: Final = 5
"""adjtimex(2): the clock is not synchronised."""
TIMEX_SIZE: Final = 208
"""Bytes of `struct timex` where a long has 64 bits; with 32 it is smaller."""


def is_synchronised() -> bool | None:
    """Whether the kernel says that something (NTP, PTP) keeps its clock right; None: it cannot be
    asked."""
    if sys.platform != "linux":
        return None
    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    state = adjtimex(ctypes.create_string_buffer(TIMEX_SIZE))  # zeros: nothing is set
    return None if state < 0 else state != TIME_ERROR


def about_clock(
    now: datetime, matters: str, synchronised: Callable[[], bool | None] = is_synchronised
) -> Iterator[Finding]:
    """A finding about `now`, the time of this computer; `matters` says what goes by it."""
    shown = f"{now:%Y-%m-%d %H:%M:%S %Z}"
    if not BUILT <= now.year <= BUILT + SANE_YEARS:
        text = f"it is {shown} here, which is wrong: {matters}"
        yield Finding(Severity.ERROR, SUBJECT, text, "set the clock, and turn NTP on")
        return
    is_kept = synchronised()
    if is_kept:
        yield Finding(Severity.OK, SUBJECT, f"{shown}, synchronised")
    elif is_kept is None:
        yield Finding(Severity.OK, SUBJECT, f"{shown}; compare it with another")
    else:
        text = f"nothing keeps it right ({shown} now): {matters}"
        remedy = "timedatectl set-ntp true (or run chrony), unless the host of this VM does it"
        yield Finding(Severity.WARNING, SUBJECT, text, remedy)
