"""`netbootctl simulate pxe`."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

import click

from netbootd.cli.leases import Address, Machine
from netbootd.cli.simulated import run_boot
from ops.cli import Failed

if TYPE_CHECKING:
    from netbootd.simulate.pxe import Place
    from netbootd.simulate.watch import BootWatcher

FIRMWARE = ("bios", "uefi-x86", "uefi-x86-64", "uefi-arm", "uefi-arm64", "uefi-riscv64")


@click.command(short_help="Boot a simulated PC.")
@click.option("--interface", metavar="NAME", help="Where to ask. Default: the only one there is.")
@click.option(
    "--platform",
    type=click.Choice(FIRMWARE),
    default="uefi-x86-64",
    show_default=True,
    help="What firmware it has.",
)
@click.option("--http", "is_http", is_flag=True, help="Boot by UEFI HTTP boot, not by PXE.")
@click.option("--ipxe", "is_ipxe", is_flag=True, help="Have iPXE in it, as virtual machines do.")
@click.option("--mac", type=Machine(), default="52:54:00:12:34:56", show_default=True)
@click.option("--server", type=Address(), help="Listen to this server only. Default: to all.")
@click.option("--entry", metavar="TEXT", help="What to pick in menus. Default: their default.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=15.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for each answer.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document at the end.")
@click.pass_context
def pxe(ctx: click.Context, /, interface: str | None, as_json: bool, **given: Any) -> None:
    """Boot a simulated PC: find a DHCP server and a boot server, load what they say, follow iPXE.

    It asks as firmware does, by broadcast on a link, so that it sees what any PC there would see:
    of netbootd, of dnsmasq or another server, or of a proxyDHCP beside one. It takes an address
    for a moment, gives it back, and loads from this computer's own. Needs root, and an interface
    with an address.
    """
    from random import SystemRandom

    from netbootd.simulate.pxe import SimulatedPc
    from netbootd.simulate.pxe_dhcp import PcIdentity

    identity = PcIdentity(
        mac=bytes(given["mac"]),
        architecture=_architecture(given["platform"], is_http=given["is_http"]),
        is_ipxe=given["is_ipxe"],
    )
    place = _place(interface)
    title = f"{identity} {given['mac']} on {place.interface or place.address}"

    async def boot(reactor: Any, watcher: BootWatcher) -> str:
        simulated = SimulatedPc(
            reactor,
            identity=identity,
            place=place,
            watcher=watcher,
            random=SystemRandom(),
            server=given["server"],
            entry=given["entry"],
            patience=given["timeout"],
        )
        return await simulated.boot()

    ctx.exit(run_boot(title, boot, as_json=as_json))


def _architecture(platform: str, *, is_http: bool) -> Any:
    from protocols.pxe.architecture import Architecture

    for one in Architecture:
        if one.platform == platform and one.is_http is is_http:
            return one
    raise Failed(f"{platform} has no HTTP boot; leave --http out")


def _place(name: str | None) -> Place:
    from netbootd.interface import read_interfaces
    from netbootd.simulate.pxe import Place

    found = [one for one in read_interfaces() if not one.is_loopback]
    names = ", ".join(one.name for one in found) or "none has one"
    if name is not None:
        found = [one for one in read_interfaces() if one.name == name]
        if not found:
            raise Failed(f"{name} is no interface with an address; those are: {names}")
    if len(found) != 1:
        raise Failed(f"name the interface to ask on: --interface {names}")
    address: IPv4Address = found[0].addresses[0].ip
    return Place(interface=found[0].name, address=address)
