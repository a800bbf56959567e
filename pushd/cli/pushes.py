"""`pushctl pushes`: the story of one push."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ops.cli import config_option

if TYPE_CHECKING:
    from ops.table import Cell
    from pushd.admin.shape import Story


@click.group(short_help="What became of a push.")
def pushes() -> None:
    """Single pushes."""


@pushes.command(short_help="The whole story of one.")
@click.argument("id_", metavar="ID")
@config_option("pushd")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(id_: str, configuration: Path | None, as_json: bool) -> None:
    """Tell all that is known of the push ID: what it was, each attempt that failed, what Apple said
    and what that means."""
    from urllib.parse import quote

    import msgspec

    from ops.table import print_facts, print_json
    from pushd.admin.client import admin_client
    from pushd.admin.shape import Story

    answer = admin_client(configuration).get(f"/v1/pushes/{quote(id_.lower(), safe='')}")
    if as_json:
        print_json(answer)
    else:
        print_facts(_facts(msgspec.convert(answer, Story)))


def _facts(story: Story) -> list[tuple[str, Cell]]:
    from pushd.cli.words import moment, outcome_words, span, state_shown

    facts: list[tuple[str, Cell]] = [(story.state, (story.id, state_shown(story.state)[1]))]
    if story.push_type is not None:
        what = [story.push_type]
        if story.priority is not None:
            what.append(f"priority {story.priority}")
        if story.size is not None:
            what.append(f"{story.size} bytes")
        if story.collapse_id is not None:
            what.append(f"collapses as {story.collapse_id}")
        facts.append(("push", ", ".join(what)))
    for name, value in (
        ("device", story.device),
        ("topic", story.topic),
        ("credential", story.credential),
    ):
        if value is not None:
            facts.append((name, value))
    facts.append(("handed in", moment(story.submitted_at)))
    facts += [(moment_name, text) for moment_name, text in _attempts(story)]
    if story.settled_at is not None:
        took = timedelta(milliseconds=max(story.settled_at - story.submitted_at, 0))
        after = (
            f"{took.total_seconds() * 1000:.0f} ms" if took < timedelta(seconds=1) else span(took)
        )
        facts.append(("settled", f"{moment(story.settled_at)}, after {after}"))
    elif story.deadline is not None:
        facts.append(("gives up", moment(story.deadline)))
    for number, line in enumerate(outcome_words(story.state, story.outcome)):
        facts.append(("outcome" if not number else "", line))
    return facts


def _attempts(story: Story) -> list[tuple[str, str]]:
    from pushd.cli.words import moment
    from pushd.reason_text import plain

    told = [("", f"{moment(attempt.at)}  {attempt.why}") for attempt in story.attempts]
    left_out = story.tries - len(told)
    if left_out > 0 and len(told) > 1:
        told.insert(1, ("", f"… {left_out} more"))
    if told:
        told[0] = ("failed", told[0][1])
    known = plain(story.attempts[-1].why.rpartition(" ")[2]) if story.attempts else None
    if known is not None and story.outcome is None:
        told.append(("", f"{known.meaning} → {known.remedy}"))
    if story.retry_at is not None:
        told.append(("next try", moment(story.retry_at)))
    return told
