"""What a network boot client is told to load: one decision for the DHCP server and for proxyDHCP.

    iPXE          the script of this machine, by HTTP, else by TFTP
    HTTP boot     the URL of an EFI program
    PXE           the name of a file, or a menu

    which one     what the configuration or an earlier choice says, or the only entry there is, if
                  firmware can start it by itself; else the platform's loader, which then asks as
                  iPXE and shows a menu; else the first entry that firmware can start by itself

It reads the catalog's snapshot only: no disk, no wait. It must not decide whether a client is
answered at all, nor who else answers it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final, Protocol
from urllib.parse import quote

from netbootd.booter import OfferedEntry, PcAsker
from netbootd.pxe.settings import PxeSettings
from netbootd.pxe.teller import PxeTeller
from protocols.dhcp.boot import BootParameters
from protocols.dhcp.message import FILE_SIZE, DhcpMessage
from protocols.dhcp.option import INSTANCE_LIMIT, RawOption
from protocols.dhcp.registry import (
    BOOT_FILE_NAME,
    CLASS_IDENTIFIER,
    CLIENT_MACHINE,
    PARAMETER_REQUEST_LIST,
    TFTP_SERVER_NAME,
    VENDOR_SPECIFIC,
)
from protocols.pxe.architecture import Architecture
from protocols.pxe.client import HTTP_CLASS, PXE_CLASS, ClientKind, PxeClient
from protocols.pxe.menu import encode_choice, encode_menu, menu_types
from protocols.pxe.registry import IPXE_ENCAPSULATED, NO_PROXY_DHCP, encode_sub_options
from protocols.pxe.value import CREDENTIALS_LAYER, BootItem, MenuEntry, MenuPrompt

PICK_TIME: Final = 300.0
"""Seconds for which what was picked in a firmware's menu is what its iPXE boots: it takes some ten
seconds to load iPXE, over a slow line a minute."""
MAX_PICKS: Final = 1024
"""Picks remembered; the oldest goes."""
MAX_FILE: Final = FILE_SIZE - 1
"""Bytes of a name in `file`, which ends with a NUL."""

_NO_PROXY: Final = RawOption(IPXE_ENCAPSULATED, encode_sub_options([NO_PROXY_DHCP.of(1)]))
"""Without it, iPXE waits for offers of proxyDHCP servers when it has ours (iPXE, dhcp.c)."""


class PxeBooter(Protocol):
    """What is asked of the booter (`netbootd.booter.Booter`)."""

    def boot_entries(self, asker: PcAsker) -> tuple[OfferedEntry, ...]:
        """The entries that the machine may boot, in list order."""

    def chosen_entry(self, asker: PcAsker, boot: str | None) -> OfferedEntry | None:
        """The one it is to boot without being asked, if any."""

    def has_loader(self, name: str) -> bool:
        """Whether the folder of loaders has a file of that name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebPorts:
    """Where HTTP and HTTPS are served; None: not at all."""

    http: int | None
    https: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """One file to load; `entry` is the title of what it starts, empty for a loader."""

    name: str
    entry: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Menu:
    """A menu to show."""

    entries: tuple[OfferedEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Nothing:
    """Why there is nothing to load."""

    why: str


class PxeAnswers:
    """Answers network boot clients. Reactor thread only."""

    def __init__(
        self,
        *,
        booter: PxeBooter,
        settings: PxeSettings,
        ports: WebPorts,
        teller: PxeTeller,
        seconds: Callable[[], float],
    ) -> None:
        """`seconds` is a monotonic clock."""
        self._booter = booter
        self._settings = settings
        self._ports = ports
        self._teller = teller
        self._seconds = seconds
        self._picks: OrderedDict[bytes, tuple[str, float]] = OrderedDict()

    def parameters(
        self, client: PxeClient, *, server: IPv4Address, boot: str | None, message: DhcpMessage
    ) -> BootParameters | None:
        """What an OFFER or ACK on port 67 tells `client`, who sent `message`; None: nothing.

        `server` is our address for it, `boot` the entry that its host or class is to boot.
        """
        return self._answer(client, server, boot, message, at_boot_server=False)

    def boot_server_parameters(
        self, client: PxeClient, *, server: IPv4Address, message: DhcpMessage
    ) -> BootParameters | None:
        """The same for an ACK on port 4011, where menus are shown and chosen from."""
        return self._answer(client, server, None, message, at_boot_server=True)

    def _answer(
        self,
        client: PxeClient,
        server: IPv4Address,
        boot: str | None,
        message: DhcpMessage,
        *,
        at_boot_server: bool,
    ) -> BootParameters | None:
        asker = PcAsker(
            mac=client.mac,
            platform=client.platform,
            server=server,
            machine_id=client.machine_uuid,
            vendor_class=client.vendor_class,
        )
        # Asked first, for that is how the booter learns of the machine.
        entries = self._booter.boot_entries(asker)
        chosen = self._booter.chosen_entry(asker, boot)
        what = self._decide(client, entries, chosen, boot)
        match what:
            case _Nothing():
                self._teller.unanswered(client, message.ciaddr, what.why)
                return None
            case _Menu():
                shown_here = at_boot_server or client.architecture == Architecture.X86_BIOS
                return self._menu(client, what, server, message, shown_here=shown_here)
            case _File():
                return self._file(client, what, server, message)

    # Which one.

    def _decide(
        self,
        client: PxeClient,
        entries: Sequence[OfferedEntry],
        chosen: OfferedEntry | None,
        boot: str | None,
    ) -> _File | _Menu | _Nothing:
        if not entries:
            return _Nothing(why=f"no boot entry is for it ({client.platform})")
        if boot is not None and chosen is None:
            return _Nothing(why=f"it is to boot {boot}, which it may not or which is not there")
        if client.kind is ClientKind.IPXE:
            return self._script(client, chosen if boot is not None else None)
        if client.boot_item is not None and client.kind is ClientKind.PXE:
            return self._picked(client, client.boot_item, entries)
        sole = entries[0] if len(entries) == 1 else None
        wanted = chosen or sole
        if wanted is not None and wanted.efi is not None:
            return _File(name=wanted.efi, entry=wanted.title)
        loader = self._loader(client.platform)
        if chosen is None and self._wants_menu(client, entries, loader):
            return _Menu(entries=self._startable(entries, loader))
        if loader is not None:
            return _File(name=loader)
        first = next((entry for entry in entries if entry.efi is not None), None)
        if chosen is None and first is not None and first.efi is not None:
            return _File(name=first.efi, entry=first.title)
        return _Nothing(why=self._why_no_loader(client.platform))

    def _wants_menu(
        self, client: PxeClient, entries: Sequence[OfferedEntry], loader: str | None
    ) -> bool:
        """HTTP boot knows no menus."""
        if client.kind is not ClientKind.PXE or self._settings.menu is False:
            return False
        if self._settings.menu is True:
            return bool(self._startable(entries, loader))
        return loader is None and len(self._startable(entries, loader)) > 1

    @staticmethod
    def _startable(entries: Sequence[OfferedEntry], loader: str | None) -> tuple[OfferedEntry, ...]:
        """Those that firmware starts by itself or through the loader."""
        return tuple(each for each in entries if loader is not None or each.efi is not None)

    def _picked(
        self, client: PxeClient, item: BootItem, entries: Sequence[OfferedEntry]
    ) -> _File | _Nothing:
        """What was chosen in a menu that we sent."""
        types = menu_types([entry.name for entry in entries])
        entry = dict(zip(types, entries, strict=True)).get(item.type)
        if entry is None or item.layer & CREDENTIALS_LAYER:
            return _Nothing(why=f"it asks for item {item.type:#06x} of a menu, which is not there")
        if entry.efi is not None:
            return _File(name=entry.efi, entry=entry.title)
        loader = self._loader(client.platform)
        if loader is None:
            return _Nothing(why=self._why_no_loader(client.platform))
        self._remember_pick(client.mac, entry.name)
        return _File(name=loader, entry=entry.title)

    def _remember_pick(self, mac: bytes, name: str) -> None:
        self._picks[mac] = (name, self._seconds() + PICK_TIME)
        self._picks.move_to_end(mac)
        if len(self._picks) > MAX_PICKS:
            self._picks.popitem(last=False)

    def _script(self, client: PxeClient, wanted: OfferedEntry | None) -> _File:
        """The script of an iPXE: of the entry that it is to boot, else its menu."""
        name = None if wanted is None else wanted.name
        picked, until = self._picks.get(client.mac, (None, 0.0))
        if name is None and until > self._seconds():
            name = picked
        if not client.mac:
            return _File(name="boot.ipxe")
        folder = f"ipxe/{client.mac.hex('-')}"
        if name is None:
            return _File(name=f"{folder}/boot.ipxe")
        return _File(name=f"{folder}/{name}.ipxe", entry=wanted.title if wanted else name)

    def _loader(self, platform: str) -> str | None:
        name = self._settings.loader.of(platform)
        return name if name and self._booter.has_loader(name) else None

    def _why_no_loader(self, platform: str) -> str:
        if self._settings.loaders is None:
            return "it takes a loader such as iPXE; name a folder of loaders in pxe.loaders"
        name = self._settings.loader.of(platform)
        if not name:
            return f"there is no loader for {platform}; name one in pxe.loader"
        return f"its loader {name} is not in {self._settings.loaders}; put it there"

    # How it is said.

    def _file(
        self, client: PxeClient, what: _File, server: IPv4Address, message: DhcpMessage
    ) -> BootParameters | None:
        asked = _asked_for(message)
        options = [RawOption(CLIENT_MACHINE.code, client.machine_id)] if client.machine_id else []
        if client.kind is ClientKind.HTTP:
            name = self._boot_url(what.name, server)
            asked = asked | {BOOT_FILE_NAME.code}
            options.append(CLASS_IDENTIFIER.of(HTTP_CLASS))
        else:
            name = self._script_url(client, what.name, server)
            if client.kind is ClientKind.IPXE:
                options.append(_NO_PROXY)
            if client.boot_item is not None:
                choice = encode_choice(client.boot_item)
                options.append(RawOption(VENDOR_SPECIFIC.code, choice))
        encoded = (name or "").encode("utf-8", "surrogateescape")
        why = self._why_unsendable(client, name, encoded)
        if why is not None:
            self._teller.unanswered(client, message.ciaddr, why)
            return None
        self._teller.offered(client, message.ciaddr, name or "", what.entry)
        if TFTP_SERVER_NAME.code in asked and client.kind is ClientKind.PXE:
            options.append(TFTP_SERVER_NAME.of(str(server)))
        if BOOT_FILE_NAME.code in asked:
            options.append(RawOption(BOOT_FILE_NAME.code, encoded))
        return BootParameters(
            next_server=server,
            file=encoded if len(encoded) <= MAX_FILE else b"",
            options=tuple(options),
        )

    @staticmethod
    def _why_unsendable(client: PxeClient, name: str | None, encoded: bytes) -> str | None:
        if name is None:
            return "HTTP boot needs a server that is off; enable it in [http] or [https]"
        limit = INSTANCE_LIMIT if client.kind is ClientKind.HTTP else MAX_FILE
        if len(encoded) > limit:
            return f"{name} is longer than the {limit} bytes that fit; give the folder another name"
        return None

    def _boot_url(self, name: str, server: IPv4Address) -> str | None:
        """Where UEFI loads from; None if that is not served."""
        if self._settings.scheme == "https":
            return _url("https", self._settings.host_name or str(server), self._ports.https, name)
        return _url("http", str(server), self._ports.http, name)

    def _script_url(self, client: PxeClient, name: str, server: IPv4Address) -> str:
        """What `file` says: a URL for an iPXE that takes one, else a name for TFTP."""
        if not client.takes_http:
            return name
        return _url("http", str(server), self._ports.http, name) or name

    def _menu(
        self,
        client: PxeClient,
        what: _Menu,
        server: IPv4Address,
        message: DhcpMessage,
        *,
        shown_here: bool,
    ) -> BootParameters:
        """A menu, or for UEFI on port 67 the hint to ask for it on port 4011: an OFFER of a PXE
        server without option 43 (captures `ovmf-pxe4-proxymenu`, `bios-ipxe-proxymenu`)."""
        options = [CLASS_IDENTIFIER.of(PXE_CLASS)]
        if client.machine_id is not None:
            options.append(RawOption(CLIENT_MACHINE.code, client.machine_id))
        if shown_here:
            names = [entry.name for entry in what.entries]
            data, count = encode_menu(
                [
                    MenuEntry(type=number, text=entry.title)
                    for number, entry in zip(menu_types(names), what.entries, strict=True)
                ],
                server=server,
                prompt=MenuPrompt(seconds=int(self._settings.timeout), text=self._settings.prompt),
            )
            options.append(RawOption(VENDOR_SPECIFIC.code, data))
            self._teller.menu_offered(client, message.ciaddr, count, len(what.entries))
        return BootParameters(next_server=server, options=tuple(options))


def _asked_for(message: DhcpMessage) -> frozenset[int]:
    return frozenset(message.option(PARAMETER_REQUEST_LIST.code) or b"")


def _url(scheme: str, host: str, port: int | None, name: str) -> str | None:
    if port is None:
        return None
    at = host if port == {"http": 80, "https": 443}[scheme] else f"{host}:{port}"
    return f"{scheme}://{at}/{quote(name, errors='surrogateescape')}"
