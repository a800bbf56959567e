"""boot.toml: what a boot entry for PCs and virtual machines says about itself.

    title = "Debian 12 installer"
    kernel = "linux"
    initrd = "initrd.gz"
    command_line = "auto=true url={base_url}/preseed.cfg"

Pure: bytes in, a value or a `BundleError` out. Unlike NBImageInfo.plist, which is other people's
format, nothing here is guessed: a key that is unknown or of the wrong type is an error.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, NoReturn
from uuid import UUID

from images.errors import BundleError
from images.info import MAX_INDEX, parse_mac
from images.name import objection
from images.program import PLATFORMS

FILE_NAME: Final = "boot.toml"
MAX_BYTES: Final = 64 * 1024
"""Of the file: a thousand addresses and identifiers of machines fit."""
MAX_TITLE: Final = 72
"""Characters: a menu line on a text screen of 80 columns has room for them."""
MAX_DESCRIPTION: Final = 1000
MAX_COMMAND_LINE: Final = 1500
"""Bytes. Linux on x86 takes 2047; the rest is for placeholders and for what loaders add."""
MAX_INITRDS: Final = 16

PLACEHOLDERS: Final[Mapping[str, str]] = {
    "base_url": "the URL of the folder, without a slash at its end",
    "server": "our IPv4 address",
    "mac": "the machine's hardware address: 52:54:00:12:34:56",
    "mac_hyphens": "the same with hyphens: 52-54-00-12-34-56",
}

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BootToml:
    """The keys of boot.toml. File names are relative to the folder, with slashes."""

    title: str
    description: str | None = None
    index: int | None = None
    """Place in lists, 1 to 65535; entries without one come after all that have one."""
    architectures: tuple[str, ...] | None = None
    """Platform names; None: what the files are for."""
    kernel: str | None = None
    initrds: tuple[str, ...] = ()
    command_line: str = ""
    """As written, placeholders and all (`filled`)."""
    efi: str | None = None
    """One EFI program, for the machines that its head names."""
    efi_by_platform: Mapping[str, str] = field(default_factory=dict)
    """Or one for each platform."""
    script: str | None = None
    """An iPXE script."""
    is_default: bool = False
    is_enabled: bool = True
    enabled_system_ids: frozenset[UUID] = frozenset()  # empty: every machine
    disabled_system_ids: frozenset[UUID] = frozenset()
    enabled_macs: frozenset[bytes] = frozenset()  # empty: every address
    disabled_macs: frozenset[bytes] = frozenset()


BOOT_TOML_FIELDS = tuple(each.name for each in fields(BootToml))

_KEYS = (
    "title",
    "description",
    "index",
    "architectures",
    "kernel",
    "initrd",
    "command_line",
    "efi",
    "script",
    "default",
    "enabled",
    "enabled_system_identifiers",
    "disabled_system_identifiers",
    "enabled_mac_addresses",
    "disabled_mac_addresses",
)

_USELESS_BESIDE: Mapping[str, tuple[str, ...]] = {
    "kernel": (),
    "efi": ("initrd",),
    "script": ("initrd", "command_line"),
}


def parse_boot_toml(data: bytes, path: Path) -> BootToml:
    """Read the bytes of a boot.toml; `path` is where they came from, for the error."""
    if len(data) > MAX_BYTES:
        raise BundleError(path, f"is larger than {MAX_BYTES} bytes", "keep it to what is needed")
    try:
        keys = tomllib.loads(data.decode())
    except UnicodeDecodeError as error:
        raise BundleError(path, f"is not UTF-8 ({error})", "save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise BundleError(path, f"is not TOML: {error}", "correct it there") from error
    except (RecursionError, ValueError) as error:
        # Arrays nested without end, a date that no calendar has, a number of a million digits.
        raise BundleError(path, f"is not TOML ({type(error).__name__})", "write it anew") from error
    return _Reader(keys, path).boot_toml()


def placeholders(command_line: str) -> frozenset[str]:
    """The names that `command_line` wants filled in."""
    return frozenset(one[1] for one in _BRACES.finditer(command_line) if one[1] is not None)


def filled(command_line: str, values: Mapping[str, str]) -> str:
    """`command_line` with the values for its placeholders, and single braces for doubled ones."""

    def value(one: re.Match[str]) -> str:
        return one[0][0] if one[1] is None else values[one[1]]

    return _BRACES.sub(value, command_line)


class _Reader:
    """One reading of the table."""

    def __init__(self, keys: Mapping[str, Any], path: Path) -> None:
        self._keys = keys
        self._path = path

    def boot_toml(self) -> BootToml:
        for key in self._keys:
            if key not in _KEYS:
                self._unknown(key)
        self._require_one_kind()
        efi = self._keys.get("efi")
        return BootToml(
            title=self._title(),
            description=self._text("description", MAX_DESCRIPTION),
            index=self._index(),
            architectures=self._architectures(),
            kernel=self._file("kernel"),
            initrds=self._initrds(),
            command_line=self._command_line(),
            efi=None if isinstance(efi, dict) else self._file("efi"),
            efi_by_platform=self._efi_by_platform(efi) if isinstance(efi, dict) else {},
            script=self._file("script"),
            is_default=self._flag("default", False),
            is_enabled=self._flag("enabled", True),
            enabled_system_ids=self._system_ids("enabled_system_identifiers"),
            disabled_system_ids=self._system_ids("disabled_system_identifiers"),
            enabled_macs=self._macs("enabled_mac_addresses"),
            disabled_macs=self._macs("disabled_mac_addresses"),
        )

    def _fail(self, why: str, remedy: str) -> NoReturn:
        raise BundleError(self._path, why, remedy)

    def _unknown(self, key: str) -> NoReturn:
        known = ", ".join(_KEYS)
        self._fail(f"the key {_quoted(key)} is unknown", _meant(key, _KEYS) or f"known: {known}")

    def _require_one_kind(self) -> None:
        kinds = [key for key in ("kernel", "efi", "script") if key in self._keys]
        if not kinds:
            self._fail(
                "says nothing to boot",
                'write kernel = "..." (and initrd), efi = "..." or script = "..."',
            )
        if len(kinds) > 1:
            self._fail(
                f"has {' and '.join(kinds)}, but an entry is one of them",
                "make a folder with a boot.toml of its own for each",
            )
        (kind,) = kinds
        for key in _USELESS_BESIDE[kind]:
            if key in self._keys:
                self._fail(f"has {key} beside {kind}, where it means nothing", f"take {key} out")

    def _title(self) -> str:
        title = self._text("title", MAX_TITLE)
        if title is None:
            self._fail("title is missing", 'write title = "..." as menus are to show it')
        if not title.strip():
            self._fail("title is empty", "write what menus are to show")
        if "${" in title:
            self._fail("title has ${ in it, which loaders take for a variable", "write it without")
        return title

    def _index(self) -> int | None:
        value = self._keys.get("index")
        if value is None or (type(value) is int and 1 <= value <= MAX_INDEX):
            return value
        shown = value if type(value) is int and abs(value) < 10**9 else _shown(value)
        self._fail(f"index is {shown}", f"write a number from 1 to {MAX_INDEX}")

    def _architectures(self) -> tuple[str, ...] | None:
        if "architectures" not in self._keys:
            return None
        names = self._texts("architectures")
        if not names:
            self._fail("architectures is empty", "take it out, or name at least one")
        if isinstance(self._keys.get("efi"), dict):
            self._fail(
                "has architectures beside a table efi, whose keys are the architectures",
                "take architectures out",
            )
        for name in names:
            self._require_platform(name, "architectures")
        if "bios" in names and "efi" in self._keys:
            self._fail("efi cannot be for bios: a BIOS loads no EFI programs", "take bios out")
        return tuple(dict.fromkeys(names))

    def _require_platform(self, name: str, key: str) -> None:
        if name not in PLATFORMS:
            known = ", ".join(PLATFORMS)
            self._fail(
                f"{key} names {_quoted(name)}, which is no architecture",
                _meant(name.replace("x64", "x86-64"), PLATFORMS) or f"right are {known}",
            )

    def _efi_by_platform(self, table: Mapping[str, Any]) -> dict[str, str]:
        if not table:
            self._fail("the table efi is empty", 'write uefi-x86-64 = "..." in it')
        for platform in table:
            self._require_platform(platform, "efi")
            if platform == "bios":
                self._fail("efi has bios: a BIOS loads no EFI programs", "take it out")
        return {
            platform: self._relative(f"efi.{platform}", value) for platform, value in table.items()
        }

    def _file(self, key: str) -> str | None:
        value = self._keys.get(key)
        return None if value is None else self._relative(key, value)

    def _initrds(self) -> tuple[str, ...]:
        value = self._keys.get("initrd", [])
        if isinstance(value, str):
            value = [value]
        if not isinstance(value, list):
            self._fail(f"initrd is {_shown(value)}", "write a string, or an array of strings")
        if len(value) > MAX_INITRDS:
            self._fail(f"has more than {MAX_INITRDS} initrds", "join them (cat a.img b.img)")
        return tuple(self._relative("initrd", each) for each in value)

    def _relative(self, key: str, value: object) -> str:
        """The name of a file in the folder."""
        if not isinstance(value, str) or not value:
            self._fail(f"{key} is {_shown(value)}", "write the name of a file in the folder")
        if value.startswith("/") or ".." in value.split("/"):
            self._fail(
                f"{key} is {_quoted(value)}, which leads out of the folder",
                "copy the file into the folder and write its name there",
            )
        for part in value.split("/"):
            problem = objection(part)
            if problem is not None:
                self._fail(
                    f"{key} is {_quoted(value)}, in which {_quoted(part)} {problem}",
                    "rename the file, and write its name relative to the folder",
                )
        return value

    def _command_line(self) -> str:
        text = self._text("command_line", MAX_COMMAND_LINE)
        if text is None:
            return ""
        if "${" in text:
            self._fail(
                "command_line has ${ in it, which loaders take for a variable of theirs",
                "use a placeholder such as {mac}, or an entry with a script",
            )
        for one in _BRACES.finditer(text):
            if one[0] in {"{", "}"}:
                self._fail("command_line has a single brace", "write {{ or }} for a brace")
            if one[1] is not None and one[1] not in PLACEHOLDERS:
                known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
                self._fail(
                    f"command_line has {{{one[1][:60]}}}, which is no placeholder",
                    _meant(one[1], PLACEHOLDERS) or f"right are {known}; write {{{{ for a brace",
                )
        return text

    def _text(self, key: str, maximum: int) -> str | None:
        value = self._keys.get(key)
        if value is None:
            return None
        if not isinstance(value, str):
            self._fail(f"{key} is {_shown(value)}", f'write {key} = "..."')
        if len(value.encode()) > maximum if key == "command_line" else len(value) > maximum:
            self._fail(f"{key} is longer than {maximum} characters", "shorten it")
        if _UNPRINTABLE.search(value):
            self._fail(f"{key} has a line break or another control character", "write one line")
        return value

    def _flag(self, key: str, default: bool) -> bool:
        value = self._keys.get(key, default)
        if not isinstance(value, bool):
            self._fail(f"{key} is {_shown(value)}", "write true or false")
        return value

    def _texts(self, key: str) -> list[str]:
        value = self._keys.get(key, [])
        if isinstance(value, list) and all(isinstance(each, str) for each in value):
            return value
        self._fail(f"{key} is no array of strings", f'write {key} = ["...", "..."]')

    def _system_ids(self, key: str) -> frozenset[UUID]:
        found = set()
        for text in self._texts(key):
            try:
                found.add(UUID(text))
            except ValueError:
                self._fail(
                    f"{key} holds {_quoted(text)}, which is no UUID: firmware tells a DHCP server"
                    " no model",
                    "write what `dmidecode -s system-uuid` prints on the machine",
                )
        return frozenset(found)

    def _macs(self, key: str) -> frozenset[bytes]:
        found = set()
        for text in self._texts(key):
            address = parse_mac(text)
            if address is None:
                self._fail(f"{key} holds {_quoted(text)}", "write addresses as aa:bb:cc:dd:ee:ff")
            found.add(address)
        return frozenset(found)


def _meant(name: str, known: Iterable[str]) -> str | None:
    import difflib  # for mistakes only

    close = difflib.get_close_matches(name, list(known), 1)
    return f"did you mean {close[0]}?" if close else None


def _quoted(text: str) -> str:
    return f"{text[:60]!r}"


def _shown(value: object) -> str:
    """A value of the wrong kind: short, escaped, never walked into."""
    if isinstance(value, str):
        return f"the string {_quoted(value)}"
    for kind, word in _WORDS:
        if isinstance(value, kind):
            return word
    return "a date or time"


_WORDS: tuple[tuple[type, str], ...] = (
    (bool, "true or false"),
    (int, "a number"),
    (float, "a number with a fraction"),
    (list, "an array"),
    (dict, "a table"),
)
