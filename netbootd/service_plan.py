"""netbootd as a service of the system: what it needs for its configuration."""

from __future__ import annotations

from pathlib import Path

from netbootd import config
from netbootd.config import Config
from ops.service.inherited import EVERYWHERE
from ops.service.plan import Capability, Listen, Plan, names_certificate, paths_in

PRIVILEGED = 1024
"""The first port that anybody may bind."""

BIND = Capability(
    name="CAP_NET_BIND_SERVICE", reason="ports below 1024, also on addresses that come later"
)
RAW = Capability(
    name="CAP_NET_RAW",
    reason="DHCP replies as frames to machines without an address, probes of free addresses",
)


def plan_of(configuration: Path, *, user: str | None) -> Plan:
    """The service for a configuration file. Raises ConfigError."""
    settings = config.load(configuration)
    listens = tuple(_listens(settings))
    ports = [one.port for one in listens]
    if settings.https.enabled:
        ports.append(settings.https.port)
    capabilities = [BIND] if min(ports, default=PRIVILEGED) < PRIVILEGED else []
    families = ["AF_INET", "AF_UNIX", "AF_NETLINK"]
    if settings.dhcp.enabled:
        capabilities.append(RAW)
        families.append("AF_PACKET")
    return Plan(
        daemon="netbootd",
        description="Netboot Macs and PCs: BSDP, DHCP, PXE, TFTP and HTTP",
        configuration=configuration.absolute(),
        user=user,
        capabilities=tuple(capabilities),
        families=tuple(families),
        reads_proc_net=True,
        speaks_tls=names_certificate(settings),
        listens=listens,
        reads=tuple(paths_in(settings)),
        writes=tuple(
            path for path in (settings.state.directory, settings.log.directory) if path is not None
        ),
    )


def _listens(settings: Config) -> list[Listen]:
    """On all addresses: broadcasts come to no other, and which addresses there will be is not known
    to systemd. netbootd turns away whom it is not to serve."""
    answers = settings.bsdp.enabled or settings.dhcp.enabled or settings.pxe.enabled
    wanted = (
        (answers, "UDP", settings.bsdp.port),
        (settings.tftp.enabled, "UDP", settings.tftp.port),
        (settings.pxe.enabled, "UDP", settings.pxe.port),
        (settings.http.enabled, "TCP", settings.http.port),
    )
    return [
        Listen(kind=kind, address=EVERYWHERE, port=port)
        for is_on, kind, port in wanted
        if is_on and port
    ]
