"""Who would see an image, in plain words. Pure; `images.select` decides, this only tells."""

from __future__ import annotations

from collections.abc import Collection

from images.bundle import Bundle
from images.entry import BootEntry
from images.info import ImageKind

_ARCHITECTURES = {"i386": "Intel Macs", "ppc": "PowerPC Macs"}


def short_audience(found: Bundle | BootEntry) -> str:
    """One cell of a table: `all Intel Macs`, `22 models`, `3 machines`."""
    if found.enabled_macs:
        return _counted(len(found.enabled_macs), "machine")
    if isinstance(found, BootEntry):
        return ", ".join(sorted(found.platforms))
    if found.enabled_system_ids:
        return _counted(len(found.enabled_system_ids), "model")
    return f"all {_macs(found)}"


def audience(found: Bundle | BootEntry) -> tuple[str, ...]:
    """All of it, a line each."""
    if isinstance(found, Bundle):
        lines = _models(found)
    else:
        lines = [f"PCs: {', '.join(sorted(found.platforms))}"]
        if found.enabled_system_ids:
            lines.append(f"only with the identifier {_listed(found.enabled_system_ids)}")
        if found.disabled_system_ids:
            lines.append(f"not with the identifier {_listed(found.disabled_system_ids)}")
    if found.enabled_macs:
        lines.append(f"only by the address {_listed(_addresses(found.enabled_macs))}")
    if found.disabled_macs:
        lines.append(f"not by the address {_listed(_addresses(found.disabled_macs))}")
    return tuple(lines)


def purpose(found: Bundle | BootEntry) -> str:
    """What it is for: `installs`, `system`, `diagnostics`, `for PCs`."""
    if isinstance(found, BootEntry):
        return "for PCs"
    if found.kind == ImageKind.DIAGNOSTICS:
        return "diagnostics"
    return "install" if found.is_install else "system"


def _models(bundle: Bundle) -> list[str]:
    lines = []
    if bundle.enabled_system_ids:
        lines.append(f"{_macs(bundle)} of {_listed(bundle.enabled_system_ids)}")
    else:
        lines.append(f"all {_macs(bundle)}")
    if bundle.disabled_system_ids:
        lines.append(f"not {_listed(bundle.disabled_system_ids)}")
    if bundle.is_filter_only:
        lines.append("only when they ask for images of its kind")
    return lines


def _macs(bundle: Bundle) -> str:
    return " and ".join(_ARCHITECTURES.get(each, each) for each in bundle.architectures)


def _addresses(macs: Collection[bytes]) -> list[str]:
    return [mac.hex(":") for mac in macs]


def _listed(things: Collection[object]) -> str:
    return ", ".join(sorted(map(str, things)))


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
