"""A configuration file from settings: what differs from the defaults, each with its explanation.

The full list of settings is `ops.example`'s; a file that an operator lives with has only what is
his own, and the words of the settings' docstrings above it.
"""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from ops.config import join
from ops.example import field_texts
from ops.setting import FORMS


def annotated(settings: Struct, heading: str) -> str:
    """A TOML document that says `settings`, under the comment `heading`."""
    return "\n".join([*_comment(heading), *_table(settings, "")]).rstrip() + "\n"


def _table(settings: Struct, path: str) -> list[str]:
    """The settings of one table, then the tables inside it."""
    texts = field_texts(type(settings))
    keys: list[str] = []
    tables: list[str] = []
    for field in msgspec.structs.fields(type(settings)):
        value = getattr(settings, field.name)
        if not field.required and value == _default(field):
            continue
        where = join(path, field.encode_name)
        text = _comment(texts.get(field.name, ""))
        if isinstance(value, Struct):
            tables += [
                "",
                *_comment(type(value).__doc__ or ""),
                f"[{where}]",
                *_table(value, where),
            ]
        elif isinstance(value, tuple) and value and isinstance(value[0], Struct):
            for one in value:
                tables += ["", *text, f"[[{where}]]", *_table(one, where)]
        else:
            keys += ["", *text, f"{field.encode_name} = {_literal(value)}"]
    return keys + tables


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default


def _literal(value: Any) -> str:
    if isinstance(value, tuple | list):
        return f"[{', '.join(_literal(item) for item in value)}]"
    if isinstance(value, dict):
        pairs = ", ".join(f"{join('', key)} = {_literal(item)}" for key, item in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, (Path, *FORMS)):
        return json.dumps(str(value), ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False)


def _comment(text: str) -> list[str]:
    return [f"# {line}".rstrip() for line in inspect.cleandoc(text).splitlines()]
