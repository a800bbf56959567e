"""All boot images and boot entries of all share points as one immutable snapshot, swapped whole
when disks change; and, beside them, the folder of network boot loaders.

`Catalog.scan_thd` is called off the reactor, every two seconds. While nothing changed it costs one
stat per file and returns the snapshot that it returned last.

A folder that appears or changes is read when two scans in a row saw it the same, so that one that
is half copied is never half published: until then a new one is listed as an error ("still being
copied"), a published one stays as it was, and one whose root image grows is withdrawn. Only the
first scan of all takes every folder as it stands. A host name in a RootPath that cannot be looked
up is tried again on every scan, since nothing on disk changes when the name server comes back.

Must never change a snapshot once made: transfers and conversations hold on to old ones.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from images.boot_toml import FILE_NAME
from images.bundle import DEFAULT_SHARE, SUFFIX, Bundle, bundle_from_thd
from images.entry import BootEntry, entry_from_thd, is_entry_folder_thd
from images.errors import BundleError, HostUnknown, shown
from images.info import MAX_INDEX
from images.loaders import Loaders, loaders_from_thd
from images.root_path import Lookup, no_lookup
from images.tree import Tree, survey_thd, unreadable

Published = Bundle | BootEntry

_SHARE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Root:
    """A folder of .nbi folders and boot entries, and the name of the share point that clients know
    it by."""

    path: Path
    share: str = DEFAULT_SHARE

    def __post_init__(self) -> None:
        if not _SHARE.fullmatch(self.share) or self.share.endswith("."):
            raise ValueError(
                f"share {self.share!r}: 1 to 63 of A-Z a-z 0-9 . _ - are right, like NetBootSP0"
            )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Snapshot:
    """The catalog at one moment."""

    generation: int = 0
    bundles: tuple[Bundle, ...] = ()
    """The published images in list order: the first that applies to a machine is its default."""
    entries: tuple[BootEntry, ...] = ()
    """The published boot entries for other machines than Macs, in list order."""
    disabled: tuple[Published, ...] = ()
    """Complete images whose IsEnabled is false, and entries with `enabled = false`."""
    errors: tuple[BundleError, ...] = ()
    by_image_id: Mapping[int, Bundle] = field(default_factory=dict)
    by_name: Mapping[str, Published] = field(default_factory=dict)
    """By folder name; where two share points hold the same name, the first one's."""
    by_share: Mapping[tuple[str, str], Published] = field(default_factory=dict)
    """By share point and folder name."""
    loaders: Loaders | None = None


def scan_thd(
    roots: Sequence[Root], *, lookup: Lookup = no_lookup, loaders: Path | None = None
) -> Snapshot:
    """The catalog as it stands, once."""
    return Catalog(roots, lookup=lookup, loaders=loaders).scan_thd()


@dataclass(frozen=True, slots=True)
class _Reading:
    """What one folder was found to be. `tree` is `None` for a root that cannot be listed."""

    tree: Tree | None
    result: Published | Loaders | BundleError
    is_settled: bool


_Place = tuple[Root | None, Path]
"""A folder in a root, or (without one) that of the loaders."""


class Catalog:
    """The memory between two scans. One thread at a time; what it returns any thread may read."""

    def __init__(
        self,
        roots: Sequence[Root],
        *,
        lookup: Lookup = no_lookup,
        loaders: Path | None = None,
    ) -> None:
        """`loaders` is the folder of network boot loaders, if there is one."""
        self._roots = tuple(roots)
        self._lookup = lookup
        self._loaders = loaders
        self._readings: dict[_Place, _Reading] = {}
        self._snapshot = Snapshot()

    @property
    def is_settled(self) -> bool:
        """Whether the last scan has read all that it saw; only a host name may be unknown yet."""
        return all(
            reading.is_settled or isinstance(reading.result, HostUnknown)
            for reading in self._readings.values()
        )

    def scan_thd(self) -> Snapshot:
        """The catalog as it is now: the same object as last time if nothing worth telling changed.

        A root that cannot be read is an entry of `Snapshot.errors`, never an exception.
        """
        readings: dict[_Place, _Reading] = {}
        for root in self._roots:
            try:
                paths = _image_paths_thd(root.path)
            except OSError as error:
                readings[root, root.path] = _Reading(None, _unlisted(root.path, error), True)
                continue
            for path in paths:
                readings[root, path] = self._look_thd(root, path)
        if self._loaders is not None:
            readings[None, self._loaders] = self._look_thd(None, self._loaders)
        before, self._readings = self._readings, readings
        if self._snapshot.generation == 0 or _told(readings) != _told(before):
            self._snapshot = _snapshot(readings, self._snapshot.generation + 1)
        return self._snapshot

    def _look_thd(self, root: Root | None, path: Path) -> _Reading:
        old = self._readings.get((root, path))
        tree = survey_thd(path, old.tree if old is not None else None)
        return self._reading_thd(tree, root, old)

    def _reading_thd(self, tree: Tree, root: Root | None, old: _Reading | None) -> _Reading:
        is_first_scan = self._snapshot.generation == 0
        if old is None and not is_first_scan:
            return _Reading(tree, _still_copied(tree.path), False)
        if old is not None and old.tree is not None and old.tree.stamp != tree.stamp:
            withdrawn = _grows(old.result, old.tree, tree)
            result = _still_copied(tree.path) if withdrawn else old.result
            return _Reading(tree, result, False)
        if old is not None and old.is_settled:
            return old
        try:
            return _Reading(tree, self._read_thd(tree, root), True)
        except BundleError as error:
            error.folder = tree.path
            return _Reading(tree, error, not isinstance(error, HostUnknown))

    def _read_thd(self, tree: Tree, root: Root | None) -> Published | Loaders:
        if root is None:
            return loaders_from_thd(tree)
        if tree.path.suffix == SUFFIX:
            return bundle_from_thd(tree, root.share, lookup=self._lookup)
        return entry_from_thd(tree, root.share)


