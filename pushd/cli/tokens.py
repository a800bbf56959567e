"""`pushctl tokens`: device tokens that Apple called invalid."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from ops.cli import config_option

if TYPE_CHECKING:
    from ops.web.client import AdminClient
    from pushd.admin.shape import InvalidToken

PAGE: Final = 1000
SHOWN: Final = 50
UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


@click.group(short_help="Tokens that Apple called invalid.")
def tokens() -> None:
    """Device tokens."""


@tokens.command("list", short_help="Those that should be forgotten.")
@click.option(
    "--since",
    metavar="TIME",
    help="Only those that were noticed since: 2026-11-22, 2026-11-22T12:00, or 3d, 12h, 30m ago.",
)
@click.option("--topic", help="Of this topic only.")
@click.option("--limit", type=click.IntRange(1), help=f"Default: {SHOWN}; all as JSON.")
@config_option("pushd")
@click.option("--json", "as_json", is_flag=True, help="A line of JSON for each (NDJSON).")
def list_(
    since: str | None,
    topic: str | None,
    limit: int | None,
    configuration: Path | None,
    as_json: bool,
) -> None:
    """List tokens that Apple called invalid, the newest first.

    Forget each, unless its device has registered again since the time in the column `registered
    before`. Programs follow the same feed by the API: GET /v1/invalid-tokens.
    """
    from ops.table import print_record, print_table
    from pushd.admin.client import admin_client
    from pushd.cli.words import moment

    beginning = None if since is None else _milliseconds(since)
    most = limit or (None if as_json else SHOWN)
    found: list[InvalidToken] = []
    has_more = False
    for token in _all(admin_client(configuration), beginning, most):
        if topic is not None and token.topic != topic:
            continue
        if most is not None and len(found) == most:
            has_more = True
            break
        if as_json:
            import msgspec

            print_record(msgspec.to_builtins(token))
        found.append(token)
    if as_json:
        return
    print_table(
        ["noticed", "reason", "registered before", "topic", "token"],
        [
            [
                moment(one.settled_at),
                one.reason or "",
                moment(one.invalid_since or one.submitted_at),
                one.topic,
                one.device,
            ]
            for one in found
        ],
        nothing="Apple has called no token invalid.",
    )
    if has_more:
        click.echo(f"Only the newest {most} are shown; --limit or --json show more.", err=True)


def _all(client: AdminClient, since: int | None, most: int | None) -> Iterator[InvalidToken]:
    import msgspec

    from pushd.admin.shape import InvalidTokens

    before = None
    limit = PAGE if most is None else min(most + 1, PAGE)
    while True:
        answer = client.get("/v1/tokens", before=before, limit=limit)
        page = msgspec.convert(answer, InvalidTokens)
        for token in page.tokens:
            if since is not None and token.settled_at < since:
                return  # the newest come first
            yield token
        if not page.next:
            return
        before = page.next


def _milliseconds(text: str) -> int:
    """Raises click's own error."""
    ago = re.fullmatch(r"([0-9]{1,6}) ?([smhdw])", text)
    if ago:
        moment = datetime.now().astimezone() - timedelta(seconds=int(ago[1]) * UNITS[ago[2]])
    else:
        try:
            moment = datetime.fromisoformat(text).astimezone()  # ours, if it names no zone
        except (ValueError, OverflowError):
            what = "is no time such as 2026-11-22, 2026-11-22T12:00 or 3d"
            raise click.BadParameter(f"{text!r} {what}") from None
    return int(moment.timestamp() * 1000)
