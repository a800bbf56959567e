from __future__ import annotations

import os
from pathlib import Path

import pytest

from images.errors import BundleError
from images.loaders import loaders_from_thd
from images.tree import survey_thd

from .conftest import as_nobody
from .entries import efi_program
from .folder import write


def test_folder_of_loaders(tmp_path: Path) -> None:
    """Everything in it is published by its path, programs are known by their heads."""
    write(tmp_path / "shimx64.efi.signed", efi_program())
    write(tmp_path / "undionly.kpxe", b"ipxe")
    write(tmp_path / "grub/x86_64-efi/http.mod", b"\x7fELF")

    loaders = loaders_from_thd(survey_thd(tmp_path))

    assert loaders.sizes == {
        "grub/x86_64-efi/http.mod": 4,
        "shimx64.efi.signed": 512,
        "undionly.kpxe": 4,
    }
    assert loaders.efi_files == {"shimx64.efi.signed"}
    assert loaders.warnings == ()


def test_links_to_elsewhere_are_left_out(tmp_path: Path) -> None:
    """Debian's folder of iPXE has such links: they are not followed, and all else is served."""
    write(tmp_path / "snponly.efi", efi_program())
    (tmp_path / "bootx64.efi").symlink_to("snponly.efi")
    (tmp_path / "ipxe.efi").symlink_to("/boot/ipxe.efi")
    (tmp_path / "dangling").symlink_to("nothing")

    loaders = loaders_from_thd(survey_thd(tmp_path))

    assert loaders.files == {"snponly.efi": "snponly.efi", "bootx64.efi": "snponly.efi"}
    assert loaders.efi_files == {"snponly.efi", "bootx64.efi"}
    assert [warning.split(": ")[0] for warning in loaders.warnings] == [
        f"{tmp_path}/dangling",
        f"{tmp_path}/ipxe.efi",
    ]


def test_folder_that_is_not_there(tmp_path: Path) -> None:
    """A folder that does not exist is an error, with the setting that names it."""
    with pytest.raises(BundleError) as caught:
        loaders_from_thd(survey_thd(tmp_path / "gone"))

    assert caught.value.path == tmp_path / "gone"
    assert "pxe.loaders" in caught.value.remedy


def test_file_that_cannot_be_read(open_folder: Path) -> None:
    """A loader that we may not read is an error as well."""
    write(open_folder / "snponly.efi", efi_program())
    (open_folder / "snponly.efi").chmod(0)

    with as_nobody(), pytest.raises(BundleError) as caught:
        loaders_from_thd(survey_thd(open_folder))

    assert caught.value.path == open_folder / "snponly.efi"


def test_a_name_that_nobody_can_ask_for(tmp_path: Path) -> None:
    """It is an error of the folder, since a part of a loader may be hidden behind it."""
    (tmp_path / os.fsdecode(b"caf\xe9.mod")).touch()

    with pytest.raises(BundleError, match="is not UTF-8"):
        loaders_from_thd(survey_thd(tmp_path))


def test_how_loaders_are_shown(tmp_path: Path) -> None:
    """By their folder."""
    assert repr(loaders_from_thd(survey_thd(tmp_path))) == f"<Loaders {tmp_path}>"
