"""The files that lie on no disk: menus and scripts, made for the machine that asks for them.

    boot.ipxe, grub/grub.cfg                  for anybody: the loader is to say who it is
    ipxe/<mac>/boot.ipxe                      the menu of a machine
    ipxe/<mac>/<entry>.ipxe                   boots an entry: the machine has selected it
    ipxe/<mac>/_keep-<token>/<entry>.ipxe     the same, to be booted without asking from now on
    ipxe/<mac>/_forget-<token>/<entry>.ipxe   the same, and to be asked again from now on
    grub/grub.cfg-01-<mac>                    the menu for GRUB

What a machine is (platform, UUID, our address for it) is known since it asked for its boot
parameters. If it did not ask us, or before we were started, it is sent on to a name that tells what
the loader runs on: `ipxe/<mac>/_<build>/…`, `grub/<build>/…`. Whoever serves files sees an open
file like any other; a file of that name in the folder of loaders goes before.

The token is in the menu of the machine, and no web page that somebody looks at can know it: such a
page could otherwise have a machine boot something else next time.
"""

from __future__ import annotations

import hmac
import os
import re
import socket
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import IPv4Address
from typing import Final
from uuid import UUID

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from images.info import parse_mac
from images.name import objection
from images.paths import OpenFile, PathRefused, Refusal, Role
from netbootd.booter import MAX_ASKERS, CatalogBooter, OfferedEntry, PcAsker
from netbootd.event import EntrySelected
from netbootd.pxe import grub, script
from netbootd.pxe.choice import Choices
from netbootd.timeline import Timeline

MENU: Final = "boot"
GRUB_MENU: Final = "grub.cfg"
GRUB_MACHINE: Final = "grub.cfg-01-"
SAME_SELECTION: Final = timedelta(seconds=10)
"""Within this time a machine that asks for the same script again (a request repeated, a question
for the size) has not selected anew."""
TOKEN_DIGITS: Final = 16

