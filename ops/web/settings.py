"""`[admin]`: where the command line reaches a daemon that runs. `[console]`: its web pages."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from ops.config import Invalid
from ops.setting import Port, TlsVersion

Address = Annotated[str, Meta(min_length=2, max_length=45)]
HostName = Annotated[
    str,
    Meta(
        pattern=r"\A[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?\Z",
        description="a host name without port",
    ),
]


class AdminSettings(Struct, frozen=True, kw_only=True):
    """The admin API, by which the command line reaches a daemon that runs. It is not on the
    network."""

    enabled: bool = True
    """Serve it. Without it, commands that need a running daemon fail."""
    socket: Annotated[Path | None, Meta(examples=["/run/admin.sock"])] = None
    """UNIX socket, for the daemon's user, its group, and root. Default: admin.sock in the folder of
    the database."""
    loopback: bool = False
    """Serve it on 127.0.0.1 instead, with a token in admin.json in the folder of the database. So
    it is on Windows, and where the path of the socket is longer than the system allows."""


class ConsoleSettings(Struct, frozen=True, kw_only=True):
    """The console: what the daemon does, as web pages. Off this computer it needs a password and
    TLS. See docs/console.md."""

    enabled: bool = False
    """Serve it."""
    addresses: tuple[Address, ...] = ("127.0.0.1",)
    """Addresses of this computer to listen on, IPv4 or IPv6; "0.0.0.0" is all of IPv4."""
    port: Port = 8067
    """TCP port."""
    password_file: Annotated[Path | None, Meta(examples=["console.password"])] = None
    """File of the password, made by the command `console password`. Without it, whoever is on this
    computer may look, and nobody may change anything."""
    certificate: Annotated[Path | None, Meta(examples=["tls/certificate.pem"])] = None
    """PEM file with the certificate, followed by its intermediates. With it the console is on
    HTTPS."""
    key: Annotated[Path | None, Meta(examples=["tls/key.pem"])] = None
    """PEM file with the private key, not encrypted. Read before privileges are dropped."""
    minimum_version: TlsVersion = "TLSv1.2"
    """The oldest version of TLS that is accepted."""
    insecure: bool = False
    """Listen beyond this computer without TLS: the password can be read on the wire."""
    hosts: tuple[HostName, ...] = ()
    """Names by which browsers reach it, such as "netboot.example.org", that of a reverse proxy
    included. Addresses and "localhost" need not be named."""

    def __post_init__(self) -> None:
        check_console(self)


def check_console(settings: ConsoleSettings) -> None:
    """Raises Invalid."""
    for one, other in (("certificate", "key"), ("key", "certificate")):
        if getattr(settings, one) is not None and getattr(settings, other) is None:
            raise Invalid(other, "is missing", f"name a PEM file, as `{one}` does")
    is_remote = False
    for number, text in enumerate(settings.addresses):
        try:
            is_remote |= not ip_address(text).is_loopback
        except ValueError:
            remedy = 'give an address such as "192.168.1.10" or "::1"'
            raise Invalid(f"addresses[{number}]", "is no IP address", remedy) from None
    if not settings.enabled or not is_remote:
        return
    if settings.password_file is None:
        remedy = "make a file with the command `console password`, or listen on 127.0.0.1 only"
        raise Invalid("password_file", "is missing: anybody could look", remedy)
    if settings.certificate is None and not settings.insecure:
        remedy = "name certificate and key, or set insecure = true where no stranger can listen"
        raise Invalid("certificate", "is missing: the password could be read on the wire", remedy)
