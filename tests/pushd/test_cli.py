"""`pushctl` as an operator types it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ops.config import parse
from pushd import __version__
from pushd.api.access import ClientsFile
from pushd.api.bearer import matches, split_entry
from pushd.cli import main
from pushd.config import example
from pushd.testing import Authority


def pushctl(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_version() -> None:
    """--version prints name and version."""
    assert pushctl("--version").output == f"pushctl {__version__}\n"


def test_config_example_prints_the_example() -> None:
    """What is printed can be saved as it is."""
    assert pushctl("config", "example").output == example()


def test_a_new_token_opens_what_it_is_for() -> None:
    """What goes into the file of clients is its hash; the token is shown beside it."""
    result = pushctl("token", "new", "Ärzte", "--scope", "read", "--topic", "com.example.*")

    (client,) = parse(result.stdout.encode(), ClientsFile).clients
    assert (client.name, client.scopes, client.topics) == ("Ärzte", ("read",), ("com.example.*",))
    assert client.token is not None
    token = result.stderr.split()[-1]
    assert matches(token, split_entry(client.token)[1])
    assert token not in result.stdout


def test_a_new_token_as_json() -> None:
    """One document for a program that sets up another: the table for the file, and the token."""
    result = pushctl("token", "new", "x", "--json")

    made = json.loads(result.stdout)
    (client,) = parse(made["table"].encode(), ClientsFile).clients
    assert client.token is not None
    assert matches(made["token"], split_entry(client.token)[1])
    assert result.stderr == ""


def test_a_token_for_what_is_no_topic() -> None:
    """What could not be read again is not printed."""
    result = pushctl("token", "new", "x", "--topic", "no topic")

    assert result.exit_code == 3
    assert "[[client]]" not in result.stdout
    assert "is not possible; give a topic such as" in result.stderr


class TestCheck:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """With a certificate for the API and one for pushes."""
        authority = Authority()
        authority.server().write(tmp_path / "api.pem", tmp_path / "api.key")
        authority.provider("com.example.app").write(tmp_path / "app.pem", tmp_path / "app.key")
        (tmp_path / "ca.pem").write_bytes(authority.pem)
        return tmp_path

    def check(self, folder: Path, more: str = "", credential: str = "app.pem") -> Result:
        file = folder / "pushd.toml"
        file.write_text(
            '[api]\nport = 0\ncertificate = "api.pem"\nkey = "api.key"\n'
            f'{more or "anonymous = true"}\n[apple]\ntrust_roots = "ca.pem"\n'
            '[state]\ndirectory = "state"\n'
            f'[[credential]]\nname = "app"\ncertificate = "{credential}"\nkey = "app.key"\n'
        )
        return pushctl("check", file)

    def test_all_is_well(self, folder: Path) -> None:
        """Each thing that was looked at is a line; nothing is started or left."""
        result = self.check(folder)

        assert result.exit_code == 0, result.output
        assert {line.split()[0] for line in result.output.splitlines()} == {"ok"}
        assert "credential     app: certificate until " in result.output
        assert not (folder / "state").exists()

    def test_as_json(self, folder: Path) -> None:
        """The same findings as one document, in doctor's form."""
        self.check(folder)

        result = pushctl("check", folder / "pushd.toml", "--json")

        document = json.loads(result.stdout)
        assert (result.exit_code, document["ok"], document["errors"]) == (0, True, 0)
        assert {finding["severity"] for finding in document["findings"]} == {"ok"}
        assert "credential" in {finding["subject"] for finding in document["findings"]}

    def test_a_credential_that_is_none(self, folder: Path) -> None:
        """It is an error, with file and remedy."""
        result = self.check(folder, credential="api.pem")

        assert result.exit_code == 1
        assert "ERROR    credential     app: " in result.output

    def test_a_credential_that_ends_soon(self, folder: Path) -> None:
        """It is a warning, and the start goes on."""
        pair = Authority().provider("com.example.app", lifetime=timedelta(days=7))
        pair.write(folder / "app.pem", folder / "app.key")

        result = self.check(folder)

        assert result.exit_code == 0
        assert "WARNING  credential     app: expires in 6 days; renew it" in result.output

    def test_clients(self, folder: Path) -> None:
        """Clients that could not push are told of before anybody tries."""
        made = pushctl("token", "new", "console").stdout
        (folder / "clients.toml").write_text(f'{made}credentials = ["mdm"]\n')

        result = self.check(folder, 'clients = "clients.toml"')

        assert result.exit_code == 0
        assert 'console may use credential "mdm", which is not configured' in result.output

    def test_a_wrong_file(self, folder: Path) -> None:
        """The finding names file, key and remedy."""
        result = self.check(folder, "prot = 1")

        assert result.exit_code == 1
        assert "api.prot: is not a setting; did you mean `port`?" in result.output
