"""What should this machine boot? One answer for BSDP, TFTP and HTTP alike.

A `Booter` is asked on the packet path: it reads an immutable catalog snapshot, never a disk, but
for opening a file that a client may read.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Protocol

from twisted.logger import Logger

from images.bundle import Bundle, ImageType
from images.catalog import Snapshot
from images.paths import (
    OpenFile,
    PathRefused,
    Refusal,
    ResolvedFile,
    boot_file_name,
    open_file,
    resolve,
    root_path,
)
from images.root_path import HTTP_PORT, NfsExport
from images.select import supports
from protocols.bsdp.image_id import BootImageId
from protocols.bsdp.offered import OfferedImage

MAX_REMEMBERED = 2048
"""Remembered answers: one per architecture, model and address of ours, and one per machine where an
image is filtered by MAC. Past it all are forgotten. An answer is some 200 bytes of references."""


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


class Booter(Protocol):
    """What BSDP, TFTP and HTTP ask."""

    generation: int
    """Changes whenever an answer may have changed."""

    def offered_images(self, asker: Asker) -> tuple[OfferedImage, ...]:
        """The images this machine may boot, in list order: the first is its default."""

    def open_file(self, name: bytes | str, *, peer: str, service: str) -> OpenFile:
        """The published file of that name, open. Raises images.paths.PathRefused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """How root images are reached."""

    http_port: int | None
    """None: HTTP is not served, so images of type HTTP cannot be offered."""
    nfs: NfsExport | None
    """None: there is no export, so images of type NFS cannot be offered."""


def why_not_offered(bundle: Bundle, publication: Publication) -> str | None:
    """Why no machine is offered `bundle`, for the log; None if it can be reached."""
    if bundle.indirect_root is not None or bundle.load_balance_server is not None:
        return None
    if bundle.type is ImageType.HTTP and publication.http_port is None:
        return "its Type is HTTP and http.enabled is false"
    if bundle.type is ImageType.NFS and publication.nfs is None:
        return "its Type is NFS; name the NFS server in [nfs], or set its Type to HTTP"
    return None


class CatalogBooter:
    """Answers from the catalog: Apple's selection rules over the current snapshot."""

    def __init__(self, publication: Publication) -> None:
        self._publication = publication
        self._listeners: list[Callable[[Snapshot], None]] = []
        self._remembered: dict[Asker, tuple[OfferedImage, ...]] = {}
        self._publish(Snapshot())

    # What asks.

    def offered_images(self, asker: Asker) -> tuple[OfferedImage, ...]:
        key = self._key(asker)
        images = self._remembered.get(key)
        if images is None:
            images = self._offered(asker)
            if len(self._remembered) >= MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[key] = images
        return images

    def open_file(self, name: bytes | str, *, peer: str, service: str) -> OpenFile:
        file = resolve(self.snapshot, name)
        try:
            return open_file(file)
        except PathRefused as refused:
            if refused.reason is Refusal.UNREADABLE:
                self._tell_unreadable(file, refused)
            raise

    def _tell_unreadable(self, file: ResolvedFile, refused: PathRefused) -> None:
        """The operator's doing, so it is said, once: each machine may ask many times."""
        key = (file.bundle.path, file.relative)
        if key not in self._told_unreadable:
            self._told_unreadable.add(key)
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
        self._remembered.clear()
        self._told_unreadable: set[tuple[Path, str]] = set()
        self._bundles = tuple(
            bundle
            for bundle in snapshot.bundles
            if why_not_offered(bundle, self._publication) is None
        )
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

    def _describe(self, bundle: Bundle, asker: Asker) -> OfferedImage:
        return OfferedImage(
            image_id=BootImageId(bundle.image_id),
            name=bundle.title,
            boot_file=boot_file_name(bundle, asker.arch, asker.machine_name or None),
            root_path=root_path(
                bundle,
                asker.server,
                http_port=self._publication.http_port or HTTP_PORT,
                nfs=self._publication.nfs,
            ),
            server=bundle.load_balance_server,
            diskless=bundle.is_diskless,
            filter_only=bundle.is_filter_only,
        )


def _has_personal_booters(bundle: Bundle) -> bool:
    """Whether some machine has a booter of its own, `<booter>.<machine name>`."""
    prefixes = tuple(f"{boot_file}." for boot_file in bundle.boot_files.values())
    return any(name.startswith(prefixes) for name in bundle.files)


def _me() -> str:
    return "this account" if os.name == "nt" else f"uid {os.geteuid()}"


_log = Logger()
