"""Do the subnets of the DHCP server and the addresses of this computer fit together?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Interface

from netbootd.config import Config
from netbootd.dhcp.settings import SubnetSettings
from netbootd.interface import Interface
from ops.config import Invalid
from ops.finding import Finding, Severity

SUBJECT = "DHCP"


def about_subnets(settings: Config, interfaces: Sequence[Interface]) -> Iterator[Finding]:
    """A finding for each interface without a subnet, and for each subnet that is cut otherwise
    than its interface, or leases nothing; and an error where our own address is somebody else's.
    Nothing unless `[dhcp]` is enabled."""
    dhcp = settings.dhcp
    if not dhcp.enabled:
        return
    from netbootd.dhcp.plan import plan_of  # heavy, and not needed by who leases nothing

    leasing = [one for one in interfaces if settings.on(one.name).dhcp]
    try:
        plan_of(dhcp, ours={address.ip for one in leasing for address in one.addresses})
    except Invalid as error:
        text = f"dhcp.{error.key}: {error.problem}"
        yield Finding(Severity.ERROR, SUBJECT, text, error.remedy)
    for n, subnet in enumerate(dhcp.subnets):
        has_host = any(host.address and host.address in subnet.network for host in dhcp.hosts)
        if not (subnet.pools or has_host or subnet.shared_network):
            text = f"dhcp.subnet[{n}]: {subnet.network} has no address to lease"
            yield Finding(Severity.WARNING, SUBJECT, text, "add `pools`")
    for interface in leasing:
        yield from _about(interface, dhcp.subnets)


def _about(interface: Interface, subnets: Sequence[SubnetSettings]) -> Iterator[Finding]:
    pairs = [
        (address, subnet)
        for address in interface.addresses
        for subnet in subnets
        if address.ip in subnet.network
    ]
    if not pairs:
        have = ", ".join(str(address) for address in interface.addresses)
        yield Finding(
            Severity.WARNING,
            SUBJECT,
            f"{have} [{interface.name}] is in no [[dhcp.subnet]]: machines there get no address"
            " from us",
            f"add one with network = {_toml(interface.addresses[0])}, or set dhcp = false in"
            f" [interface.{interface.name}]",
        )
    for address, subnet in pairs:
        if address.network == subnet.network:
            text = f"leases addresses of {subnet.network} on {interface.name}"
            yield Finding(Severity.OK, SUBJECT, text)
        else:
            yield Finding(
                Severity.WARNING,
                SUBJECT,
                f"[[dhcp.subnet]] {subnet.network} is not the network of {interface.name}, which"
                f" is {address.network}: machines would not reach each other",
                "correct one of them",
            )


def _toml(address: IPv4Interface) -> str:
    return f'"{address.network}"'
