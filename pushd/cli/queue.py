"""`pushctl queue`: what waits, and what to do about it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ops.amount import counted, size_text
from ops.cli import config_option

if TYPE_CHECKING:
    from ops.table import Cell
    from ops.web.client import AdminClient
    from pushd.admin.shape import Lane, Selection, Waiting

PAGE: Final = 1000
"""Pushes asked for at once, the most that the daemon gives."""
SHOWN: Final = 50
"""Pushes that are shown unless more are asked for."""


def _selection(command: Any) -> Any:
    """Which pushes."""
    for option in (
        click.option("--device", metavar="TOKEN", help="Pushes to this device."),
        click.option("--topic", help="Pushes to this topic."),
        click.option("--credential", metavar="NAME", help="Pushes with this credential."),
    ):
        command = option(command)
    return command


@click.group(short_help="What waits: look, retry, cancel.")
def queue() -> None:
    """Pushes that have no outcome yet."""


@queue.command("list", short_help="What waits, by topic or one by one.")
@_selection
@click.option(
    "--state",
    type=click.Choice(["queued", "waiting", "sending"]),
    help="In line, waiting for the next attempt, or with Apple.",
)
@click.option("--pushes", is_flag=True, help="One by one, in the order in which they leave.")
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=SHOWN,
    show_default=True,
    help="Pushes, or topics, that are shown.",
)
@config_option("pushd")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(
    credential: str | None,
    topic: str | None,
    device: str | None,
    state: str | None,
    pushes: bool,
    limit: int,
    configuration: Path | None,
    as_json: bool,
) -> None:
    """List what waits: a line for each credential and topic.

    With --pushes, --device or --state, a line for each push.
    """
    from pushd.admin.client import admin_client

    client = admin_client(configuration)
    if pushes or device or state:
        query = {"credential": credential, "topic": topic, "device": device, "state": state}
        _list_pushes(client, query, limit, as_json)
    else:
        _list_lanes(client, {"credential": credential, "topic": topic}, limit, as_json)


def _list_lanes(client: AdminClient, query: dict[str, Any], limit: int, as_json: bool) -> None:
    import msgspec

    from ops.table import print_json, print_table
    from pushd.admin.shape import Queue

    found = msgspec.convert(client.get("/v1/queue", limit=min(limit, PAGE), **query), Queue)
    if as_json:
        print_json(msgspec.to_builtins(found))
        return
    columns = ["waiting", "sending", "retrying", "credential", "topic", "trouble"]
    has_trouble = any(lane.trouble for lane in found.lanes)
    shown = columns if has_trouble else columns[:-1]
    print_table(
        shown,
        [_lane(lane)[: len(shown)] for lane in found.lanes],
        nothing="Nothing waits.",
        right=["waiting", "sending", "retrying"],
    )
    if len(found.lanes) > 1:
        click.echo(f"{found.waiting:,} in all, {size_text(found.size)}")
    if found.next:
        click.echo(f"Only {len(found.lanes)} topics are shown; there are more.", err=True)


def _lane(lane: Lane) -> list[Cell]:
    return [
        f"{lane.waiting:,}",
        f"{lane.sending:,}",
        f"{lane.retrying:,}",
        (lane.credential, "bold"),
        lane.topic,
        (lane.trouble or "", "red"),
    ]


def _list_pushes(client: AdminClient, query: dict[str, Any], limit: int, as_json: bool) -> None:
    import msgspec

    from ops.table import print_json, print_table

    found: list[Waiting] = []
    has_more = False
    for push in _pages(client, query, limit + 1):
        if len(found) == limit:
            has_more = True
            break
        found.append(push)
    if as_json:
        print_json({"pushes": msgspec.to_builtins(found), "more": has_more})
        return
    print_table(
        ["state", "tries", "since", "id", "type", "topic", "device"],
        [_push(push) for push in found],
        nothing="Nothing waits.",
        right=["tries"],
    )
    for push in found:
        if push.why is not None:
            click.echo(f"{push.id}: {push.why}{_next(push)}", err=True)
    if has_more:
        click.echo(f"Only the first {limit} are shown; --limit shows more.", err=True)


def _pages(client: AdminClient, query: dict[str, Any], most: int) -> Iterator[Waiting]:
    """All that match, page by page; a page may be short, and go on."""
    import msgspec

    from pushd.admin.shape import Pushes

    after = None
    while True:
        answer = client.get("/v1/queue/pushes", limit=min(most, PAGE), after=after, **query)
        page = msgspec.convert(answer, Pushes)
        yield from page.pushes
        if not page.next:
            return
        after = page.next


def _push(push: Waiting) -> list[Cell]:
    from pushd.cli.words import device_shown, moment, state_shown

    return [
        state_shown(push.state),
        str(push.tries),
        moment(push.submitted_at),
        push.id,
        push.push_type,
        push.topic,
        device_shown(push.device),
    ]


def _next(push: Waiting) -> str:
    from pushd.cli.words import moment

    return "" if push.retry_at is None else f"; tried again at {moment(push.retry_at)}"


@queue.command(short_help="Try again at once.")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@_selection
@click.option("--all", "everything", is_flag=True, help="Everything that waits.")
@config_option("pushd")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def retry(configuration: Path | None, as_json: bool, **which: Any) -> None:
    """Try pushes again at once that wait for their next attempt, and topics that rest because
    Apple refused too much of them or could not be reached.

    Name them by ID, or by all of --credential, --topic and --device that are given.
    """
    from ops.table import print_json
    from pushd.admin.client import admin_client

    done = admin_client(configuration).post("/v1/queue/retry", _which(which))
    if as_json:
        print_json(done)
        return
    pushes, lanes = done["pushes"], done["lanes"]
    click.echo(
        f"{counted(pushes, 'push', 'pushes')} and {counted(lanes, 'topic', 'topics')} "
        "tried again now."
    )


@queue.command(short_help="Take pushes back.")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@_selection
@click.option("--all", "everything", is_flag=True, help="Everything that waits.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask whether that is meant.")
@config_option("pushd")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def cancel(configuration: Path | None, as_json: bool, yes: bool, **which: Any) -> None:
    """Take back pushes that Apple does not have yet.

    Name them by ID, or by all of --credential, --topic and --device that are given.
    """
    from ops.cli import Failed
    from ops.table import print_json
    from pushd.admin.client import admin_client

    selection = _which(which)
    if not which["ids"] and not yes:
        if not sys.stdin.isatty():
            raise Failed("that may be many pushes; say --yes if it is meant")
        click.confirm(f"Take back {_meant(which)}?", abort=True, err=True)
    done = _cancelled(admin_client(configuration), selection)
    if as_json:
        print_json(done)
    else:
        click.echo(_told(done))
    if done["unknown"]:
        raise Failed(f"{counted(done['unknown'], 'id is', 'ids are')} unknown")


def _cancelled(client: AdminClient, selection: Selection) -> dict[str, int]:
    """Of all pages together: a long queue is gone through bit by bit."""
    import msgspec

    total = {"cancelled": 0, "too_late": 0, "unknown": 0}
    while True:
        done = client.post("/v1/queue/cancel", selection)
        for name in total:
            total[name] += done.get(name, 0)
        if not done.get("next"):
            return total
        selection = msgspec.structs.replace(selection, after=done["next"])


def _told(done: dict[str, int]) -> str:
    text = f"{counted(done['cancelled'], 'push', 'pushes')} taken back"
    if done["too_late"]:
        text += f"; {done['too_late']:,} too late: Apple has them, or they have an outcome"
    return f"{text}."


def _which(which: dict[str, Any]) -> Selection:
    """Raises click's own error where nothing is named, or too much."""
    from pushd.admin.shape import Selection

    filters = [which[name] for name in ("credential", "topic", "device") if which[name]]
    ways = [bool(which["ids"]), bool(filters), which["everything"]]
    if sum(ways) != 1:
        raise click.UsageError("name pushes by ID, by --credential, --topic, --device, or by --all")
    return Selection(
        ids=tuple(which["ids"]),
        credential=which["credential"],
        topic=which["topic"],
        device=which["device"],
        everything=which["everything"],
    )


def _meant(which: dict[str, Any]) -> str:
    if which["everything"]:
        return "everything that waits"
    named = (f"{name} {which[name]}" for name in ("credential", "topic", "device") if which[name])
    return f"all that waits for {' and '.join(named)}"
