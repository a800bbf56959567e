"""The first configuration: what is found on this computer and its links, what an operator wants,
and the annotated file that follows.

    found (interfaces, DHCP servers, image folders, loaders) ─▶ suggested ─▶ Wanted ─▶ TOML

The text is made here, of values; who asks the operator is `netbootd.setup_dialogue`.
"""

from __future__ import annotations

import enum
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Interface
from pathlib import Path
from typing import Final

from netbootd.coexist.discover import Offer, search_thd
from netbootd.config import PRIVATE
from netbootd.interface import Interface, read_interfaces
from ops.privilege import resolve_identity
from ops.setting import AddressRange
from ops.start import StartError

USER: Final = "netbootd"
IMAGE_FOLDERS: Final = (
    "images",
    "/srv/netboot",
    "/srv/images",
    "/srv/netbootd",
    "/Library/NetBoot/NetBootSP0",
    "/var/lib/netbootd/images",
)
"""Where images usually are; the second is suggested where there are none."""
LOADER_FOLDERS: Final = ("/usr/lib/ipxe", "/usr/share/ipxe")
POOL: Final = 100
"""Addresses that are suggested to lease: the hundred from .100 on, in a network of 256."""


class Mode(enum.Enum):
    """Who gives machines their addresses, and whom we boot."""

    ALONE = "alone"
    """We do; Macs and PCs."""
    BESIDE = "beside"
    """Another server does; Macs."""
    PROXY = "proxy"
    """Another server does; Macs and PCs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What there is."""

    interfaces: tuple[Interface, ...]
    """Those with an address that would be served."""
    offers: tuple[Offer, ...]
    """DHCP servers that answer."""
    was_searched: bool
    """Whether they were looked for."""
    images: Path | None
    """A folder with something to boot in it."""
    loaders: Path | None
    router: IPv4Address | None
    dns: tuple[IPv4Address, ...]
    has_user: bool
    """Whether there is a user for netbootd to become."""

    @property
    def mode(self) -> Mode:
        """What fits that best. Nobody is given addresses unasked where nobody looked."""
        if self.was_searched and not self.offers:
            return Mode.ALONE
        return Mode.PROXY if self.loaders is not None else Mode.BESIDE


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the file is to say."""

    mode: Mode
    interfaces: tuple[str, ...]
    """Empty: all."""
    images: Path
    network: IPv4Interface | None = None
    """The one to lease addresses in, if that is wanted; and our own."""
    pool: AddressRange | None = None
    router: IPv4Address | None = None
    dns: tuple[IPv4Address, ...] = ()
    loaders: Path | None = None
    boots_pcs: bool = False
    user: str | None = None


def look(*, search: bool) -> Found:
    """Look around; with `search` for DHCP servers, too, which takes four seconds and root."""
    interfaces = tuple(
        one
        for one in read_interfaces()
        if not one.is_loopback and any(_is_private(address) for address in one.addresses)
    )
    links = [one for one in interfaces if one.hardware_address is not None]
    offers: tuple[Offer, ...] = ()
    was_searched = False
    if search and links:
        try:
            offers = tuple(search_thd(links, xid=secrets.randbits(32)).offers)
            was_searched = True
        except OSError:
            was_searched = False
    return Found(
        interfaces=interfaces,
        offers=offers,
        was_searched=was_searched,
        images=next((Path(path) for path in IMAGE_FOLDERS if holds_images(Path(path))), None),
        loaders=next((Path(path) for path in LOADER_FOLDERS if os.path.isdir(path)), None),
        router=default_router(),
        dns=tuple(dns_servers()),
        has_user=_has_user(),
    )


def _is_private(address: IPv4Interface) -> bool:
    return any(address.ip in network for network in PRIVATE)


def _has_user() -> bool:
    try:
        return os.geteuid() == 0 and resolve_identity(USER, None) is not None
    except (AttributeError, StartError):  # Windows; no such user
        return False


def holds_images(folder: Path) -> bool:
    """Whether there is a folder in it that could be booted."""
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return False
    return any(
        entry.name.endswith(".nbi") or os.path.exists(os.path.join(entry.path, "boot.toml"))
        for entry in entries
    )


def default_router(table: Path = Path("/proc/net/route")) -> IPv4Address | None:
    """This computer's way out, which is most likely that of its network."""
    try:
        lines = table.read_text().splitlines()[1:]
    except OSError:
        return None
    for line in lines:
        fields = line.split()
        if len(fields) > 7 and fields[1] == fields[7] == "00000000":
            return IPv4Address(int.from_bytes(bytes.fromhex(fields[2]), "little"))
    return None


