"""Whatever the bytes of a boot.toml, the outcome is an entry that no script can be broken with, or
a BundleError that names the file, the reason and the remedy."""

from __future__ import annotations

from pathlib import Path

from images.boot_toml import PLACEHOLDERS, BootToml, filled, parse_boot_toml
from images.errors import BundleError

PATH = Path("/images/x/boot.toml")


def outcome(data: bytes) -> BootToml | BundleError:
    try:
        return parse_boot_toml(data, PATH)
    except BundleError as error:
        return error


def target(data: bytes) -> None:
    entry = outcome(data)
    if isinstance(entry, BundleError):
        assert entry.path == PATH
        assert entry.why
        assert entry.remedy
        assert len(str(entry).encode()) < 1500
        return
    kinds = [entry.kernel, entry.efi or entry.efi_by_platform, entry.script]
    assert sum(map(bool, kinds)) == 1
    assert entry.title.strip()
    line = filled(entry.command_line, dict.fromkeys(PLACEHOLDERS, "x"))
    for text in (entry.title, line):
        assert "${" not in text
        assert text.isprintable() or not any(c in text for c in "\r\n\0\x1b")
    named = [entry.kernel, *entry.initrds, entry.efi, entry.script]
    for name in filter(None, [*named, *entry.efi_by_platform.values()]):
        assert not name.startswith("/")
        assert ".." not in name.split("/")
    assert all(len(mac) == 6 for mac in entry.enabled_macs | entry.disabled_macs)
