"""What UEFI firmware would not take about a certificate."""

from __future__ import annotations

import datetime
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from netbootd.http.firmware_tls import objections
from tests.netbootd.http.certificate import Key, rsa_key

CURVE = ec.generate_private_key(ec.SECP256R1())


def certificate(*names: str, key: Key | None = None, signer: Key | None = None) -> x509.Certificate:
    """A certificate for names and addresses, by default with keys that suit firmware."""
    now = datetime.datetime.now(datetime.UTC)
    common = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(common)
        .issuer_name(common)
        .public_key((key or rsa_key(0)).public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
    )
    if names:
        general = [
            x509.IPAddress(ip_address(name)) if name[0].isdigit() else x509.DNSName(name)
            for name in names
        ]
        builder = builder.add_extension(x509.SubjectAlternativeName(general), critical=False)
    return builder.sign(signer or rsa_key(1), hashes.SHA256())


@pytest.mark.parametrize(
    ("names", "host"),
    [
        (["10.77.0.1"], "10.77.0.1"),
        (["boot.example.com"], "boot.example.com"),
        (["boot.example.com"], "Boot.Example.COM"),
        (["*.example.com"], "boot.example.com"),
        (["other.example.com", "10.0.0.1", "10.77.0.1"], "10.77.0.1"),
    ],
)
def test_names_that_cover_a_host(names: list[str], host: str) -> None:
    """A certificate that has the URL's host, by RSA keys, is good."""
    assert objections([certificate(*names)], [host]) == []


@pytest.mark.parametrize(
    ("names", "host", "has", "remedy"),
    [
        ([], "10.77.0.1", "none", "IP:10.77.0.1"),
        (["10.77.0.2"], "10.77.0.1", "10.77.0.2", "IP:10.77.0.1"),
        (["server"], "boot.example.com", "server", "DNS:boot.example.com"),
        (["*.example.com"], "example.com", "*.example.com", "DNS:example.com"),
        (["*.example.com"], "a.boot.example.com", "*.example.com", "DNS:a.boot.example.com"),
        (["2001:db8::1"], "10.77.0.1", "none", "IP:10.77.0.1"),
    ],
)
def test_names_that_do_not(names: list[str], host: str, has: str, remedy: str) -> None:
    """Each host that is missing is named, with what is there and what to have made."""
    found = objections([certificate(*names)], [host])

    assert found == [
        f"{host} is not among its subject alternative names ({has}); have it made for {remedy}"
    ]


def test_key_of_elliptic_curves() -> None:
    """Firmware without elliptic curves cannot check such a key (capture `ovmf-https4-ec`)."""
    (objection,) = objections([certificate("10.77.0.1", key=CURVE)], ["10.77.0.1"])

    assert "no RSA key" in objection
    assert "openssl genrsa" in objection


def test_signature_by_elliptic_curves() -> None:
    """An authority with such a key is of no use either, wherever it stands in the chain."""
    good = certificate("10.77.0.1")
    middle = certificate(signer=CURVE)

    (objection,) = objections([good, middle], ["10.77.0.1"])

    assert "CN=server is not signed with RSA" in objection
