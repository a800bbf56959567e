"""A boot as it is shown: on a terminal of any width, and where there is none."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console
from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock

from netbootd.simulate.watch import BootFailed, BootWatcher
from ops import show as show_module
from ops.screen import MAX_RESULT, ScreenWatcher
from ops.show import show

CONTROL = re.compile(r"\x1b\[[?0-9;]*[a-zA-Z]")
LONG = "“macOS High Sierra Installer” from 10.0.0.1, 10.0.0.2, 10.0.0.3"


class Screen:
    """A console whose output is text, and a watcher on it with a clock."""

    def __init__(self, width: int = 80, *, terminal: bool = False) -> None:
        self._output = io.StringIO()
        self.console = Console(
            file=self._output,
            width=width,
            force_terminal=terminal,
            color_system=None,
            highlight=False,
            legacy_windows=False,
        )
        self.now = 100.0
        self.watcher = ScreenWatcher(self.console, lambda: self.now)

    def boot(self) -> None:
        """Three stages, the last of which fails."""
        self.watcher.began("LIST", "INFORM[LIST] to 255.255.255.255")
        self.now += 0.012
        self.watcher.ended(LONG)
        self.watcher.began("booter", "TFTP i386/booter")
        for done in range(0, 2_000_001, 500_000):
            self.watcher.progressed(done, 2_000_000)
        self.now += 3.14
        self.watcher.ended("1.9 MiB by TFTP")
        self.watcher.began("root image", "GET http://10.0.0.1/a.dmg")
        self.watcher.failed("root image", "no connection in 5 attempts")

    @property
    def raw(self) -> str:
        return self._output.getvalue()

    @property
    def lines(self) -> list[str]:
        """What is left to read, control sequences taken out."""
        return [line.rstrip() for line in CONTROL.sub("", self.raw).splitlines() if line.strip()]


@pytest.mark.parametrize("width", [40, 80, 120])
def test_without_a_terminal(width: int) -> None:
    """In a pipe or a log each stage is one whole line, however narrow it calls itself."""
    screen = Screen(width)

    screen.boot()

    assert screen.raw.splitlines() == [
        f"✓ LIST                  {LONG} (12 ms)",
        "✓ booter                1.9 MiB by TFTP (3.1 s)",
        "✗ root image            no connection in 5 attempts (0 ms)",
    ]


@pytest.mark.parametrize("width", [40, 80, 120])
def test_on_a_terminal(width: int) -> None:
    """A line for each stage, never wider than the terminal, and nothing of it lost."""
    screen = Screen(width, terminal=True)

    screen.boot()

    assert all(len(line) <= width for line in screen.lines), screen.lines
    words = " ".join(screen.lines).split()
    for shown in (LONG, "1.9 MiB by TFTP", "no connection in 5 attempts", "3.1 s"):
        assert set(shown.split()) <= set(words), shown
    marks = [line[0] for line in screen.lines if line[0] in "✓✗"]
    assert marks == ["✓", "✓", "✗"]


def test_what_is_under_way_on_a_terminal() -> None:
    """While a stage runs, what it does is shown, then a bar; both are gone when it ends."""
    screen = Screen(120, terminal=True)

    screen.boot()

    assert "INFORM[LIST] to 255.255.255.255" in screen.raw
    assert "100%" in screen.raw
    assert screen.raw.rstrip().endswith("0 ms")


@pytest.mark.parametrize("terminal", [False, True])
def test_a_note_ends_no_stage(*, terminal: bool) -> None:
    """What is noted stands above the verdict on its stage, whose time goes on."""
    screen = Screen(80, terminal=terminal)
    screen.watcher.began("LIST", "INFORM[LIST] to 10.0.0.1")

    screen.now += 6
    screen.watcher.noted("no answer yet\x1b[2J")
    screen.now += 6
    screen.watcher.ended("“Sierra” from 10.0.0.1")

    lines = [line for line in screen.lines if line[0] in "…✓"]
    assert lines[0] == "… LIST                  no answer yet\\x1b[2J"
    assert lines[1].startswith("✓ LIST                  “Sierra” from 10.0.0.1")
    assert "12.0 s" in lines[1]


@pytest.mark.parametrize(("width", "has_speed"), [(40, False), (120, True)])
def test_the_bar_has_room(width: int, *, has_speed: bool) -> None:
    """A narrow terminal has a bar and a percentage, and no amounts that would break the line."""
    screen = Screen(width, terminal=True)

    screen.boot()

    assert ("/s" in screen.raw) is has_speed
    assert "%" in screen.raw


@pytest.mark.parametrize("terminal", [False, True])
def test_what_a_server_says_steers_no_terminal(*, terminal: bool) -> None:
    """An image's name is shown escaped: no control sequence, no second line, no markup."""
    screen = Screen(120, terminal=terminal)
    hostile = "\x1b[2Jimage\n[red]name[/red]\u202e"

    screen.watcher.began("SELECT", hostile)
    screen.watcher.ended(hostile)
    screen.watcher.began("LIST", "")
    screen.watcher.failed("LIST", hostile)

    assert "\x1b[2J" not in screen.raw
    assert "\u202e" not in screen.raw
    shown = r"\x1b[2Jimage\n[red]name[/red]\u202e"
    assert sum(shown in line for line in screen.lines) >= 2


