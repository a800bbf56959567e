"""`netbootctl doctor`."""

from __future__ import annotations

from pathlib import Path

import click

from ops.cli import config_option


@click.command(short_help="Find out what is wrong, and what to do.")
@config_option("netbootd")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def doctor(ctx: click.Context, configuration: Path | None, as_json: bool) -> None:
    """Look at everything that netbootd stands on, and say what to do where something is wrong.

    Ports, privileges, interfaces, other DHCP servers, firewall, images, database, disks, clock and
    certificates; whether netbootd runs or not. Nothing is changed, so run it as often as you like;
    as root it sees most. The search for DHCP servers takes four seconds.

    The exit status is 1 if something is wrong, otherwise 0, whatever warnings there are.
    """
    from netbootd.doctor import run

    ctx.exit(run(configuration, as_json=as_json))
