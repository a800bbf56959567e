"""What TLS needs: certificate and key, the authorities of clients, ALPN."""

from __future__ import annotations

from pathlib import Path

from OpenSSL import SSL, crypto
from twisted.internet.ssl import CertificateOptions

from ops.tls import load_server_tls, read_certificates
from pushd.api.settings import ApiSettings

PROTOCOLS = [b"h2", b"http/1.1"]
"""In the order in which we like them."""


def load_tls(settings: ApiSettings) -> CertificateOptions:
    """From the files that `settings` names. A client certificate is asked for if there are
    authorities, and verified by them; who has none is let in as far as here. Raises ConfigError."""
    certificate, key = settings.certificate, settings.key
    assert certificate is not None  # noqa: S101 - the settings have been checked
    assert key is not None  # noqa: S101 - likewise
    options = load_server_tls(
        "api",
        certificate=certificate,
        key=key,
        minimum_version=settings.minimum_version,
        protocols=PROTOCOLS,
    )
    if settings.client_authority is not None:
        _ask_for_certificates(options, settings.client_authority)
    return options


def _ask_for_certificates(options: CertificateOptions, file: Path) -> None:
    context = options.getContext()
    store = context.get_cert_store()
    assert store is not None  # noqa: S101 - a context has one
    for authority in read_certificates("api.client_authority", file):
        store.add_cert(crypto.X509.from_cryptography(authority))
    context.load_client_ca(str(file).encode())  # what a client with several certificates goes by
    context.set_verify(SSL.VERIFY_PEER, lambda *said: bool(said[-1]))
    # OpenSSL fails the handshake of a resumed session, which says nothing of who asks, otherwise.
    context.set_session_id(b"pushd api")
