"""`netbootctl`: what an operator types. Commands import what they need when they run, so that
help and completion are quick."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import click

from netbootd import __version__
from netbootd.cli import backup, images, service
from netbootd.cli.config_init import init
from netbootd.cli.console import console
from netbootd.cli.doctor import doctor
from netbootd.cli.leases import leases as leases_
from netbootd.cli.machines import machines
from netbootd.cli.pxe import pxe
from ops.cli import ExitCode, Failed, Root
from ops.completion import completion_of
from ops.setting import MacAddress

FINDING_COLUMN = 24
"""Where the text of a finding begins, after severity and subject."""
NOT_BOOTED = "Not booted"


@click.group("netbootctl", cls=Root, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
def main() -> None:
    """Check and try out netbootd, and move to it."""


@main.command(short_help="Check configuration, images and ports.")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.pass_context
def check(ctx: click.Context, file: Path | None) -> None:
    """Check the configuration FILE, its images and ports. Starts nothing.

    Without FILE, what netbootd does by default is checked.

    Run it as root, on the server: the looks for DHCP servers, at the firewall and at who has a port
    need that, and are left out, and named, without. It asks for DHCP servers as any machine would,
    takes no address, and waits about four seconds for answers.

    The exit status is 1 if a start would fail, otherwise 0, whatever warnings there are.
    """
    import shutil
    import sys

    from netbootd.check import check
    from ops.wrapped import Wrapped

    out: Any = sys.stdout
    if out.isatty():
        out = Wrapped(out, width=shutil.get_terminal_size().columns, indent=FINDING_COLUMN)
    ctx.exit(check(file, out))


@main.group(short_help="Write a configuration, or print an example.")
def config() -> None:
    """Configuration files."""


@config.command(short_help="Print all settings with defaults.")
def example() -> None:
    """Print an annotated configuration file with every setting and its default."""
    from netbootd.config import example

    click.echo(example(), nl=False)


@main.command(short_help="Boot a simulated Mac, all on this computer.")
@click.pass_context
def demo(ctx: click.Context) -> None:
    """Boot a simulated Mac from a real daemon and a sample image, all on this computer.

    Needs no privilege, uses the loopback interface only and leaves nothing behind.
    """
    import tempfile
    from random import Random

    from netbootd.demo import demo
    from ops.show import show

    with tempfile.TemporaryDirectory(prefix="netbootd-demo-") as folder:
        booted = show(
            f"netbootd {__version__}: a simulated Mac netboots from this computer",
            lambda reactor, watcher: demo(reactor, Path(folder), watcher, Random(1)),  # noqa: S311
            not_done=NOT_BOOTED,
        )
    ctx.exit(ExitCode.OK if booted else ExitCode.FAILED)


@main.group("import", short_help="Move from ISC dhcpd, dnsmasq or Kea.")
def import_() -> None:
    """Take over from ISC dhcpd, dnsmasq or Kea.

    What cannot be taken over is told on standard error, with its line.
    """


@import_.command(short_help="Translate dhcpd.conf or dnsmasq.conf.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--from",
    "source",
    type=click.Choice(["dhcpd", "dnsmasq"]),
    help="What wrote the file. Default: what it looks like.",
)
def settings(file: Path, source: str | None) -> None:
    """Print the subnets and hosts of a dhcpd.conf or dnsmasq.conf as settings of netbootd."""
    from netbootd.dhcp.importer.command import import_settings

    import_settings(file, source)


@import_.command(short_help="Take over another server's leases.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--from",
    "source",
    type=click.Choice(["dhcpd", "dnsmasq", "kea"]),
    help="What wrote the file. Default: what it looks like.",
)
@click.option(
    "--config",
    "configuration",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Configuration of netbootd, which says where its database is. Default: none.",
)
def leases(file: Path, source: str | None, configuration: Path | None) -> None:
    """Enter the leases of a dhcpd.leases, dnsmasq.leases or kea-leases4.csv into the database.

    netbootd must not run meanwhile. Be who it runs as, or root if it starts as root.
    """
    from netbootd.dhcp.importer.command import import_leases

    import_leases(file, source, configuration)


@main.group(short_help="Boot a simulated Mac or PC.")
def simulate() -> None:
    """Machines in software that boot from a server, to see that it works."""


@simulate.command(short_help="Boot a simulated Mac.")
@click.option(
    "--server",
    default="255.255.255.255",
    show_default=True,
    metavar="ADDRESS",
    help="Server to ask; the default asks all on the link, as firmware does.",
)
@click.option(
    "--address",
    metavar="ADDRESS",
    help="Our own IPv4 address. Default: the one from which the server is reached.",
)
@click.option("--mac", default="a8:20:66:01:02:03", show_default=True, help="Hardware address.")
@click.option("--model", default="iMac14,2", show_default=True, help="Model identifier.")
@click.option("--arch", default="i386", show_default=True, help="Architecture, as BSDP names it.")
@click.option("--image", metavar="NAME|INDEX", help="Image to boot. Default: the server's default.")
@click.option("--bsdp-port", default=67, show_default=True, type=click.IntRange(1, 65535))
@click.option("--tftp-port", default=69, show_default=True, type=click.IntRange(1, 65535))
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="How long to wait for a server. Default: 80 seconds, as a Mac does.",
)
@click.pass_context
def mac(
    ctx: click.Context,
    server: str,
    address: str | None,
    mac: str,
    model: str,
    arch: str,
    image: str | None,
    bsdp_port: int,
    tftp_port: int,
    timeout: float | None,
) -> None:
    """Boot a simulated Mac: list images, select one, load it, check it.

    A server answers Macs on ports below 1024 only, so this needs root, or a server that is told
    otherwise (bsdp.unprivileged_reply_port).
    """
    import tempfile
    from random import SystemRandom

    from netbootd.simulate.mac import MacIdentity, Ports, SimulatedMac
    from netbootd.simulate.startup import choose_by
    from netbootd.simulate.watch import BootWatcher
    from ops.show import show

    identity = MacIdentity(mac=_mac(mac), model=model, arch=arch)
    asked = _address("--server", server)
    own = _address("--address", address) if address else _own_address(asked)

    async def boot(reactor: Any, watcher: BootWatcher) -> str:
        simulated = SimulatedMac(
            reactor,
            identity=identity,
            address=own,
            server=str(asked),
            ports=Ports(bsdp=bsdp_port, tftp=tftp_port),
            choose=choose_by(image),
            watcher=watcher,
            random=SystemRandom(),
            disk=Path(folder) / "root.dmg",
            timeout=timeout,
        )
        return str(await simulated.boot())

    with tempfile.TemporaryDirectory(prefix="netbootctl-") as folder:
        title = f"{model} {identity.mac.hex(':')} at {own} asks {asked}"
        booted = show(title, boot, not_done=NOT_BOOTED)
    ctx.exit(ExitCode.OK if booted else ExitCode.FAILED)


def _mac(text: str) -> bytes:
    try:
        return MacAddress.parse(text)
    except ValueError:
        raise click.BadParameter(f"{text} is not {MacAddress.form}", param_hint="--mac") from None


def _address(option: str, text: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except ValueError:
        raise click.BadParameter(f"{text} is not an IPv4 address", param_hint=option) from None


def _own_address(server: IPv4Address) -> IPv4Address:
    """The address that the system would send from. Connecting a UDP socket sends nothing."""
    import socket
    from contextlib import closing

    from netbootd.interface import read_interfaces

    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        try:
            sock.connect((str(server), 9))
        except OSError as error:  # a broadcast needs a default route, unless we bind
            own = [a.ip for i in read_interfaces() if not i.is_loopback for a in i.addresses]
            if len(own) == 1:
                return own[0]
            choices = ", ".join(map(str, own)) or "none is up"
            raise Failed(
                f"{server} cannot be reached ({error.strerror}); name --address: {choices}"
            ) from None
        return IPv4Address(sock.getsockname()[0])


main.add_command(completion_of(main, "netbootctl"))
main.add_command(backup.backup)
main.add_command(backup.restore)
main.add_command(machines)
main.add_command(images.images)
main.add_command(console)
main.add_command(doctor)
main.add_command(service.service)
main.add_command(leases_)
simulate.add_command(pxe)
config.add_command(init)
