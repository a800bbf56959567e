"""`netbootctl import`: from ISC dhcpd, dnsmasq or Kea to netbootd."""

from __future__ import annotations

from pathlib import Path

import click

from ops.cli import config_option


@click.group("import", short_help="Move from ISC dhcpd, dnsmasq or Kea.")
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
@config_option("netbootd")
def leases(file: Path, source: str | None, configuration: Path | None) -> None:
    """Enter the leases of a dhcpd.leases, dnsmasq.leases or kea-leases4.csv into the database.

    netbootd must not run meanwhile. Be who it runs as, or root if it starts as root.
    """
    from netbootd.dhcp.importer.command import import_leases

    import_leases(file, source, configuration)