# iPXE's ${buildarch}-${platform}-${uuid}, and GRUB's $grub_cpu-$grub_platform.
_IPXE_BUILD: Final = re.compile(r"_([a-z0-9_]+)-(efi|pcbios)-([0-9a-fA-F-]{36})?", re.ASCII)
_GRUB_BUILD: Final = re.compile(r"([a-z0-9_]+)-(efi|pc)", re.ASCII)
_EFI_PLATFORMS: Final = {
    "i386": "uefi-x86",
    "x86_64": "uefi-x86-64",
    "arm": "uefi-arm",
    "arm32": "uefi-arm",
    "arm64": "uefi-arm64",
    "riscv32": "uefi-riscv32",
    "riscv64": "uefi-riscv64",
    "loong64": "uefi-loongarch64",
    "loongarch64": "uefi-loongarch64",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _ForIpxe:
    """What the name of an iPXE script says."""

    mac: bytes
    build: str = ""
    how: str = ""
    entry: str
    """The name of an entry, or `MENU`."""

    @property
    def name(self) -> str:
        """What the script is called in logs."""
        return f"ipxe/{self.mac.hex('-')}/{self.entry}.ipxe"

    @property
    def rest(self) -> str:
        """What was asked for, without machine and build."""
        return "/".join([*([self.how] if self.how else []), f"{self.entry}.ipxe"])


def own_address_for(peer: str) -> IPv4Address:
    """The address of ours that this computer would send from to `peer`. Sends nothing."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
        sock.connect((peer, 9))
        return IPv4Address(sock.getsockname()[0])


class GeneratedFiles:
    """Menus and scripts. Reactor thread only."""

    def __init__(
        self,
        *,
        booter: CatalogBooter,
        choices: Choices,
        timeline: Timeline,
        server_for: Callable[[str], IPv4Address] = own_address_for,
        timeout: int,
        key: bytes,
    ) -> None:
        """`server_for` gives our address for the peer at an address, `timeout` is what menus wait,
        in seconds, `key` a secret to make tokens of."""
        self._booter = booter
        self._choices = choices
        self._timeline = timeline
        self._server_for = server_for
        self._timeout = timeout
        self._key = key
        self._selected: dict[bytes, tuple[str, datetime]] = {}

    def open(self, parts: list[str], *, peer: str, service: str) -> OpenFile | None:
        """The file whose name has these components, or None (`netbootd.booter.Generator`).

        Raises `PathRefused` for an entry that the machine may not boot.
        """
        try:
            return self._made(parts, peer, service)
        except OSError as error:  # no descriptors left, or no way to the peer any more
            raise PathRefused(Refusal.UNREADABLE, error.strerror or str(error)) from error

    def _made(self, parts: list[str], peer: str, service: str) -> OpenFile | None:
        match parts:
            case ["boot.ipxe"]:
                return _opened("boot.ipxe", script.ANY_MACHINE)
            case ["ipxe", mac, *rest] if rest:
                asked = _for_ipxe(mac, rest)
                text = None if asked is None else self._ipxe(asked, peer, service)
                return None if asked is None or text is None else _opened(asked.name, text)
            case ["grub", *build, name] if name.startswith(GRUB_MENU) and len(build) < 2:
                return self._grub(build[0] if build else None, name, peer)
        return None

    # iPXE.

    def _ipxe(self, asked: _ForIpxe, peer: str, service: str) -> str | None:
        if asked.build:
            asker = self._ipxe_asker(asked, peer)
            if asker is None:
                return None
        else:
            known = self._booter.asker(asked.mac)
            if known is None:
                return script.who_are_you(asked.rest)
            asker = known
        entries = self._booter.boot_entries(asker)
        if asked.entry != MENU:
            return self._boot(asked, entries, asker, peer, service)
        kept = self._booter.entry_to_boot(asker)
        return script.menu(
            entries, asker, kept=kept, timeout=self._timeout, token=self._token(asked.mac)
        )

    def _ipxe_asker(self, asked: _ForIpxe, peer: str) -> PcAsker | None:
        """What iPXE says of itself; None for what nobody has heard of."""
        build = _IPXE_BUILD.fullmatch(asked.build)
        if build is None:
            return None
        platform = "bios" if build[2] == "pcbios" else _EFI_PLATFORMS.get(build[1])
        if platform is None:
            return None
        try:
            machine_id = UUID(build[3] or "")
        except ValueError:
            machine_id = None
        return PcAsker(
            mac=asked.mac,
            platform=platform,
            server=self._server_for(peer),
            machine_id=machine_id if machine_id is not None and machine_id.int else None,
        )

    def _boot(
        self,
        asked: _ForIpxe,
        entries: tuple[OfferedEntry, ...],
        asker: PcAsker,
        peer: str,
        service: str,
    ) -> str:
        offered = next((each for each in entries if each.name == asked.entry), None)
        if offered is None:
            raise PathRefused(Refusal.NO_ENTRY, asked.entry[:60])
        self._select(asked, offered, asker, peer, service)
        return script.boot(offered, asker, http_port=self._booter.publication.http_port)

    def _select(
        self, asked: _ForIpxe, offered: OfferedEntry, asker: PcAsker, peer: str, service: str
    ) -> None:
        how, _, token = asked.how.partition("-")
        is_from_menu = hmac.compare_digest(token.encode(), self._token(asked.mac).encode())
        if how == script.KEEP and is_from_menu:
            if self._choices.lookup(asked.mac) != offered.name:
                self._note(self._choices.keep(asked.mac, offered.name), asked.mac)
        elif how == script.FORGET and is_from_menu and self._choices.lookup(asked.mac) is not None:
            self._note(self._choices.forget(asked.mac), asked.mac)
        now = self._timeline.now()
        last = self._selected.get(asked.mac)
        if last is not None and last[0] == offered.name and now - last[1] < SAME_SELECTION:
            return
        if len(self._selected) >= MAX_ASKERS:
            self._selected.clear()
        self._selected[asked.mac] = (offered.name, now)
        self._timeline.record(
            EntrySelected(
                at=now,
                machine=asked.mac.hex(":"),
                address=peer,
                service=service,
                platform=asker.platform,
                entry=offered.name,
                title=offered.title,
                stays=how == script.KEEP and is_from_menu,
            )
        )

    @staticmethod
    def _note(done: Deferred[None], mac: bytes) -> None:
        """The machine boots whether its choice can be kept or not."""
        done.addErrback(
            lambda failure: _log.warn(
                "The choice made at {machine} is not kept: {why}",
                machine=mac.hex(":"),
                why=failure.getErrorMessage(),
            )
        )

    def _token(self, mac: bytes) -> str:
        return hmac.digest(self._key, mac, "sha256").hex()[:TOKEN_DIGITS]

    # GRUB.

    def _grub(self, build: str | None, name: str, peer: str) -> OpenFile | None:
        if self._booter.has_loader(f"grub/{GRUB_MENU}"):
            return None  # the operator's own, for which GRUB asks next
        if build is None and name == GRUB_MENU:
            return _opened(f"grub/{GRUB_MENU}", grub.ANY_MACHINE)
        mac = parse_mac(name.removeprefix(GRUB_MACHINE))
        if mac is None:
            return None
        if build is None:
            asker = self._booter.asker(mac)
        else:
            asker = self._grub_asker(build, mac, peer)
            if asker is None:
                return None
        text = grub.who_are_you(mac) if asker is None else self._grub_menu(asker)
        return _opened(f"grub/{GRUB_MACHINE}{mac.hex('-')}", text)

    def _grub_menu(self, asker: PcAsker) -> str:
        return grub.menu(
            self._booter.boot_entries(asker),
            asker,
            kept=self._booter.entry_to_boot(asker),
            timeout=self._timeout,
            http_port=self._booter.publication.http_port,
        )

    def _grub_asker(self, words: str, mac: bytes, peer: str) -> PcAsker | None:
        build = _GRUB_BUILD.fullmatch(words)
        if build is None:
            return None
        platform = "bios" if build[2] == "pc" else _EFI_PLATFORMS.get(build[1])
        if platform is None:
            return None
        return PcAsker(mac=mac, platform=platform, server=self._server_for(peer))


def _for_ipxe(mac: str, rest: list[str]) -> _ForIpxe | None:
    """What `ipxe/<mac>/<rest>` asks for; None if it is no such name."""
    address = parse_mac(mac)
    *words, last = rest
    if address is None or not last.endswith(".ipxe"):
        return None
    found = _ForIpxe(mac=address, entry="")
    if words and _IPXE_BUILD.fullmatch(words[0]):
        found = replace(found, build=words.pop(0))
    if words and words[0].startswith((f"{script.KEEP}-", f"{script.FORGET}-")):
        found = replace(found, how=words.pop(0))
    entry = [*words, last.removesuffix(".ipxe")]
    if any(objection(part) for part in entry):
        return None
    return replace(found, entry="/".join(entry))


def _opened(name: str, text: str) -> OpenFile:
    """`text` as an open file without a name on any disk."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("netbootd")
    else:  # pragma: no cover - not on Linux
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    try:
        os.write(descriptor, text.encode())
        return OpenFile(descriptor, name, Role.SCRIPT)
    except BaseException:
        os.close(descriptor)
        raise


_log = Logger()
