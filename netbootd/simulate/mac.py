"""A simulated Mac: held down on N, it finds its images, picks one and boots it.

    BSDP    LIST ──▶ images        SELECT ──▶ server, boot file, root path, machine name
    TFTP    booter, PlatformSupport.plist, com.apple.Boot.plist, x86_64/kernelcache
    HTTP    root disk image, by ranges, then checked against the checksums that it carries

What it asks for, in which order and under which names follows boot.efi (facts of its decompiled
source: every file is the booter's path with the last component replaced).
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv4Address
from pathlib import Path
from random import Random
from typing import Any

from twisted.internet.error import CannotListenError
from twisted.internet.threads import deferToThreadPool

from images.dmg import DiskImage, DmgError, Outcome, Verification, inspect_thd, verify_thd
from netbootd.simulate.root_image import RootImageReader
from netbootd.simulate.startup import Chooser, StartupDisk
from netbootd.simulate.tftp_get import TftpFailed, fetch
from netbootd.simulate.watch import BootFailed, BootWatcher
from ops.amount import size_text
from protocols.bsdp.answer import ImageConfirmed
from protocols.bsdp.class_id import ClassId
from protocols.bsdp.inform import Machine
from protocols.bsdp.menu import Choice

BESIDE_THE_BOOTER = (
    ("PlatformSupport.plist", False),
    ("com.apple.Boot.plist", False),
    ("x86_64/kernelcache", True),
)
"""What boot.efi loads after itself, and whether it cannot boot without it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MacIdentity:
    """Which Mac this is."""

    mac: bytes
    model: str
    arch: str = "i386"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where servers listen, and where we do (0: any free port)."""

    bsdp: int = 67
    tftp: int = 69
    reply: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """A boot that succeeded."""

    image: str
    machine_name: str
    booter_digest: str
    """SHA-256 of the booter as it was received, hexadecimal."""
    tftp_bytes: int
    root_bytes: int

    def __str__(self) -> str:
        parts = [f"TFTP {size_text(self.tftp_bytes)}"]
        if self.root_bytes:
            parts.append(f"HTTP {size_text(self.root_bytes)}")
        name = f" as {self.machine_name}" if self.machine_name else ""
        return f"“{self.image}” booted{name}: {', '.join(parts)}"


class SimulatedMac:
    """Boots once. Everything it needs of the world is an argument."""

    def __init__(
        self,
        reactor: Any,
        *,
        identity: MacIdentity,
        address: IPv4Address,
        server: str,
        ports: Ports,
        choose: Chooser,
        watcher: BootWatcher,
        random: Random,
        disk: Path,
        timeout: float | None = None,
    ) -> None:
        """`server` may be 255.255.255.255; `disk` is a file for the root image. `reactor` gives
        UDP, TCP and time. `timeout`: seconds to wait for a server, None: as long as a Mac does."""
        self._timeout = timeout
        self._reactor = reactor
        self._identity = identity
        self._address = address
        self._server = server
        self._ports = ports
        self._choose = choose
        self._watcher = watcher
        self._random = random
        self._disk = disk
        self._tftp_bytes = 0
        self._digests: dict[str, str] = {}

    async def boot(self) -> Boot:
        """Boot, telling the watcher. Raises BootFailed."""
        choice, confirmed = await self._find_image()
        booter = confirmed.boot_file.decode("utf-8", "surrogateescape")
        if not booter:
            raise BootFailed("SELECT", "the answer names no boot file")
        if not int(confirmed.boot_server):
            raise BootFailed("SELECT", "the answer names no server to load from (siaddr)")
        await self._load(confirmed, booter, "booter", needed=True)
        root_bytes = 0
        if confirmed.root_path is not None:
            folder = posixpath.dirname(booter)
            for name, needed in BESIDE_THE_BOOTER:
                path = posixpath.join(folder, name)
                await self._load(confirmed, path, posixpath.basename(name), needed=needed)
            root_bytes = await self._mount(confirmed.root_path.decode("utf-8", "surrogateescape"))
        return Boot(
            image=choice.image.name,
            machine_name=(confirmed.machine_name or b"").decode("utf-8", "backslashreplace"),
            booter_digest=self._digests["booter"],
            tftp_bytes=self._tftp_bytes,
            root_bytes=root_bytes,
        )

    async def _find_image(self) -> tuple[Choice, ImageConfirmed]:
        startup = StartupDisk(
            self._reactor,
            self._random,
            (self._server, self._ports.bsdp),
            str(self._address),
            timeout=self._timeout,
            silent=self._tell_silence,
        )
        port = self._listen(startup)
        try:
            machine = Machine(
                mac=self._identity.mac,
                address=self._address,
                class_id=ClassId(arch=self._identity.arch, system_id=self._identity.model),
                reply_port=startup.port,
            )
            self._watcher.began("LIST", f"INFORM[LIST] to {self._server}")
            choices = await startup.list(machine)
            self._watcher.ended(_shown(choices))
            choice = self._choose(choices)
            if choice is None:
                raise BootFailed("LIST", "the image that was asked for is not offered")
            self._watcher.began("SELECT", f"INFORM[SELECT] of {choice.image.name}")
            confirmed = await startup.select(choice)
            name = (confirmed.machine_name or b"").decode("utf-8", "backslashreplace")
            known = f", as {name}" if name else ""
            self._watcher.ended(f"“{choice.image.name}” from {confirmed.server}{known}")
        finally:
            stopping = port.stopListening()
            if stopping is not None:
                await stopping
        return choice, confirmed

    def _tell_silence(self) -> None:
        seconds = "80 seconds, as a Mac does" if self._timeout is None else f"{self._timeout:g} s"
        self._watcher.noted(
            "no answer yet: does a server run, is its UDP port 67 open, has it an image for this"
            f" model? Asking for {seconds}"
        )

    def _listen(self, startup: StartupDisk) -> Any:
        """On the port asked for, or a free one: below 1024 where we may, as BSDP wants it."""
        if self._ports.reply:
            candidates = [self._ports.reply]
        else:
            candidates = [*self._random.sample(range(600, 1024), 20), 0]
        for port in candidates:
            try:
                return self._reactor.listenUDP(port, startup, interface=self._interface())
            except CannotListenError as error:
                last = error
        raise BootFailed("LIST", f"no reply port could be bound: {last}")

    def _interface(self) -> str:
        """A socket bound to an address hears no broadcast, but answers to INFORM are unicast."""
        return str(self._address)

    async def _load(
        self, confirmed: ImageConfirmed, path: str, stage: str, *, needed: bool
    ) -> None:
        self._watcher.began(stage, f"TFTP {path}")
        digest, got, total = sha256(), 0, 0

        def sized(size: int) -> None:
            nonlocal total
            total = size

        def take(data: bytes) -> None:
            nonlocal got
            digest.update(data)
            got += len(data)
            self._watcher.progressed(got, total)

        server = (str(confirmed.boot_server), self._ports.tftp)
        try:
            size = await fetch(
                self._reactor,
                self._reactor,
                server,
                path,
                local=str(self._address),
                take=take,
                sized=sized,
            )
        except TftpFailed as error:
            if needed or not error.missing:
                raise BootFailed(stage, f"{path}: {error}") from None
            self._watcher.ended("not there, and not needed")
            return
        self._tftp_bytes += size
        self._digests[stage] = digest.hexdigest()
        self._watcher.ended(f"{size_text(size)} by TFTP")

    async def _mount(self, root_path: str) -> int:
        if not root_path.startswith("http://"):
            self._watcher.began("root image", root_path)
            self._watcher.ended(f"{root_path} is not HTTP: left to the kernel")
            return 0
        reader = RootImageReader(self._reactor, self._random)
        read = await reader.read(root_path, self._disk, self._watcher)
        await self._verify()
        return read.size

    async def _verify(self) -> None:
        """What was read must be what was made: a disk image carries its checksums."""
        self._watcher.began("checksum", "of the disk image")
        pool = self._reactor.getThreadPool()
        try:
            image, found = await deferToThreadPool(self._reactor, pool, _verify_thd, self._disk)
        except DmgError as error:
            raise BootFailed("checksum", str(error)) from None
        if not found.is_intact:
            raise BootFailed("checksum", "the root image is not what its own checksums say")
        if Outcome.MATCHES in (found.data_fork, found.master):
            self._watcher.ended(f"{image.format.value} image, its checksums match")
        else:
            self._watcher.ended(f"{image.format.value} image, which carries no checksum")


def _verify_thd(disk: Path) -> tuple[DiskImage, Verification]:
    with disk.open("rb") as file:
        image = inspect_thd(file)
        return image, verify_thd(file, image)


def _shown(choices: tuple[Choice, ...]) -> str:
    names = ", ".join(f"“{choice.image.name}”" for choice in choices)
    servers = {offer.server for choice in choices for offer in choice.offers}
    return f"{names} from {', '.join(str(server) for server in sorted(servers))}"
