"""pushd as a service of the system: what it needs for its configuration."""

from __future__ import annotations

from pathlib import Path

from ops.service.plan import Capability, Listen, Plan, paths_in
from pushd import config

PRIVILEGED = 1024
"""The first port that anybody may bind."""

BIND = Capability(name="CAP_NET_BIND_SERVICE", reason="the API's port, which is below 1024")


def plan_of(configuration: Path, *, user: str | None) -> Plan:
    """The service for a configuration file. Raises ConfigError."""
    settings = config.load(configuration)
    api = settings.api
    is_served = api.certificate is not None and api.port
    listens = [
        Listen(kind="TCP", address=address, port=api.port) for address in api.addresses if is_served
    ]
    return Plan(
        daemon="pushd",
        description="Apple push notifications, kept until Apple has answered",
        configuration=configuration.absolute(),
        user=user,
        capabilities=(BIND,) if is_served and api.port < PRIVILEGED else (),
        families=("AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK"),
        reads_proc_net=False,
        speaks_tls=True,  # to Apple, if to nobody else
        listens=tuple(listens),
        reads=tuple(paths_in(settings)),
        writes=tuple(
            path for path in (settings.state.directory, settings.log.directory) if path is not None
        ),
    )
