"""The folder of network boot loaders: iPXE, GRUB, shim, pxelinux, with what they load besides.

Its files are published under their own names (`snponly.efi`, `grub/x86_64-efi/http.mod`), since
loaders look for their parts beside themselves. Must never read more of a file than its head.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from images.entry import read_programs_thd
from images.errors import BundleError
from images.tree import Tree


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Loaders:
    """What the folder holds. Paths within it are relative to it and use slashes."""

    path: Path
    """The folder as configured."""
    directory: Path
    """The same without symbolic links above it; files are opened beneath this one."""
    files: Mapping[str, str]
    """Every published name to the real file (the two differ for symbolic links)."""
    sizes: Mapping[str, int]
    """Every published name to the size in bytes at the time of reading."""
    efi_files: frozenset[str]
    """Names of all files that are EFI programs."""
    warnings: tuple[str, ...] = ()
    """Symbolic links that lead out of the folder. They are not published; the rest is, since the
    folders in which distributions keep loaders have such links."""

    def __repr__(self) -> str:
        return f"<Loaders {self.path}>"


def loaders_from_thd(tree: Tree) -> Loaders:
    """Read the folder that `tree` is a survey of; raises `BundleError`."""
    if not tree.path.is_dir():
        why = "the folder of loaders does not exist"
        raise BundleError(tree.path, why, "create it, or name another one in pxe.loaders")
    if tree.problem is not None and tree.problem not in tree.bad_links:
        raise tree.problem
    directory = Path(os.path.realpath(tree.path))
    programs = read_programs_thd(tree, directory)
    return Loaders(
        path=tree.path,
        directory=directory,
        files=tree.files,
        sizes={name: tree.regular[real].size for name, real in tree.files.items()},
        efi_files=frozenset(name for name, head in programs.items() if head.efi is not None),
        warnings=tuple(map(str, tree.bad_links)),
    )
