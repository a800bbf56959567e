"""Media types by file name."""

from __future__ import annotations

import pytest

from netbootd.http.media import media_type


@pytest.mark.parametrize(
    ("name", "is_efi", "expected"),
    [
        ("i386/booter", True, b"application/efi"),
        ("i386/booter", False, b"application/octet-stream"),
        ("snponly.efi", True, b"application/efi"),
        ("BOOTX64.EFI", False, b"application/efi"),
        ("NetInstall.dmg", False, b"application/x-apple-diskimage"),
        ("System.sparseimage", False, b"application/x-apple-diskimage"),
        ("i386/com.apple.Boot.plist", False, b"application/x-plist"),
        ("i386/x86_64/kernelcache", False, b"application/octet-stream"),
        ("boot.ipxe", False, b"text/plain; charset=utf-8"),
        ("shimx64.efi.signed", True, b"application/efi"),
        ("dotted.folder/kernel", False, b"application/octet-stream"),
        (".efi", False, b"application/efi"),
        ("", False, b"application/octet-stream"),
    ],
)
def test_media_type(name: str, is_efi: bool, expected: bytes) -> None:
    """What the catalog found to be an EFI program is one; otherwise the suffix decides."""
    assert media_type(name, is_efi=is_efi) == expected
