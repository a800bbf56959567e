"""A simulated PC: its firmware finds out what to load, loads it, and goes on as iPXE would.

    DHCP          who offers an address, and who tells what to load (the same, or a proxyDHCP)
    lease         the address is taken, and given back at the end
    boot server   port 4011, where the OFFER names no file, or a menu
    boot file     by TFTP, or by HTTP where that is what the client speaks
    iPXE          if the boot file is one: DHCP once more, its script, kernel and initrds

Files are loaded from the address that this computer has on the link: the leased one is never
configured.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from random import Random
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from netbootd.simulate.http_get import HttpFailed, get
from netbootd.simulate.ipxe_script import MAGIC, ScriptEnded, follow
from netbootd.simulate.pxe_dhcp import (
    BOOT_SERVER_PORT,
    CLIENT_PORT,
    EVERYBODY,
    LINGER,
    SERVER_PORT,
    DhcpPort,
    PcIdentity,
    Told,
    choice,
    kind_of,
    open_port,
    question,
)
from netbootd.simulate.tftp_get import TftpFailed, fetch
from netbootd.simulate.watch import BootFailed, BootWatcher
from ops.amount import size_text
from protocols.dhcp.option import RawOption
from protocols.dhcp.registry import SERVER_IDENTIFIER
from protocols.dhcp.value import MessageType
from protocols.pxe.value import MenuEntry

PATIENCE: Final = 15.0
"""Seconds for an OFFER: DISCOVERs after 0, 1, 3, 7 and 15 s."""
IPXE_NAMES: Final = ("ipxe", "undionly", "snponly", "snp.efi")
"""What is in the name of a boot file that is an iPXE."""
MAX_KEPT: Final = 1 << 20
"""Bytes of a file that are kept, to be looked at; no script is longer."""
OFFERS: Final = frozenset({MessageType.OFFER})
BOOT_ANSWERS: Final = frozenset({MessageType.ACK, MessageType.OFFER})
ANSWERS: Final = frozenset({MessageType.ACK, MessageType.NAK})


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the PC stands."""

    interface: str | None
    address: IPv4Address
    """Ours on that link, to load from."""


