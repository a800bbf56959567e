from __future__ import annotations

import os
from pathlib import Path

import pytest

from images import entry
from images.beneath import open_beneath
from images.bundle import BundleError
from images.entry import MAX_FOLDER_BYTES, read_entry_thd
from images.program import PLATFORMS

from .conftest import as_nobody
from .entries import ARM64, DEBIAN, X86, efi_program, linux, make_entry

EFI = 'title = "Grub"\nefi = "grubx64.efi"\n'


def refused(path: Path) -> BundleError:
    with pytest.raises(BundleError) as caught:
        read_entry_thd(path)
    return caught.value


def test_complete_entry(tmp_path: Path) -> None:
    """The files are published as they are called, all but boot.toml; the kernel tells for whom."""
    path = make_entry(tmp_path, files={"firmware/a.cpio": b"xyz"})

    entry = read_entry_thd(path, "SP1")

    assert (entry.title, entry.name, entry.share) == ("Debian 12 installer", "debian", "SP1")
    assert entry.directory == Path(os.path.realpath(path))
    assert entry.platforms == {"bios", "uefi-x86-64"}
    assert entry.programs == {}
    assert entry.efi_files == {"linux"}
    assert entry.sizes == {
        "firmware/a.cpio": 3,
        "initrd.gz": 10,
        "linux": 1024,
        "preseed.cfg": 11,
    }
    assert entry.files == {name: name for name in entry.sizes}
    assert entry.boot_files == ("linux", "initrd.gz")
    assert entry.needs_http
    assert entry.warnings == ()


def test_architectures_that_are_written_count(tmp_path: Path) -> None:
    """The operator knows better, for instance that a kernel is packed."""
    text = DEBIAN + 'architectures = ["uefi-arm64"]\n'
    path = make_entry(tmp_path, boot_toml=text, files={"linux": b"\x1f\x8b packed"})

    assert read_entry_thd(path).platforms == {"uefi-arm64"}


def test_kernel_that_does_not_tell(tmp_path: Path) -> None:
    """Nobody guesses for which machines a kernel is."""
    path = make_entry(tmp_path, files={"linux": b"\x1f\x8b packed"})

    error = refused(path)

    assert (error.path, error.why) == (path / "linux", "does not say what machines it is for")
    assert "architectures = [" in error.remedy


@pytest.mark.parametrize(
    ("page", "what"), [(b"<!DOCTYPE html>\n<html>404</html>\n", "HTML"), (b"Not found\n", "text")]
)
def test_kernel_that_is_a_page(tmp_path: Path, page: bytes, what: str) -> None:
    """What a web server says instead of a kernel is told as what it is."""
    path = make_entry(tmp_path, files={"linux": page})

    error = refused(path)

    assert (error.path, error.why) == (path / "linux", f"is no Linux kernel: it is {what}")


def test_one_efi_program(tmp_path: Path) -> None:
    """Firmware of its kind starts it by itself."""
    path = make_entry(tmp_path, boot_toml=EFI, files={"grubx64.efi": efi_program()})

    entry = read_entry_thd(path)

    assert entry.programs == {"uefi-x86-64": "grubx64.efi"}
    assert entry.platforms == {"uefi-x86-64"}
    assert not entry.needs_http


def test_efi_program_for_each_platform(tmp_path: Path) -> None:
    """Each machine gets its own."""
    text = 'title = "G"\n[efi]\nuefi-x86-64 = "x64"\nuefi-arm64 = "aa64"\n'
    files = {"x64": efi_program(), "aa64": efi_program(ARM64)}
    path = make_entry(tmp_path, boot_toml=text, files=files)

    entry = read_entry_thd(path)

    assert entry.programs == {"uefi-x86-64": "x64", "uefi-arm64": "aa64"}
    assert entry.platforms == {"uefi-x86-64", "uefi-arm64"}
    assert {"x64", "aa64"} <= entry.efi_files


@pytest.mark.parametrize(
    "text",
    [
        'title = "G"\n[efi]\nuefi-x86-64 = "program"\n',
        'title = "G"\nefi = "program"\narchitectures = ["uefi-x86-64"]\n',
    ],
)
def test_efi_program_for_another_platform(tmp_path: Path, text: str) -> None:
    """A program in the wrong place would leave the machine at a black screen."""
    path = make_entry(tmp_path, boot_toml=text, files={"program": efi_program(X86)})

    error = refused(path)

    assert error.path == path / "program"
    assert "for uefi-x86, and boot.toml has it for uefi-x86-64" in error.why


def test_efi_that_is_none(tmp_path: Path) -> None:
    """What is no EFI program cannot be started as one."""
    path = make_entry(tmp_path, boot_toml=EFI, files={"grubx64.efi": b"<html>404"})

    error = refused(path)

    assert (error.path, error.why) == (path / "grubx64.efi", "is no EFI program")


