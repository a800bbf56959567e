"""`netbootctl leases`: who has which address, and who is to keep one."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import click

from ops.cli import config_option
from ops.setting import MacAddress

AS_JSON = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON, with all that is known."
)


class Machine(click.ParamType[MacAddress]):
    """An Ethernet address."""

    name = "mac"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> MacAddress:
        try:
            return MacAddress.parse(str(value))
        except ValueError:
            self.fail(f"{value} is not {MacAddress.form}", param, ctx)


class Address(click.ParamType[IPv4Address]):
    """An IPv4 address."""

    name = "address"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> IPv4Address:
        try:
            return IPv4Address(str(value))
        except ValueError:
            self.fail(f"{value} is not an IPv4 address", param, ctx)


class AddressOrMachine(click.ParamType[IPv4Address | MacAddress]):
    """Either of them."""

    name = "address"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> IPv4Address | MacAddress:
        for parse in (IPv4Address, MacAddress.parse):
            try:
                return parse(str(value))
            except ValueError:
                continue
        self.fail(f"{value} is neither an IPv4 address nor {MacAddress.form}", param, ctx)


@click.group(invoke_without_command=True, short_help="Leases of the DHCP server.")
@config_option("netbootd")
@AS_JSON
@click.pass_context
def leases(ctx: click.Context, configuration: Path | None, as_json: bool) -> None:
    """Leases of the DHCP server, and addresses that are reserved. Alone, it lists them."""
    if ctx.invoked_subcommand is None:
        from netbootd.dhcp.lease_list import list_leases

        list_leases(configuration, as_json=as_json)
    else:
        given = {"configuration": configuration, "as_json": as_json}
        ctx.default_map = {ctx.invoked_subcommand: given}


@leases.command("list", short_help="List leases and reservations.")
@config_option("netbootd")
@AS_JSON
def list_(configuration: Path | None, as_json: bool) -> None:
    """List the leases and reservations: address, end in local time, state, machine, name.

    They are read from the database, whether netbootd runs or not; nothing is changed. Be who it
    runs as, or root.
    """
    from netbootd.dhcp.lease_list import list_leases

    list_leases(configuration, as_json=as_json)


@leases.command(short_help="Keep an address for a machine.")
@click.argument("mac", type=Machine())
@click.argument("address", type=Address(), required=False)
@click.option("--name", metavar="NAME", help="Host name. Default: the one that the machine says.")
@config_option("netbootd")
@AS_JSON
def reserve(
    mac: MacAddress,
    address: IPv4Address | None,
    name: str | None,
    configuration: Path | None,
    as_json: bool,
) -> None:
    """Keep ADDRESS, or the one that it has now, for the machine with Ethernet address MAC.

    The reservation is in the database, and stays until `unreserve`. The configuration wins: what a
    [[dhcp.host]] says about a machine, an address or a name cannot be reserved otherwise.
    """
    from netbootd.dhcp.lease_change import reserve, tell_reserved

    tell_reserved(reserve(configuration, mac, address, name), as_json=as_json)


@leases.command(short_help="Keep no address for a machine any more.")
@click.argument("mac", type=Machine())
@config_option("netbootd")
@AS_JSON
def unreserve(mac: MacAddress, configuration: Path | None, as_json: bool) -> None:
    """Take back what `reserve` did for the machine with Ethernet address MAC.

    Its lease, if it has one, stays until it ends.
    """
    from netbootd.dhcp.lease_change import tell_unreserved, unreserve

    tell_unreserved(unreserve(configuration, mac), as_json=as_json)


@leases.command(short_help="End a lease.")
@click.argument("which", type=AddressOrMachine(), metavar="ADDRESS|MAC")
@config_option("netbootd")
@AS_JSON
def release(which: IPv4Address | MacAddress, configuration: Path | None, as_json: bool) -> None:
    """End the lease of an address, or the last one of a machine, so that others may have it.

    The machine does not hear of it, and uses its address until it asks again: end leases of
    machines that are gone.
    """
    from netbootd.dhcp.lease_change import release, tell_released

    tell_released(release(configuration, which), as_json=as_json)
