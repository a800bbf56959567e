"""What other DHCP servers mean for us: one gives addresses, none does, or two do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from netbootd.coexist.discover import Offer
from netbootd.config import Config
from netbootd.interface import Interface
from ops.finding import Finding, Severity
from ops.owner import Owners

SUBJECT = "DHCP servers"


def leases_on(settings: Config, interfaces: Sequence[Interface]) -> frozenset[str]:
    """The interfaces whose machines get their addresses from us."""
    if not settings.dhcp.enabled:
        return frozenset()
    networks = [subnet.network for subnet in settings.dhcp.subnets]
    return frozenset(
        one.name
        for one in interfaces
        if settings.on(one.name).dhcp
        and any(address.ip in network for address in one.addresses for network in networks)
    )


def about_offers(offers: Iterable[Offer], leases: frozenset[str]) -> Iterator[Finding]:
    """A finding for each server. `leases` are the links on which we give addresses."""
    for offer in offers:
        server = f"DHCP server {offer.server} on {offer.interface} gives addresses"
        if offer.interface not in leases:
            yield Finding(Severity.OK, SUBJECT, server)
            continue
        yield Finding(
            Severity.WARNING,
            SUBJECT,
            f"{server}, and so do we: one address may go to two machines",
            f"stop it, or set dhcp = false in [interface.{offer.interface}]",
        )


def about_sharing(settings: Config) -> Iterator[Finding]:
    """A finding where another DHCP server on this computer could answer beside us."""
    if settings.dhcp.enabled and settings.bsdp.share_port:
        yield Finding(
            Severity.WARNING,
            SUBJECT,
            "bsdp.share_port lets another DHCP server on this computer answer beside [dhcp]: one"
            " address may go to two machines",
            "set it to false",
        )


def about_silence(
    interfaces: Iterable[str], leases: frozenset[str], owners: Owners
) -> Iterator[Finding]:
    """A finding for each link on which nobody has answered. `owners` are the other programs of
    this computer that have port 67, which no question on a link gets to."""
    for name in interfaces:
        if owners:
            text = f"{owners} on this computer has UDP port 67 and may give addresses on {name}"
            if name in leases:
                text += ", and so do we: one address may go to two machines"
                yield Finding(Severity.WARNING, SUBJECT, text, "stop it")
            else:
                yield Finding(Severity.OK, SUBJECT, text)
        elif name in leases:
            yield Finding(Severity.OK, SUBJECT, f"no other DHCP server answers on {name}")
        else:
            yield Finding(
                Severity.WARNING,
                SUBJECT,
                f"no DHCP server answers on {name}: machines get no address there",
                "start one, or enable [dhcp] here",
            )
