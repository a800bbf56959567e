"""What TLS needs: certificate and key, the authorities of clients, ALPN."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL, crypto
from twisted.internet.ssl import CertificateOptions, TLSVersion

from ops.config import ConfigError
from pushd.api.settings import ApiSettings

PROTOCOLS = [b"h2", b"http/1.1"]
"""In the order in which we like them."""


def load_tls(settings: ApiSettings) -> CertificateOptions:
    """From the files that `settings` names. A client certificate is asked for if there are
    authorities, and verified by them; who has none is let in as far as here. Raises ConfigError."""
    certificate, key = settings.certificate, settings.key
    assert certificate is not None  # noqa: S101 - the settings have been checked
    assert key is not None  # noqa: S101 - likewise
    own, *intermediates = _certificates("api.certificate", certificate)
    try:
        private = load_pem_private_key(_content("api.key", key), None)
    except (ValueError, TypeError):
        raise _unfit("api.key", key, "no unencrypted PEM private key") from None
    if private.public_key() != own.public_key():
        raise _unfit("api.key", key, f"not the key of {certificate}")
    # Twisted's annotations still name pyOpenSSL's own types, which pyOpenSSL deprecates.
    options = CertificateOptions(
        privateKey=cast(Any, private),
        certificate=cast(Any, own),
        extraCertChain=cast(Any, intermediates),
        insecurelyLowerMinimumTo=TLSVersion.lookupByName(
            settings.minimum_version.replace(".", "_")
        ),
        acceptableProtocols=PROTOCOLS,
    )
    if settings.client_authority is not None:
        _ask_for_certificates(options, settings.client_authority)
    return options


def _ask_for_certificates(options: CertificateOptions, file: Path) -> None:
    context = options.getContext()
    store = context.get_cert_store()
    assert store is not None  # noqa: S101 - a context has one
    for authority in _certificates("api.client_authority", file):
        store.add_cert(crypto.X509.from_cryptography(authority))
    context.load_client_ca(str(file).encode())  # what a client with several certificates goes by
    context.set_verify(SSL.VERIFY_PEER, lambda *said: bool(said[-1]))
    # OpenSSL fails the handshake of a resumed session, which says nothing of who asks, otherwise.
    context.set_session_id(b"pushd api")


def _certificates(key: str, file: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(_content(key, file))
    except ValueError:
        raise _unfit(key, file, "no PEM certificate") from None


def _content(key: str, file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        problem = f"{file} cannot be read ({error.strerror})"
        raise ConfigError(None, key, problem, "name a PEM file that exists") from None


def _unfit(key: str, file: Path, what: str) -> ConfigError:
    return ConfigError(None, key, f"{file} is {what}", "name the right PEM file")
