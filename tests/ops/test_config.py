"""Configuration: one TOML file, one typed tree, or one line that says what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
from msgspec import Meta, Struct

from ops.config import MAX_FILE_SIZE, ConfigError, Invalid, anchored, load, parse
from ops.setting import Duration


class Service(Struct, frozen=True, kw_only=True):
    enabled: bool = True
    port: Annotated[int, Meta(ge=0, le=65535)] = 80
    timeout: Annotated[Duration, Meta(ge=1, le=60)] = Duration(30)
    mode: Literal["fast", "safe"] = "fast"
    priority: Literal["auto"] | Annotated[int, Meta(ge=0, le=9)] = "auto"
    certificate: Path | None = None

    def __post_init__(self) -> None:
        if self.mode == "safe" and self.certificate is None:
            raise Invalid("certificate", "is missing", "name a file")


class Share(Struct, frozen=True, kw_only=True):
    path: Path
    name: str = "one"


class Settings(Struct, frozen=True, kw_only=True):
    user: Annotated[str | None, Meta(min_length=1, max_length=8)] = None
    home: Path = Path("home")
    http: Service = Service()
    share: tuple[Share, ...] = (Share(path=Path("images")),)
    interface: dict[str, Service] = {}


def problem(document: str | bytes) -> ConfigError:
    data = document.encode() if isinstance(document, str) else document
    with pytest.raises(ConfigError) as caught:
        parse(data, Settings)
    assert "\n" not in str(caught.value)
    return caught.value


def test_an_empty_document_is_the_defaults() -> None:
    """A document without keys equals the Struct's own defaults."""
    assert parse(b"", Settings) == Settings()


def test_every_kind_of_value_arrives_typed() -> None:
    """Texts, numbers, choices, durations, paths, lists of tables and named tables parse."""
    document = b"""
    user = "boot"
    [http]
    enabled = false
    port = 8080
    timeout = "45s"
    priority = 7
    certificate = "tls/a.pem"
    [[share]]
    path = "/srv/a"
    [[share]]
    path = "b"
    name = "two"
    [interface.en0]
    priority = "auto"
    """

    assert parse(document, Settings) == Settings(
        user="boot",
        http=Service(
            enabled=False,
            port=8080,
            timeout=Duration(45),
            priority=7,
            certificate=Path("tls/a.pem"),
        ),
        share=(Share(path=Path("/srv/a")), Share(path=Path("b"), name="two")),
        interface={"en0": Service()},
    )


@pytest.mark.parametrize(
    ("document", "line"),
    [
        (
            "[http]\nprot = 80",
            "http.prot: is not a setting; did you mean `port`? [http] may hold: certificate,"
            " enabled, mode, port, priority, timeout",
        ),
        (
            "[qqq]",
            "qqq: is not a setting; the file may hold: home, http, interface, share, user",
        ),
        ("[http]\nport = 70000", "http.port: 70000 is not possible; give a whole number from 0 to"),
        ("[http]\nport = true", "http.port: true is not possible; give a whole number from 0 to"),
        ("[http]\nport = 80.0", "http.port: 80.0 is not possible; give a whole number from 0 to"),
        ('[http]\nport = "80"', 'http.port: "80" is not possible; give a whole number from 0 to'),
        ("[http]\nenabled = 1", "http.enabled: 1 is not possible; give true or false"),
        ("[http]\ntimeout = 5", "http.timeout: 5 is not possible; give a duration with a unit"),
        ('[http]\ntimeout = "0s"', 'http.timeout: "0s" is not possible; give a duration'),
        ('[http]\nmode = "x"', 'http.mode: "x" is not possible; give "fast" or "safe"'),
        (
            "[http]\npriority = 10",
            'http.priority: 10 is not possible; give "auto" or a whole number from 0 to 9',
        ),
        ('[http]\nmode = "safe"', "http.certificate: is missing; name a file"),
        ("http = 1", "http: 1 is not possible; give a table of settings"),
        ("http = []", "http: a list is not possible; give a table of settings"),
        ("share = {}", "share: a table is not possible; give a list, each item a table"),
        ('[[share]]\nname = "x"', "share[0].path: is missing; give a path in quotes"),
        ('[[share]]\npath = "\\u0000"', 'share[0].path: "\\x00" is not possible'),
        ("[interface.'a b']\nx = 1", 'interface."a b".x: is not a setting; [interface."a b"] may'),
        ("[interface.en0]\nport = -1", "interface.en0.port: -1 is not possible"),
        ('[interface.en0]\nmode = "safe"', "interface.en0.certificate: is missing; name a file"),
        ('user = ""', 'user: "" is not possible; give a text in quotes of 1 to 8 characters'),
        (f"user = {'1' * 5000}", "a number is too long; give a smaller number"),
        (f"user = 0x{'f' * 5000}", "user: a number beyond 64 bits is not possible"),
        ("user = 2020-01-01", "user: 2020-01-01 is not possible; give a text in quotes"),
    ],
)
def test_a_wrong_value_is_told_with_its_key_and_the_remedy(document: str, line: str) -> None:
    """One line names the key's path, what is wrong with it and what would be right."""
    assert str(problem(document)).startswith(line)


