"""`pushctl credentials` as an operator types it."""

from __future__ import annotations

import json
import os
import stat
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    load_pem_private_key,
    pkcs12,
)

from pushd.cli import main
from pushd.config import load
from pushd.credential import CredentialError
from pushd.testing import Authority
from pushd.testing.authority import KeyPair, new_signing_key, write_private
from pushd.testing.background import simulator_in_background
from pushd.testing.certificate import Environment

APP = "com.example.app"
MDM = "com.apple.mgmt.External.5a9b3a0c-0000-4000-8000-000000000001"
SETTINGS = '# ours\n[state]\ndirectory = "state"'


def p12(pair: KeyPair, password: bytes) -> bytes:
    """As Keychain Access exports it."""
    key: Any = load_pem_private_key(pair.key, None)
    certificate = x509.load_pem_x509_certificate(pair.certificate)
    return pkcs12.serialize_key_and_certificates(
        b"push", key, certificate, None, BestAvailableEncryption(password)
    )


class Folder:
    """An operator's: a configuration, and an authority that stands for Apple's."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "pushd.toml"
        self.config.write_text(SETTINGS)
        self.authority = Authority()

    def pushctl(self, *arguments: object, input: str | None = None) -> Result:
        given = ["credentials", *map(str, arguments), "--config", str(self.config)]
        return CliRunner().invoke(main, given, input=input)

    def write(self, name: str, content: bytes) -> Path:
        path = self.path / name
        write_private(path, content)
        return path

    def pem(self, name: str = "app", topic: str = APP, **more: Any) -> Path:
        pair = self.authority.provider(topic, **more)
        return self.write(f"{name}.pem", pair.certificate + pair.key)

    def kept(self, name: str) -> Path:
        return self.path / "state/credentials" / name


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


class TestImport:
    def test_a_p12(self, folder: Folder) -> None:
        """It is kept where the daemon alone can read it, and configured, comments untouched."""
        pair = folder.authority.provider(MDM)
        source = folder.write("mdm.p12", p12(pair, b"geheim"))
        password = folder.write("password", b"geheim\n")

        result = folder.pushctl("import", source, "--password-file", password)

        assert result.exit_code == 0, result.output
        (settings,) = load(folder.config).credentials
        assert (settings.name, settings.certificate) == ("mdm", folder.kept("mdm.pem"))
        assert folder.config.read_text().startswith(f"{SETTINGS}\n\n[[credential]]\n")
        assert stat.S_IMODE(folder.kept("mdm.pem").stat().st_mode) == 0o600
        assert stat.S_IMODE(folder.kept("").stat().st_mode) == 0o700
        assert b"geheim" not in folder.kept("mdm.pem").read_bytes()
        assert pair.certificate in folder.kept("mdm.pem").read_bytes()

    def test_a_password_that_is_wrong(self, folder: Folder) -> None:
        """Nothing is kept, and nothing is configured."""
        source = folder.write("app.p12", p12(folder.authority.provider(APP), b"geheim"))
        password = folder.write("password", b"falsch\n")

        result = folder.pushctl("import", source, "--password-file", password)

        assert result.exit_code == 1
        assert f"{password}: does not open {source}; write the password" in result.stderr
        assert not folder.kept("").exists()
        assert folder.config.read_text() == SETTINGS

    def test_nobody_to_ask_for_a_password(self, folder: Folder) -> None:
        """A script is told how to give it."""
        source = folder.write("app.p12", p12(folder.authority.provider(APP), b"geheim"))

        result = folder.pushctl("import", source)

        assert result.exit_code == 1
        assert "needs a password; name the file it is in: --password-file" in result.stderr

    def test_a_cer_and_the_key_of_its_request(self, folder: Folder) -> None:
        """What Apple's developer site offers is DER, without the key."""
        pair = folder.authority.provider(APP)
        certificate = x509.load_pem_x509_certificate(pair.certificate)
        source = folder.write("aps.cer", certificate.public_bytes(Encoding.DER))
        key = folder.write("app.key", pair.key)

        alone = folder.pushctl("import", source)
        result = folder.pushctl("import", source, "--key", key)

        assert "is a certificate without its key; name the key" in alone.stderr
        assert result.exit_code == 0, result.output
        assert [one.name for one in load(folder.config).credentials] == ["app"]

    def test_a_signing_key(self, folder: Folder) -> None:
        """Its id is in the file's name, its team has to be said."""
        source = folder.write("AuthKey_ABC123DEFG.p8", new_signing_key())

        alone = folder.pushctl("import", source)
        result = folder.pushctl("import", source, "--team-id", "DEF123GHIJ", "--topic", APP)

        assert "is a signing key without its team id" in alone.stderr
        assert result.exit_code == 0, result.output
        (settings,) = load(folder.config).credentials
        assert (settings.team_id, settings.key_id) == ("DEF123GHIJ", "ABC123DEFG")
        assert (settings.p8, settings.topics) == (folder.kept("team.p8"), (APP,))

    def test_another_key(self, folder: Folder) -> None:
        """A key that is another certificate's is refused before anything is kept."""
        source = folder.write("app.pem", folder.authority.provider(APP).certificate)
        key = folder.write("app.key", folder.authority.provider(APP).key)

        result = folder.pushctl("import", source, "--key", key)

        assert result.exit_code == 1
        assert f"{key}: is not the key of {source}; use the key" in result.stderr

    @pytest.mark.parametrize(
        ("more", "complaint"),
        [
            ({"lifetime": timedelta(minutes=30)}, "expired on"),
            ({"uid": None}, "names no topic"),
        ],
    )
    def test_what_the_daemon_would_refuse(
        self, folder: Folder, more: dict[str, Any], complaint: str
    ) -> None:
        """It is refused now, in the same words, and by the name of the operator's file."""
        pair = folder.authority.provider(**{"uid": APP} | more)
        source = folder.write("app.pem", pair.certificate + pair.key)

        result = folder.pushctl("import", source)

        assert result.exit_code == 1
        assert f"{source}: {complaint}" in result.stderr
        assert not folder.kept("").exists()

    @pytest.mark.parametrize("content", [b"", b"hello", b"\x30\x03\x02\x01\x03", bytes(100)])
    def test_what_is_no_credential(self, folder: Folder, content: bytes) -> None:
        """One line says so, whatever is in the file."""
        result = folder.pushctl("import", folder.write("x", content))

        assert result.exit_code == 1
        assert result.stderr.startswith("Error: ")
        assert result.stderr.count("\n") == 1

    def test_the_environment_of_the_certificate(self, folder: Folder) -> None:
        """One for development only is configured so, and named so."""
        source = folder.pem(environments=[Environment.DEVELOPMENT])

        folder.pushctl("import", source)

        (settings,) = load(folder.config).credentials
        assert (settings.name, settings.environment) == ("app-development", "development")

    def test_renewal(self, folder: Folder) -> None:
        """One for the same topics takes the place of the one before; the file of the
        configuration stays as it is."""
        folder.pushctl("import", folder.pem(lifetime=timedelta(days=5)))
        before = folder.config.read_bytes()
        renewed = folder.pem(lifetime=timedelta(days=370))

        result = folder.pushctl("import", renewed)

        assert result.exit_code == 0, result.output
        assert result.stdout.startswith("renewed")
        assert folder.config.read_bytes() == before
        assert folder.kept("app.pem").read_bytes() == renewed.read_bytes()

    def test_renewal_after_the_end(self, folder: Folder) -> None:
        """Devices know their topic: an MDM certificate of another is refused, even if the one
        before has expired."""
        folder.pushctl("import", folder.pem("mdm", MDM))
        old = folder.authority.provider(MDM, lifetime=timedelta(minutes=30))
        write_private(folder.kept("mdm.pem"), old.certificate + old.key)

        result = folder.pushctl("import", folder.pem("mdm", MDM[:-1] + "2"))

        assert result.exit_code == 1
        assert "renew the one you have with the same Apple Account" in result.stderr
        assert old.certificate in folder.kept("mdm.pem").read_bytes()

    def test_a_name_that_is_configured_with_other_files(self, folder: Folder) -> None:
        """What an operator has put somewhere himself is not ours to replace."""
        source = folder.pem()
        folder.config.write_text('[[credential]]\nname = "app"\ncertificate = "app.pem"\n')

        result = folder.pushctl("import", source)

        assert result.exit_code == 1
        assert f"is configured with {source}; replace that file, or choose" in result.stderr

    def test_another_one_for_the_same_topic(self, folder: Folder) -> None:
        """It is taken in, for it may be meant to take the other's place; what happens until then
        is told, and so it is by a check."""
        folder.pushctl("import", folder.pem())

        result = folder.pushctl("import", folder.pem(), "--name", "second")

        assert result.exit_code == 0, result.output
        assert result.stderr.startswith(f"Credential app is for {APP}")
        assert "pushes that name neither will be refused" in result.stderr
        assert "to renew app, import with --name app" in result.stderr
        checked = folder.pushctl("check")
        assert f"WARNING  credential     app and second are both for {APP}" in checked.stdout

    def test_one_for_the_same_topic_elsewhere(self, folder: Folder) -> None:
        """Development beside production is how it is meant to be."""
        folder.pushctl("import", folder.pem(), "--environment", "production")

        result = folder.pushctl(
            "import", folder.pem(), "--environment", "development", "--name", "dev"
        )

        assert (result.exit_code, result.stderr) == (0, "")
        assert "WARNING" not in folder.pushctl("check").stdout

    def test_print(self, folder: Folder) -> None:
        """The table can be put into the configuration by other means."""
        result = folder.pushctl("import", folder.pem(), "--print")

        assert result.exit_code == 0, result.output
        assert folder.config.read_text() == SETTINGS
        table = result.stdout.partition("For the configuration:\n\n")[2]
        assert table == f'[[credential]]\nname = "app"\ncertificate = "{folder.kept("app.pem")}"\n'

    def test_json(self, folder: Folder) -> None:
        """What was done, for programs."""
        told = json.loads(folder.pushctl("import", folder.pem(), "--json").stdout)

        assert told["credential"]["name"] == "app"
        assert told["file"] == str(folder.kept("app.pem"))
        assert (told["added_to"], told["renewed"]) == (str(folder.config), False)

    def test_a_key_that_others_can_read(self, folder: Folder) -> None:
        """The copy that the operator leaves behind is told of."""
        source = folder.pem()
        source.chmod(0o644)

        result = folder.pushctl("import", source)

        assert result.exit_code == 0, result.output
        assert f"Others may read the key in {source}" in result.stderr

    @pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root gives files away")
    def test_the_user_of_the_daemon(self, folder: Folder) -> None:
        """What root takes in is the daemon's, and so is what has to be made for it."""
        import pwd  # not on every system

        folder.config.write_text(f'user = "nobody"\n{SETTINGS}')
        nobody = pwd.getpwnam("nobody")

        result = folder.pushctl("import", folder.pem())

        assert result.exit_code == 0, result.output
        for path in (folder.kept("app.pem"), folder.kept(""), folder.path / "state"):
            assert (path.stat().st_uid, path.stat().st_gid) == (nobody.pw_uid, nobody.pw_gid)

    @pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root gives files away")
    def test_the_owner_of_the_state(self, folder: Folder) -> None:
        """Where the service manager has chosen the user, the folder that it made tells."""
        state = folder.path / "state"
        state.mkdir()
        os.chown(state, 12345, 12346)

        folder.pushctl("import", folder.pem())

        status = folder.kept("app.pem").stat()
        assert (status.st_uid, status.st_gid) == (12345, 12346)

    def test_no_password_is_an_argument(self, folder: Folder) -> None:
        """Other users could see it in the list of processes."""
        result = folder.pushctl("import", "x", "--password", "geheim")

        assert result.exit_code == 2