def dns_servers(file: Path = Path("/etc/resolv.conf")) -> Iterator[IPv4Address]:
    """Those that this computer asks, but for itself."""
    try:
        text = file.read_text(errors="replace")
    except OSError:
        return
    for name in re.findall(r"^\s*nameserver\s+(\S+)", text, re.MULTILINE):
        try:
            address = IPv4Address(name)
        except AddressValueError:
            continue
        if not address.is_loopback:
            yield address


def suggested_pool(own: IPv4Interface, taken: Iterable[IPv4Address] = ()) -> AddressRange:
    """A range of the network of `own`: the hundred from .100 on where that is one of 256, else the
    upper half. It may hold addresses that are somebody's: those are never leased."""
    network = own.network
    first, last = int(network.network_address) + 1, int(network.broadcast_address) - 1
    if network.prefixlen <= 24:
        begin = int(network.network_address) + POOL
        end = begin + POOL - 1
    else:
        begin, end = first + (last - first + 1) // 2, last
    while begin < end and IPv4Address(begin) in taken:
        begin += 1
    return AddressRange(IPv4Address(min(begin, end)), IPv4Address(end))


def network_of(found: Found, names: Sequence[str]) -> IPv4Interface | None:
    """The address of ours in whose network addresses would be leased: the first one's."""
    for one in found.interfaces:
        if not names or one.name in names:
            return next((address for address in one.addresses if _is_private(address)), None)
    return None


# The file.

_HEAD: Final = """\
# netbootd.toml: {what}.
# Written by `netbootctl config init`. `netbootctl check` and `netbootctl doctor` look it over;
# `netbootctl config example` prints every other setting with its default.
"""
_WHAT: Final = {
    Mode.ALONE: "netbootd gives addresses, and boots machines",
    Mode.BESIDE: "another server gives addresses; netbootd boots Macs",
    Mode.PROXY: "another server gives addresses; netbootd boots Macs and PCs",
}


def toml_of(wanted: Wanted) -> str:
    """The annotated file."""
    return "\n".join([_HEAD.format(what=_WHAT[wanted.mode]), *_lines(wanted), ""])


def _lines(wanted: Wanted) -> Iterator[str]:
    if wanted.user is not None:
        yield "# Root is given up for this user once the ports are bound."
        yield f"user = {_text(wanted.user)}"
        yield ""
    yield "# .nbi folders for Macs, folders with a boot.toml for PCs. New ones are found at once."
    yield "[images]"
    yield f"share = [{{ path = {_text(str(wanted.images))} }}]"
    if wanted.interfaces:
        yield ""
        yield "# Served on these interfaces only. Without this table, on all private addresses."
        yield "[network]"
        names = ", ".join(_text(name) for name in wanted.interfaces)
        yield f"interfaces = [{names}]"
    if wanted.mode is Mode.ALONE:
        yield ""
        yield from _dhcp(wanted)
    if wanted.boots_pcs:
        yield ""
        yield from _pxe(wanted)


def _dhcp(wanted: Wanted) -> Iterator[str]:
    assert wanted.network is not None  # noqa: S101 - or addresses could not be leased
    assert wanted.pool is not None  # noqa: S101
    yield "# Addresses for all machines. Never beside another DHCP server of the same network."
    yield "[dhcp]"
    yield "enabled = true"
    yield "# Nobody else leases here: machines that come from elsewhere are told at once."
    yield "authoritative = true"
    if wanted.dns:
        yield f"dns = [{', '.join(_text(str(one)) for one in wanted.dns)}]"
    yield ""
    yield "[[dhcp.subnet]]"
    yield f"network = {_text(str(wanted.network.network))}"
    yield f"pools = [{_text(str(wanted.pool))}]"
    if wanted.router is not None:
        yield "# The way out; without it, machines reach this network only."
        yield f"router = {_text(str(wanted.router))}"


def _pxe(wanted: Wanted) -> Iterator[str]:
    yield "# PCs and virtual machines: PXE, UEFI HTTP boot, iPXE."
    yield "[pxe]"
    yield "enabled = true"
    if wanted.loaders is not None:
        yield "# Boot loaders, such as those of Debian's package ipxe."
        yield f"loaders = {_text(str(wanted.loaders))}"
    else:
        yield "# Without boot loaders only EFI programs boot; Debian has some in its package ipxe."
        yield '#loaders = "/usr/lib/ipxe"'


def _text(text: str) -> str:
    """A TOML string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
