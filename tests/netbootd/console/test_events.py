"""Events as the page of a machine tells them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from netbootd.console.events import line_of
from netbootd.event import (
    Event,
    FileMissing,
    ImagesListed,
    TransferFinished,
    TransferProgressed,
)
from netbootd.transfer import Outcome

ABOUT: dict[str, Any] = {
    "at": datetime(2026, 11, 22, 2, 0, tzinfo=UTC),
    "machine": "a8:20:66:01:02:03",
    "address": "10.0.0.50",
}
FILE: dict[str, Any] = {
    "service": "tftp",
    "name": "High Sierra.nbi/i386/booter",
    "role": "booter",
    "size": 500_000,
}


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (
            ImagesListed(
                **ABOUT,
                interface="en0",
                architecture="i386",
                system_id="iMac14,2",
                images=2,
                applicable=3,
                size=302,
            ),
            "BSDP ACK[LIST] sent 10.0.0.50 pktsize 302 [en0] arch=i386 sysid=iMac14,2 images=2;"
            " image list truncated to first 2 images of 3: the machine takes no longer message",
        ),
        (
            TransferFinished(**ABOUT, **FILE, sent=500_000, outcome=Outcome.COMPLETE, seconds=1.5),
            "tftp: has read High Sierra.nbi/i386/booter (500000 of 500000 bytes in 1.5 s)",
        ),
        (
            TransferProgressed(**ABOUT, **FILE, sent=250_000),
            "tftp: High Sierra.nbi/i386/booter, 250 KB of 500 KB",
        ),
        (
            FileMissing(**ABOUT, service="http", name="x\x1b[2J", why="no such file"),
            "http: asked for x\\x1b[2J: no such file",
        ),
    ],
)
def test_line(event: Event, line: str) -> None:
    """In the words of the log, without the machine, which the page is about."""
    assert line_of(event) == line
