"""`netbootctl machines watch`: all boots as they go.

    GET /v1/boots/events ──record per change──▶ Board ──▶ terminal: a block per machine that moves
                                                  └─────▶ elsewhere: a line per stage that is over

A boot that is over leaves the moving part and stays above it as one line.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from netbootd.admin.client import admin_client
from netbootd.admin.machines import machine_key
from netbootd.machine_view import STYLES, duration, moment, seconds_between, title
from ops.amount import size_text
from ops.cli import ExitCode, Failed
from ops.table import print_record, terminal
from ops.text import escape
from ops.web.client import AdminClient

WIDE: Final = 100
"""Columns from which on stages and bar share a line."""
ROOM_FOR_BAR: Final = 62
"""What bar, amount and speed have of such a line."""
EDGE: Final = 3
"""Lines of the screen that are not for machines."""
SMOOTHING: Final = 0.3
"""How much the newest measurement counts for the speed shown."""
EVENTS: Final = "/v1/boots/events"

Record = dict[str, Any]


def watch(
    configuration: Path | None,
    machines: Iterable[str],
    *,
    until: int | None = None,
    as_json: bool = False,
) -> ExitCode:
    """Show boots until `until` of them are over, or netbootd stops. Raises Failed."""
    client = admin_client(configuration)
    client.get("/v1/status")  # here it fails, if it does, before anything is drawn
    wanted = {machine_key(machine) for machine in machines}
    console = terminal()

    def begun() -> None:
        if console is None:
            click.echo("watching", err=True)  # so that a script knows that it misses nothing

    records = _until(_wanted(_records(client, begun), wanted), until)
    if as_json:
        for record in records:
            print_record(record)
    elif console is None:
        lines = Lines()
        for record in records:
            for line in lines.of(record):
                click.echo(line)
    else:
        _on_screen(console, records)
    if until is None:
        raise Failed("netbootd has stopped")
    return ExitCode.OK


def _records(client: AdminClient, begun: Callable[[], None]) -> Iterator[Record]:
    """A record for each change; who lags behind begins anew, with what is under way by then."""
    while True:
        for record in client.events(EVENTS):
            if "event" not in record:
                yield record
            elif record["event"] == "dropped":
                break
            else:
                begun()
        else:
            return


def _wanted(records: Iterator[Record], machines: set[str]) -> Iterator[Record]:
    return (one for one in records if not machines or one["machine"] in machines)


def _until(records: Iterator[Record], number: int | None) -> Iterator[Record]:
    over = 0
    for record in records:
        yield record
        over += record["outcome"] != "booting"
        if over == number:
            return


# Where there is no terminal.


class Lines:
    """Each stage once, when it is over; each boot when that is."""

    def __init__(self) -> None:
        self._told: dict[str, set[tuple[str, str, str | None]]] = {}

    def of(self, record: Record) -> Iterator[str]:
        """The lines that `record` adds."""
        machine = record["machine"]
        told = self._told.setdefault(machine, set())
        for stage in record["stages"]:
            key = (stage["name"], stage["about"], stage["ended"])
            if stage["ended"] is not None and key not in told:
                told.add(key)
                size = f" ({size_text(stage['done'])})" if stage["size"] else ""
                how = "" if stage["outcome"] == "complete" else f" {stage['outcome']}"
                what = f"{title(stage['name'])} {escape(stage['about'])}{size}{how}"
                yield f"{_clock(stage['ended'])} {machine} {what}"
        if record["outcome"] != "booting":
            del self._told[machine]
            yield f"{_clock(record['ended'])} {machine} {verdict(record)}"


def verdict(record: Record) -> str:
    """How a boot ended: `booted High Sierra in 12.3 s, 1.2 GiB`."""
    took = duration(seconds_between(record["began"], record["ended"]))
    image = f" {escape(record['image'])}" if record["image"] else ""
    sent = f", {size_text(record['bytes'])}" if record["bytes"] else ""
    why = f": {escape(record['why'])}" if record["why"] else ""
    return f"{record['outcome']}{image} in {took}{sent}{why}"


def _clock(text: str) -> str:
    return f"{moment(text).astimezone():%H:%M:%S}"


# On a terminal.


@dataclass(slots=True)
class Speed:
    """Bytes a second of the stage that is under way."""

    stage: str
    done: int
    at: float
    value: float = 0.0

    def learn(self, stage: str, done: int, now: float) -> None:
        if stage != self.stage or done < self.done:
            self.stage, self.done, self.at, self.value = stage, done, now, 0.0
        elif now > self.at and done > self.done:
            newest = (done - self.done) / (now - self.at)
            weight = SMOOTHING if self.value else 1.0
            self.value += weight * (newest - self.value)
            self.done, self.at = done, now


class Board:
    """What the moving part of the screen shows."""

    def __init__(self, seconds: Callable[[], float], now: Callable[[], datetime]) -> None:
        """`seconds` is a monotonic clock, `now` gives aware UTC."""
        self._seconds = seconds
        self._now = now
        self._boots: dict[str, Record] = {}
        self._speeds: dict[str, Speed] = {}

    def take(self, record: Record) -> Text | None:
        """A boot has gone on; if it is over, the line that stays of it."""
        machine = record["machine"]
        if record["outcome"] != "booting":
            self._boots.pop(machine, None)
            self._speeds.pop(machine, None)
            return _epitaph(record)
        self._boots[machine] = record
        current = _current(record)
        if current is not None and current["size"]:
            key = f"{current['name']} {current['about']}"
            speed = self._speeds.setdefault(machine, Speed(key, current["done"], self._seconds()))
            speed.learn(key, current["done"], self._seconds())
        return None

    def drawn(self, width: int, height: int) -> RenderableType:
        """All boots under way, as many lines for each as there is room."""
        boots = list(self._boots.values())  # at once: records come by another thread
        boots.sort(key=lambda boot: str(boot["began"]))
        if not boots:
            return Text("No machine boots right now; waiting. Ctrl-C ends this.", "dim")
        room = max(height - EDGE, 3)
        lines = 2 if width >= WIDE else 3
        is_close = len(boots) * lines > room
        shown = boots[-room:] if is_close else boots
        draw = self._line if is_close else self._block
        parts: list[RenderableType] = [draw(boot, width) for boot in shown]
        heading = f"{len(boots)} {'machine boots' if len(boots) == 1 else 'machines boot'}"
        if len(shown) < len(boots):
            heading += f", the last {len(shown)} shown"
        return Group(Text(heading, "bold"), *parts)

    def _block(self, boot: Record, width: int) -> RenderableType:
        head = Table.grid(padding=(0, 1), expand=True)
        head.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        head.add_column(justify="right", no_wrap=True)
        head.add_row(_name(boot), Text(self._elapsed(boot), "dim"))
        stages = _stages(boot, width - ROOM_FOR_BAR if width >= WIDE else width - 2)
        bar = self._bar(boot, width)
        if bar is None:
            return Group(head, _indented(stages))
        if width < WIDE:
            return Group(head, _indented(stages), _indented(bar))
        row = Table.grid(padding=(0, 1), expand=True)
        row.add_column(width=1)
        row.add_column(width=width - ROOM_FOR_BAR)
        row.add_column(ratio=1)
        row.add_row("", stages, bar)
        return Group(head, row)

    def _line(self, boot: Record, width: int) -> RenderableType:
        """One line for a boot, where there are many."""
        current = _current(boot)
        row = Table.grid(padding=(0, 1), expand=True)
        row.add_column(width=17, no_wrap=True, overflow="ellipsis")
        row.add_column(width=12, no_wrap=True, overflow="ellipsis")
        row.add_column(ratio=1)
        row.add_column(width=5, justify="right", no_wrap=True)
        last = boot["stages"][-1] if boot["stages"] else None
        stage = current or last
        name = Text(title(stage["name"]) if stage else "", "cyan" if current else "dim")
        bar: RenderableType = ""
        percent = ""
        if current is not None and current["size"]:
            bar, percent = _progress(current), _percent(current)
        row.add_row(Text(boot["machine"]), name, bar, percent)
        return row

    def _bar(self, boot: Record, width: int) -> RenderableType | None:
        """The bar of the file that is being read, with how much and how fast."""
        current = _current(boot)
        if current is None or not current["size"]:
            return None
        row = Table.grid(padding=(0, 1), expand=True)
        row.add_column(ratio=1)
        row.add_column(width=5, justify="right", no_wrap=True)
        cells: list[RenderableType] = [_progress(current), Text(_percent(current))]
        row.add_column(width=9, justify="right", no_wrap=True)
        cells.append(Text(size_text(min(current["done"], current["size"])), "dim"))
        if width >= WIDE:
            speed = self._speeds.get(boot["machine"])
            row.add_column(width=11, justify="right", no_wrap=True)
            is_known = speed is not None and speed.value > 0
            text = f"{size_text(int(speed.value))}/s" if speed is not None and is_known else ""
            cells.append(Text(text, "dim"))
        row.add_row(*cells)
        return row

    def _elapsed(self, boot: Record) -> str:
        return duration(max((self._now() - moment(boot["began"])).total_seconds(), 0.0))


def _on_screen(console: Console, records: Iterator[Record]) -> None:
    board = Board(time.monotonic, lambda: datetime.now(UTC))

    def draw() -> RenderableType:
        return board.drawn(console.width, console.height)

    with Live(
        console=console, get_renderable=draw, refresh_per_second=8, transient=True, screen=False
    ):
        for record in records:
            line = board.take(record)
            if line is not None:
                console.print(line)


def _current(boot: Record) -> Record | None:
    """The stage that is under way; of several the last."""
    running = [stage for stage in boot["stages"] if stage["ended"] is None]
    return running[-1] if running else None


def _name(boot: Record) -> Text:
    about = boot["model"] or boot["architecture"]
    parts = [Text(boot["machine"], "bold")]
    if boot["image"]:
        parts.append(Text(escape(boot["image"]), "cyan"))
    parts.append(Text(escape(about) if about else boot["address"], "dim"))
    return Text("  ").join(parts)


def _stages(boot: Record, width: int) -> Text:
    """All stages, those of the same name once, in lines of `width`."""
    marks: dict[str, tuple[str, str]] = {}
    for stage in boot["stages"]:
        name = title(stage["name"])
        if stage["ended"] is None:
            marks[name] = ("▸", "cyan")
        elif stage["outcome"] == "complete":
            marks[name] = ("✓", "green")
        else:
            marks[name] = ("✗", "red")
    lines, room = [Text()], width
    for name, (mark, style) in marks.items():
        part = Text.assemble((mark, style), " ", (name, "dim" if mark == "✓" else ""))
        if lines[-1] and part.cell_len + 1 > room:
            lines.append(Text())
            room = width
        lines[-1].append_text(Text(" ") + part if lines[-1] else part)
        room -= part.cell_len + 1
    return Text("\n").join(lines)


def _progress(stage: Record) -> ProgressBar:
    return ProgressBar(total=stage["size"], completed=min(stage["done"], stage["size"]))


def _percent(stage: Record) -> str:
    return f"{min(100 * stage['done'] // stage['size'], 100)} %"


def _indented(what: RenderableType) -> RenderableType:
    row = Table.grid(padding=(0, 1), expand=True)
    row.add_column(width=1)
    row.add_column(ratio=1)
    row.add_row("", what)
    return row


def _epitaph(record: Record) -> Text:
    """What stays of a boot that is over."""
    style = STYLES.get(record["outcome"], "")
    mark = "✓" if record["outcome"] == "booted" else "✗"
    return Text.assemble(
        (f"{_clock(record['ended'])} ", "dim"),
        (f"{mark} ", style),
        f"{record['machine']} ",
        (verdict(record), style),
    )
