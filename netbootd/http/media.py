"""Media types, by file name.

A root image is read by the kernel and a kernelcache by boot.efi, which do not look. UEFI firmware
does look: its HTTP boot loads what is `application/efi` (UEFI 2.10, 24.7.2), so that an EFI program
has that type whatever it is called (`booter`, `shimx64.efi.signed`, `vmlinuz`).
"""

from __future__ import annotations

OCTET_STREAM = b"application/octet-stream"

_BY_SUFFIX = {
    "efi": b"application/efi",
    "dmg": b"application/x-apple-diskimage",
    "sparseimage": b"application/x-apple-diskimage",
    "iso": b"application/vnd.efi-iso",
    "img": b"application/vnd.efi-img",
    "plist": b"application/x-plist",
    "xml": b"application/xml",
    "txt": b"text/plain; charset=utf-8",
    "ipxe": b"text/plain; charset=utf-8",
    "cfg": b"text/plain; charset=utf-8",
}


def media_type(name: str, *, is_efi: bool = False) -> bytes:
    """The Content-Type of a file called `name`; `is_efi` is what the catalog found it to be."""
    if is_efi:
        return _BY_SUFFIX["efi"]
    _, dot, suffix = name.rpartition("/")[2].rpartition(".")
    return _BY_SUFFIX.get(suffix.lower(), OCTET_STREAM) if dot else OCTET_STREAM
