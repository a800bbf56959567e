"""`pushctl csr` as an operator types it."""

from __future__ import annotations

import json
import stat
import subprocess
from pathlib import Path

from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import NameOID

from pushd.cli import main
from tests.interop.peer import peer


def csr_new(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["csr", "new", "--directory", str(folder), *arguments])


def test_key_and_request(tmp_path: Path) -> None:
    """The key is RSA of 2048 bits for its owner alone; the request is signed with it."""
    result = csr_new(tmp_path, "mdm", "--mdm", "--email", "it@example.com", "--country", "DE")

    assert result.exit_code == 0, result.output
    key = load_pem_private_key((tmp_path / "mdm.key").read_bytes(), None)
    request = x509.load_pem_x509_csr((tmp_path / "mdm.csr").read_bytes())
    assert isinstance(key, rsa.RSAPrivateKey)
    assert key.key_size == 2048
    assert stat.S_IMODE((tmp_path / "mdm.key").stat().st_mode) == 0o600
    assert request.is_signature_valid
    assert request.public_key() == key.public_key()
    (email,) = request.subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS)
    assert email.value == "it@example.com"


def test_openssl_takes_it(tmp_path: Path) -> None:
    """Other people's software reads and verifies the request."""
    csr_new(tmp_path, "app", "--common-name", "Ärzte")

    done = subprocess.run(
        [peer("openssl"), "req", "-in", tmp_path / "app.csr", "-verify", "-noout", "-subject"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "CN" in done.stdout


def test_what_follows(tmp_path: Path) -> None:
    """The steps at Apple's are told, and the command that ends them."""
    app = json.loads(csr_new(tmp_path, "app", "--json").stdout)
    mdm = csr_new(tmp_path, "mdm", "--mdm").stdout

    assert app["next"][-1] == f"pushctl credentials import aps.cer --key {tmp_path / 'app.key'}"
    assert "identity.apple.com/pushcert" in mdm
    assert "vendor" in mdm


def test_a_key_that_exists(tmp_path: Path) -> None:
    """It is never overwritten: its certificate would be lost."""
    csr_new(tmp_path, "app")
    before = (tmp_path / "app.key").read_bytes()

    result = csr_new(tmp_path, "app")

    assert result.exit_code == 1
    assert "app.key exists; choose another name" in result.stderr
    assert (tmp_path / "app.key").read_bytes() == before


def test_a_country_that_is_none(tmp_path: Path) -> None:
    """What a certificate cannot hold is one line, and nothing is written."""
    result = csr_new(tmp_path, "app", "--country", "Germany")

    assert result.exit_code == 1
    assert result.stderr.startswith("Error: no certificate can hold that: ")
    assert not list(tmp_path.iterdir())
