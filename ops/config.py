"""One TOML file becomes one frozen, typed tree of msgspec Structs, or one error with its remedy.

A daemon declares its settings as Structs (defaults in place, ranges as `msgspec.Meta`) and calls
`load`. Unknown keys, wrong types and impossible ranges are errors with the path of the key and what
would be right; nothing is ever guessed, coerced or ignored. Relations between keys are checked in a
Struct's `__post_init__`, which raises `Invalid`.
"""

from __future__ import annotations

import difflib
import re
import tomllib
import types
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from ops.setting import FORMS, SLIPS
from ops.text import escape, mask_passwords

Settings = TypeVar("Settings", bound=Struct)

MAX_FILE_SIZE = 1 << 20
"""Bytes. A thousand interfaces of 200 bytes each are 200 kB; more than 1 MiB is not our file."""

MAX_SHOWN = 60
"""Characters of a wrong value that an error repeats."""


class ConfigError(Exception):
    """A configuration that a daemon must not start with. `str()` is one line for the operator."""

    def __init__(self, file: Path | None, key: str, problem: str, remedy: str) -> None:
        super().__init__(file, key, problem, remedy)
        self.file = file
        self.key = key
        """Dotted path as in TOML, `bsdp.allow[2]`; a place such as `line 3, column 7`; or empty."""
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        where = [part for part in (str(self.file or ""), self.key) if part]
        return f"{': '.join([*where, self.problem])}; {self.remedy}"


class Invalid(ValueError):
    """Raised by a Struct's `__post_init__`: a key, relative to that Struct, contradicts another."""

    def __init__(self, key: str, problem: str, remedy: str) -> None:
        super().__init__(key, problem, remedy)
        self.key = key
        self.problem = problem
        self.remedy = remedy


def load(file: Path, settings: type[Settings]) -> Settings:
    """Read `file`. Relative paths in it, and in the defaults, are taken from the file's folder.

    Raises ConfigError, also when the file cannot be read.
    """
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_FILE_SIZE + 1)
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
        raise ConfigError(file, "", problem, "name a TOML file that exists") from error
    if len(data) > MAX_FILE_SIZE:
        raise ConfigError(file, "", "is larger than 1 MiB", "name a configuration file")
    try:
        return anchored(parse(data, settings), file.absolute().parent)
    except ConfigError as error:
        raise ConfigError(file, error.key, error.problem, error.remedy) from None


def parse(data: bytes, settings: type[Settings]) -> Settings:
    """The settings in the TOML document `data`, paths as written. Raises ConfigError."""
    return _struct(_document(data), settings, "")


def anchored(settings: Settings, folder: Path) -> Settings:
    """The same settings with every relative path taken from `folder`."""
    return _anchored(settings, folder)  # type: ignore[no-any-return]


def join(path: str, key: str) -> str:
    """The dotted path of `key` inside the table at `path`, quoted where TOML would need quotes."""
    written = key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _shown(key)
    return f"{path}.{written}" if path else written


def _document(data: bytes) -> dict[str, Any]:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = 1 + data[: error.start].count(b"\n")
        raise ConfigError(None, f"line {line}", "is not UTF-8", "save the file as UTF-8") from None
    try:
        return tomllib.loads(text + "\n")  # so that an error in the last line has a column, too
    except RecursionError:  # tomllib descends by calling itself
        problem = "arrays or tables are nested too deeply"
        raise ConfigError(None, "", problem, "no setting nests more than three levels") from None
    except tomllib.TOMLDecodeError as error:
        what, _, place = str(error).removesuffix(")").rpartition(" (at ")
        problem = f"is not TOML: {escape(what)}"
        remedy = 'write `key = value` under `[table]`, texts in "quotes"'
        raise ConfigError(None, place, problem, remedy) from None
    except ValueError:  # int() refuses thousands of digits
        raise ConfigError(None, "", "a number is too long", "give a smaller number") from None


