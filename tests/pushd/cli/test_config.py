"""`pushctl config init` as an operator types and answers it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography import x509
from twisted.internet.ssl import CertificateOptions

from pushd.api.access import load_clients
from pushd.api.bearer import matches, split_entry
from pushd.api.tls import load_tls
from pushd.cli import main
from pushd.config import Config, load
from pushd.testing import Authority
from pushd.testing.authority import write_private


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "etc"


def init(folder: Path, *options: str, answers: list[str] | None = None) -> Result:
    """`answers` None: nobody is at the terminal."""
    typed = None if answers is None else "".join(f"{answer}\n" for answer in answers)
    state = ["--state", str(folder.parent / "state")]  # root's would be this computer's
    given = ["config", "init", str(folder / "pushd.toml"), *state, *options]
    return CliRunner().invoke(main, given, input=typed)


def answers(*, public: str = "", certificate: str = "", rest: tuple[str, ...] = ()) -> list[str]:
    """To all questions of a user without privileges, and one more to those of root."""
    given = [public, "0", certificate, *rest, "", ""]
    return [*given, *([""] if os.name != "nt" and os.geteuid() == 0 else [])]


def token_in(output: str) -> str:
    return next(word for word in output.split() if word.startswith("pushd_"))


class TestDefaults:
    def test_everything_that_a_start_needs(self, folder: Path) -> None:
        """Certificate, key, clients and configuration; keys are readable by their owner alone."""
        result = init(folder, "--yes", "--port", "0")

        assert result.exit_code == 0, result.output
        settings = load(folder / "pushd.toml")
        assert isinstance(load_tls(settings.api), CertificateOptions)
        assert settings.api.addresses == ("127.0.0.1",)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
        wanted = {"api.pem": 0o644, "pushd.toml": 0o644, "api.key": 0o600, "clients.toml": 0o600}
        assert modes == wanted
        assert "ERROR" not in result.output

    def test_the_token_opens(self, folder: Path) -> None:
        """What is shown is the secret of what stands in the file of clients."""
        result = init(folder, "--yes", "--client", "mdm-server")

        (client,) = load_clients(folder / "clients.toml").clients
        assert client.name == "mdm-server"
        assert client.token is not None
        assert matches(token_in(result.output), split_entry(client.token)[1])

    def test_it_is_annotated(self, folder: Path) -> None:
        """What is there is explained; what is default is left out."""
        init(folder, "--yes")

        text = (folder / "pushd.toml").read_text()
        assert "# PEM file with the private key, not encrypted.\nkey = " in text
        assert "max_connections" not in text

    def test_nothing_is_written_over(self, folder: Path) -> None:
        """Not the configuration, and not what would stand beside it."""
        folder.mkdir()
        (folder / "api.key").write_text("precious")

        beside = init(folder, "--yes")
        (folder / "api.key").unlink()
        init(folder, "--yes")
        before = {path: path.read_bytes() for path in folder.iterdir()}
        again = init(folder, "--yes")

        assert (beside.exit_code, again.exit_code) == (1, 1)
        assert "api.key exists; move it away" in beside.stderr
        assert "pushd.toml exists; edit it" in again.stderr
        assert {path: path.read_bytes() for path in folder.iterdir()} == before


class TestQuestions:
    def test_enter_takes_what_is_proposed(self, folder: Path) -> None:
        """The same as --yes."""
        result = init(folder, answers=[*answers(), ""])

        assert result.exit_code == 0, result.output
        assert load(folder / "pushd.toml").api.addresses == Config().api.addresses

    def test_programs_on_other_computers(self, folder: Path) -> None:
        """The certificate that is made has the names and addresses of this computer."""
        result = init(folder, "--client", "x", "--proxy", "proxy.example.com:3128",
                      answers=["y", "0", "", *answers()[5:], ""])  # fmt: skip

        assert result.exit_code == 0, result.output
        settings = load(folder / "pushd.toml")
        assert settings.api.addresses == ("0.0.0.0",)
        assert (settings.apple.proxy.host, settings.apple.proxy.port) == ("proxy.example.com", 3128)
        certificate = x509.load_pem_x509_certificate((folder / "api.pem").read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert "localhost" in names.get_values_for_type(x509.DNSName)
        assert len(names.get_values_for_type(x509.IPAddress)) >= 2

    def test_a_certificate_of_ones_own(self, folder: Path, tmp_path: Path) -> None:
        """It stays where it is; the key is asked for, and nothing is made."""
        Authority().server().write(tmp_path / "own.pem", tmp_path / "own.key")

        given = answers(certificate=str(tmp_path / "own.pem"), rest=(str(tmp_path / "own.key"),))
        result = init(folder, answers=[*given, ""])

        assert result.exit_code == 0, result.output
        assert load(folder / "pushd.toml").api.key == tmp_path / "own.key"
        assert sorted(path.name for path in folder.iterdir()) == ["clients.toml", "pushd.toml"]

    def test_a_credential(self, folder: Path, tmp_path: Path) -> None:
        """It is taken in as by `credentials import`, a wrong name is asked for again, and all is
        checked in the end."""
        pair = Authority().provider("com.example.app")
        write_private(tmp_path / "app.pem", pair.certificate + pair.key)

        given = [*answers(), str(tmp_path / "none.pem"), str(tmp_path / "app.pem")]
        result = init(folder, answers=given)

        assert result.exit_code == 0, result.output
        assert "none.pem is no file." in result.output
        assert "ok       credential     app: certificate until" in result.output
        (settings,) = load(folder / "pushd.toml").credentials
        assert settings.certificate == tmp_path / "state/credentials/app.pem"

    def test_a_credential_that_is_none(self, folder: Path, tmp_path: Path) -> None:
        """What is wrong with it is told, and another is asked for; a certificate's key is, too."""
        pair = Authority().provider("com.example.app")
        (tmp_path / "wrong.pem").write_bytes(b"hello")
        (tmp_path / "app.cer").write_bytes(pair.certificate)
        write_private(tmp_path / "app.key", pair.key)

        wrong = [str(tmp_path / "wrong.pem"), ""]
        right = [str(tmp_path / "app.cer"), str(tmp_path / "app.key")]
        result = init(folder, answers=[*answers(), *wrong, *right])

        assert result.exit_code == 0, result.output
        assert "wrong.pem: is neither certificate nor key" in result.output
        assert [one.name for one in load(folder / "pushd.toml").credentials] == ["app"]

    def test_nobody_answers(self, folder: Path) -> None:
        """A script is told what to say; nothing has been written."""
        result = init(folder, answers=[])

        assert result.exit_code == 1
        assert "to take what is proposed, say --yes" in result.stderr
        assert not folder.exists()
