"""What lies in one folder: the files that can be published, and a stamp that tells when it changed.

Symbolic links to files inside the same folder are resolved here, once, by name: `files` maps the
name that clients use to the real file, and whoever opens that follows no link at all. Links that
leave the folder, absolute links, and links to folders are errors. Must never read a file's content.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from images.errors import BundleError, shown
from images.name import objection

# A macOS bundle holds about ten files, a whole installer tree some hundreds. Every entry is looked
# at once per poll (2 s), about 2 us each: 10,000 entries are 1 % of one core.
MAX_ENTRIES = 10_000
MAX_DEPTH = 16
MAX_LINKS = 8


class Entry(NamedTuple):
    """One directory entry as it was seen: equal entries mean that nothing happened to it."""

    relative: str
    mode: int
    size: int
    inode: int
    modified_ns: int
    changed_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A folder as one walk saw it. `problem` is set when it cannot be published as it is."""

    path: Path
    stamp: tuple[object, ...]
    """Equal as long as nothing happens to the folder and what it holds."""
    files: Mapping[str, str]
    """Every name that may be published to the real file; they differ for symbolic links."""
    regular: Mapping[str, Entry]
    """The real files."""
    problem: BundleError | None
    bad_links: tuple[BundleError, ...] = ()
    """What is wrong with each symbolic link that cannot be published; `problem` may be one."""

    def entry(self, name: str) -> Entry | None:
        """The real file that is published as `name`."""
        real = self.files.get(name)
        return None if real is None else self.regular[real]


def survey_thd(path: Path, before: Tree | None = None) -> Tree:
    """Walk the folder; never raises for what it finds there (see `Tree.problem`).

    `before` is an earlier survey, and the result when nothing happened since.
    """
    entries: list[Entry] = []
    problem: BundleError | None = None
    try:
        _walk(str(path), "", 0, entries)
    except BundleError as error:
        problem = error
    except OSError as error:
        problem = unreadable(path, error)
    stamp = (*entries, str(problem))
    if before is not None and before.stamp == stamp:
        return before
    regular = {
        entry.relative: entry
        for entry in entries
        if stat.S_ISREG(entry.mode) and _publishable(entry.relative)
    }
    files = {relative: relative for relative in regular}
    bad_links: list[BundleError] = []
    try:
        files |= _links(path, entries, regular, bad_links)
    except OSError as error:
        problem = unreadable(path, error)
    return Tree(
        path=path,
        stamp=stamp,
        files=files,
        regular=regular,
        problem=problem or next(iter(bad_links), None),
        bad_links=tuple(bad_links),
    )


def unreadable(path: Path, error: OSError) -> BundleError:
    """The error for a folder or file that the system does not let us read."""
    return BundleError(
        path,
        f"cannot be read: {error.strerror or error}",
        "give the user that runs the server permission to read it and all it holds"
        if isinstance(error, PermissionError)
        else "check that it is what its name says and that its disk is well",
    )


def _walk(root: str, below: str, depth: int, entries: list[Entry]) -> None:
    folder = f"{root}/{below}" if below else root
    if depth > MAX_DEPTH:
        raise BundleError(
            Path(folder), f"lies more than {MAX_DEPTH} folders deep", "move its files up"
        )
    with os.scandir(folder) as listing:
        found = sorted(listing, key=lambda entry: entry.name)
    for entry in found:
        if len(entries) == MAX_ENTRIES:
            raise BundleError(
                Path(root),
                f"holds more than {MAX_ENTRIES} files",
                "keep only what machines boot from in it",
            )
        relative = f"{below}/{entry.name}" if below else entry.name
        at = entry.stat(follow_symlinks=False)
        entries.append(
            Entry(relative, at.st_mode, at.st_size, at.st_ino, at.st_mtime_ns, at.st_ctime_ns)
        )
        if shown(entry.name) != entry.name:
            raise BundleError(
                Path(root, relative),
                "has a name that is not UTF-8",
                "rename it (convmv -f latin1 -t utf8 often does) or delete it",
            )
        if stat.S_ISDIR(at.st_mode):
            _walk(root, relative, depth + 1, entries)


def _links(
    root: Path, entries: Iterable[Entry], regular: Mapping[str, Entry], bad: list[BundleError]
) -> dict[str, str]:
    """The symbolic links that may be published, each with the real file that it stands for; what is
    wrong with the others is added to `bad`."""
    links = {
        entry.relative: os.readlink(root / entry.relative).replace(os.sep, "/")
        for entry in entries
        if stat.S_ISLNK(entry.mode)
    }
    found: dict[str, str] = {}
    for link in filter(_publishable, links):
        try:
            found[link] = _resolved(root, link, links, regular)
        except BundleError as error:
            bad.append(error)
    return found


def _publishable(relative: str) -> bool:
    return not any(objection(part) for part in relative.split("/"))


def _resolved(
    root: Path, relative: str, links: Mapping[str, str], regular: Mapping[str, Entry]
) -> str:
    at = relative
    for _ in range(MAX_LINKS):
        if at in regular:
            return at
        if at not in links:
            break
        target = links[at]
        at = posixpath.normpath(posixpath.join(posixpath.dirname(at), target))
        if posixpath.isabs(at) or os.path.isabs(target) or at.split("/", 1)[0] == "..":
            raise BundleError(
                root / relative,
                f"is a symbolic link that leaves the folder, to {shown(target)}",
                "replace it by a copy or a hard link of that file",
            )
    raise BundleError(
        root / relative,
        f"is a symbolic link to {shown(links[relative])}, which is no regular file of the folder",
        "replace it by the file itself",
    )
