"""`netbootctl images enable`, `disable` and `set-default`: one key of one file each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from images.bundle import Bundle, read_bundle_thd
from images.catalog import Published
from images.edit import edit_entry_thd, edit_info_thd
from images.entry import BootEntry, read_entry_thd
from images.errors import shown
from images.index import bundles_of
from images.standing import rival_entries, rivals
from netbootd.image_share import tell, told_in_one_line
from netbootd.image_show import Shelf, shelf_thd
from ops.table import print_line


def switch_images(
    configuration: Path | None, wanted: Sequence[str], *, is_enabled: bool, as_json: bool
) -> None:
    """Serve the images that are `wanted`, or do not. Raises Failed."""
    shelf = shelf_thd(configuration)
    chosen = [shelf.whole(each) for each in wanted]
    changed = []
    with told_in_one_line():
        for found in chosen:
            _set(found, "IsEnabled", "enabled", is_enabled)
            changed.append(_again(found))
    tell(shelf.settings, changed, as_json=as_json)


def make_default(configuration: Path | None, wanted: str, *, as_json: bool) -> None:
    """Let machines boot the image that is `wanted` unless they have chosen. Raises Failed."""
    shelf = shelf_thd(configuration)
    chosen = shelf.whole(wanted)
    with told_in_one_line():
        _set(chosen, "IsDefault", "default", True)
        for other in _rivals(shelf, chosen):
            _set(other, "IsDefault", "default", False)
            if not as_json:
                print_line(f"{shown(other.path)}: {other.title} is no default any more")
        changed = _again(chosen)
    tell(shelf.settings, [changed], as_json=as_json)


def _rivals(shelf: Shelf, chosen: Published) -> Sequence[Published]:
    if isinstance(chosen, Bundle):
        return rivals(chosen, bundles_of(shelf.snapshot))
    disabled = [each for each in shelf.snapshot.disabled if isinstance(each, BootEntry)]
    return rival_entries(chosen, [*shelf.snapshot.entries, *disabled])


def _set(found: Published, key: str, entry_key: str, value: bool) -> None:
    if isinstance(found, Bundle):
        edit_info_thd(found, {key: value})
    else:
        edit_entry_thd(found, {entry_key: value})


def _again(found: Published) -> Published:
    """As it is now."""
    read = read_bundle_thd if isinstance(found, Bundle) else read_entry_thd
    return read(found.path, found.share)