def test_a_text_without_end_is_cut() -> None:
    """A server cannot fill the screen."""
    screen = Screen()

    screen.watcher.began("LIST", "")
    screen.watcher.ended("x" * 100_000)

    assert len(screen.raw) < MAX_RESULT + 100


def test_the_cursor_comes_back() -> None:
    """Whatever happens in the middle of a stage, the terminal is given back as it was."""
    screen = Screen(terminal=True)
    screen.watcher.began("LIST", "INFORM[LIST]")
    screen.watcher.progressed(1, 2)
    assert screen.raw.rindex("\x1b[?25l") > screen.raw.rfind("\x1b[?25h")

    screen.watcher.close()

    assert screen.raw.rindex("\x1b[?25h") > screen.raw.rindex("\x1b[?25l")


class TestShow:
    """A run in a reactor of its own (here: one that is told to do nothing but run it)."""

    @pytest.fixture(autouse=True)
    def reactor(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The process's reactor can be run once only, so it is not."""

        def react(main: object) -> None:
            result = main(MemoryReactorClock())  # type: ignore[operator]
            failures: list[object] = []
            result.addErrback(failures.append)
            raise SystemExit(1 if failures else 0)

        monkeypatch.setattr(show_module, "react", react)

    def test_a_boot_that_went_well(self) -> None:
        """Title, stages and verdict; the caller is told so."""

        async def run(reactor: object, watcher: BootWatcher) -> str:
            watcher.began("LIST", "…")
            watcher.ended("one image")
            return "“Sample” booted"

        screen = Screen()

        assert show("a Mac", run, screen.console, not_done="Not booted")

        assert [re.sub(r" \(\d+ ms\)", "", line) for line in screen.lines] == [
            "a Mac",
            "✓ LIST                  one image",
            "✓ “Sample” booted",
        ]

    def test_a_boot_that_failed(self) -> None:
        """The stage where it ended, why, and a verdict."""

        async def run(reactor: object, watcher: BootWatcher) -> str:
            watcher.began("LIST", "…")
            raise BootFailed("LIST", "no server answered")

        screen = Screen()

        assert not show("a Mac", run, screen.console, not_done="Not booted")

        assert [re.sub(r" \(\d+ ms\)", "", line) for line in screen.lines] == [
            "a Mac",
            "✗ LIST                  no server answered",
            "✗ Not booted: LIST failed",
        ]

    def test_a_fault_of_ours(self) -> None:
        """A bug ends the program as such, with the terminal as it was."""

        async def run(reactor: object, watcher: BootWatcher) -> str:
            watcher.began("LIST", "…")
            raise ZeroDivisionError

        screen = Screen(terminal=True)

        with pytest.raises(SystemExit) as caught:
            show("a Mac", run, screen.console, not_done="Not booted")

        assert caught.value.code == 1
        assert screen.raw.rindex("\x1b[?25h") > screen.raw.rindex("\x1b[?25l")

    def test_an_interrupt(self) -> None:
        """Ctrl-C is no success, and leaves a cursor."""

        async def run(reactor: object, watcher: BootWatcher) -> str:
            watcher.began("LIST", "…")
            await Deferred()
            raise AssertionError("unreachable")

        screen = Screen(terminal=True)

        assert not show("a Mac", run, screen.console, not_done="Not booted")

        assert screen.raw.rindex("\x1b[?25h") > screen.raw.rindex("\x1b[?25l")