@cache
def _fields(settings: type[Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    """By key. Remembered, because evaluating annotations takes 0.5 ms, for each of 1,000 hosts."""
    return {field.encode_name: field for field in msgspec.structs.fields(settings)}


def _struct(table: Any, settings: type[Settings], path: str) -> Settings:
    if not isinstance(table, dict):
        raise _wrong(table, settings, path)
    fields = _fields(settings)
    for key in table:
        if key not in fields:
            raise _unknown(key, list(fields), path)
    values = {}
    for key, field in fields.items():
        if key in table:
            values[field.name] = _value(table[key], field.type, join(path, key))
        elif field.required:
            raise ConfigError(None, join(path, key), "is missing", f"give {describe(field.type)}")
    try:
        return settings(**values)
    except Invalid as error:
        key = f"{path}.{error.key}" if path else error.key
        raise ConfigError(None, key, error.problem, error.remedy) from None


def _value(raw: Any, hint: Any, path: str) -> Any:
    """`raw`, as TOML has it, as a value of the type `hint`."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        try:
            value = _value(raw, arguments[0], path)
        except ConfigError as error:
            raise (_wrong(raw, hint, path) if error.key == path else error) from None
        if not all(_in_range(value, mark) for mark in arguments[1:]):
            raise _wrong(raw, hint, path)
        return value
    if origin in (Union, types.UnionType):
        return _alternative(raw, hint, path)
    if origin is Literal:
        if not isinstance(raw, str) or raw not in arguments:
            raise _wrong(raw, hint, path)
        return raw
    if origin is tuple and isinstance(raw, list):
        return tuple(_value(item, arguments[0], f"{path}[{n}]") for n, item in enumerate(raw))
    if origin is dict and isinstance(raw, dict):
        return {key: _value(item, arguments[1], join(path, key)) for key, item in raw.items()}
    if isinstance(hint, type) and issubclass(hint, Struct):
        return _struct(raw, hint, path)
    if hint in FORMS and isinstance(raw, str):
        try:
            return FORMS[hint].parse(raw)
        except ValueError:
            raise _wrong(raw, hint, path) from None
    if hint in (bool, int, str) and type(raw) is hint:  # type(), for True is an int
        return raw
    raise _wrong(raw, hint, path)


def _alternative(raw: Any, hint: Any, path: str) -> Any:
    for candidate in get_args(hint):
        if isinstance(raw, dict) and isinstance(candidate, type) and issubclass(candidate, Struct):
            return _struct(raw, candidate, path)  # so that an error names the key in the table
    for candidate in get_args(hint):
        if candidate is not type(None):  # TOML has no null: absent is the only way to None
            try:
                return _value(raw, candidate, path)
            except ConfigError:
                continue
    raise _wrong(raw, hint, path)


def _in_range(value: Any, mark: object) -> bool:
    if not isinstance(mark, Meta):
        return True
    size = len(value) if isinstance(value, (str, tuple)) else 0
    return (
        (mark.ge is None or value >= mark.ge)
        and (mark.le is None or value <= mark.le)
        and (mark.min_length is None or size >= mark.min_length)
        and (mark.max_length is None or size <= mark.max_length)
        and (mark.pattern is None or re.search(mark.pattern, value) is not None)
    )


def describe(hint: Any) -> str:
    """What an operator may write for the type `hint`: the second half of every error."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _describe_range(arguments[0], [m for m in arguments[1:] if isinstance(m, Meta)])
    if origin in (Union, types.UnionType):
        return " or ".join(describe(part) for part in arguments if part is not type(None))
    if origin is Literal:
        return _either([f'"{word}"' for word in arguments])
    if origin is tuple:
        return f"a list, each item {describe(arguments[0])}"
    if hint in FORMS:
        return FORMS[hint].description
    names = {bool: "true or false", int: "a whole number", str: "a text in quotes"}
    return names.get(hint, "a table of settings")


def _describe_range(base: Any, marks: list[Meta]) -> str:
    words = describe(base)
    for mark in marks:
        if mark.description is not None:
            words = mark.description
        if mark.ge is not None and mark.le is not None:
            words += f"{',' if base in FORMS else ''} from {base(mark.ge)} to {base(mark.le)}"
        if mark.min_length is not None and mark.max_length is not None:
            words += f" of {mark.min_length} to {mark.max_length} characters"
    return words


def _unknown(key: str, known: list[str], path: str) -> ConfigError:
    close = difflib.get_close_matches(key[:MAX_SHOWN], known, n=1)
    hint = f"did you mean `{close[0]}`? " if close else ""
    allowed = ", ".join(sorted(known))
    table = f"[{path}]" if path else "the file"
    remedy = f"{hint}{table} may hold: {allowed}"
    return ConfigError(None, join(path, key), "is not a setting", remedy)


def _wrong(raw: Any, hint: Any, path: str) -> ConfigError:
    for kind in _kinds(hint) if isinstance(raw, str) else ():
        slip = SLIPS[kind](raw) if kind in SLIPS else None
        if slip is not None:
            return ConfigError(None, path, f"{_shown(raw)} {slip.problem}", slip.remedy)
    return ConfigError(None, path, f"{_shown(raw)} is not possible", f"give {describe(hint)}")


def _kinds(hint: Any) -> list[Any]:
    """The types that a value of type `hint` itself, no item of it, may have."""
    if get_origin(hint) is Annotated:
        return _kinds(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        return [kind for part in get_args(hint) for kind in _kinds(part)]
    return [hint]


def _shown(raw: Any) -> str:
    """`raw` as TOML would write it, shortened, with nothing that could upset a terminal."""
    if isinstance(raw, bool):
        return str(raw).lower()
    if isinstance(raw, dict):
        return "a table"
    if isinstance(raw, list):
        return "a list"
    if isinstance(raw, str):
        return f'"{escape(mask_passwords(raw), MAX_SHOWN)}"'
    if isinstance(raw, int) and raw.bit_length() > 64:  # str() refuses thousands of digits
        return "a number beyond 64 bits"
    return escape(str(raw), MAX_SHOWN)


def _either(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _anchored(value: Any, folder: Path) -> Any:
    if isinstance(value, Path):
        return folder / value
    if isinstance(value, Struct):
        names = value.__struct_fields__
        return type(value)(**{name: _anchored(getattr(value, name), folder) for name in names})
    if isinstance(value, tuple):
        return tuple(_anchored(item, folder) for item in value)
    if isinstance(value, dict):
        return {key: _anchored(item, folder) for key, item in value.items()}
    return value