def _told(readings: Mapping[_Place, _Reading]) -> list[object]:
    """What of the readings shows in a snapshot, comparable."""
    results = [reading.result for reading in readings.values()]
    return [str(result) if isinstance(result, BundleError) else result for result in results]


def _image_paths_thd(root: Path) -> list[Path]:
    """What lies in `root` and means to be a boot image or a boot entry."""
    paths = (root / name for name in sorted(os.listdir(root)))
    return [path for path in paths if path.name.endswith(SUFFIX) or is_entry_folder_thd(path)]


def misspelt_thd(roots: Sequence[Root]) -> list[Path]:
    """Files in the folders of `roots` that would be a boot.toml if their names were small."""
    return [
        path
        for root in roots
        for path in sorted(root.path.glob("*/[Bb][Oo][Oo][Tt].[Tt][Oo][Mm][Ll]"))
        if path.name != FILE_NAME and path.parent.suffix != SUFFIX
    ]


def _unlisted(root: Path, error: OSError) -> BundleError:
    if not isinstance(error, FileNotFoundError):
        return unreadable(root, error)
    return BundleError(
        root,
        "the image folder does not exist",
        "create it and put .nbi folders in it, or name another one in the configuration",
    )


def _still_copied(path: Path) -> BundleError:
    return BundleError(
        path, "is still being copied", "wait: it is published seconds after its last change"
    )


def _grows(found: Published | Loaders | BundleError, before: Tree, now: Tree) -> bool:
    """Whether the root image, or a file that an entry boots, is being written in place."""
    match found:
        case Bundle():
            names: tuple[str, ...] = (found.root_image or "",)
        case BootEntry():
            names = found.boot_files
        case _:
            return False
    pairs = [(before.entry(name), now.entry(name)) for name in names]
    return any(
        old is not None and new is not None and old.inode == new.inode and old.size != new.size
        for old, new in pairs
    )


def _snapshot(readings: Mapping[_Place, _Reading], generation: int) -> Snapshot:
    errors: list[BundleError] = []
    disabled: list[Published] = []
    by_image_id: dict[int, Bundle] = {}
    by_share: dict[tuple[str, str], Published] = {}
    loaders = None
    for reading in readings.values():
        found = reading.result
        if isinstance(found, BundleError):
            errors.append(found)
        elif isinstance(found, Loaders):
            loaders = found
        elif not found.is_enabled:
            disabled.append(found)
        elif isinstance(found, BootEntry):
            if (found.share, found.name) in by_share:
                errors.append(_same_name(found, by_share[found.share, found.name]))
            else:
                by_share[found.share, found.name] = found
        elif found.image_id in by_image_id:
            errors.append(_same_id(found, by_image_id[found.image_id]))
        elif (found.share, found.name) in by_share:
            errors.append(_same_name(found, by_share[found.share, found.name]))
        else:
            by_image_id[found.image_id] = by_share[found.share, found.name] = found
    return Snapshot(
        generation=generation,
        bundles=tuple(sorted(by_image_id.values(), key=_list_order)),
        entries=tuple(
            sorted((e for e in by_share.values() if isinstance(e, BootEntry)), key=_entry_order)
        ),
        disabled=tuple(disabled),
        errors=tuple(errors),
        by_image_id=by_image_id,
        # Reversed, so that the first of two with one name is written last and stays.
        by_name={found.name: found for found in reversed(by_share.values())},
        by_share=by_share,
        loaders=loaders,
    )


def _list_order(bundle: Bundle) -> tuple[int, int, str, int]:
    """Apple's order (nbimages.c, NBImageList_add_entry), made deterministic.

    Defaults for every model, then defaults for some, then the rest; Apple's server leaves each of
    these groups in the order in which the file system names the folders, ours goes by index.
    """
    group = 2 if not bundle.is_default else 1 if bundle.enabled_system_ids else 0
    return group, bundle.index, bundle.name, bundle.image_id


def _entry_order(entry: BootEntry) -> tuple[int, int, str, str, str]:
    """The same for boot entries; those without an index come last, by title."""
    group = 2 if not entry.is_default else 1 if entry.enabled_system_ids else 0
    index = MAX_INDEX + 1 if entry.index is None else entry.index
    return group, index, entry.title.casefold(), entry.name, entry.share


def _same_id(bundle: Bundle, first: Bundle) -> BundleError:
    return BundleError(
        bundle.path,
        f"has the same Index, {bundle.index}, as {shown(first.path)}, which was found first",
        "give one of the two another Index",
    )


def _same_name(bundle: Published, first: Published) -> BundleError:
    return BundleError(
        bundle.path,
        f"has the same name and share point, {bundle.share}, as {shown(first.path)}",
        "rename one of the two, or give their folders different share names",
    )
