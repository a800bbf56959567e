"""HTTPS as download tools, disk image readers and firmware speak it."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.interop.bundle import Bundle
from tests.interop.conftest import Lan
from tests.interop.daemon import Daemon
from tests.interop.peer import peer_file
from tests.netbootd.http.certificate import write_credentials

pytestmark = pytest.mark.interop

IMAGE = "NetInstall.dmg"


@dataclass(frozen=True, slots=True)
class Secure:
    """A daemon that serves HTTPS, and what its clients need to trust it."""

    lan: Lan
    authority: Path

    @property
    def url(self) -> str:
        return f"https://{self.lan.address}/NetBoot/NetBootSP0/Sierra.nbi/{IMAGE}"

    def handshake(self, *options: str) -> subprocess.CompletedProcess[str]:
        """What OpenSSL's client says of a handshake."""
        trust = ("-CAfile", str(self.authority), "-verify_ip", self.lan.address)
        connect = ("s_client", "-connect", f"{self.lan.address}:443", "-verify_return_error")
        return self.lan.client.run("openssl", *connect, *trust, *options, check=False)


@pytest.fixture
def secure(lan: Lan, sierra: Bundle) -> Secure:
    """The daemon, with a certificate for its address and the intermediate's."""
    credentials = write_credentials(lan.server.folder / "tls", address=lan.address)
    Daemon(
        lan.server,
        f'[https]\nenabled = true\ncertificate = "{credentials.certificate}"\n'
        f'key = "{credentials.key}"\n',
    ).start()
    return Secure(lan, credentials.authority)


def test_curl(secure: Secure, sierra: Bundle) -> None:
    """curl trusts the chain, offers HTTP/2, takes HTTP/1.1, and gets the file and its ranges."""
    trusting = ("curl", "-sS", "--http2", "--cacert", str(secure.authority), "-o", "body")
    body = secure.lan.client.folder / "body"

    version = secure.lan.client.run(*trusting, "-w", "%{http_version}", secure.url).stdout
    assert version == "1.1"
    assert body.read_bytes() == sierra.read(IMAGE)

    secure.lan.client.run(*trusting, "-r", "1000-1999", secure.url)
    assert body.read_bytes() == sierra.read(IMAGE)[1000:2000]


def test_openssl_versions(secure: Secure) -> None:
    """TLS 1.3 and 1.2 are spoken, 1.1 is not."""
    assert "Verify return code: 0 (ok)" in secure.handshake("-tls1_3").stdout
    assert "Verify return code: 0 (ok)" in secure.handshake("-tls1_2").stdout

    refused = secure.handshake("-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
    assert refused.returncode != 0
    assert "alert protocol version" in refused.stderr


@pytest.mark.parametrize("cipher", ["AES256-GCM-SHA384", "AES128-SHA256", "AES128-SHA"])
def test_openssl_as_uefi_firmware(secure: Secure, cipher: str) -> None:
    """The ciphers with RSA key exchange that EDK2 of 2022 offers in TLS 1.2 are spoken."""
    done = secure.handshake("-tls1_2", "-cipher", cipher)

    assert f"Cipher is {cipher}" in done.stdout
    assert "Verify return code: 0 (ok)" in done.stdout


def test_qemu(secure: Secure, sierra: Bundle) -> None:
    """QEMU's HTTPS driver copies the image."""
    peer_file("/usr/lib/x86_64-linux-gnu/qemu/block-curl.so")
    source = {"driver": "https", "url": secure.url, "sslverify": "off", "timeout": 5}
    image = "json:" + json.dumps({"driver": "raw", "file": source})

    secure.lan.client.run("qemu-img", "convert", "-m", "1", "-O", "raw", image, "copy")

    assert (secure.lan.client.folder / "copy").read_bytes() == sierra.read(IMAGE)


def test_nbdkit(secure: Secure, sierra: Bundle) -> None:
    """nbdkit's curl plugin verifies the certificate and copies the image."""
    copy = 'qemu-img convert -O raw "$uri" copy'
    plugin = ("curl", f"url={secure.url}", f"cainfo={secure.authority}")

    secure.lan.client.run("nbdkit", "-U", "-", "--run", copy, *plugin)

    assert (secure.lan.client.folder / "copy").read_bytes() == sierra.read(IMAGE)
