"""UEFI machines that boot from a URL: OVMF's HTTP boot, with and without TLS."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.interop.firmware.deployment import ADDRESS, DHCP, MAC, PXE, Deployment
from tests.interop.firmware.machine import UEFI_HTTP, Console, trusting
from tests.netbootd.http.certificate import Key, write_credentials

pytestmark = [pytest.mark.interop, pytest.mark.firmware, pytest.mark.timeout(200)]

REFUSED = "Error: Could not retrieve NBP file size from HTTP server"


def boot_securely(deployment: Deployment, *, key: Key | None = None, address: str) -> Console:
    """Start the daemon with a certificate for `address`, and a PC that trusts who signed it."""
    folder = deployment.server.folder
    tls = write_credentials(folder / "tls", key, address=address)
    deployment.daemon.start()
    return deployment.boot(UEFI_HTTP, *trusting(tls.authority, folder))


@pytest.fixture
def https(lay_out: Callable[[str], Deployment]) -> Deployment:
    """netbootd with HTTPS configured and its certificate still to be written; not yet running."""
    return lay_out(
        f'{DHCP}{PXE}scheme = "https"\n'
        '[https]\nenabled = true\ncertificate = "tls/certificate.pem"\nkey = "tls/key.pem"\n'
    )


def test_http(deployment: Deployment) -> None:
    """HTTP boot loads iPXE from a URL of ours, iPXE our script, and Linux comes up."""
    console = deployment.boot(UEFI_HTTP)

    console.expect("Start HTTP Boot over IPv4", rf"URI: http://{ADDRESS}/\S*snponly\.efi")
    console.expect("iPXE 1", rf"http://{ADDRESS}/\S*boot\.ipxe")
    address = deployment.expect_userland(console)
    assert deployment.lease() == (address, "bound")
    deployment.expect_log(r"http: .* has read snponly\.efi", "http: .* has read Debian/linux")


def test_program_of_an_entry(lay_out: Callable[[str], Deployment]) -> None:
    """An entry's EFI program is started by the firmware itself, whatever its name ends with."""
    host = f'[[dhcp.host]]\nname = "pc"\nmac = "{MAC}"\nboot = "Direct"\n'
    deployment = lay_out(f"{DHCP}{host}[pxe]\nenabled = true\n")
    program = {"bootx64": Path("/usr/lib/ipxe/snponly.efi")}
    deployment.add_entry("Direct", 'title = "A program"\nefi = "bootx64"\n', program)
    deployment.daemon.start()

    console = deployment.boot(UEFI_HTTP)

    console.expect(rf"URI: http://{ADDRESS}/\S*Direct/bootx64\s", "iPXE 1")
    deployment.expect_log(r"HTTP boot client .*Direct/bootx64", "http: .* has read Direct/bootx64")


def test_https(https: Deployment) -> None:
    """An RSA certificate with our address in it, by an authority that the firmware trusts, will do;
    iPXE goes on with HTTP."""
    console = boot_securely(https, address=ADDRESS)

    console.expect("Start HTTP Boot over IPv4", rf"URI: https://{ADDRESS}/\S*snponly\.efi")
    console.expect("iPXE 1", rf"http://{ADDRESS}/\S*boot\.ipxe")
    https.expect_log(r"HTTP boot client .*https://", r"https: .* has read snponly\.efi")


@pytest.mark.parametrize(
    ("key", "address"),
    [(None, "10.77.0.99"), (ec.generate_private_key(ec.SECP256R1()), ADDRESS)],
    ids=["another address", "no RSA key"],
)
def test_https_refused(https: Deployment, key: Key | None, address: str) -> None:
    """The firmware loads nothing when the certificate is for another address, or its key is not
    RSA: its TLS has no other key exchange."""
    console = boot_securely(https, key=key, address=address)

    console.expect(rf"URI: https://{ADDRESS}/\S*snponly\.efi", REFUSED)
    assert "has read" not in https.log()
