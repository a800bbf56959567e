"""What should this machine boot? One answer for BSDP, DHCP, PXE, TFTP and HTTP alike.

A `Booter` is asked on the packet path: it reads an immutable catalog snapshot, never a disk, but
for opening a file that a client may read.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Protocol, TypeVar
from uuid import UUID

from twisted.logger import Logger

from images.bundle import Bundle, ImageType
from images.catalog import Snapshot
from images.entry import BootEntry
from images.paths import (
    OpenFile,
    PathRefused,
    Refusal,
    ResolvedFile,
    boot_file_name,
    name_parts,
    open_file,
    resolve,
    root_path,
)
from images.root_path import HTTP_PORT, NfsExport
from images.select import applicable_entries, supports
from netbootd.config import Config
from protocols.bsdp.image_id import BootImageId
from protocols.bsdp.offered import OfferedImage

MAX_REMEMBERED = 2048
"""Remembered answers of each kind: one per architecture, model and address of ours, and one per
machine where an image is filtered by MAC. Past it all are forgotten. An answer is some 200 bytes of
references."""
MAX_ASKERS = 4096
"""PCs of which it is remembered what they said of themselves; the one unheard for longest goes.
About 500 bytes each, so 2 MiB."""

_Key = TypeVar("_Key", bound=Hashable)
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Asker:
    """A machine that asks, as far as a boot image may depend on it."""

    arch: str
    system_id: str
    mac: bytes
    server: IPv4Address
    """Our address for this machine."""
    machine_name: str = ""
    """Its name, if it has one already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PcAsker:
    """A PC or virtual machine that asks, as far as a boot entry may depend on it."""

    mac: bytes
    platform: str
    """As protocols.pxe.architecture names it: `bios`, `uefi-x86-64`."""
    server: IPv4Address
    """Our address for this machine."""
    machine_id: UUID | None = None
    """Its SMBIOS UUID, where its firmware tells one."""
    vendor_class: bytes = b""
    """Option 60. Tells an HTTP boot client from others; no filter looks at it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedEntry:
    """A boot entry as one machine gets it."""

    name: str
    """What a choice, a setting and a URL call it: the folder, or `<share>/<folder>` where an
    earlier share point has a folder of this name."""
    title: str
    efi: str | None
    """Published name of the EFI program that the machine's firmware starts by itself, such as
    `NetBoot/NetBootSP0/debian/shimx64.efi`; None: it takes iPXE or GRUB to boot this."""
    entry: BootEntry


class Booter(Protocol):
    """What BSDP, DHCP, PXE, TFTP and HTTP ask."""

    generation: int
    """Changes whenever an answer may have changed."""

    def offered_images(self, asker: Asker) -> tuple[OfferedImage, ...]:
        """The images this machine may boot, in list order: the first is its default."""

    def boot_entries(self, asker: PcAsker) -> tuple[OfferedEntry, ...]:
        """The entries that this PC may boot, in list order: the first is its default."""

    def chosen_entry(self, asker: PcAsker, boot: str | None) -> OfferedEntry | None:
        """What this PC is to boot without being asked: `boot` (the name of an entry, from the
        configuration), else what was chosen at the machine to stay. None where neither is, or where
        it may not boot that (any more)."""

    def has_loader(self, name: str) -> bool:
        """Whether the folder of loaders has a file of that name."""

    def open_file(self, name: bytes | str, *, peer: str, service: str) -> OpenFile:
        """The published file of that name, open. Raises images.paths.PathRefused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """How root images are reached."""

    http_port: int | None
    """None: HTTP is not served, so images of type HTTP cannot be offered."""
    nfs: NfsExport | None
    """None: there is no export, so images of type NFS cannot be offered."""


def publication_of(config: Config) -> Publication:
    """As it is configured."""
    nfs = config.nfs
    export = None if nfs.export is None else NfsExport(path=nfs.export, server=nfs.server)
    return Publication(http_port=config.http.port if config.http.enabled else None, nfs=export)


