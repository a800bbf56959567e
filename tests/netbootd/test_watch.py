"""The live view of boots, on terminals narrow and wide, and as lines."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from netbootd.watch import Board, Lines

START = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)


def moment(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def stage(name: str, ends: float | None = 1, **keys: Any) -> dict[str, Any]:
    return {
        "name": name,
        "about": f"High Sierra.nbi/i386/{name}",
        "began": moment(0),
        "ended": None if ends is None else moment(ends),
        "done": 0,
        "size": 0,
        "outcome": "running" if ends is None else "complete",
        **keys,
    }


def boot(number: int = 1, *stages: dict[str, Any], **keys: Any) -> dict[str, Any]:
    return {
        "number": None,
        "machine": f"a8:20:66:01:02:{number:02x}",
        "address": "10.0.0.50",
        "client": "Mac",
        "architecture": "i386",
        "model": "iMac14,2",
        "image": "Install macOS High Sierra",
        "began": moment(number),
        "ended": moment(9),
        "outcome": "booting",
        "why": "",
        "bytes": 12 << 20,
        "stages": list(stages) or [stage("list"), stage("select")],
        **keys,
    }


def loading(number: int = 1, done: int = 12 << 20) -> dict[str, Any]:
    early = [stage(name) for name in ("list", "select", "booter", "platform_support", "boot_plist")]
    return boot(number, *early, stage("kernelcache", None, done=done, size=24 << 20))


class Screen:
    """A board, and a terminal without colours to draw it on."""

    def __init__(self, width: int, height: int = 24) -> None:
        self.width, self.height = width, height
        self.seconds = 0.0
        self.board = Board(lambda: self.seconds, lambda: START + timedelta(seconds=75))

    def lines(self) -> list[str]:
        console = Console(file=io.StringIO(), width=self.width, height=self.height)
        console.print(self.board.drawn(self.width, self.height))
        file = console.file
        assert isinstance(file, io.StringIO)
        return [line.rstrip() for line in file.getvalue().splitlines()]


@pytest.mark.parametrize("width", [40, 50, 80, 140])
def test_a_block_for_each(width: int) -> None:
    """Machine, stages and bar fit every terminal; no name of a stage is parted from its mark."""
    screen = Screen(width)
    screen.board.take(loading())

    lines = screen.lines()

    assert lines[0] == "1 machine boots"
    assert max(map(len, lines)) <= width
    assert lines[1].startswith("a8:20:66:01:02:01  ")
    assert lines[1].endswith("1:14 min")
    text = "\n".join(lines)
    for mark in ("✓ list", "✓ platform", "✓ boot.plist", "▸ kernelcache"):
        assert mark in text
    assert "50 %" in text
    assert "12.0 MiB" in text


def test_speed() -> None:
    """On a wide terminal, how fast a file comes, from one measurement to the next."""
    screen = Screen(140)
    screen.board.take(loading(done=4 << 20))
    screen.seconds = 2.0
    screen.board.take(loading(done=12 << 20))

    assert "4.0 MiB/s" in "\n".join(screen.lines())


def test_many_machines() -> None:
    """Where there is no room for blocks each has a line; where not even that, the last ones do."""
    screen = Screen(60, height=10)
    for number in range(5):
        screen.board.take(loading(number))
    assert len(screen.lines()) == 6
    for number in range(20):
        screen.board.take(loading(number))

    lines = screen.lines()

    assert lines[0] == "20 machines boot, the last 7 shown"
    assert len(lines) == 8
    assert lines[-1].startswith("a8:20:66:01:02:13 kernelcache")


def test_a_boot_that_is_over() -> None:
    """It leaves the moving part, and one line of it stays."""
    screen = Screen(80)
    screen.board.take(loading())

    line = screen.board.take(boot(outcome="booted", ended=moment(75)))

    assert line is not None
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d ✓ a8:20:66:01:02:01 booted Install macOS High Sierra in 1:14 min, "
        r"12.0 MiB",
        line.plain,
    )
    assert screen.lines() == ["No machine boots right now; waiting. Ctrl-C ends this."]


def test_as_lines() -> None:
    """Each stage once, when it is over, then how it ended; what peers say is escaped."""
    lines = Lines()
    first = list(lines.of(boot()))
    again = list(lines.of(loading()))
    failed = boot(outcome="failed", image="a\x1b[31m", why="no image has this id")
    end = list(lines.of(failed))

    def without_time(said: list[str]) -> list[str]:
        return [line.partition(" a8:20:66:01:02:01 ")[2] for line in said]

    assert without_time(first) == [
        "list High Sierra.nbi/i386/list",
        "select High Sierra.nbi/i386/select",
    ]
    assert [line.split()[0] for line in without_time(again)] == ["booter", "platform", "boot.plist"]
    assert without_time(end) == [
        "failed a\\x1b[31m in 8.0 s, 12.0 MiB: no image has this id",
    ]
