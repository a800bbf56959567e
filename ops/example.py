"""An annotated example of a configuration file, written from the Structs that define it.

The defaults stand as they are; what has no default is commented out, with an example. Texts are
the docstrings below the fields, so that what the program, its reader and its operator know of a
setting is one sentence in one place.
"""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from typing import Annotated, Any, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from ops.config import join
from ops.setting import FORMS


def example(settings: type[Struct], heading: str) -> str:
    """A TOML document that equals the defaults of `settings`, under the comment `heading`."""
    lines = [*_comment(heading), "", *_table(settings(), settings, "", "")]
    return "\n".join(lines).rstrip() + "\n"


def field_texts(settings: type[Struct]) -> dict[str, str]:
    """The docstring below each field of `settings`, by field name; of what it inherits, too."""
    texts: dict[str, str] = {}
    for base in settings.__bases__:
        if base is not Struct and issubclass(base, Struct):
            texts |= field_texts(base)
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(settings))).body
    assert isinstance(definition, ast.ClassDef)  # noqa: S101 - it is the source of a class
    for field, text in zip(definition.body, definition.body[1:], strict=False):
        match field, text:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(docstring))),
            ):
                texts[name] = inspect.cleandoc(docstring)
    return texts


def _table(value: Struct | None, settings: type[Struct], path: str, off: str) -> list[str]:
    """The settings of one table, then the tables inside it; `off` is `#` to comment all out.

    Without a `value` there is none by default: then the table is one that could be.
    """
    texts = field_texts(settings)
    keys: list[str] = []
    tables: list[str] = []
    for field in msgspec.structs.fields(settings):
        where = join(path, field.encode_name)
        text = _comment(texts.get(field.name, ""))
        default = _default(field) if value is None else getattr(value, field.name)
        inner = _struct_in(field.type)
        if inner is None:
            shown = _example_of(field.type) if value is None else None
            line = _setting(field.encode_name, default if shown is None else shown, field.type, off)
            keys += [*text, line, ""]
        elif isinstance(default, Struct):
            tables += [*_comment(inner.__doc__ or ""), f"{off}[{where}]", ""]
            tables += _table(default, inner, where, off)
        elif default == ():
            tables += [*text, f"#[[{where}]]", "", *_table(None, inner, where, "#")]
        elif isinstance(default, tuple):
            for item in default:
                tables += [*text, f"{off}[[{where}]]", "", *_table(item, inner, where, off)]
        else:
            name = join(where, _required_example_of(field.type))
            tables += [*_comment(inner.__doc__ or ""), f"#[{name}]", ""]
            tables += _table(inner(), inner, name, "#")
    return keys + tables


def _setting(key: str, value: Any, hint: Any, off: str) -> str:
    for mark in get_args(hint):
        if isinstance(mark, Meta) and mark.extra is not None:  # all examples together must be valid
            return f"# Instead of {mark.extra['instead of']}: {key} = {_literal(_example_of(hint))}"
    if value is None:
        return f"#{key} = {_literal(_required_example_of(hint))}"
    return f"{off}{key} = {_literal(value)}"


def _literal(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(_literal(item) for item in value)}]"
    if isinstance(value, dict):
        pairs = ", ".join(f"{join('', key)} = {_literal(item)}" for key, item in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, tuple(FORMS)):
        return json.dumps(str(value))
    return json.dumps(value, ensure_ascii=False)  # bool, int and str are written as in JSON


def _struct_in(hint: Any) -> type[Struct] | None:
    """The Struct of a table, of a list of tables, of named tables; None for a plain setting."""
    if isinstance(hint, type) and issubclass(hint, Struct):
        return hint
    if get_origin(hint) in (Annotated, tuple, dict):
        for argument in get_args(hint):
            if found := _struct_in(argument):
                return found
    return None


def _default(field: msgspec.structs.FieldInfo) -> Any:
    """What the field is where nobody sets it; None where somebody must."""
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return None if field.required else field.default


def _example_of(hint: Any) -> Any:
    for mark in get_args(hint):
        if isinstance(mark, Meta) and mark.examples:
            return mark.examples[0]
    return None


def _required_example_of(hint: Any) -> Any:
    found = _example_of(hint)
    if found is None:
        raise TypeError(f"{hint} has neither a default nor an example")
    return found


def _comment(text: str) -> list[str]:
    return [f"# {line}".rstrip() for line in inspect.cleandoc(text).splitlines()]
