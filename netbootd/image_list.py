"""What there is of images and boot entries, and what becomes of each: for lists, for the admin API.

Values only; whoever calls scans the folders.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from images.audience import audience, purpose
from images.bundle import Bundle
from images.catalog import Published, Snapshot
from images.errors import BundleError, shown
from netbootd.booter import Publication, why_entry_not_offered, why_not_offered
from netbootd.config import Config


class State(Enum):
    """What becomes of a folder."""

    SERVED = "served"
    UNREACHABLE = "not offered"
    """It is complete, but its root image cannot be reached as the configuration is."""
    DISABLED = "disabled"
    BROKEN = "broken"
    """Not complete, or in the way of another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One folder."""

    path: Path
    share: str
    state: State
    found: Published | None
    """None: what it holds is not known, for it is broken."""
    why: str | None = None
    """Why no machine is offered it."""
    remedy: str | None = None
    is_first: bool = False
    """Whether it is what machines boot that have not chosen, if they may boot it."""

    @property
    def name(self) -> str:
        """The folder, without what is above it."""
        return shown(self.path.name)


def listed(snapshot: Snapshot, publication: Publication, config: Config) -> list[Listed]:
    """Everything in list order, then what is disabled, then what is broken."""
    shares = {share.path: share.name for share in config.images.shares}
    return [
        *_published(snapshot.bundles, publication),
        *_published(snapshot.entries, publication),
        *(_disabled(each) for each in snapshot.disabled),
        *_broken(snapshot.errors, shares),
    ]


def _published(found: Sequence[Published], publication: Publication) -> Iterator[Listed]:
    is_first = True
    for each in found:
        if isinstance(each, Bundle):
            why = why_not_offered(each, publication)
        else:
            why = why_entry_not_offered(each, publication)
        yield Listed(
            path=each.path,
            share=each.share,
            state=State.SERVED if why is None else State.UNREACHABLE,
            found=each,
            why=why,
            is_first=is_first and why is None,
        )
        is_first = is_first and why is not None


def listed_alone(found: Published, publication: Publication) -> Listed:
    """One image by itself, as it would be if no other were in its way."""
    if not found.is_enabled:
        return _disabled(found)
    (each,) = _published([found], publication)
    return each


def _disabled(found: Published) -> Listed:
    why = "it is switched off"
    remedy = f"netbootctl images enable {shown(found.name)}"
    return Listed(
        path=found.path,
        share=found.share,
        state=State.DISABLED,
        found=found,
        why=why,
        remedy=remedy,
    )


def _broken(errors: Sequence[BundleError], shares: Mapping[Path, str]) -> Iterator[Listed]:
    """Folders in the shares, and shares that cannot be read themselves."""
    for error in errors:
        folder = error.folder
        share = shares.get(folder.parent) or shares.get(folder)
        if share is None:  # the folder of loaders
            continue
        inner = "" if error.path == folder else f"{shown(error.path.relative_to(folder))}: "
        yield Listed(
            path=folder,
            share=share,
            state=State.BROKEN,
            found=None,
            why=f"{inner}{error.why}",
            remedy=error.remedy,
        )


def record(each: Listed) -> dict[str, Any]:
    """All that is known, for programs. The keys are the same for all; null is what is not known."""
    found = each.found
    return {
        "name": each.name,
        "path": shown(each.path),
        "share": each.share,
        "state": each.state.value,
        "why": each.why,
        "remedy": each.remedy,
        "title": found and found.title,
        "index": found and found.index,
        "image_id": f"{found.image_id:#010x}" if isinstance(found, Bundle) else None,
        "for": "pc" if found is not None and not isinstance(found, Bundle) else "mac",
        "purpose": found and purpose(found),
        "default": found is not None and found.is_default,
        "size": sum(found.sizes.values()) if found is not None else None,
        "audience": list(audience(found)) if found is not None else [],
        "enabled_models": sorted(map(str, found.enabled_system_ids)) if found else [],
        "disabled_models": sorted(map(str, found.disabled_system_ids)) if found else [],
        "enabled_macs": sorted(mac.hex(":") for mac in found.enabled_macs) if found else [],
        "disabled_macs": sorted(mac.hex(":") for mac in found.disabled_macs) if found else [],
        "info": _info(found) if isinstance(found, Bundle) else None,
        "files": [{"name": name, "size": size} for name, size in sorted(found.sizes.items())]
        if found is not None
        else [],
        "warnings": list(found.warnings) if found is not None else [],
    }


def _info(bundle: Bundle) -> dict[str, Any]:
    """What NBImageInfo.plist says, by its own names."""
    return {
        "Name": bundle.title,
        "Index": bundle.index,
        "Type": bundle.type.value,
        "Kind": bundle.kind,
        "BootFile": bundle.boot_file,
        "RootPath": bundle.root_path_key,
        "Architectures": list(bundle.architectures),
        "IsEnabled": bundle.is_enabled,
        "IsInstall": bundle.is_install,
        "IsDefault": bundle.is_default,
        "SupportsDiskless": bundle.is_diskless,
        "FilterOnly": bundle.is_filter_only,
        "EnabledSystemIdentifiers": sorted(bundle.enabled_system_ids),
        "DisabledSystemIdentifiers": sorted(bundle.disabled_system_ids),
        "EnabledMACAddresses": sorted(mac.hex(":") for mac in bundle.enabled_macs),
        "DisabledMACAddresses": sorted(mac.hex(":") for mac in bundle.disabled_macs),
        "LoadBalanceServer": bundle.load_balance_host,
        "Description": bundle.description,
        "Language": bundle.language,
        "imageType": bundle.image_type,
        "osVersion": bundle.os_version,
        "BackwardCompatible": bundle.is_backward_compatible,
    }


def find(everything: Sequence[Listed], wanted: str) -> list[Listed]:
    """What `wanted` names: a folder with or without .nbi, `share/folder`, an Index, a title."""
    for is_it in (
        lambda each: wanted in (each.name, f"{each.share}/{each.name}", shown(each.path)),
        lambda each: wanted == each.path.stem,
        lambda each: each.found is not None and wanted == str(each.found.index),
        lambda each: each.found is not None and wanted.casefold() == each.found.title.casefold(),
    ):
        found = [each for each in everything if is_it(each)]
        if found:
            return found
    return []
