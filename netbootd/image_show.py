"""`netbootctl images list` and `show`: what is in the image folders, for people and for programs.

Reads the folders that the configuration names, whether netbootd runs or not; changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from images.audience import audience, purpose, short_audience
from images.bundle import SUFFIX, Bundle, read_bundle_thd
from images.catalog import Root, Snapshot, scan_thd
from images.entry import BootEntry
from images.errors import BundleError, shown
from images.importer import STAGING, unfinished_thd
from images.info import ImageKind, ImageType
from netbootd import config
from netbootd.booter import publication_of
from netbootd.config import Config
from netbootd.image_list import Listed, State, find, listed, record
from ops.amount import size_text
from ops.cli import Failed
from ops.lock import is_held
from ops.privilege import acting_as, resolve_identity
from ops.start import StartError
from ops.table import Cell, print_facts, print_json, print_line, print_table

COLUMNS: Final = ("index", "title", "state", "purpose", "machines", "size", "folder")
STYLES: Final = {
    State.SERVED: "green",
    State.UNREACHABLE: "yellow",
    State.DISABLED: "yellow",
    State.BROKEN: "red",
}
UNKNOWN: Final = "-"
LOCK: Final = "lock"
"""A file beside a copy that grows; whoever copies holds it."""
NOTHING: Final = "no images yet; copy some with `netbootctl images import`"
_KINDS: Final[Mapping[int, str]] = {
    ImageKind.MAC_OS_9: "Mac OS 9",
    ImageKind.MAC_OS_X: "Mac OS X",
    ImageKind.MAC_OS_X_SERVER: "Mac OS X Server",
    ImageKind.DIAGNOSTICS: "diagnostics",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """All images of a configuration."""

    settings: Config
    snapshot: Snapshot
    everything: list[Listed]

    def one(self, wanted: str) -> Listed:
        """The one that `wanted` names. Raises Failed."""
        found = find(self.everything, wanted)
        if len(found) == 1:
            return found[0]
        if found:
            several = ", ".join(shown(each.path) for each in found)
            raise Failed(f"{wanted} names several images; name the folder: {several}")
        known = ", ".join(each.name for each in self.everything) or "there is none"
        raise Failed(f"no image is called {wanted}; there are: {known}")

    def whole(self, wanted: str) -> Bundle | BootEntry:
        """The same for one that is complete, though it may be in the way of another. Raises
        Failed."""
        each = self.one(wanted)
        if each.found is not None:
            return each.found
        try:
            return read_bundle_thd(each.path, each.share)
        except BundleError as error:
            raise Failed(str(error)) from error


def shelf_thd(configuration: Path | None) -> Shelf:
    """Look into the folders that `configuration` names, with the eyes of netbootd if we are root.
    Raises ConfigError."""
    settings = config.load(configuration)
    roots = [Root(path=share.path, share=share.name) for share in settings.images.shares]
    try:
        identity = resolve_identity(settings.user, settings.group)
    except StartError:  # `netbootctl check` tells
        identity = None
    with acting_as(identity):
        snapshot = scan_thd(roots)
    everything = listed(snapshot, publication_of(settings), settings)
    return Shelf(settings=settings, snapshot=snapshot, everything=everything)


def list_images(configuration: Path | None, *, as_json: bool) -> None:
    """Print a line for each image and boot entry."""
    shelf = shelf_thd(configuration)
    several = len(shelf.settings.images.shares) > 1
    print_table(
        COLUMNS,
        [_row(each, several) for each in shelf.everything],
        as_json=as_json,
        records=[record(each) for each in shelf.everything],
        nothing=NOTHING,
        right=("index", "size"),
    )
    if not as_json:
        _print_remarks(shelf)


def _print_remarks(shelf: Shelf) -> None:
    """A line for each image that is not served and ought to be: why, and what to do."""
    for each in shelf.everything:
        if each.why is not None and each.state is not State.DISABLED:
            remedy = f"; {each.remedy}" if each.remedy else ""
            print_line(f"{each.name}: {each.why}{remedy}", STYLES[each.state])
    for share in shelf.settings.images.shares:
        for path in unfinished_thd(share.path):
            name = shown(path.name.removeprefix(STAGING))
            if is_held(path / LOCK):
                print_line(f"{name}{SUFFIX}: is being imported")
            else:
                text = f"{name}{SUFFIX}: its import was cut off; import it again, and it goes on"
                print_line(f"{text}, or remove {shown(path)}", "yellow")


def show_images(configuration: Path | None, wanted: Sequence[str], *, as_json: bool) -> None:
    """Print all that is known of each image that is `wanted`."""
    shelf = shelf_thd(configuration)
    chosen = [shelf.one(each) for each in wanted]
    if as_json:
        records = [record(each) for each in chosen]
        print_json(records[0] if len(records) == 1 else records)
        return
    for number, each in enumerate(chosen):
        print_facts([("", "")] * bool(number) + facts(each))


def _row(each: Listed, several: bool) -> list[Cell]:
    found = each.found
    folder = f"{each.share}/{each.name}" if several else each.name
    if found is None:
        return [UNKNOWN, UNKNOWN, _state(each), UNKNOWN, UNKNOWN, UNKNOWN, folder]
    return [
        UNKNOWN if found.index is None else str(found.index),
        found.title,
        _state(each),
        purpose(found),
        short_audience(found),
        size_text(sum(found.sizes.values())),
        folder,
    ]


def _state(each: Listed) -> Cell:
    text = each.state.value
    if each.state is State.SERVED and each.found is not None:
        text += ", default" if each.found.is_default else ", first" if each.is_first else ""
    return text, STYLES[each.state]


def facts(each: Listed) -> list[tuple[str, Cell]]:
    """What `show` prints of it."""
    found = each.found
    told: list[tuple[str, Cell]] = [
        ("folder", shown(each.path)),
        ("state", _state(each)),
    ]
    if each.why is not None:
        told.append(("why", (each.why, STYLES[each.state])))
    if each.remedy is not None:
        told.append(("what to do", each.remedy))
    if found is None:
        return told
    told.insert(0, ("title", (found.title, "bold")))
    told += _keys_of_bundle(found) if isinstance(found, Bundle) else _keys_of_entry(found)
    told += [("machines", "\n".join(audience(found)))]
    told += [("doubt", (warning, "yellow")) for warning in found.warnings]
    told += [("files", _files(found))]
    return told


def _keys_of_bundle(bundle: Bundle) -> list[tuple[str, Cell]]:
    kind = _KINDS.get(bundle.kind, f"kind {bundle.kind}")
    told: list[tuple[str, str | None]] = [
        ("index", f"{bundle.index}{_scope(bundle)}, image ID {bundle.image_id:#010x}"),
        ("purpose", f"{_PURPOSES.get(purpose(bundle), purpose(bundle))} ({kind})"),
        ("default", _default(bundle)),
        ("root disk", _root(bundle)),
        ("boot files", ", ".join(bundle.boot_files.values())),
        ("kernels", ", ".join(name for names in bundle.kernels.values() for name in names)),
        ("diskless", "yes: the Mac gets a place to write" if bundle.is_diskless else "no"),
        ("files from", bundle.load_balance_host and f"the server {bundle.load_balance_host}"),
        ("description", bundle.description),
        ("language", bundle.language),
        ("made by", bundle.image_type and f"an image tool, as {bundle.image_type}"),
        ("macOS", bundle.os_version),
    ]
    if bundle.is_backward_compatible is not None:
        text = "yes" if bundle.is_backward_compatible else "no"
        told.append(("backward compatible", text))
    return [(name, text) for name, text in told if text]


_PURPOSES: Final = {
    "install": "installs a system",
    "system": "is a system to work with",
    "diagnostics": "diagnoses the Mac",
}


def _keys_of_entry(entry: BootEntry) -> list[tuple[str, Cell]]:
    programs = [f"{name} ({platform})" for platform, name in sorted(entry.programs.items())]
    told: list[tuple[str, Cell]] = [
        ("index", "" if entry.index is None else str(entry.index)),
        ("default", "yes" if entry.is_default else "no"),
        ("kernel", entry.kernel or ""),
        ("initrd", ", ".join(entry.initrds)),
        ("command line", entry.command_line),
        ("EFI program", ", ".join(programs)),
        ("script", entry.script or ""),
        ("description", entry.description or ""),
    ]
    return [(name, text) for name, text in told if text]


def _scope(bundle: Bundle) -> str:
    return " (the same image on every server)" if bundle.is_global else " (this server's own)"


def _default(bundle: Bundle) -> str:
    if not bundle.is_default:
        return "no"
    return "yes, of these models" if bundle.enabled_system_ids else "yes"


def _root(bundle: Bundle) -> str:
    if bundle.type is ImageType.BOOT_FILE_ONLY:
        return "none: the Mac runs the boot file and that is all"
    place = bundle.root_image or bundle.indirect_root
    return f"{place}, over {bundle.type.value}"


def _files(found: Bundle | BootEntry) -> str:
    """Each on a line with its size, and the sum."""
    rows = [(name, size_text(size)) for name, size in sorted(found.sizes.items())]
    rows.append((f"{len(rows)} files", size_text(sum(found.sizes.values()))))
    width = max(len(size) for _, size in rows)
    return "\n".join(f"{size:>{width}}  {name}" for name, size in rows)
