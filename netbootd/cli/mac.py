"""`netbootctl simulate mac`."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netbootd.cli.leases import Address, Machine
from netbootd.cli.simulated import run_boot
from ops.cli import Failed

if TYPE_CHECKING:
    from netbootd.simulate.watch import BootWatcher
    from ops.setting import MacAddress


@click.command(short_help="Boot a simulated Mac.")
@click.option(
    "--server",
    type=Address(),
    default="255.255.255.255",
    show_default=True,
    help="Server to ask; the default asks all on the link, as firmware does.",
)
@click.option(
    "--address",
    type=Address(),
    help="Our own IPv4 address. Default: the one from which the server is reached.",
)
@click.option(
    "--mac",
    type=Machine(),
    default="a8:20:66:01:02:03",
    show_default=True,
    help="Hardware address.",
)
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
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document at the end.")
@click.pass_context
def mac(
    ctx: click.Context,
    server: IPv4Address,
    address: IPv4Address | None,
    mac: MacAddress,
    model: str,
    arch: str,
    image: str | None,
    bsdp_port: int,
    tftp_port: int,
    timeout: float | None,
    as_json: bool,
) -> None:
    """Boot a simulated Mac: list images, select one, load it, check it.

    A server answers Macs on ports below 1024 only, so this needs root, or a server that is told
    otherwise (bsdp.unprivileged_reply_port).
    """
    import tempfile
    from random import SystemRandom

    from netbootd.simulate.mac import MacIdentity, Ports, SimulatedMac
    from netbootd.simulate.startup import choose_by

    identity = MacIdentity(mac=bytes(mac), model=model, arch=arch)
    own = address or _own_address(server)

    async def boot(reactor: Any, watcher: BootWatcher) -> str:
        simulated = SimulatedMac(
            reactor,
            identity=identity,
            address=own,
            server=str(server),
            ports=Ports(bsdp=bsdp_port, tftp=tftp_port),
            choose=choose_by(image),
            watcher=watcher,
            random=SystemRandom(),
            disk=Path(folder) / "root.dmg",
            timeout=timeout,
        )
        return str(await simulated.boot())

    with tempfile.TemporaryDirectory(prefix="netbootctl-") as folder:
        title = f"{model} {identity.mac.hex(':')} at {own} asks {server}"
        status = run_boot(title, boot, as_json=as_json)
    ctx.exit(status)


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
