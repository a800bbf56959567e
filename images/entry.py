"""One folder with a boot.toml as a frozen value: what PCs and virtual machines boot from it.

An entry is either complete (every file that it names is there, and it is known which machines they
are for) or a `BundleError` that says what is wrong and how to mend it. Must never read more of a
file than its head, but for boot.toml.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from images.beneath import open_beneath
from images.boot_toml import (
    BOOT_TOML_FIELDS,
    FILE_NAME,
    MAX_BYTES,
    BootToml,
    parse_boot_toml,
    placeholders,
)
from images.bundle import DEFAULT_SHARE, MAX_BOOT_FILE_BYTES
from images.errors import BundleError
from images.name import objection
from images.program import HEAD_BYTES, PLATFORMS, Program, read_program
from images.tree import Tree, survey_thd, unreadable

MAX_FOLDER_BYTES = 150
"""Of an entry's folder name, which is kept with the choice of a machine, share point and all."""

_MENU = "boot"
"""`ipxe/<mac>/boot.ipxe` is the menu of a machine, next to `ipxe/<mac>/<folder>.ipxe`."""
_TEXT_BYTES = 64
"""Of a file, by which text is told from a program: no kernel begins with so many letters."""
_COPY_AGAIN = "copy the file again"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class BootEntry(BootToml):
    """A complete boot entry. Paths within it are relative to it and use slashes."""

    path: Path
    """The folder as configured."""
    directory: Path
    """The same without symbolic links above it; files are opened beneath this one."""
    name: str
    """The name of the folder."""
    share: str
    """The name of the share point that it is published under."""
    platforms: frozenset[str]
    """Machines that can boot it."""
    programs: Mapping[str, str]
    """Platform to the EFI program that its firmware starts by itself; empty for a kernel."""
    efi_files: frozenset[str]
    """Published names of all files that are EFI programs."""
    files: Mapping[str, str]
    """Every published name to the real file (the two differ for symbolic links)."""
    sizes: Mapping[str, int]
    """Every published name to the size in bytes at the time of reading."""
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<BootEntry {self.path}>"

    @property
    def needs_http(self) -> bool:
        """Whether its command line names a URL of ours."""
        return "base_url" in placeholders(self.command_line)

    @property
    def boot_files(self) -> tuple[str, ...]:
        """The files that boot.toml names."""
        single = (self.kernel, self.script)
        return (*(each for each in single if each), *self.initrds, *self.programs.values())


def is_entry_folder_thd(path: Path) -> bool:
    """Whether a folder claims to be a boot entry."""
    return os.path.lexists(path / FILE_NAME)


def read_entry_thd(path: Path, share: str = DEFAULT_SHARE) -> BootEntry:
    """Read one folder; raises `BundleError`."""
    return entry_from_thd(survey_thd(path), share)


def entry_from_thd(tree: Tree, share: str) -> BootEntry:
    """Read the folder that `tree` is a survey of; raises `BundleError`."""
    if tree.problem is not None:
        raise tree.problem
    _require_plain_name(tree)
    directory = Path(os.path.realpath(tree.path))
    keys = _read_keys(tree, directory)
    named = [
        *([keys.kernel] if keys.kernel else []),
        *keys.initrds,
        *([keys.efi] if keys.efi else []),
        *keys.efi_by_platform.values(),
        *([keys.script] if keys.script else []),
    ]
    for relative in named:
        _require_file(tree, relative)
    heads = read_programs_thd(tree, directory)
    programs = _programs(tree, keys, heads)
    files = {name: real for name, real in tree.files.items() if name != FILE_NAME}
    return BootEntry(
        **{name: getattr(keys, name) for name in BOOT_TOML_FIELDS},
        path=tree.path,
        directory=directory,
        name=tree.path.name,
        share=share,
        platforms=_platforms(tree, keys, heads, programs),
        programs=programs,
        efi_files=frozenset(name for name, head in heads.items() if head.efi is not None),
        files=files,
        sizes={name: tree.regular[real].size for name, real in files.items()},
        warnings=tuple(_doubts(tree, programs)),
    )


def read_programs_thd(tree: Tree, directory: Path) -> dict[str, Program]:
    """What the published files of a folder are, those that are programs; raises `BundleError`."""
    found: dict[str, Program] = {}
    for name, real in tree.files.items():
        try:
            with os.fdopen(open_beneath(directory, real), "rb") as file:
                program = read_program(file.read(HEAD_BYTES))
        except OSError as error:
            raise unreadable(tree.path / name, error) from error
        if program.platforms:
            found[name] = program
    return found


