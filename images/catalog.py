"""All boot images of all share points as one immutable snapshot, swapped whole when disks change.

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

from images.bundle import DEFAULT_SHARE, SUFFIX, Bundle, bundle_from_thd
from images.errors import BundleError, HostUnknown, shown
from images.root_path import Lookup, no_lookup
from images.tree import Tree, survey_thd, unreadable

_SHARE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Root:
    """A folder of .nbi folders, and the name of the share point that clients know it by."""

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
    disabled: tuple[Bundle, ...] = ()
    """Complete images whose IsEnabled is false."""
    errors: tuple[BundleError, ...] = ()
    by_image_id: Mapping[int, Bundle] = field(default_factory=dict)
    by_name: Mapping[str, Bundle] = field(default_factory=dict)
    """By folder name; where two share points hold the same name, the first one's."""
    by_share: Mapping[tuple[str, str], Bundle] = field(default_factory=dict)
    """By share point and folder name."""


def scan_thd(roots: Sequence[Root], *, lookup: Lookup = no_lookup) -> Snapshot:
    """The catalog as it stands, once."""
    return Catalog(roots, lookup=lookup).scan_thd()


@dataclass(frozen=True, slots=True)
class _Reading:
    """What one folder was found to be. `tree` is `None` for a root that cannot be listed."""

    tree: Tree | None
    result: Bundle | BundleError
    is_settled: bool


class Catalog:
    """The memory between two scans. One thread at a time; what it returns any thread may read."""

    def __init__(self, roots: Sequence[Root], *, lookup: Lookup = no_lookup) -> None:
        self._roots = tuple(roots)
        self._lookup = lookup
        self._readings: dict[tuple[Root, Path], _Reading] = {}
        self._snapshot = Snapshot()

    def scan_thd(self) -> Snapshot:
        """The catalog as it is now: the same object as last time if nothing worth telling changed.

        A root that cannot be read is an entry of `Snapshot.errors`, never an exception.
        """
        readings: dict[tuple[Root, Path], _Reading] = {}
        for root in self._roots:
            try:
                paths = _bundle_paths(root.path)
            except OSError as error:
                readings[root, root.path] = _Reading(None, _unlisted(root.path, error), True)
                continue
            for path in paths:
                old = self._readings.get((root, path))
                tree = survey_thd(path, old.tree if old is not None else None)
                readings[root, path] = self._reading_thd(tree, root, old)
        before, self._readings = self._readings, readings
        if self._snapshot.generation == 0 or _told(readings) != _told(before):
            self._snapshot = _snapshot(readings, self._snapshot.generation + 1)
        return self._snapshot

    def _reading_thd(self, tree: Tree, root: Root, old: _Reading | None) -> _Reading:
        is_first_scan = self._snapshot.generation == 0
        if old is None and not is_first_scan:
            return _Reading(tree, _still_copied(tree.path), False)
        if old is not None and old.tree is not None and old.tree.stamp != tree.stamp:
            withdrawn = isinstance(old.result, Bundle) and _grows(old.result, old.tree, tree)
            result = _still_copied(tree.path) if withdrawn else old.result
            return _Reading(tree, result, False)
        if old is not None and old.is_settled:
            return old
        try:
            return _Reading(tree, bundle_from_thd(tree, root.share, lookup=self._lookup), True)
        except HostUnknown as error:
            return _Reading(tree, error, False)
        except BundleError as error:
            return _Reading(tree, error, True)


def _told(readings: Mapping[tuple[Root, Path], _Reading]) -> list[Bundle | str]:
    """What of the readings shows in a snapshot, comparable."""
    results = [reading.result for reading in readings.values()]
    return [str(result) if isinstance(result, BundleError) else result for result in results]


def _bundle_paths(root: Path) -> list[Path]:
    return sorted(root / name for name in os.listdir(root) if name.endswith(SUFFIX))


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


def _grows(bundle: Bundle, before: Tree, now: Tree) -> bool:
    """Whether the root image is being written in place."""
    image = bundle.root_image or ""
    old, new = before.entry(image), now.entry(image)
    if old is None or new is None:
        return False
    return old.inode == new.inode and old.size != new.size


def _snapshot(readings: Mapping[tuple[Root, Path], _Reading], generation: int) -> Snapshot:
    errors: list[BundleError] = []
    disabled: list[Bundle] = []
    by_image_id: dict[int, Bundle] = {}
    by_share: dict[tuple[str, str], Bundle] = {}
    for reading in readings.values():
        found = reading.result
        if isinstance(found, BundleError):
            errors.append(found)
        elif not found.is_enabled:
            disabled.append(found)
        elif found.image_id in by_image_id:
            errors.append(_same_id(found, by_image_id[found.image_id]))
        elif (found.share, found.name) in by_share:
            errors.append(_same_name(found, by_share[found.share, found.name]))
        else:
            by_image_id[found.image_id] = by_share[found.share, found.name] = found
    return Snapshot(
        generation=generation,
        bundles=tuple(sorted(by_image_id.values(), key=_list_order)),
        disabled=tuple(disabled),
        errors=tuple(errors),
        by_image_id=by_image_id,
        # Reversed, so that the first of two with one name is written last and stays.
        by_name={bundle.name: bundle for bundle in reversed(by_image_id.values())},
        by_share=by_share,
    )


def _list_order(bundle: Bundle) -> tuple[int, int, str, int]:
    """Apple's order (nbimages.c, NBImageList_add_entry), made deterministic.

    Defaults for every model, then defaults for some, then the rest; Apple's server leaves each of
    these groups in the order in which the file system names the folders, ours goes by index.
    """
    group = 2 if not bundle.is_default else 1 if bundle.enabled_system_ids else 0
    return group, bundle.index, bundle.name, bundle.image_id


def _same_id(bundle: Bundle, first: Bundle) -> BundleError:
    return BundleError(
        bundle.path,
        f"has the same Index, {bundle.index}, as {shown(first.path)}, which was found first",
        "give one of the two another Index",
    )


def _same_name(bundle: Bundle, first: Bundle) -> BundleError:
    return BundleError(
        bundle.path,
        f"has the same name and share point, {bundle.share}, as {shown(first.path)}",
        "rename one of the two, or give their folders different share names",
    )
