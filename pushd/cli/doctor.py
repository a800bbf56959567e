"""`pushctl doctor`."""

from __future__ import annotations

from pathlib import Path

import click

from ops.cli import config_option


@click.command(short_help="Find what keeps pushes from leaving.")
@click.option("--no-connect", is_flag=True, help="Leave Apple's servers alone.")
@config_option("pushd")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.pass_context
def doctor(
    ctx: click.Context, /, no_connect: bool, configuration: Path | None, as_json: bool
) -> None:
    """Look at all that pushd stands on: configuration, port, user, clock, credentials, the way to
    Apple by both ports and through the proxy, database, disk and limits.

    Each finding that is not good has its remedy. Nothing is changed and no push is sent, so it can
    be repeated at any time. The exit status is 1 if there is an error.
    """
    from pushd.doctor import run

    ctx.exit(run(configuration, connect=not no_connect, as_json=as_json))
