"""`pushctl watch`: what pushd does, as it does it."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ops.cli import config_option

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from ops.web.client import AdminClient
    from pushd.cli.watched import Moment, Watched

LINES: Final = 10
"""Outcomes that are shown one by one, if there is room."""
REASONS: Final = 4
ORDER: Final = (
    "accepted",
    "rejected",
    "failed",
    "expired",
    "cancelled",
    "collapsed",
    "retried",
)


@click.command(short_help="Throughput, latency, outcomes, live.")
@click.option("--credential", metavar="NAME", help="Outcomes of this credential only.")
@click.option("--topic", help="Outcomes of this topic only.")
@click.option(
    "--state",
    type=click.Choice(
        ["accepted", "rejected", "failed", "expired", "cancelled", "collapsed", "queued"]
    ),
    metavar="STATE",
    help="Only these: accepted, rejected, failed, expired, cancelled or collapsed; queued are"
    " attempts that failed and will be repeated.",
)
@click.option(
    "--interval",
    type=click.FloatRange(0.1, 3600),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="Time between two looks.",
)
@click.option(
    "--for", "seconds", type=click.FloatRange(0), metavar="SECONDS", help="End after this time."
)
@config_option("pushd")
@click.option("--json", "as_json", is_flag=True, help="A line of JSON for each thing (NDJSON).")
def watch(
    credential: str | None,
    topic: str | None,
    state: str | None,
    interval: float,
    seconds: float | None,
    configuration: Path | None,
    as_json: bool,
) -> None:
    """Watch throughput, latency, outcomes and the queue, until Ctrl-C.

    On a terminal it is a picture; otherwise a line for each look, with --json a record, and one
    for each outcome.
    """
    from ops.table import terminal
    from pushd.admin.client import admin_client
    from pushd.cli.watched import Watched

    client = admin_client(configuration)
    which = {"credential": credential, "topic": topic, "state": state}
    watched = Watched(began=time.time())
    ends = None if seconds is None else time.monotonic() + seconds
    feed = _Feed(client, which)
    console = None if as_json else terminal()
    show: Callable[[Moment], object] = _record if as_json else _line
    live = None if console is None else _Live(console, watched)
    try:
        if live is not None:
            live.start()
            show = live.show
        for event in feed.until(ends, interval):
            if event is None:
                show(watched.looked(client.get("/v1/status"), time.time()))
                continue
            watched.happened(event)
            if as_json:
                _print(event)
    finally:
        if live is not None:
            live.stop()


class _Feed:
    """Events as they come, from a thread that does nothing but read them."""

    def __init__(self, client: AdminClient, which: dict[str, Any]) -> None:
        self._events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._client = client
        self._which = which
        thread = threading.Thread(target=self._read, name="events", daemon=True)
        thread.start()

    def _read(self) -> None:
        from ops.cli import Failed

        try:
            for event in self._client.events("/v1/events", **self._which):
                self._events.put(event)
            self._events.put(Failed("pushd has stopped, or does not tell any more"))
        except Failed as error:
            self._events.put(error)

    def until(self, ends: float | None, interval: float) -> Iterator[Any]:
        """Each event; None when it is time to look. Raises Failed when there are no more."""
        look = time.monotonic()
        while True:
            now = time.monotonic()
            if now >= look:
                yield None
                look = max(look + interval, now)
            if ends is not None and now >= ends:
                return
            pause = look - now if ends is None else min(look, ends) - now
            try:
                event = self._events.get(timeout=max(pause, 0.0))
            except queue.Empty:
                continue
            if isinstance(event, Exception):
                raise event
            yield event


# A line for each look.


def _record(moment: Moment) -> None:
    _print(moment.record())


def _print(value: Any) -> None:
    from ops.table import print_record

    print_record(value)


def _line(moment: Moment) -> None:
    from pushd.cli.words import moment as shown

    states = "  ".join(f"{state} {number}" for state, number in _ordered(moment))
    click.echo(
        f"{shown(int(moment.at * 1000))}  {moment.rate:.0f}/s  waiting {moment.waiting}"
        f"  sending {moment.sending}  median {_time(moment.median)}  p95 {_time(moment.p95)}"
        f"  {states}".rstrip()
    )


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


# A picture.


class _Live:
    """Redraws the terminal at each look."""

    def __init__(self, console: Console, watched: Watched) -> None:
        from rich.live import Live

        self._console = console
        self._watched = watched
        self._live = Live(console=console, auto_refresh=False, transient=False)

    def start(self) -> None:
        self._live.start()

    def stop(self) -> None:
        self._live.stop()

    def show(self, moment: Moment) -> None:
        self._live.update(
            picture(moment, self._watched, self._console.width, self._console.height), refresh=True
        )


def picture(moment: Moment, watched: Watched, width: int, height: int) -> RenderableType:
    """What is shown on a terminal of so many columns and rows."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from pushd.cli.watched import sparkline

    facts = Table.grid(padding=(0, 2, 0, 0))
    facts.add_column(no_wrap=True, style="dim", width=11)
    facts.add_column(overflow="fold")
    curve = sparkline(list(watched.rates), max(width - 25, 10))
    facts.add_row("throughput", Text.assemble((f"{moment.rate:,.0f}/s ", "bold"), (curve, "cyan")))
    facts.add_row(
        "Apple takes",
        f"median {_time(moment.median)}, 95 % {_time(moment.p95)}, 99 % {_time(moment.p99)}",
    )
    facts.add_row(
        "queue",
        f"{_count(moment.waiting, 'waits', 'wait')}, {moment.sending:,} with Apple on"
        f" {_count(moment.connections, 'connection', 'connections')}",
    )
    facts.add_row("outcomes", _states(moment))
    if moment.reasons:
        facts.add_row("reasons", _reasons(moment))
    room = max(0, min(LINES, height - 9))
    lines = [_outcome(event, width) for event in list(watched.latest)[-room:]] if room else []
    return Group(facts, *lines)


