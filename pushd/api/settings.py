"""`[api]`: where programs hand in pushes, and the file that says which programs may."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from ops.config import Invalid
from ops.setting import ByteSize, Duration, Port, TlsVersion

Address = Annotated[str, Meta(min_length=2, max_length=45)]


class ApiSettings(Struct, frozen=True, kw_only=True):
    """The API, on TLS: our own in JSON, and Apple's provider API for programs that know only
    that."""

    addresses: tuple[Address, ...] = ("127.0.0.1",)
    """Addresses of this computer to listen on, IPv4 or IPv6; "0.0.0.0" is all of IPv4."""
    port: Port = 8443
    """TCP port, for HTTP/2 and HTTP/1.1 alike."""
    certificate: Annotated[Path | None, Meta(examples=["/etc/pushd/tls/certificate.pem"])] = None
    """PEM file with the certificate, followed by its intermediates. Without it the API is off."""
    key: Annotated[Path | None, Meta(examples=["/etc/pushd/tls/key.pem"])] = None
    """PEM file with the private key, not encrypted."""
    minimum_version: TlsVersion = "TLSv1.2"
    """The oldest version of TLS that is accepted; newer ones are, too. "TLSv1.2OrLater" is another
    word for "TLSv1.2". "TLSv1.1" and "TLSv1.0" are insecure, for clients that know nothing else."""
    clients: Annotated[Path | None, Meta(examples=["/etc/pushd/clients.toml"])] = None
    """File that names the clients: their tokens, certificates or keys, and what each may do."""
    client_authority: Annotated[Path | None, Meta(examples=["/etc/pushd/tls/clients.pem"])] = None
    """PEM file with the authorities whose client certificates are accepted."""
    anonymous: bool = False
    """Let everybody in who reaches the port. Only for addresses of loopback."""
    faces: tuple[Literal["json", "provider"], ...] = ("json", "provider")
    """Which APIs are served: ours, Apple's."""
    provider_wait: Annotated[Duration, Meta(ge=0, le=300)] = Duration(0)
    """How long Apple's API waits for Apple's own answer. With 0s it answers 200 as soon as the push
    is on disk. A request may say otherwise: `prefer: wait=5`."""
    access_log: bool = False
    """Log each request: address of the client, path, status. At 1,000 requests a second that takes
    a fortieth of a processor core, and 5 MB of log a minute."""
    max_connections: Annotated[int, Meta(ge=1, le=50000)] = 1000
    """Connections at the same time; more are closed at once."""
    max_connections_per_client: Annotated[int, Meta(ge=1, le=50000)] = 200
    """Connections at the same time from one address."""
    max_streams: Annotated[int, Meta(ge=1, le=1000)] = 500
    """HTTP/2 requests at the same time on one connection."""
    max_batch: Annotated[int, Meta(ge=1, le=100000)] = 50000
    """Pushes in one request."""
    max_body: Annotated[ByteSize, Meta(ge=65536, le=1 << 30)] = ByteSize(64 << 20)
    """Size of a batch in NDJSON at most. One as a JSON array may have an eighth of it."""
    max_memory: Annotated[ByteSize, Meta(ge=1 << 20, le=1 << 34)] = ByteSize(128 << 20)
    """Memory for requests that are being read, all together; more are asked to come back."""
    idle_timeout: Annotated[Duration, Meta(ge=1, le=86400)] = Duration(600)
    """A connection without a request is closed after this time."""
    request_timeout: Annotated[Duration, Meta(ge=1, le=600)] = Duration(20)
    """The head of a request must be complete within this time, and its body make headway."""
    stall_timeout: Annotated[Duration, Meta(ge=1, le=3600)] = Duration(60)
    """A client that takes nothing of an answer for this long is cut off."""
    max_failed_logins: Annotated[int, Meta(ge=1, le=10000)] = 10
    """Failed logins of one address within a minute, after which it has to wait."""

    def __post_init__(self) -> None:
        for number, address in enumerate(self.addresses):
            self._check_address(f"addresses[{number}]", address)
        for one, other in (("certificate", "key"), ("key", "certificate")):
            if getattr(self, one) is not None and getattr(self, other) is None:
                raise Invalid(other, "is missing", f"name a PEM file, as `{one}` does")
        if self.certificate is not None and self.clients is None and not self.anonymous:
            remedy = "name a file of clients, or set anonymous = true on loopback"
            raise Invalid("clients", "is missing: nobody could log in", remedy)

    def _check_address(self, key: str, text: str) -> None:
        try:
            address = ip_address(text)
        except ValueError:
            remedy = 'give an address such as "192.168.1.10" or "::1"'
            raise Invalid(key, "is no IP address", remedy) from None
        if self.anonymous and not address.is_loopback:
            remedy = "listen on 127.0.0.1 and ::1 only, or have clients log in"
            raise Invalid("anonymous", f"would let everybody in who reaches {address}", remedy)