def _require_plain_name(tree: Tree) -> None:
    name = tree.path.name
    problem = objection(name)
    if problem is None and len(name.encode()) > MAX_FOLDER_BYTES:
        problem = f"is longer than {MAX_FOLDER_BYTES} bytes"
    if name == _MENU:
        problem = "is what iPXE calls its menu"
    if problem is not None:
        raise BundleError(tree.path, f"its name {problem}", "rename the folder")


def _read_keys(tree: Tree, directory: Path) -> BootToml:
    path = tree.path / FILE_NAME
    real = tree.files.get(FILE_NAME)
    if real is None:
        raise BundleError(path, "is no regular file", "put a plain file there, or remove it")
    try:
        with os.fdopen(open_beneath(directory, real), "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise unreadable(path, error) from error
    return parse_boot_toml(data, path)


def _require_file(tree: Tree, relative: str) -> None:
    entry = tree.entry(relative)
    if entry is None:
        other = next((name for name in tree.files if name.lower() == relative.lower()), None)
        raise BundleError(
            tree.path / relative,
            f"is missing, and {FILE_NAME} names it",
            f"did you mean {other}?" if other else f"put it there, or correct {FILE_NAME}",
        )
    if entry.size == 0:
        raise BundleError(tree.path / relative, "is empty", _COPY_AGAIN)


def _programs(tree: Tree, keys: BootToml, heads: Mapping[str, Program]) -> dict[str, str]:
    """Platform to EFI program, each checked to be one for that platform."""
    if keys.efi is None:
        wanted = dict(keys.efi_by_platform)
    elif keys.architectures is not None:
        wanted = dict.fromkeys(keys.architectures, keys.efi)
    else:
        wanted = {_efi_platform(tree, keys.efi, heads): keys.efi}
    for platform, relative in wanted.items():
        found = _efi_platform(tree, relative, heads)
        if found != platform:
            raise BundleError(
                tree.path / relative,
                f"is an EFI program for {found}, and {FILE_NAME} has it for {platform}",
                "name the file for each architecture in a table efi",
            )
    return wanted


def _efi_platform(tree: Tree, relative: str, heads: Mapping[str, Program]) -> str:
    head = heads.get(relative)
    if head is None or head.efi is None:
        raise BundleError(
            tree.path / relative,
            "is no EFI program",
            "copy it again, or correct efi (a Linux kernel and its initrd go by kernel and initrd)",
        )
    return head.efi


def _platforms(
    tree: Tree, keys: BootToml, heads: Mapping[str, Program], programs: Iterable[str]
) -> frozenset[str]:
    if keys.architectures is not None:
        return frozenset(keys.architectures)
    if keys.script is not None:
        return frozenset(PLATFORMS)
    if keys.kernel is None:
        return frozenset(programs)
    head = heads.get(keys.kernel)
    if head is None:
        _require_no_text(tree, keys.kernel)
        raise BundleError(
            tree.path / keys.kernel,
            "does not say what machines it is for",
            f'write architectures = ["bios"], or what is right, in {FILE_NAME}',
        )
    return head.platforms


def _require_no_text(tree: Tree, relative: str) -> None:
    """A web server's page for a file that it does not have is easily saved as a kernel."""
    directory = Path(os.path.realpath(tree.path))
    try:
        with os.fdopen(open_beneath(directory, tree.files[relative]), "rb") as file:
            begin = file.read(_TEXT_BYTES)
    except OSError as error:
        raise unreadable(tree.path / relative, error) from error
    if begin and re.fullmatch(rb"[\t\n\r -~]+", begin):
        what = "HTML" if begin.lstrip().startswith(b"<") else "text"
        why = f"is no Linux kernel: it is {what}"
        raise BundleError(tree.path / relative, why, "fetch it anew, and look at what was fetched")


def _doubts(tree: Tree, programs: Mapping[str, str]) -> list[str]:
    return [
        f"the path of {relative} is longer than {MAX_BOOT_FILE_BYTES} bytes, so a reply cannot"
        " carry it: give the folder a shorter name"
        for relative in sorted(set(programs.values()))
        if len(f"{tree.path.name}/{relative}".encode()) > MAX_BOOT_FILE_BYTES
    ]
