"""Who we are to the Macs of one interface, from the settings."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address

from netbootd.bsdp.responder import LocalServer
from netbootd.config import BsdpSettings
from protocols.bsdp.offered import PRIORITY_BASE, SHADOW_FILE_PATH, ServerIdentity


def local_server(
    settings: BsdpSettings,
    priority_here: int | None,
    *,
    address: IPv4Address,
    host_name: Callable[[], str],
) -> LocalServer:
    """`priority_here` is the interface's own, `address` what its Macs are told, `host_name` what
    this computer is called."""
    priority = priority_here if priority_here is not None else settings.priority
    spreads_load = not isinstance(priority, int)
    return LocalServer(
        identity=ServerIdentity(
            address=address,
            host_name=settings.server_name or host_name(),
            priority=priority if isinstance(priority, int) else PRIORITY_BASE,
            machine_name_format=settings.machine_name_format,
            shadow_mount_path=settings.shadow_mount_path,
            shadow_file_path=settings.shadow_file_path or SHADOW_FILE_PATH,
            allow_unprivileged_reply_port=settings.unprivileged_reply_port,
            answer_old_firmware=settings.old_firmware,
        ),
        spreads_load=spreads_load,
    )
