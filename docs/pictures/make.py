"""Make the pictures: a command runs in a terminal, and the terminal is drawn as it was.

    pip install pyte
    python docs/pictures/make.py [demo] [push-demo]

The terminal is looked at ten times a second. What it shows at the end is the picture; what it
showed on the way is played once, at its own pace, where the viewer animates.
"""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path

import pyte

COLUMNS, ROWS = 80, 13
LOOK = 0.1
"""Seconds between two looks."""
PICTURES = {
    "demo": (
        "netbootctl demo",
        "a simulated Mac boots over the network, stage by stage",
    ),
    "push-demo": (
        "pushctl demo",
        "ten thousand pushes are delivered, although the daemon is killed halfway",
    ),
}
"""By file: the command, and what its picture shows."""

CELL, LINE = 8.4, 20
MARGIN, BAR = 18, 40
COLOURS = {
    "default": "#c9d1d9",
    "green": "#56d364",
    "red": "#ff7b72",
    "cyan": "#76e3ea",
    "magenta": "#d2a8ff",
    "brown": "#e3b341",
    "blue": "#79c0ff",
    "white": "#f0f6fc",
    "black": "#484f58",
    "brightblack": "#8b949e",
}


@dataclass(frozen=True)
class Run:
    """Characters of one row that look alike, from `column` on."""

    column: int
    text: str
    colour: str
    bold: bool


Row = tuple[Run, ...]


@dataclass
class Shown:
    """What one row showed from `since` to `until`, in seconds; `until` None: to the end."""

    line: int
    row: Row
    since: float
    until: float | None = None


class Screen(pyte.Screen):
    """Keeps the faint attribute, which pyte does not know, as a colour of its own."""

    def select_graphic_rendition(self, *attributes: int, **kwargs: object) -> None:
        if 2 in attributes:
            attributes = (*(a for a in attributes if a != 2), 90)
        super().select_graphic_rendition(*attributes, **kwargs)


def record(command: str) -> list[Shown]:
    """Run it; every row with the time for which it was shown."""
    screen = Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS)}
    program, *arguments = command.split()
    began = time.monotonic()
    with subprocess.Popen(  # noqa: S603 - our own command
        [Path(sys.executable).with_name(program), *arguments],
        stdout=theirs,
        stderr=theirs,
        env=environment,
    ) as demo:
        os.close(theirs)
        history: list[Shown] = []
        current: dict[int, Shown] = {}
        looked = 0.0
        while data := _read(ours):
            stream.feed(data)
            now = time.monotonic() - began
            if now - looked >= LOOK:
                looked = now
                _look(screen, now, current, history)
        _look(screen, time.monotonic() - began, current, history)
    os.close(ours)
    if demo.returncode:
        sys.exit("\n".join(screen.display))
    return history


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux's way to say that the other side is closed
        return b""


def _look(screen: Screen, now: float, current: dict[int, Shown], history: list[Shown]) -> None:
    for line in range(ROWS):
        row = _row(screen, line)
        shown = current.get(line)
        if shown is not None:
            if shown.row == row:
                continue
            shown.until = now
            del current[line]
        if row:
            current[line] = Shown(line, row, now)
            history.append(current[line])


def _row(screen: Screen, line: int) -> Row:
    cells = [screen.buffer[line][column] for column in range(COLUMNS)]
    styled = groupby(enumerate(cells), key=lambda cell: (cell[1].fg, cell[1].bold))
    return tuple(
        Run(column, text.rstrip(), colour, bold)
        for (colour, bold), group in styled
        for column, text in _words(list(group))
    )


def _words(cells: list[tuple[int, pyte.screens.Char]]) -> Iterator[tuple[int, str]]:
    """Each stretch without two blanks in a row: where fonts differ, columns still stand."""
    text = "".join(cell.data for _, cell in cells)
    for match in re.finditer(r"\S+(?: \S+)*", text):
        yield cells[0][0] + match.start(), match[0]


def draw(command: str, what: str, history: list[Shown]) -> str:
    """The recording as an SVG."""
    width = 2 * MARGIN + COLUMNS * CELL
    lines = 2 + max(shown.line for shown in history)
    height = BAR + lines * LINE + MARGIN
    prompt = Shown(-1, (Run(0, "$", "green", True), Run(2, command, "white", True)), 0.0)
    body = "\n".join(_drawn(shown) for shown in [prompt, *history] if not _flicker(shown))
    dots = "".join(
        f'<circle cx="{MARGIN + 4 + 20 * n}" cy="20" r="6" fill="{fill}"/>'
        for n, fill in enumerate(("#ff5f57", "#febc2e", "#28c840"))
    )
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img">
<title>{command}: {what}</title>
<style>
text {{ font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  white-space: pre }}
.b {{ font-weight: bold }}
.past {{ visibility: hidden }}
@media (prefers-reduced-motion: no-preference) {{
  .now {{ animation: wait 1s }}
  .past {{ animation: flash 1s }}
}}
@keyframes wait {{ from, to {{ visibility: hidden }} }}
@keyframes flash {{ from, to {{ visibility: visible }} }}
</style>
<rect width="{width:g}" height="{height:g}" rx="10" fill="#0d1117"/>
<rect width="{width - 1:g}" height="{height - 1:g}" x=".5" y=".5" rx="10" fill="none"
 stroke="#30363d"/>
{dots}
{body}
</svg>
"""


def _flicker(shown: Shown) -> bool:
    return shown.until is not None and shown.until - shown.since < LOOK


def _drawn(shown: Shown) -> str:
    y = BAR + (shown.line + 2) * LINE - 4
    texts = "".join(
        f'<text x="{MARGIN + run.column * CELL:.1f}" y="{y}" fill="{_colour(run)}"'
        f' textLength="{len(run.text) * CELL:.1f}"{_class(run)}>{escape(run.text)}</text>'
        for run in shown.row
    )
    if shown.until is None:  # hidden until its time has come
        return f'<g class="now" style="animation-duration:{shown.since:.2f}s">{texts}</g>'
    lasts = shown.until - shown.since
    time = f"animation-delay:{shown.since:.2f}s;animation-duration:{lasts:.2f}s"
    return f'<g class="past" style="{time}">{texts}</g>'


def _class(run: Run) -> str:
    return ' class="b"' if run.bold else ""


def _colour(run: Run) -> str:
    return COLOURS.get(run.colour, f"#{run.colour}")


if __name__ == "__main__":
    for name in sys.argv[1:] or PICTURES:
        command, what = PICTURES[name]
        target = Path(__file__).with_name(f"{name}.svg")
        target.write_text(draw(command, what, record(command)))