def _states(moment: Moment) -> RenderableType:
    from rich.text import Text

    from pushd.cli.words import STATE_STYLES

    if not moment.states:
        return Text("none yet", "dim")
    parts = [
        Text(f"{number:,} {state}", STATE_STYLES.get(state, "yellow"))
        for state, number in _ordered(moment)
    ]
    return Text(", ").join(parts)


def _ordered(moment: Moment) -> list[tuple[str, int]]:
    """Outcomes, always in the same order."""
    return [(state, moment.states[state]) for state in ORDER if state in moment.states]


def _reasons(moment: Moment) -> str:
    from ops.text import escape

    reasons = list(moment.reasons.items())
    shown = ", ".join(f"{escape(reason, 40)} {number:,}" for reason, number in reasons[:REASONS])
    return f"{shown}, …" if len(reasons) > REASONS else shown


def _outcome(event: Any, width: int) -> RenderableType:
    """One line: when, what, of which app; what does not fit is cut."""
    from rich.text import Text

    from ops.text import escape
    from pushd.cli.words import STATE_STYLES, moment

    state = "retried" if event["state"] == "queued" else event["state"]
    outcome = event.get("outcome") or {}
    why = " ".join(str(outcome[key]) for key in ("status", "reason") if outcome.get(key))
    at = moment(event["at"])[11:]
    line = Text.assemble(
        (f"{at} ", "dim"),
        (f"{state:<9} ", STATE_STYLES.get(state, "yellow")),
        "" if state == "accepted" else f"{escape(why, 60)} ",
        (f"{event['topic']} …{event['device'][-6:]}", "dim"),
    )
    line.truncate(width, overflow="ellipsis")
    return line


def _count(number: int, one: str, more: str) -> str:
    return f"{number:,} {one if number == 1 else more}"