class SimulatedPc:
    """Boots once. Everything it needs of the world is an argument."""

    def __init__(
        self,
        reactor: Any,
        *,
        identity: PcIdentity,
        place: Place,
        watcher: BootWatcher,
        random: Random,
        server: IPv4Address | None = None,
        entry: str | None = None,
        patience: float = PATIENCE,
    ) -> None:
        """`server`: whose answers count, None: everybody's. `entry`: what to pick in menus."""
        self._reactor = reactor
        self._who = identity
        self._place = place
        self._watcher = watcher
        self._random = random
        self._server = server
        self._entry = entry
        self._patience = patience
        self._leases: list[tuple[PcIdentity, Told]] = []
        self._loaded: list[str] = []
        self._bytes = 0

    async def boot(self) -> str:
        """Boot, telling the watcher; the verdict. Raises BootFailed."""
        sock = open_port(self._place.interface, "", CLIENT_PORT)
        self._dhcp = DhcpPort(self._reactor, self._server)
        port = self._reactor.adoptDatagramPort(sock.fileno(), sock.family, self._dhcp)
        sock.close()
        try:
            started = await self._firmware(self._who)
        finally:
            self._give_back()
            await port.stopListening()
        return f"{self._who} has loaded {size_text(self._bytes)} and starts {started}"

    async def _firmware(self, who: PcIdentity) -> str:
        """What the machine starts in the end."""
        boot = await self._find(who)
        load = posixpath.basename(boot.file)
        content, url = await self._load_boot_file(who, boot)
        if content.startswith(MAGIC):
            return await self._script(who, content, url)
        if not who.is_ipxe and any(name in load.lower() for name in IPXE_NAMES):
            self._watcher.began("iPXE", "starts, and asks anew")
            self._watcher.ended(f"{load} starts, and asks anew")
            return await self._firmware(who.with_ipxe())
        return boot.file

    # DHCP.

    async def _find(self, who: PcIdentity) -> Told:
        """Who tells what to load."""
        stage = "DHCP of iPXE" if who.is_ipxe else "DHCP"
        self._watcher.began(stage, f"DISCOVER as {who}")
        xid = self._random.getrandbits(32)
        offers = await self._dhcp.ask(
            question(MessageType.DISCOVER, who, xid),
            (EVERYBODY, SERVER_PORT),
            OFFERS,
            patience=self._patience,
            linger=LINGER,
            is_enough=lambda found: any(each.address for each in found),
        )
        leasing = [each for each in offers if each.address is not None]
        booting = [each for each in offers if _tells_boot(each, who)]
        if not leasing:
            beside = ", ".join(str(each.server) for each in booting)
            text = f"; {beside} told what to load, but no address" if beside else ""
            raise BootFailed(stage, f"no DHCP server offered an address{text}")
        lessor = next((each for each in leasing if each in booting), leasing[0])
        self._watcher.ended(_shown(offers))
        ack = await self._take(who, lessor, xid)
        if _tells_boot(ack, who):
            boot = ack
        elif lessor in booting:
            boot = lessor
        elif booting:
            boot = booting[0]
        else:
            servers = ", ".join(str(each.server) for each in offers)
            raise BootFailed(stage, f"{servers} did not tell {who} what to load")
        return await self._ask_boot_server(who, boot)

    async def _take(self, who: PcIdentity, lessor: Told, xid: int) -> Told:
        """Take the address that was offered."""
        address = lessor.address
        assert address is not None  # noqa: S101 - it is one that offers an address
        self._watcher.began("lease", f"REQUEST of {address} to {lessor.server}")
        asked = question(
            MessageType.REQUEST,
            who,
            xid,
            RawOption(50, address.packed),
            RawOption(SERVER_IDENTIFIER.code, lessor.server.packed),
        )
        answers = await self._dhcp.ask(
            asked, (EVERYBODY, SERVER_PORT), ANSWERS, patience=self._patience
        )
        if not answers:
            raise BootFailed("lease", f"{lessor.server} did not answer the REQUEST of {address}")
        if answers[0].address is None:
            raise BootFailed("lease", f"{answers[0].server} answered NAK to {address}")
        self._leases.append((who, answers[0]))
        self._watcher.ended(f"{address} from {answers[0].server}")
        return answers[0]

    async def _ask_boot_server(self, who: PcIdentity, boot: Told) -> Told:
        """Port 4011, if there is a menu, or no file; its answer may be a menu in turn."""
        if not boot.file and not boot.menu:
            boot = await self._question_4011(who, boot.server)
        if boot.menu:
            picked = self._pick(boot.menu)
            self._watcher.began("menu", "")
            self._watcher.ended(f"“{picked.text}” of {len(boot.menu)} entries")
            of_type = [one for one in boot.boot_servers if one.type == picked.type]
            server = next((a for one in of_type for a in one.addresses), boot.server)
            boot = await self._question_4011(who, server, choice(picked))
        if not boot.file:
            raise BootFailed("boot server", f"{boot.server} named no file")
        return boot

    async def _question_4011(self, who: PcIdentity, server: IPv4Address, *more: RawOption) -> Told:
        stage = "boot server"
        self._watcher.began(stage, f"REQUEST to {server}, port {BOOT_SERVER_PORT}")
        sock = open_port(self._place.interface, str(self._place.address), 0)
        asking = DhcpPort(self._reactor, None)
        port = self._reactor.adoptDatagramPort(sock.fileno(), sock.family, asking)
        sock.close()
        asked = question(
            MessageType.REQUEST,
            who,
            self._random.getrandbits(32),
            *more,
            ciaddr=self._place.address,
        )
        try:
            answers = await asking.ask(
                asked, (str(server), BOOT_SERVER_PORT), BOOT_ANSWERS, patience=self._patience
            )
        finally:
            await port.stopListening()
        if not answers:
            raise BootFailed(stage, f"{server} did not answer on port {BOOT_SERVER_PORT}")
        self._watcher.ended(_shown(answers))
        return answers[0]

    def _pick(self, menu: Sequence[MenuEntry]) -> MenuEntry:
        if self._entry is None:
            return menu[0]
        for item in menu:
            if self._entry.lower() in item.text.lower():
                return item
        shown = ", ".join(f"“{item.text}”" for item in menu)
        raise BootFailed("menu", f"no entry is called {self._entry}: {shown}")

    def _give_back(self) -> None:
        """RELEASE, so that a try costs no address."""
        for who, lease in self._leases[-1:]:
            released = question(
                MessageType.RELEASE,
                who,
                self._random.getrandbits(32),
                RawOption(SERVER_IDENTIFIER.code, lease.server.packed),
                ciaddr=lease.message.yiaddr,
            )
            self._dhcp.send(released, (str(lease.server), SERVER_PORT))

    # Files.

    async def _load_boot_file(self, who: PcIdentity, boot: Told) -> tuple[bytes, str]:
        if "://" in boot.file:
            url = boot.file
        elif who.architecture.is_http:
            raise BootFailed("boot file", f"{boot.file} is no URL, and firmware asks by HTTP")
        else:
            url = f"tftp://{boot.load_from}/{boot.file.lstrip('/')}"
        return await self._load("boot file", url, name=boot.file), url

    async def _script(self, who: PcIdentity, content: bytes, url: str) -> str:
        mac = who.mac.hex("-")
        is_bios = who.architecture.platform == "bios"
        settings = {
            "netX/mac": mac,
            "net0/mac": mac,
            "mac": mac,
            "buildarch": {"uefi-arm64": "arm64", "bios": "i386"}.get(
                who.architecture.platform, "x86_64"
            ),
            "platform": "pcbios" if is_bios else "efi",
            "next-server": urlsplit(url).hostname or "",
        }

        async def load(where: str, what: str) -> bytes:
            return await self._load(what, where)

        try:
            return await follow(content, url, load, settings, self._entry)
        except ScriptEnded as error:
            raise BootFailed("script", str(error)) from None

    async def _load(self, stage: str, url: str, *, name: str | None = None) -> bytes:
        """The first `MAX_KEPT` bytes of a file, which is loaded whole."""
        scheme, host = urlsplit(url).scheme, urlsplit(url).hostname or ""
        self._watcher.began(stage, f"{scheme.upper()} {url}")
        kept, got, total = bytearray(), 0, 0

        def sized(size: int) -> None:
            nonlocal total
            total = size

        def take(data: bytes) -> None:
            nonlocal got
            got += len(data)
            kept.extend(data[: MAX_KEPT - len(kept)])
            if total:
                self._watcher.progressed(got, total)

        try:
            if scheme in ("http", "https"):
                size = await get(self._reactor, url, take=take, sized=sized)
            elif scheme == "tftp":
                path = unquote(url.partition(host)[2]).partition("/")[2]
                size = await fetch(
                    self._reactor,
                    self._reactor,
                    (host, urlsplit(url).port or 69),
                    name if name is not None and "://" not in name else path,
                    local=str(self._place.address),
                    take=take,
                    sized=sized,
                )
            else:
                raise BootFailed(stage, f"{url}: it cannot load by {scheme or 'this'}")
        except (TftpFailed, HttpFailed) as error:
            raise BootFailed(stage, f"{url}: {error}") from None
        self._bytes += size
        self._watcher.ended(f"{size_text(size)} by {scheme.upper()}: {url}")
        return bytes(kept)


def _tells_boot(offer: Told, who: PcIdentity) -> bool:
    """Whether it says what to load, in the words that this client listens to."""
    if who.architecture.is_http:
        return offer.is_boot_server and "://" in offer.file
    return bool(offer.file or offer.menu) or offer.is_boot_server


def _shown(offers: Sequence[Told]) -> str:
    """`10.0.0.100 from 10.0.0.1; ipxe.efi from 10.0.0.2 (proxyDHCP)`."""
    parts = []
    for offer in offers:
        load = f"a menu of {len(offer.menu)}" if offer.menu else offer.file
        what = [str(offer.address)] if offer.address else []
        what += [load] if load else []
        proxy = " (proxyDHCP)" if kind_of(offer) is MessageType.OFFER and not offer.address else ""
        parts.append(f"{' and '.join(what) or 'nothing yet'} from {offer.server}{proxy}")
    return "; ".join(dict.fromkeys(parts))
