"""pushd's settings: an example that is true, errors that help."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from msgspec import Struct

import netbootd
import pushd
from ops.config import ConfigError, anchored, parse
from ops.example import field_texts
from pushd.config import Config, StateSettings, database, example, load
from pushd.settings import CredentialSettings

EXAMPLE = Path(__file__).parents[2] / "docs" / "pushd.example.toml"
HERE = Path("/etc/pushd")


def structs(settings: type[Struct] = Config) -> list[type[Struct]]:
    """Every table that the configuration has."""
    found = [settings]
    for field in msgspec.structs.fields(settings):
        for part in (field.type, *getattr(field.type, "__args__", ())):
            if isinstance(part, type) and issubclass(part, Struct):
                found += structs(part)
    return list(dict.fromkeys(found))


def problem(document: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(document.encode(), Config)
    return str(caught.value)


def test_the_example_in_the_docs_is_the_generated_one() -> None:
    """`docs/pushd.example.toml` is what `pushctl config example` prints."""
    assert EXAMPLE.read_text() == example()


def test_the_example_is_the_defaults() -> None:
    """Running with the example is running without a configuration file, from the same folder."""
    assert anchored(parse(EXAMPLE.read_bytes(), Config), HERE) == anchored(Config(), HERE)


def test_every_line_of_the_example_can_be_switched_on() -> None:
    """With the comment signs of all examples taken away the file is valid, and has every table."""
    document = re.sub(r"^#(?=\S)", "", EXAMPLE.read_text(), flags=re.MULTILINE)

    settings = parse(document.encode(), Config)

    assert settings.api.certificate == Path("/etc/pushd/tls/certificate.pem")
    assert settings.credentials[0].certificate == Path("/etc/pushd/mdm.pem")
    assert CredentialSettings in structs()


def test_every_setting_is_explained() -> None:
    """Each key has a text of its own, each table one, too."""
    for struct in structs():
        assert struct.__doc__, struct
        texts = field_texts(struct)
        unexplained = [
            field.name
            for field in msgspec.structs.fields(struct)
            if field.name not in texts and not issubclass_of_struct(field.type)
        ]
        assert unexplained == [], struct


def issubclass_of_struct(hint: object) -> bool:
    return isinstance(hint, type) and issubclass(hint, Struct)


def test_each_credential_has_a_name_of_its_own() -> None:
    """A push names its credential, so there can be no two of one name."""
    one = '[[credential]]\nname = "mdm"\ncertificate = "a.pem"\n'

    assert problem(one * 2) == (
        'credential[1].name: "mdm" is taken; give each credential a name of its own'
    )


def test_paths_are_from_the_folder_of_the_file(tmp_path: Path) -> None:
    """Wherever the daemon is started."""
    file = tmp_path / "pushd.toml"
    file.write_text('state.directory = "state"\n[[credential]]\nname = "m"\np12 = "m.p12"\n')

    settings = load(file)

    assert database(settings) == tmp_path / "state/pushd.sqlite"
    assert settings.credentials[0].p12 == tmp_path / "m.p12"


def test_without_a_file_there_are_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    """State is where the system keeps that of a daemon."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_STATE_HOME", "/home/a/state")

    assert load(None).state == StateSettings()
    assert database(load(None)) == Path("/home/a/state/pushd/pushd.sqlite")


def test_both_daemons_are_of_one_version() -> None:
    """They are one distribution."""
    assert pushd.__version__ == netbootd.__version__