class TestList:
    def test_days_left(self, folder: Folder) -> None:
        """Each with topics, environment and what is left; what cannot be used says why."""
        folder.pushctl("import", folder.pem(lifetime=timedelta(days=10)))
        with folder.config.open("a") as file:
            file.write('\n[[credential]]\nname = "gone"\np12 = "gone.p12"\n')

        result = folder.pushctl("list")

        (heading, app, gone) = result.stdout.splitlines()
        assert heading.split() == ["name", "left", "until", "environment", "topics"]
        assert app.split()[:3] == ["app", "9", "days"]
        assert APP in app
        assert "cannot be used" in gone
        assert "gone.p12: cannot be read" in result.stderr

    def test_json(self, folder: Folder) -> None:
        """The same, in the words of the admin API."""
        folder.pushctl("import", folder.pem())

        (told,) = json.loads(folder.pushctl("list", "--json").stdout)

        assert (told["name"], told["kind"], told["usable"]) == ("app", "certificate", True)
        assert (told["topics"], told["days_left"]) == ([APP], 364)

    def test_files_that_are_not_for_us(
        self, folder: Folder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Then a daemon that runs tells what it has."""
        folder.pushctl("import", folder.pem())
        seen = json.loads(folder.pushctl("list", "--json").stdout)
        seen[0]["days_left"] = 77

        class Client:
            def get(self, path: str) -> Any:
                assert path == "/v1/credentials"
                return {"credentials": seen}

        def forbidden(*given: Any, **more: Any) -> None:
            why = "cannot be read (Permission denied)"
            raise CredentialError(folder.kept("app.pem"), why, "be somebody else")

        monkeypatch.setattr("pushd.credential.load_credential_thd", forbidden)
        monkeypatch.setattr("pushd.admin.client.admin_client", lambda configuration: Client())

        result = folder.pushctl("list")

        assert "77 days" in result.stdout

    def test_none(self, folder: Folder) -> None:
        """Who has none is told how to get one."""
        assert "pushctl credentials import" in folder.pushctl("list").stdout


class TestCheck:
    def test_files(self, folder: Folder) -> None:
        """Each is loaded as the daemon loads it; an error is the exit status."""
        folder.pushctl("import", folder.pem())
        well = folder.pushctl("check")
        folder.kept("app.pem").unlink()

        result = folder.pushctl("check")

        assert (well.exit_code, result.exit_code) == (0, 1)
        assert "app: certificate until" in well.stdout
        assert "app.pem: cannot be read" in result.stdout

    @pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="root sees everything")
    def test_files_that_are_not_the_daemons(self, folder: Folder) -> None:
        """Root can read them; the user whose state it is can not, and that is what counts."""
        import pwd  # not on every system

        folder.pushctl("import", folder.pem())
        well = folder.pushctl("check")
        nobody = pwd.getpwnam("nobody")
        os.chown(folder.path / "state", nobody.pw_uid, nobody.pw_gid)

        result = folder.pushctl("check")

        assert (well.exit_code, result.exit_code) == (0, 1)
        assert "cannot be read (Permission denied)" in result.stdout

    def test_a_name_that_is_none(self, folder: Folder) -> None:
        """The names that there are are told."""
        folder.pushctl("import", folder.pem())

        result = folder.pushctl("check", "mdm")

        assert result.exit_code == 1
        assert "no credential is named mdm; there are: app" in result.stderr

    def test_connect(self, folder: Folder) -> None:
        """Apple's servers say whether they take it, and no push is sent."""
        with simulator_in_background() as apple:
            authority = apple.simulator.authority
            (folder.path / "ca.pem").write_bytes(authority.pem)
            with folder.config.open("a") as file:
                way = f'production = "localhost"\nport = {apple.port}\ntrust_roots = "ca.pem"'
                file.write(f"\n[apple]\n{way}\n")
            pair = authority.provider(APP)
            folder.pushctl("import", folder.write("app.pem", pair.certificate + pair.key))
            folder.pushctl("import", folder.pem("other"), "--name", "other")

            result = folder.pushctl("check", "--connect", "--json")

            report = json.loads(result.stdout)
            said = [
                finding["text"] for finding in report["findings"] if finding["subject"] == "Apple"
            ]
            assert report["errors"] == 1
            assert "takes it (127.0.0.1, TLSv1.3, 1000 streams" in said[0]
            assert "Apple refuses ours" in said[1]
            assert apple.run(lambda simulator: simulator.record.accepted) == 0
