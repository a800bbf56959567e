"""The root path of BSDP (DHCP option 17): where a booted kernel finds its root disk image.

The kernel understands `http:` and `nfs:` only, and a booting Mac resolves no names, so the host is
always an IPv4 address (xnu bsd/kern/netboot.c; bsdpd.c X_netboot). Must not look names up itself;
whoever may block passes a `Lookup`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address
from urllib.parse import quote

HTTP_PORT = 80

# Option 17 in one piece: the kernel reads its first instance only.
MAX_ROOT_PATH_BYTES = 255

# What CFURL leaves alone in a path, and Apple's server with it.
_UNESCAPED = "/!$&'()*+,=:@~"

Lookup = Callable[[str], str]
"""A host name to its IPv4 address as text; raises `OSError` when there is none. May block."""


def no_lookup(name: str) -> str:
    """The lookup that knows no names."""
    raise OSError("this server looks no names up")


@dataclass(frozen=True, slots=True, kw_only=True)
class NfsExport:
    """Where NFS images are exported: `path` on `server`, or on the answering server if `None`."""

    path: str
    server: IPv4Address | None = None


def http_root_path(server: IPv4Address, port: int, share: str, name: str, image: str) -> str:
    """`http://<server>[:port]/NetBoot/<share>/<x.nbi>/<image>`, percent-escaped."""
    host = str(server) if port == HTTP_PORT else f"{server}:{port}"
    return f"http://{host}/NetBoot/{quote(f'{share}/{name}/{image}', safe=_UNESCAPED)}"


def nfs_root_path(server: IPv4Address, export: NfsExport, name: str, image: str) -> str:
    r"""`nfs:<server>:<export>:<x.nbi>/<image>`, in which a literal colon is written `\:`."""
    path = export.path.rstrip("/").replace(":", r"\:") or "/"
    return f"nfs:{export.server or server}:{path}:{name}/{image}"


def indirect_http(text: str, lookup: Lookup) -> str | None:
    """RootPath of an HTTP image that lies on another server, as the client is told it.

    Only a host name is replaced, nothing is escaped (measured on Apple's server: `/img/x y.dmg` is
    sent with its space). `None` when `text` is no such address; `OSError` when the name is unknown.
    """
    match = _HTTP.fullmatch(text)
    if match is None:
        return None
    before, host, after = match.groups()
    return f"{before}{resolved(host, lookup)}{after}"


def indirect_nfs(text: str, lookup: Lookup) -> str | None:
    """RootPath of an NFS image on another server: `host:mount[:image]` becomes `nfs:<ip>:...`."""
    match = _NFS.fullmatch(text)
    if match is None:
        return None
    host, after = match.groups()
    return f"nfs:{resolved(host, lookup)}:{after}"


# bootplib/nbimages.c, parse_http_path and parse_nfs_path: a user needs a password.
_HTTP = re.compile(r"(http://(?:[^/@:]*:[^/@]*@)?)([^/@:]+)((?::[0-9]{1,5})?/[^\x00-\x1f\x7f]+)")
_NFS = re.compile(r"([^/@:]+):(/[^\x00-\x1f\x7f]*)")


def resolved(host: str, lookup: Lookup) -> IPv4Address:
    """The address of `host`, itself an address or a name; raises `OSError`."""
    try:
        return IPv4Address(host)
    except AddressValueError:
        pass
    try:
        return IPv4Address(lookup(host))
    except ValueError as error:
        raise OSError(str(error)) from error
