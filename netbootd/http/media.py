"""Media types, by file name.

A root image is read by the kernel and a kernelcache by boot.efi, which do not look. UEFI firmware
does look: its HTTP boot loads what is `application/efi` (UEFI 2.10, 24.7.2), so that the `booter`
of a bundle, which has no suffix, needs its own line here.
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


def media_type(name: str, *, booter: bool = False) -> bytes:
    """The Content-Type of a file called `name`; `booter` is what the catalog knows about it."""
    _, dot, suffix = name.rpartition("/")[2].rpartition(".")
    known = _BY_SUFFIX.get(suffix.lower()) if dot else None
    if known is not None:
        return known
    return b"application/efi" if booter else OCTET_STREAM
