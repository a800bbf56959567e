"""`netbootctl`: what an operator types. Commands import what they need when they run, so that
help and completion are quick."""

from __future__ import annotations

from pathlib import Path

import click

from netbootd import __version__
from netbootd.cli import backup, images, service
from netbootd.cli.config_init import init
from netbootd.cli.console import console
from netbootd.cli.doctor import doctor
from netbootd.cli.importing import import_
from netbootd.cli.leases import leases
from netbootd.cli.mac import mac
from netbootd.cli.machines import machines
from netbootd.cli.pxe import pxe
from netbootd.cli.simulated import run_boot
from ops.cli import Root, config_argument
from ops.completion import completion_of


@click.group("netbootctl", cls=Root, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
def main() -> None:
    """Check and try out netbootd, and move to it."""


@main.command(short_help="Check configuration, images and ports.")
@config_argument("netbootd")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, as doctor does.")
@click.pass_context
def check(ctx: click.Context, file: Path | None, as_json: bool) -> None:
    """Check the configuration FILE, its images and ports. Starts nothing.

    Without FILE it is that of $NETBOOTD_CONFIG, or /etc/netbootd/netbootd.toml; where there is
    none, what netbootd does by default is checked.

    Run it as root, on the server: the looks for DHCP servers, at the firewall and at who has a port
    need that, and are left out, and named, without. It asks for DHCP servers as any machine would,
    takes no address, and waits about four seconds for answers.

    The exit status is 1 if a start would fail, otherwise 0, whatever warnings there are.
    """
    from netbootd.check import check, findings_of
    from ops.doctor import write_report
    from ops.wrapped import wrapped_stdout

    if as_json:
        ctx.exit(write_report(list(findings_of(file))))
    ctx.exit(check(file, wrapped_stdout()))


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

    with tempfile.TemporaryDirectory(prefix="netbootd-demo-") as folder:
        status = run_boot(
            f"netbootd {__version__}: a simulated Mac netboots from this computer",
            lambda reactor, watcher: demo(reactor, Path(folder), watcher, Random(1)),  # noqa: S311
        )
    ctx.exit(status)


@main.group(short_help="Boot a simulated Mac or PC.")
def simulate() -> None:
    """Machines in software that boot from a server, to see that it works."""


main.add_command(completion_of(main, "netbootctl"))
main.add_command(backup.backup)
main.add_command(backup.restore)
main.add_command(machines)
main.add_command(images.images)
main.add_command(console)
main.add_command(doctor)
main.add_command(service.service)
main.add_command(leases)
main.add_command(import_)
simulate.add_command(mac)
simulate.add_command(pxe)
config.add_command(init)
