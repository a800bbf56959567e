"""`netbootctl machines`: who boots now, who has booted, and how it went."""

from __future__ import annotations

from pathlib import Path

import click

from ops.cli import config_option


@click.group(short_help="Machines, and their boots.")
def machines() -> None:
    """Machines that have booted or are booting from here, and their boots."""


@machines.command("list", short_help="List all machines.")
@config_option("netbootd")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with all that is known.")
def list_(configuration: Path | None, as_json: bool) -> None:
    """List all machines that are known, the one seen last first.

    A running netbootd is asked; of one that does not run the database is read. Times are local.
    """
    from netbootd.machine_view import print_machines

    print_machines(configuration, as_json=as_json)


@machines.command(short_help="Show one machine and its boots.")
@click.argument("machine")
@click.option("--boots", "most", default=10, show_default=True, help="How many boots to show.")
@config_option("netbootd")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with all that is known.")
def show(machine: str, most: int, configuration: Path | None, as_json: bool) -> None:
    """Show what is known of MACHINE, and its boots, the last one stage by stage.

    MACHINE is a hardware address such as a8:20:66:01:02:03, an IPv4 address, or a name that
    `machines list` shows.
    """
    from netbootd.machine_view import print_machine

    print_machine(configuration, machine, most=most, as_json=as_json)


@machines.command(short_help="Watch machines boot, live.")
@click.argument("machine", nargs=-1)
@click.option(
    "--boots",
    "until",
    type=click.IntRange(1),
    metavar="N",
    help="End when N boots are over. Default: end by Ctrl-C, or when netbootd stops.",
)
@config_option("netbootd")
@click.option("--json", "as_json", is_flag=True, help="Print each change as a line of JSON.")
@click.pass_context
def watch(
    ctx: click.Context,
    machine: tuple[str, ...],
    until: int | None,
    configuration: Path | None,
    as_json: bool,
) -> None:
    """Watch all machines boot, or each MACHINE (a hardware address) that is named.

    On a terminal each machine has a line that moves, with a bar for what it is loading. Elsewhere
    each stage is a line when it is done.
    """
    from netbootd.watch import watch

    ctx.exit(watch(configuration, machine, until=until, as_json=as_json))