@pytest.mark.parametrize(
    ("document", "place"),
    [
        (b"[http]\nport =", "line 2, column 7"),
        (b"[http]\nport = 1\nport = 2", "line 3, column 9"),
        (b"a = [1,", "end of document"),
        (b"[http\n", "line 1, column 6"),
        (b"a = 1\nb = \xff", "line 2"),
        (b"a = " + b"[" * 100_000, ""),
    ],
)
def test_what_is_not_toml_is_told_with_its_place(document: bytes, place: str) -> None:
    """Syntax errors carry line and column; nothing but ConfigError ever leaves the parser."""
    assert problem(document).key == place


def test_a_wrong_value_cannot_reach_the_terminal() -> None:
    """Control characters in a key or a value are shown escaped."""
    line = str(problem('"\\u001b[31m" = 1')) + str(problem('http = "\\u001b[31m"'))

    assert "\x1b" not in line
    assert line.count("\\x1b[31m") == 2


def test_a_password_in_a_wrong_value_is_not_repeated() -> None:
    """An error may end in a log; the password of a URL does not."""
    line = str(problem('http = "afp://user:hunter2@10.0.0.1/x"'))

    assert "hunter2" not in line


def test_relative_paths_are_taken_from_the_file(tmp_path: Path) -> None:
    """Paths in the file, and in the defaults, are relative to its folder; absolute ones stay."""
    file = tmp_path / "a.toml"
    file.write_text('[http]\ncertificate = "tls/a.pem"\n[interface.en0]\ncertificate = "/b.pem"')

    settings = load(file, Settings)

    assert settings.home == tmp_path / "home"
    assert settings.http.certificate == tmp_path / "tls/a.pem"
    assert settings.interface["en0"].certificate == Path("/b.pem")
    assert settings.share[0].path == tmp_path / "images"
    assert anchored(settings, Path("/elsewhere")) == settings


def test_an_error_names_the_file(tmp_path: Path) -> None:
    """The line begins with the path of the file."""
    file = tmp_path / "a.toml"
    file.write_text("x = 1")

    with pytest.raises(ConfigError) as caught:
        load(file, Settings)

    assert str(caught.value).startswith(f"{file}: x: is not a setting; ")


def test_a_file_that_cannot_be_read_is_a_config_error(tmp_path: Path) -> None:
    """A missing file, a folder and a file beyond the size limit are told like any other problem."""
    large = tmp_path / "large.toml"
    large.write_bytes(b"#" * (MAX_FILE_SIZE + 1))

    for file in (tmp_path / "missing.toml", tmp_path, large):
        with pytest.raises(ConfigError, match=file.name):
            load(file, Settings)


class Shelf(Struct, frozen=True, kw_only=True):
    room: str | Share = "one"


def test_an_error_in_a_table_that_may_be_a_text_names_the_key() -> None:
    """Where a table is one of several forms, what is wrong in the table is told, not the table."""
    assert parse(b'room = { path = "a" }', Shelf) == Shelf(room=Share(path=Path("a")))

    with pytest.raises(ConfigError) as caught:
        parse(b'room = { pats = "a" }', Shelf)
    assert caught.value.key == "room.pats"
