"""`netbootctl config init`."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import click

from netbootd.cli.leases import Address
from ops.cli import ExitCode, usual_configuration
from ops.setting import AddressRange


class Addresses(click.ParamType[AddressRange]):
    """A range of IPv4 addresses."""

    name = "range"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> AddressRange:
        try:
            return AddressRange.parse(str(value))
        except ValueError:
            self.fail(f"{value} is not {AddressRange.form}", param, ctx)


@click.command(short_help="Write a first configuration.")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option(
    "--mode",
    type=click.Choice(["alone", "beside", "proxy"]),
    help="alone: netbootd gives addresses. beside: another server does, Macs are booted. proxy:"
    " likewise, PCs, too. Default: what fits what is found.",
)
@click.option(
    "--interface", "interfaces", multiple=True, metavar="NAME", help="Serve there only. Repeatable."
)
@click.option(
    "--images", type=click.Path(path_type=Path), metavar="FOLDER", help="Where images are."
)
@click.option("--pool", type=Addresses(), metavar="FIRST-LAST", help="Addresses to lease.")
@click.option("--router", type=Address(), help="The way out for who is leased one.")
@click.option("--dns", type=Address(), multiple=True, help="Its DNS server. Repeatable.")
@click.option(
    "--loaders", type=click.Path(path_type=Path), metavar="FOLDER", help="Boot loaders for PCs."
)
@click.option("--user", metavar="NAME", help="User to become once ports are bound.")
@click.option("--yes", "-y", is_flag=True, help="Ask nothing: take what fits what is found.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@click.option(
    "--search/--no-search", default=True, help="Look for DHCP servers: four seconds, as root."
)
@click.pass_context
def init(ctx: click.Context, /, file: Path | None, mode: str | None, **given: Any) -> None:
    """Find out what there is, ask what you want, write an annotated FILE, and check it.

    Interfaces, DHCP servers that answer, folders of images and boot loaders are found by
    themselves, and suggested. Without FILE it is /etc/netbootd/netbootd.toml for root, otherwise
    ./netbootd.toml. A file that is there stays, unless you say --force.
    """
    from netbootd.check import check
    from netbootd.setup import Mode
    from netbootd.setup_dialogue import Given, init
    from ops.wrapped import wrapped_stdout

    dns: tuple[IPv4Address, ...] = given.pop("dns")
    written = init(Given(file=file, mode=None if mode is None else Mode(mode), dns=dns, **given))
    click.echo()
    status = check(written, wrapped_stdout())
    if status == ExitCode.OK:
        click.echo()
        _tell_next(written)
    ctx.exit(status)


def _tell_next(file: Path) -> None:
    option = "" if file == usual_configuration("netbootd") else f" --config {file}"
    click.echo(f"next  netbootctl images import FOLDER{option}")
    click.echo(f"      netbootctl service install{option}")
    click.echo(f"      or, to try it:  twistd -n netbootd --config {file}")
