"""Change keys of an NBImageInfo.plist or a boot.toml and leave all else as it is: other keys, their
order, the format, and in text every byte that does not have to change, comments included.

Must never leave half a file: the new one takes the place of the old one at once.
"""

from __future__ import annotations

import os
import plistlib
import re
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from images.beneath import open_beneath
from images.boot_toml import FILE_NAME as BOOT_TOML
from images.boot_toml import parse_boot_toml
from images.bundle import Bundle
from images.entry import BootEntry
from images.errors import BundleError
from images.info import FILE_NAME, MAX_BYTES, parse_info
from images.plist import PlistError, parse_plist, write_plist
from images.tree import unreadable

_BINARY = b"bplist00"
_SIMPLE = r"<(?:true|false)\s*/>|<string>[^<]*</string>|<string\s*/>|<integer>[^<]*</integer>"


def read_info_thd(bundle: Bundle) -> bytes:
    """The bytes of its NBImageInfo.plist. Raises `BundleError`."""
    return _read(bundle, FILE_NAME, bundle.files[FILE_NAME])


def edit_info_thd(bundle: Bundle, keys: Mapping[str, Any]) -> bool:
    """Set `keys` in its NBImageInfo.plist, on disk when this ends; whether that changed anything.

    Mode and owner stay. Raises `BundleError`, also where we may not write.
    """
    before = read_info_thd(bundle)
    after = edited(before, keys, bundle.path / FILE_NAME)
    return _replaced(bundle, bundle.files[FILE_NAME], before, after)


def edit_entry_thd(entry: BootEntry, keys: Mapping[str, bool]) -> bool:
    """The same for the boot.toml of an entry."""
    before = _read(entry, BOOT_TOML, BOOT_TOML)
    after = edited_toml(before, keys, entry.path / BOOT_TOML)
    return _replaced(entry, BOOT_TOML, before, after)


def _read(found: Bundle | BootEntry, name: str, real: str) -> bytes:
    try:
        with os.fdopen(open_beneath(found.directory, real), "rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise unreadable(found.path / name, error) from error


def _replaced(found: Bundle | BootEntry, real: str, before: bytes, after: bytes) -> bool:
    if after == before:
        return False
    try:
        _replace(found.directory / real, after)
    except OSError as error:
        raise unwritable(found.path / real, error) from error
    return True


def edited(data: bytes, keys: Mapping[str, Any], path: Path) -> bytes:
    """`data` with `keys` (booleans, strings, integers) set; itself if they are so already.

    The result is one that the catalog takes. Raises `BundleError`, with `path` for its place.
    """
    parse_info(data, path)
    before = parse_plist(data, maximum=MAX_BYTES)
    wanted = {**before, **keys}
    if all(_is_same(before.get(key), value) for key, value in keys.items()):
        return data
    after = None if data.startswith(_BINARY) else _edited_text(data, keys, wanted)
    if after is None:
        form = plistlib.FMT_BINARY if data.startswith(_BINARY) else plistlib.FMT_XML
        try:
            after = write_plist(wanted, form)
        except PlistError as error:
            raise BundleError(path, str(error), "write it without") from error
    parse_info(after, path)
    return after


def _edited_text(data: bytes, keys: Mapping[str, Any], wanted: Mapping[str, Any]) -> bytes | None:
    """The XML with nothing but the values of `keys` replaced, or None where that is not so simple:
    the proof is that it reads as what is wanted."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    for key, value in keys.items():
        text = _with_element(text, key, _element(value))
    after = text.encode()
    try:
        return after if _are_same(plistlib.loads(after), wanted) else None
    except Exception:  # whatever the parsers let out, as images.plist says
        return None


def _are_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Raises RecursionError for what is nested without end."""
    return list(one) == list(other) and all(_is_same(one[key], other[key]) for key in other)


def _with_element(text: str, key: str, element: str) -> str:
    """With the value of `key` replaced, or both added at the end of the dictionary."""

    def replaced(found: re.Match[str]) -> str:
        return found[1] + element

    def added(found: re.Match[str]) -> str:
        space, end = found.groups()
        return f"{space}\t<key>{key}</key>{space}\t{element}{space}{end}"

    text, count = re.subn(rf"(<key>{re.escape(key)}</key>\s*)(?:{_SIMPLE})", replaced, text)
    return text if count else re.sub(r"(\s*)(</dict>\s*</plist>\s*)\Z", added, text)


def _is_same(one: object, other: object) -> bool:
    """Equal and of one type, for 1 is not true in a property list."""
    return type(one) is type(other) and one == other


def _element(value: bool | int | str) -> str:
    if isinstance(value, bool):
        return "<true/>" if value else "<false/>"
    if isinstance(value, int):
        return f"<integer>{value}</integer>"
    return f"<string>{escape(value)}</string>"


def edited_toml(data: bytes, keys: Mapping[str, bool], path: Path) -> bytes:
    """A boot.toml with `keys` set, which stand before its first table. Raises `BundleError`."""
    parse_boot_toml(data, path)
    text = data.decode()
    before = tomllib.loads(text)
    for key, value in keys.items():
        if before.get(key) is value:
            continue
        line = f"{key} = {str(value).lower()}"
        text, count = re.subn(rf"(?m)^{key}\s*=\s*(?:true|false)", line, text, count=1)
        if not count:
            text = f"{line}\n{text}"
    try:
        is_right = tomllib.loads(text) == {**before, **keys}
    except tomllib.TOMLDecodeError:
        is_right = False
    if not is_right:
        raise BundleError(path, f"has {' and '.join(keys)} where we do not find it", "edit it")
    return text.encode()


def _replace(path: Path, data: bytes) -> None:
    status = path.stat()
    descriptor, name = tempfile.mkstemp(prefix=".NBImageInfo-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        os.chmod(name, status.st_mode & 0o7777)
        if os.name != "nt":  # pragma: no branch
            os.chown(name, status.st_uid, status.st_gid)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """So that names in it outlast a loss of power. Windows knows no such thing."""
    if os.name == "nt":  # pragma: no cover
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unwritable(path: Path, error: OSError) -> BundleError:
    """The error for a file or folder that we may not write."""
    remedy = (
        "be root, or who owns it"
        if isinstance(error, PermissionError)
        else "check that its disk is well and has room"
    )
    return BundleError(path, f"cannot be written: {error.strerror or error}", remedy)