def test_script(tmp_path: Path) -> None:
    """iPXE runs on everything."""
    text = 'title = "S"\nscript = "x.ipxe"\n'
    path = make_entry(tmp_path, boot_toml=text, files={"x.ipxe": b"#!ipxe\nshell\n"})

    entry = read_entry_thd(path)

    assert entry.platforms == set(PLATFORMS)
    assert entry.boot_files == ("x.ipxe",)


@pytest.mark.parametrize("name", ["linux", "initrd.gz"])
def test_missing_file(tmp_path: Path, name: str) -> None:
    """Each file that boot.toml names must be there."""
    path = make_entry(tmp_path, without=(name,))

    error = refused(path)

    assert error.path == path / name
    assert error.why == "is missing, and boot.toml names it"
    assert error.remedy == "put it there, or correct boot.toml"


def test_missing_file_of_another_case(tmp_path: Path) -> None:
    """Upper and lower case differ; that is said, since it is hard to see."""
    path = make_entry(tmp_path, files={"Linux": linux()}, without=("linux",))

    assert refused(path).remedy == "did you mean Linux?"


def test_empty_file(tmp_path: Path) -> None:
    """A file of no bytes is one that is still to be copied."""
    path = make_entry(tmp_path, files={"initrd.gz": b""})

    error = refused(path)

    assert (error.path, error.why) == (path / "initrd.gz", "is empty")


def test_links_within_the_folder(tmp_path: Path) -> None:
    """A symbolic link to a file beside it stands for that file."""
    path = make_entry(tmp_path, without=("linux",), files={"vmlinuz-6.1": linux()})
    (path / "linux").symlink_to("vmlinuz-6.1")

    entry = read_entry_thd(path)

    assert entry.files["linux"] == "vmlinuz-6.1"
    assert entry.sizes["linux"] == 1024


def test_links_that_leave_the_folder(tmp_path: Path) -> None:
    """What lies elsewhere is not published by a link."""
    path = make_entry(tmp_path)
    (path / "out").symlink_to("/etc/passwd")

    assert "leaves the folder" in refused(path).why


@pytest.mark.parametrize("target", ["../elsewhere.toml", "linux"])
def test_boot_toml_that_is_a_link(tmp_path: Path, target: str) -> None:
    """boot.toml may be a link to a file beside it, which must be TOML as well."""
    (tmp_path / "elsewhere.toml").write_text(DEBIAN)
    path = make_entry(tmp_path, without=("boot.toml",))
    (path / "boot.toml").symlink_to(target)

    assert refused(path).path.name == "boot.toml"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("boot", "its name is what iPXE calls its menu"),
        ("a:b", "its name holds a slash, a backslash or a colon"),
        ("é" * 76, f"its name is longer than {MAX_FOLDER_BYTES} bytes"),
    ],
)
def test_folder_names(tmp_path: Path, name: str, why: str) -> None:
    """The name of the folder stands in URLs and in the database."""
    error = refused(make_entry(tmp_path, name))

    assert (error.why, error.remedy) == (why, "rename the folder")


def test_unreadable_file(open_folder: Path) -> None:
    """What we may not read is told, not served half."""
    path = make_entry(open_folder)
    (path / "initrd.gz").chmod(0)

    with as_nobody():
        error = refused(path)

    assert error.path == path / "initrd.gz"
    assert "permission" in error.remedy


def test_long_path_of_a_program(tmp_path: Path) -> None:
    """A reply carries 127 bytes of path; an entry that needs more is told of, since HTTP boot and
    iPXE can have it."""
    path = make_entry(
        tmp_path, "x" * 120, EFI.replace("grubx64.efi", "g" * 10), files={"g" * 10: efi_program()}
    )

    (warning,) = read_entry_thd(path).warnings

    assert "longer than 127 bytes" in warning


def test_a_folder_in_the_place_of_boot_toml(tmp_path: Path) -> None:
    """It is no description."""
    (tmp_path / "debian/boot.toml").mkdir(parents=True)

    assert refused(tmp_path / "debian").why == "is no regular file"


def test_boot_toml_that_we_may_not_read(open_folder: Path) -> None:
    """The system's words, and who has to be let in."""
    path = make_entry(open_folder)
    (path / "boot.toml").chmod(0o600)

    with as_nobody():
        error = refused(path)

    assert error.path == path / "boot.toml"
    assert error.why == "cannot be read: Permission denied"


def test_a_kernel_that_goes_while_it_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What went is told like what was never there."""
    path = make_entry(tmp_path, files={"linux": b"?" * 100})
    opened: list[str] = []

    def once(directory: Path, relative: str) -> int:
        opened.append(relative)
        if opened.count("linux") > 1:
            raise FileNotFoundError(2, "No such file or directory")
        return open_beneath(directory, relative)

    monkeypatch.setattr(entry, "open_beneath", once)

    error = refused(path)

    assert (error.path, error.why) == (path / "linux", "cannot be read: No such file or directory")


def test_how_an_entry_is_shown(tmp_path: Path) -> None:
    """By its folder."""
    path = make_entry(tmp_path)

    assert repr(read_entry_thd(path)) == f"<BootEntry {path}>"