def why_not_offered(bundle: Bundle, publication: Publication) -> str | None:
    """Why no machine is offered `bundle`, for the log; None if it can be reached."""
    if bundle.indirect_root is not None or bundle.load_balance_server is not None:
        return None
    if bundle.type is ImageType.HTTP and publication.http_port is None:
        return "its Type is HTTP and http.enabled is false"
    if bundle.type is ImageType.NFS and publication.nfs is None:
        return "its Type is NFS; name the NFS server in [nfs], or set its Type to HTTP"
    return None


def why_entry_not_offered(entry: BootEntry, publication: Publication) -> str | None:
    """The same for a boot entry."""
    if entry.needs_http and publication.http_port is None:
        return "its command line has {base_url} and http.enabled is false"
    return None


class Generator(Protocol):
    """Makes files that lie on no disk, such as the boot menu of one machine."""

    def __call__(self, parts: list[str], *, peer: str, service: str) -> OpenFile | None:
        """The file whose name has these components; None if there is no such file."""


def _nothing_generated(parts: list[str], *, peer: str, service: str) -> OpenFile | None:
    return None


def _nothing_chosen(mac: bytes) -> str | None:
    return None


class CatalogBooter:
    """Answers from the catalog: Apple's selection rules over the current snapshot."""

    def __init__(self, publication: Publication) -> None:
        self.publication = publication
        self.generate: Generator = _nothing_generated
        """Asked for what the catalog does not have."""
        self.choice: Callable[[bytes], str | None] = _nothing_chosen
        """The name of the entry that was chosen at a machine, to stay."""
        self._listeners: list[Callable[[Snapshot], None]] = []
        self._images: dict[Asker, tuple[OfferedImage, ...]] = {}
        self._entries: dict[PcAsker, tuple[OfferedEntry, ...]] = {}
        self._askers: OrderedDict[bytes, PcAsker] = OrderedDict()
        self._configured: dict[bytes, str] = {}
        """What those of them boot for which the configuration names an entry."""
        self._publish(Snapshot())

    # What asks.

    def offered_images(self, asker: Asker) -> tuple[OfferedImage, ...]:
        return _remembered(self._images, self._key(asker), lambda: self._offered(asker))

    def boot_entries(self, asker: PcAsker) -> tuple[OfferedEntry, ...]:
        self._note(asker)
        key = asker if self._entries_depend_on_machine else _any_machine(asker)
        return _remembered(self._entries, key, lambda: self._offered_entries(asker))

    def chosen_entry(self, asker: PcAsker, boot: str | None) -> OfferedEntry | None:
        self._note(asker)
        if boot is None:
            self._configured.pop(asker.mac, None)
        else:
            self._configured[asker.mac] = boot
        return self.entry_to_boot(asker)

    def entry_to_boot(self, asker: PcAsker) -> OfferedEntry | None:
        """The same by what was configured when a PC asked for its boot parameters."""
        name = self._configured.get(asker.mac) or self.choice(asker.mac)
        if name is None:
            return None
        return next((each for each in self.boot_entries(asker) if each.name == name), None)

    def asker(self, mac: bytes) -> PcAsker | None:
        """What a PC said of itself when it last asked for its entries."""
        return self._askers.get(mac)

    def _note(self, asker: PcAsker) -> None:
        if self._askers.get(asker.mac) == asker:
            self._askers.move_to_end(asker.mac)
            return
        if len(self._askers) >= MAX_ASKERS:
            gone, _ = self._askers.popitem(last=False)
            self._configured.pop(gone, None)
        self._askers[asker.mac] = asker

    def has_loader(self, name: str) -> bool:
        return self.snapshot.loaders is not None and name in self.snapshot.loaders.files

    def open_file(self, name: bytes | str, *, peer: str, service: str) -> OpenFile:
        try:
            file = resolve(self.snapshot, name)
        except PathRefused:
            generated = self.generate(name_parts(name), peer=peer, service=service)
            if generated is None:
                raise
            return generated
        try:
            return open_file(file)
        except PathRefused as refused:
            if refused.reason is Refusal.UNREADABLE:
                self._tell_unreadable(file, refused)
            raise

    def _tell_unreadable(self, file: ResolvedFile, refused: PathRefused) -> None:
        """The operator's doing, so it is said, once: each machine may ask many times."""
        if file.name not in self._told_unreadable:
            self._told_unreadable.add(file.name)
            _log.warn("{why}; give {me} the right to read it", why=str(refused), me=_me())

    # What changes.

    def publish(self, snapshot: Snapshot) -> None:
        """Answer from `snapshot` from now on; files that are open stay open."""
        if snapshot is self.snapshot:
            return
        self._publish(snapshot)
        for listener in self._listeners:
            listener(snapshot)

    def listen(self, listener: Callable[[Snapshot], None]) -> None:
        """Call `listener` with each new snapshot."""
        self._listeners.append(listener)

    def _publish(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.generation = snapshot.generation
        self._images.clear()
        self._entries.clear()
        self._told_unreadable: set[str] = set()
        self._bundles = tuple(
            bundle
            for bundle in snapshot.bundles
            if why_not_offered(bundle, self.publication) is None
        )
        self._entries_depend_on_machine = any(map(_is_filtered, snapshot.entries))
        self._depends_on_mac = any(b.enabled_macs or b.disabled_macs for b in self._bundles)
        self._depends_on_name = any(_has_personal_booters(bundle) for bundle in self._bundles)

    def _key(self, asker: Asker) -> Asker:
        if self._depends_on_mac and self._depends_on_name:
            return asker
        return Asker(
            arch=asker.arch,
            system_id=asker.system_id,
            mac=asker.mac if self._depends_on_mac else b"",
            server=asker.server,
            machine_name=asker.machine_name if self._depends_on_name else "",
        )

    def _offered(self, asker: Asker) -> tuple[OfferedImage, ...]:
        return tuple(
            self._describe(bundle, asker)
            for bundle in self._bundles
            if supports(bundle, arch=asker.arch, system_id=asker.system_id, mac=asker.mac)
        )

    def _offered_entries(self, asker: PcAsker) -> tuple[OfferedEntry, ...]:
        found = applicable_entries(
            self.snapshot, platform=asker.platform, machine_id=asker.machine_id, mac=asker.mac
        )
        return tuple(
            self._describe_entry(entry, asker.platform)
            for entry in found
            if why_entry_not_offered(entry, self.publication) is None
        )

    def _describe_entry(self, entry: BootEntry, platform: str) -> OfferedEntry:
        program = entry.programs.get(platform)
        folder = f"{entry.share}/{entry.name}"
        return OfferedEntry(
            name=entry.name if self.snapshot.by_name[entry.name] is entry else folder,
            title=entry.title,
            efi=None if program is None else f"NetBoot/{folder}/{program}",
            entry=entry,
        )

    def _describe(self, bundle: Bundle, asker: Asker) -> OfferedImage:
        return OfferedImage(
            image_id=BootImageId(bundle.image_id),
            name=bundle.title,
            boot_file=boot_file_name(bundle, asker.arch, asker.machine_name or None),
            root_path=root_path(
                bundle,
                asker.server,
                http_port=self.publication.http_port or HTTP_PORT,
                nfs=self.publication.nfs,
            ),
            server=bundle.load_balance_server,
            diskless=bundle.is_diskless,
            filter_only=bundle.is_filter_only,
        )


def _remembered(answers: dict[_Key, _Answer], key: _Key, answer: Callable[[], _Answer]) -> _Answer:
    """The answer for `key`, worked out once; `answers` is kept bounded."""
    found = answers.get(key)
    if found is None:
        found = answer()
        if len(answers) >= MAX_REMEMBERED:
            answers.clear()
        answers[key] = found
    return found


def _any_machine(asker: PcAsker) -> PcAsker:
    """What machines of one platform have in common."""
    return PcAsker(mac=b"", platform=asker.platform, server=_ANY_ADDRESS)


_ANY_ADDRESS = IPv4Address(0)


def _is_filtered(entry: BootEntry) -> bool:
    return bool(
        entry.enabled_macs
        or entry.disabled_macs
        or entry.enabled_system_ids
        or entry.disabled_system_ids
    )


def _has_personal_booters(bundle: Bundle) -> bool:
    """Whether some machine has a booter of its own, `<booter>.<machine name>`."""
    prefixes = tuple(f"{boot_file}." for boot_file in bundle.boot_files.values())
    return any(name.startswith(prefixes) for name in bundle.files)


def _me() -> str:
    return "this account" if os.name == "nt" else f"uid {os.geteuid()}"


_log = Logger()
