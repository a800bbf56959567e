"""Which images or boot entries a machine may see, in which order, and its default: the rules of
Apple's server.

Pure, and linear in the number of images. The checks are those of nbimages.c,
NBImageEntry_supported_sysid and NBImageEntry_attributes_match; DisabledSystemIdentifiers, which
Apple's server does not read, is looked at together with the models.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from images.bundle import Bundle
from images.catalog import Snapshot
from images.entry import BootEntry


def applicable(
    snapshot: Snapshot,
    *,
    arch: str,
    system_id: str,
    mac: bytes,
    attributes: Collection[int] | None = None,
) -> tuple[Bundle, ...]:
    """The images for a LIST, in list order; the first one is the machine's default.

    `mac` is six bytes; `attributes` are the 16-bit values of the client's filter list, or `None`
    when it sent no such list (an empty list matches nothing).
    """
    return tuple(
        bundle
        for bundle in snapshot.bundles
        if matches(bundle, attributes) and supports(bundle, arch=arch, system_id=system_id, mac=mac)
    )


def selectable(
    snapshot: Snapshot, image_id: int, *, arch: str, system_id: str, mac: bytes
) -> Bundle | None:
    """The image of a SELECT, if there is one of this ID for this machine.

    The attribute filter has no say here (bsdpd.c, measured): a diagnostics image can be selected
    by a client that sent none.
    """
    bundle = snapshot.by_image_id.get(image_id)
    if bundle is None or not supports(bundle, arch=arch, system_id=system_id, mac=mac):
        return None
    return bundle


def supports(bundle: Bundle, *, arch: str, system_id: str, mac: bytes) -> bool:
    """Whether the machine may boot the image: architecture, model, then address.

    Models are compared exactly, upper and lower case apart; a disabled one or a disabled address
    wins over an enabled one.
    """
    return (
        arch in bundle.boot_files
        and (not bundle.enabled_system_ids or system_id in bundle.enabled_system_ids)
        and system_id not in bundle.disabled_system_ids
        and mac not in bundle.disabled_macs
        and (not bundle.enabled_macs or mac in bundle.enabled_macs)
    )


def matches(bundle: Bundle, attributes: Collection[int] | None) -> bool:
    """Whether the image passes the client's attribute filter list (`None`: it sent none)."""
    if attributes is None:
        return not bundle.is_filter_only
    return bundle.attributes in attributes


def applicable_entries(
    snapshot: Snapshot, *, platform: str, machine_id: UUID | None, mac: bytes
) -> tuple[BootEntry, ...]:
    """The boot entries for a machine, in list order; the first one is its default.

    `machine_id` is the UUID that its firmware sent, if it sent one.
    """
    return tuple(
        entry
        for entry in snapshot.entries
        if boots_on(entry, platform=platform, machine_id=machine_id, mac=mac)
    )


def boots_on(entry: BootEntry, *, platform: str, machine_id: UUID | None, mac: bytes) -> bool:
    """Whether the machine may boot the entry: platform, system identifier, then address.

    As for images, a disabled identifier or address wins over an enabled one.
    """
    system_ids = _spellings(machine_id)
    return (
        platform in entry.platforms
        and (not entry.enabled_system_ids or not entry.enabled_system_ids.isdisjoint(system_ids))
        and entry.disabled_system_ids.isdisjoint(system_ids)
        and mac not in entry.disabled_macs
        and (not entry.enabled_macs or mac in entry.enabled_macs)
    )


def _spellings(machine_id: UUID | None) -> tuple[UUID, ...]:
    """What the UUID of a machine may be written as.

    Its first three fields are stored with the low byte first since SMBIOS 2.6; before, either order
    was in use (SMBIOS 3.7, 7.2.1), and what a tool prints need not be what firmware sends.
    """
    return () if machine_id is None else (machine_id, UUID(bytes=machine_id.bytes_le))
