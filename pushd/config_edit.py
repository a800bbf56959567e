"""Tables of the configuration and of the file of clients, as an operator would write them.

A table of an array may stand at the end of any TOML document, so it is appended: comments and order
are the operator's. What would not be read again is not written.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import msgspec

from ops.config import ConfigError, parse
from ops.replace import replace_file
from pushd.api.access import ClientsFile
from pushd.config import Config
from pushd.settings import CredentialSettings


def table_of(credential: CredentialSettings) -> str:
    """The table that says so, without what is default anyway. Raises ConfigError if a value is
    none that a configuration may hold."""
    lines = ["[[credential]]"]
    for field in msgspec.structs.fields(CredentialSettings):
        value = getattr(credential, field.name)
        if value not in (None, field.default):
            lines.append(f"{field.encode_name} = {_literal(value)}")
    text = "\n".join([*lines, ""])
    parse(text.encode(), Config)
    return text


def client_table(name: str, token: str, scopes: Sequence[str], topics: Sequence[str]) -> str:
    """The table of a client that logs in by `token`, an entry of `pushd.api.bearer`. Raises
    ConfigError if a value is none that the file of clients may hold."""
    values = {"name": name, "token": token, "scopes": tuple(scopes), "topics": tuple(topics)}
    lines = [f"{key} = {_literal(value)}" for key, value in values.items()]
    text = "\n".join(["[[client]]", *lines, ""])
    parse(text.encode(), ClientsFile)
    return text


def with_credential(text: str, credential: CredentialSettings, file: Path) -> str:
    """The configuration `text` of `file` with that table at its end. Raises ConfigError."""
    gap = "" if not text else "\n" if text.endswith("\n") else "\n\n"
    longer = f"{text}{gap}{table_of(credential)}"
    before, after = parse(text.encode(), Config), parse(longer.encode(), Config)
    if after.credentials != (*before.credentials, credential):
        problem = "cannot be added to"  # a list in the inline form, to which no table can belong
        remedy = "write credentials as [[credential]] tables"
        raise ConfigError(file, "credential", problem, remedy)
    return longer


def add_credential(file: Path, credential: CredentialSettings) -> None:
    """Append the table to `file`. Raises ConfigError or OSError; then nothing has changed."""
    text = file.read_bytes().decode()
    replace_file(file, with_credential(text, credential, file).encode())


def _literal(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(_literal(item) for item in value)}]"
    return json.dumps(str(value), ensure_ascii=False)
