"""Are our ports free? If not, who has them?"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from netbootd.config import Config
from netbootd.datagram import hears_all
from netbootd.interface import Interface
from netbootd.start import bind_error
from ops.finding import Finding, Severity
from ops.owner import owners_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A port that a start would bind."""

    service: str
    kind: str
    port: int
    is_shared: bool = False


def wanted_ports(settings: Config) -> list[Wanted]:
    """The ports of all services that are enabled, each once."""
    bsdp, pxe = settings.bsdp, settings.pxe
    wanted = []
    if settings.dhcp.enabled or bsdp.enabled or (pxe.enabled and pxe.proxy):
        service = "DHCP" if settings.dhcp.enabled else "BSDP" if bsdp.enabled else "PXE"
        wanted.append(
            Wanted(service=service, kind="UDP", port=bsdp.port, is_shared=bsdp.share_port)
        )
    wanted += [
        Wanted(service=service, kind=kind, port=group.port)
        for service, kind, group in (
            ("PXE", "UDP", pxe),
            ("TFTP", "UDP", settings.tftp),
            ("HTTP", "TCP", settings.http),
            ("HTTPS", "TCP", settings.https),
        )
        if group.enabled
    ]
    return wanted


def has_to_itself(settings: Config, port: int) -> bool:
    """Whether nobody else can have UDP `port` once we run."""
    return any(
        wanted.kind == "UDP" and wanted.port == port and not wanted.is_shared
        for wanted in wanted_ports(settings)
    )


def about_ports(settings: Config, interfaces: Sequence[Interface], lock: Path) -> Iterator[Finding]:
    """A finding for each port. `lock` is the file that a running netbootd holds open."""
    own = [str(address.ip) for interface in interfaces for address in interface.addresses]
    all_or_own = ["0.0.0.0"] if hears_all(interfaces) else own  # noqa: S104 - closed at once
    for wanted in wanted_ports(settings):
        try:
            for address in own if wanted.kind == "TCP" else all_or_own:
                _bind(wanted, address)
        except OSError as error:
            yield _about(wanted, error, lock)
        else:
            text = f"{wanted.kind} port {wanted.port} is free"
            yield Finding(Severity.OK, wanted.service, text)


def _about(wanted: Wanted, error: OSError, lock: Path) -> Finding:
    """An error if the port is somebody else's; a warning where that cannot be told."""
    severity = Severity.WARNING
    if error.errno == errno.EADDRINUSE:
        owners = owners_of(wanted.kind, wanted.port, lock)
        if owners.programs:
            severity = Severity.ERROR
        elif owners.is_ours and not owners.is_hidden:
            text = f"{wanted.kind} port {wanted.port} is in use by this netbootd, which runs"
            return Finding(Severity.OK, wanted.service, text)
    text = str(bind_error(error, wanted.service, wanted.kind, wanted.port))
    return Finding.of(severity, wanted.service, text)


def _bind(wanted: Wanted, address: str) -> None:
    """Bind for a moment. Raises OSError."""
    is_tcp = wanted.kind == "TCP"
    sort = socket.SOCK_STREAM if is_tcp else socket.SOCK_DGRAM
    with closing(socket.socket(socket.AF_INET, sort)) as sock:
        if wanted.is_shared or (is_tcp and os.name == "posix"):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, wanted.port))
