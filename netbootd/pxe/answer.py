"""What a network boot client is told: one answer for the DHCP server and for proxyDHCP.

    iPXE          67/file: the URL of its script, or its name for TFTP     175: no proxyDHCP
    HTTP boot     67/file: the URL of an EFI program                       60: HTTPClient
    PXE           siaddr, file (67): a file for TFTP      or a menu:  43   60: PXEClient

It reads the catalog's snapshot only: no disk, no wait. It must not decide whether a client is
answered at all, nor who else answers it. A file needs no option 60: firmware takes it from any DHCP
server's reply (captures `ovmf-pxe4*`), and where it came from a PXE server EDK2 asks port 4011 once
more. proxyDHCP, which firmware believes only with it, adds it (`protocols.pxe.reply`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final, Protocol
from urllib.parse import quote

from netbootd.booter import OfferedEntry, PcAsker
from netbootd.pxe.decision import Decider, File, Menu, Nothing
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
from protocols.errors import DecodeError
from protocols.pxe.architecture import Architecture
from protocols.pxe.client import HTTP_CLASS, PXE_CLASS, ClientKind, PxeClient, client_from
from protocols.pxe.menu import encode_choice, encode_menu
from protocols.pxe.registry import IPXE_ENCAPSULATED, NO_PROXY_DHCP, encode_sub_options
from protocols.pxe.value import MenuPrompt

MAX_FILE: Final = FILE_SIZE - 1
"""Bytes of a name in `file`, which ends with a NUL."""
DEFAULT_PORTS: Final = {"http": 80, "https": 443}

_NO_PROXY: Final = RawOption(IPXE_ENCAPSULATED, encode_sub_options([NO_PROXY_DHCP.of(1)]))
"""Without it, iPXE waits for offers of proxyDHCP servers although it has ours (iPXE, dhcp.c)."""


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
        self._decider = Decider(settings, has_loader=booter.has_loader, seconds=seconds)

    def parameters(
        self, client: PxeClient, *, server: IPv4Address, boot: str | None, message: DhcpMessage
    ) -> BootParameters | None:
        """What an OFFER or ACK on port 67 tells `client`, who sent `message`; None: nothing.

        `server` is our address for it, `boot` the name of the entry that the configuration of its
        host or class wants it to boot.
        """
        # BIOS ROMs take a menu from the OFFER. UEFI is given an OFFER without option 43 and asks
        # port 4011 for it (captures `bios-ipxe-proxymenu`, `ovmf-pxe4-proxymenu`).
        shows_menu = client.architecture == Architecture.X86_BIOS
        return self._answer(client, server, boot, message, shows_menu=shows_menu)

    def at(self, server: IPv4Address) -> Callable[[DhcpMessage, str | None], BootParameters | None]:
        """`parameters` for a DHCP server that is `server` to its clients: given a message and the
        name of the entry that the configuration wants, if any. None for who does not boot from the
        network, and for who garbles what a boot client says: a lease it may have all the same."""

        def answer(message: DhcpMessage, boot: str | None) -> BootParameters | None:
            try:
                client = client_from(message)
            except DecodeError:
                return None
            if client is None:
                return None
            return self.parameters(client, server=server, boot=boot, message=message)

        return answer

    def boot_server_parameters(
        self, client: PxeClient, *, server: IPv4Address, message: DhcpMessage
    ) -> BootParameters | None:
        """The same for an ACK on port 4011, where menus are shown and picked from."""
        return self._answer(client, server, None, message, shows_menu=True)

    def _answer(
        self,
        client: PxeClient,
        server: IPv4Address,
        boot: str | None,
        message: DhcpMessage,
        *,
        shows_menu: bool,
    ) -> BootParameters | None:
        asker = PcAsker(
            mac=client.mac,
            platform=client.platform,
            server=server,
            machine_id=client.machine_uuid,
            vendor_class=client.vendor_class,
        )
        # Always asked, for that is how the booter learns of the machine.
        entries = self._booter.boot_entries(asker)
        chosen = self._booter.chosen_entry(asker, boot)
        decision = self._decider.decide(client, entries, boot=boot, chosen=chosen)
        said: BootParameters | Nothing
        match decision:
            case File():
                said = self._file(client, decision, server, message)
            case Menu():
                said = self._menu(client, decision, server, message, shown=shows_menu)
            case Nothing():
                said = decision
        if isinstance(said, Nothing):
            self._teller.unanswered(client, message.ciaddr, said.why)
            return None
        return said

    def _file(
        self, client: PxeClient, file: File, server: IPv4Address, message: DhcpMessage
    ) -> BootParameters | Nothing:
        is_http = client.kind is ClientKind.HTTP
        name = self._boot_url(file.name, server) if is_http else self._name(client, file, server)
        if name is None:
            return Nothing(
                why=f"pxe.scheme is {self._settings.scheme}, and that is not served;"
                f" enable [{self._settings.scheme}]"
            )
        encoded = name.encode("utf-8", "surrogateescape")
        limit = INSTANCE_LIMIT if is_http else MAX_FILE
        if len(encoded) > limit:
            return Nothing(why=f"{name} has more than {limit} bytes; give it shorter names")
        self._teller.offered(client, message.ciaddr, name, file.entry)
        asked = message.option(PARAMETER_REQUEST_LIST.code) or b""
        options = _echoed(client)
        if is_http:
            options.append(RawOption(CLASS_IDENTIFIER.code, HTTP_CLASS))
        if client.kind is ClientKind.IPXE:
            options.append(_NO_PROXY)
        if client.kind is ClientKind.PXE and TFTP_SERVER_NAME.code in asked:
            options.append(RawOption(TFTP_SERVER_NAME.code, str(server).encode()))
        if is_http or BOOT_FILE_NAME.code in asked:
            options.append(RawOption(BOOT_FILE_NAME.code, encoded))
        if client.boot_item is not None:
            options.append(RawOption(VENDOR_SPECIFIC.code, encode_choice(client.boot_item)))
        return BootParameters(
            next_server=server,
            file=encoded if len(encoded) <= MAX_FILE else b"",
            options=tuple(options),
        )

    def _boot_url(self, name: str, server: IPv4Address) -> str | None:
        """Where UEFI loads from; None if that is not served."""
        if self._settings.scheme == "https":
            return _url("https", self._settings.host_name or str(server), self._ports.https, name)
        return _url("http", str(server), self._ports.http, name)

    def _name(self, client: PxeClient, file: File, server: IPv4Address) -> str:
        """A URL for an iPXE that loads by HTTP, else the name for TFTP."""
        url = _url("http", str(server), self._ports.http, file.name) if client.takes_http else None
        return file.name if url is None else url

    def _menu(
        self,
        client: PxeClient,
        menu: Menu,
        server: IPv4Address,
        message: DhcpMessage,
        *,
        shown: bool,
    ) -> BootParameters:
        """A menu, or, if it is not to be `shown` yet, that there is something on port 4011."""
        options = [RawOption(CLASS_IDENTIFIER.code, PXE_CLASS), *_echoed(client)]
        if shown:
            prompt = MenuPrompt(seconds=int(self._settings.timeout), text=self._settings.prompt)
            data, count = encode_menu(menu.entries, server=server, prompt=prompt)
            options.append(RawOption(VENDOR_SPECIFIC.code, data))
            self._teller.menu_offered(client, message.ciaddr, count, len(menu.entries))
        return BootParameters(next_server=server, options=tuple(options))


def _echoed(client: PxeClient) -> list[RawOption]:
    """The machine identifier, where there is one (RFC 4578 §2.3)."""
    return [RawOption(CLIENT_MACHINE.code, client.machine_id)] if client.machine_id else []


def _url(scheme: str, host: str, port: int | None, name: str) -> str | None:
    """The URL of a published name; None without a `port`."""
    if port is None:
        return None
    at = host if port == DEFAULT_PORTS[scheme] else f"{host}:{port}"
    return f"{scheme}://{at}/{quote(name, errors='surrogateescape')}"
