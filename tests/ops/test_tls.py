"""Which versions of TLS a server takes: asked by OpenSSL's own client."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

import pytest
from OpenSSL import SSL
from twisted.internet.ssl import CertificateOptions
from twisted.logger import LogEvent, globalLogPublisher

from netbootd.http.secure import load_credentials
from ops.config import ConfigError
from ops.setting import TlsVersion
from ops.tls import FLOORS, load_server_tls
from pushd.api.settings import ApiSettings
from pushd.api.tls import load_tls
from tests.interop.peer import peer
from tests.netbootd.http.certificate import Credentials, write_credentials

VERSIONS = {"TLSv1": "-tls1", "TLSv1.1": "-tls1_1", "TLSv1.2": "-tls1_2", "TLSv1.3": "-tls1_3"}
"""As `openssl s_client` calls them."""
ACCEPTED = {
    "TLSv1.0": {"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"},
    "TLSv1.1": {"TLSv1.1", "TLSv1.2", "TLSv1.3"},
    "TLSv1.2": {"TLSv1.2", "TLSv1.3"},
    "TLSv1.2OrLater": {"TLSv1.2", "TLSv1.3"},
    "TLSv1.3": {"TLSv1.3"},
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Credentials:
    return write_credentials(tmp_path_factory.mktemp("tls"))


def made(table: str, files: Credentials, version: TlsVersion) -> CertificateOptions:
    """What the service of one table of the configuration goes by."""
    if table == "https":
        return load_credentials(files.certificate, files.key, version)
    if table == "api":
        settings = ApiSettings(
            certificate=files.certificate,
            key=files.key,
            minimum_version=version,
            clients=Path("clients.toml"),
        )
        return load_tls(settings)
    return load_server_tls(
        table,
        certificate=files.certificate,
        key=files.key,
        minimum_version=version,
        protocols=[b"http/1.1"],
    )


@contextmanager
def serving(options: CertificateOptions) -> Iterator[int]:
    """A port whose connections get a handshake, and no more."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                accepted, _ = listener.accept()
            except OSError:
                return
            with accepted:
                connection = SSL.Connection(options.getContext(), accepted)
                connection.set_accept_state()
                try:
                    connection.do_handshake()
                    connection.shutdown()
                except SSL.Error:
                    pass

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def spoken(port: int, option: str) -> str | None:
    """The version that a client which speaks one only has agreed on; None: it was refused."""
    command = [peer("openssl"), "s_client", "-connect", f"127.0.0.1:{port}", option]
    command += ["-brief", "-cipher", "ALL:@SECLEVEL=0"]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    for line in (done.stdout + done.stderr).splitlines():
        if line.startswith("Protocol version: "):
            return line.removeprefix("Protocol version: ")
    assert "alert" in done.stderr, done.stderr
    return None


@pytest.mark.parametrize("table", ["https", "api", "console"])
@pytest.mark.parametrize("version", get_args(TlsVersion))
def test_versions(table: str, version: TlsVersion, files: Credentials) -> None:
    """A server takes the version that `minimum_version` names, and every newer one."""
    with serving(made(table, files, version)) as port:
        found = {name: spoken(port, option) for name, option in VERSIONS.items()}

    assert found == {name: name if name in ACCEPTED[version] else None for name in VERSIONS}


def test_every_value_has_a_floor() -> None:
    """Nothing can be set that means nothing."""
    assert set(FLOORS) == set(get_args(TlsVersion))


@pytest.mark.parametrize("version", get_args(TlsVersion))
def test_what_is_insecure_is_told(version: TlsVersion, files: Credentials) -> None:
    """A version that RFC 8996 forbids is warned of, with its key and a remedy; others are not."""
    told: list[LogEvent] = []
    globalLogPublisher.addObserver(told.append)
    try:
        made("api", files, version)
    finally:
        globalLogPublisher.removeObserver(told.append)

    warnings = [event for event in told if event.get("log_namespace") == "ops.tls"]
    if version in ("TLSv1.0", "TLSv1.1"):
        (event,) = warnings
        text = event["log_format"].format(**event)
        assert f"api.minimum_version = {version}" in text
        assert "set TLSv1.2" in text
    else:
        assert warnings == []


@pytest.mark.parametrize(
    ("certificate", "key", "problem"),
    [
        ("gone.pem", "key.pem", "console.certificate: {}/gone.pem cannot be read"),
        ("key.pem", "key.pem", "console.certificate: {}/key.pem is no PEM certificate"),
        ("certificate.pem", "gone.pem", "console.key: {}/gone.pem cannot be read"),
        ("certificate.pem", "certificate.pem", "is no unencrypted PEM private key"),
    ],
)
def test_files_that_are_none(certificate: str, key: str, problem: str, files: Credentials) -> None:
    """What is wrong with a file is told with the key that names it."""
    folder = files.certificate.parent

    with pytest.raises(ConfigError) as caught:
        load_server_tls(
            "console",
            certificate=folder / certificate,
            key=folder / key,
            minimum_version="TLSv1.2",
            protocols=[b"http/1.1"],
        )

    assert problem.format(folder) in str(caught.value)
    assert "name" in caught.value.remedy
