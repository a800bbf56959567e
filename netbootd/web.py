"""HTTP and HTTPS of the daemon, from its configuration. They share their limits and counters."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from twisted.internet.ssl import CertificateOptions

from netbootd.config import Config, HttpSettings, HttpsSettings
from netbootd.http.files import Opener
from netbootd.http.limit import Admission, Limits
from netbootd.http.secure import CredentialsError, load_credentials
from netbootd.http.service import HttpService, HttpsService
from netbootd.http.site import Site
from netbootd.transfer import TransferObserver
from netbootd.world import World
from ops.counter import Counters
from ops.start import StartError


def web_services(
    config: Config,
    world: World,
    *,
    addresses: Sequence[str],
    open_file: Opener,
    observer: TransferObserver,
    counters: Counters,
) -> tuple[HttpService | None, HttpsService | None]:
    """The services that are switched on, to listen on `addresses`. Raises StartError."""
    reactor = world.reactor
    limits = web_limits(config.http)
    admission = Admission(
        total=config.http.max_connections, per_peer=config.http.max_connections_per_client
    )

    def site(service: str) -> Site:
        return Site.build(
            service,
            open_file=open_file,
            observer=observer,
            counters=counters,
            boundary=secrets.token_hex(16).encode(),
            limits=limits,
            admission=admission,
            monotonic=world.monotonic,
        )

    http: HttpService | None = None
    https: HttpsService | None = None
    if config.http.enabled:
        http = HttpService(
            reactor,
            reactor,
            site("http"),
            addresses=addresses,
            port=config.http.port,
            inherited=world.inherited,
        )
    if config.https.enabled:
        https = HttpsService(
            reactor,
            reactor,
            site("https"),
            credentials=_credentials(config.https),
            addresses=addresses,
            port=config.https.port,
            inherited=world.inherited,
        )
    return http, https


def web_limits(settings: HttpSettings) -> Limits:
    """The bounds of one connection."""
    return Limits(
        idle_timeout=settings.idle_timeout,
        request_timeout=settings.request_timeout,
        stall_timeout=settings.stall_timeout,
        max_request=settings.max_request,
    )


def _credentials(settings: HttpsSettings) -> CertificateOptions:
    """Raises StartError."""
    assert settings.certificate is not None  # noqa: S101 - the configuration has been checked
    assert settings.key is not None  # noqa: S101 - likewise
    try:
        return load_credentials(settings.certificate, settings.key, settings.minimum_version)
    except CredentialsError as error:
        raise StartError(f"[https] {error}") from error
