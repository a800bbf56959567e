"""Media types by file name."""

from __future__ import annotations

import pytest

from netbootd.http.media import media_type


@pytest.mark.parametrize(
    ("name", "booter", "expected"),
    [
        ("i386/booter", True, b"application/efi"),
        ("i386/booter", False, b"application/octet-stream"),
        ("snponly.efi", True, b"application/efi"),
        ("BOOTX64.EFI", False, b"application/efi"),
        ("NetInstall.dmg", False, b"application/x-apple-diskimage"),
        ("System.sparseimage", False, b"application/x-apple-diskimage"),
        ("i386/com.apple.Boot.plist", False, b"application/x-plist"),
        ("i386/x86_64/kernelcache", False, b"application/octet-stream"),
        ("boot.ipxe", True, b"text/plain; charset=utf-8"),
        ("dotted.folder/kernel", False, b"application/octet-stream"),
        (".efi", False, b"application/efi"),
        ("", False, b"application/octet-stream"),
    ],
)
def test_media_type(name: str, booter: bool, expected: bytes) -> None:
    """The suffix decides; a file that the catalog calls a booter is an EFI program without one."""
    assert media_type(name, booter=booter) == expected
