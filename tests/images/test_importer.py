"""A copy of a bundle is whole or not there, and goes on where it was cut off."""

from __future__ import annotations

import errno
import io
import os
import plistlib
from collections import namedtuple
from pathlib import Path

import pytest

from images import importer
from images.catalog import Catalog, Root, Snapshot, scan_thd
from images.errors import BundleError
from images.importer import (
    Import,
    discard_thd,
    find_source_thd,
    import_thd,
    plan_import_thd,
    publish_thd,
    unfinished_thd,
)

from .conftest import as_nobody
from .folder import FILES, info_bytes, make_folder, write

BIG = bytes(range(256)) * 4096 * 5  # five pieces
Usage = namedtuple("Usage", "total used free")


class Cut(Exception):
    """The copy is ended from outside."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    return tmp_path / "images"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "usb", files={"NetInstall.dmg": BIG, "Icon\r": b"unpublished"})


def plan(source: Path, root: Path, **keys: object) -> Import:
    return plan_import_thd(source, root, scan_thd([Root(root)]), keys=keys)


def quiet(done: int, total: int) -> None:
    """Nobody looks."""


def cut_at(limit: int) -> importer.Progress:
    def progress(done: int, total: int) -> None:
        if done >= limit:
            raise Cut

    return progress


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_copy_is_complete(source: Path, root: Path) -> None:
    """Links within the bundle have become files, what is not published is left out, and everybody
    may read it."""
    (source / "i386/kernelcache").symlink_to("x86_64/kernelcache")
    wanted = plan(source, root)
    told: list[tuple[int, int]] = []

    copy = import_thd(wanted, lambda *step: told.append(step))
    assert scan_thd([Root(root)]).bundles == ()
    bundle = publish_thd(wanted)

    assert (copy.title, bundle.path) == ("Alpha", root / "A.nbi")
    copied = contents(bundle.path)
    assert copied.pop("NBImageInfo.plist") == (source / "NBImageInfo.plist").read_bytes()
    assert copied == {**FILES, "NetInstall.dmg": BIG, "i386/kernelcache": b"the kernel"}
    assert not (bundle.path / "i386/kernelcache").is_symlink()
    assert told[-1][0] == told[-1][1] == wanted.size
    assert [path.name for path in root.iterdir()] == ["A.nbi"]
    for path in [bundle.path, *bundle.path.rglob("*")]:
        assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o644)


def test_keys_may_be_others(source: Path, root: Path) -> None:
    """Only in the copy."""
    wanted = plan(source, root, Index=99, Name="A longer name than it had")

    import_thd(wanted, quiet)
    bundle = publish_thd(wanted)

    assert (bundle.index, bundle.title) == (99, "A longer name than it had")
    assert (source / "NBImageInfo.plist").read_bytes() == info_bytes()


@pytest.mark.parametrize("limit", [1, 2_000_000, len(BIG), len(BIG) + 30])
def test_a_copy_that_was_cut_off_goes_on(source: Path, root: Path, limit: int) -> None:
    """What is there is compared and kept: files that are right are not written again."""
    catalog = Catalog([Root(root)])
    with pytest.raises(Cut):
        import_thd(plan(source, root), cut_at(limit))
    assert catalog.scan_thd().errors == catalog.scan_thd().bundles == ()
    assert unfinished_thd(root) == [root / ".importing-A"]

    again = plan(source, root)
    staged = again.staged_thd()
    import_thd(again, quiet)
    bundle = publish_thd(again)

    assert 0 < staged <= again.size
    assert contents(bundle.path)["NetInstall.dmg"] == BIG


def test_what_is_there_is_not_trusted(source: Path, root: Path) -> None:
    """Wrong bytes, too many, other files and links of an earlier copy are put right."""
    first = plan(source, root)
    with pytest.raises(Cut):
        import_thd(first, cut_at(len(BIG)))
    copy = first.copy
    (copy / "NetInstall.dmg").write_bytes(BIG[:3_000_000] + b"wrong" + BIG[3_000_005:])
    write(copy / "NBImageInfo.plist", info_bytes() + b" " * 100)
    write(copy / "old/file", b"from another version")
    write(copy / "i386/x86_64/x", b"")
    (copy / "empty/folder").mkdir(parents=True)
    (copy / "link").symlink_to("/etc")
    (copy / "i386/booter").unlink(missing_ok=True)
    (copy / "i386/booter").symlink_to("/etc/passwd")
    inode = (copy / "NetInstall.dmg").stat().st_ino

    import_thd(first, quiet)

    copied = contents(copy)
    assert copied.pop("NBImageInfo.plist") == info_bytes()
    assert copied == {**FILES, "NetInstall.dmg": BIG}
    assert not (copy / "i386/booter").is_symlink()
    assert {path.name for path in copy.iterdir()} == {"NBImageInfo.plist", "NetInstall.dmg", "i386"}
    assert (copy / "NetInstall.dmg").stat().st_ino == inode


@pytest.mark.parametrize("name", [".importing-A", ".importing-A/A.nbi"])
def test_a_link_in_the_place_of_the_copy(source: Path, root: Path, name: str) -> None:
    """Nothing is written where somebody else's link leads."""
    (root / name).parent.mkdir(exist_ok=True)
    (root.parent / "elsewhere").mkdir()
    (root / name).symlink_to(root.parent / "elsewhere")

    with pytest.raises(BundleError, match="is a symbolic link, and none of ours; remove it"):
        import_thd(plan(source, root), quiet)

    assert list((root.parent / "elsewhere").iterdir()) == []


def test_right_bytes_are_not_written_again(
    source: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what comes after the first difference is."""
    first = plan(source, root)
    import_thd(first, quiet)
    os.truncate(first.copy / "NetInstall.dmg", len(BIG) - 1)
    written: list[int] = []
    real = importer._write
    monkeypatch.setattr(
        importer, "_write", lambda file, piece: (written.append(len(piece)), real(file, piece))
    )

    import_thd(first, quiet)

    assert written == [1 << 20]
    assert contents(first.copy)["NetInstall.dmg"] == BIG


def test_a_source_that_changed_meanwhile(source: Path, root: Path) -> None:
    """A file that goes is an error of the source, and what is copied stays for the next time."""
    wanted = plan(source, root)
    (source / "i386/x86_64/kernelcache").unlink()

    with pytest.raises(BundleError, match="cannot be read: No such file") as caught:
        import_thd(wanted, quiet)

    assert caught.value.path == source / "i386/x86_64/kernelcache"
    assert wanted.staged_thd() > 0


def test_a_source_that_breaks() -> None:
    """A disk that cannot be read any more is told by the name of the file on it."""

    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(BundleError, match="cannot be read: Input/output error") as caught:
        importer._Source(Broken(), Path("A.nbi/booter")).read(1)

    assert caught.value.path == Path("A.nbi/booter")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_is_full_gets_its_room_back(
    source: Path, root: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Others need it, a database perhaps."""

    def full(file: object, piece: bytes) -> None:
        raise OSError(number, os.strerror(number))

    wanted = plan(source, root)
    monkeypatch.setattr(importer, "_write", full)

    with pytest.raises(BundleError, match=r"cannot be written: .*; check that its disk") as caught:
        import_thd(wanted, quiet)

    assert caught.value.path == root / "A.nbi"
    assert list(root.iterdir()) == []


def test_any_other_failure_keeps_what_is_there(
    source: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next time it goes on."""
    wanted = plan(source, root)

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(importer.os, "fsync", fail)
    with pytest.raises(BundleError, match="cannot be written"):
        import_thd(wanted, quiet)

    assert wanted.staged_thd() > 0


def test_room_is_looked_for_before(
    source: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is there already does not count, and the share need not be made yet."""
    size = plan(source, root).size
    asked: list[Path] = []

    def usage(path: Path) -> Usage:
        asked.append(path)
        return Usage(0, 0, size - 1)

    monkeypatch.setattr(importer.shutil, "disk_usage", usage)
    with pytest.raises(BundleError, match=f"needs {size:,} bytes, and the disk has {size - 1:,}"):
        plan_import_thd(source, root / "new/share", Snapshot())

    assert asked == [root]
    write(root / ".importing-A/A.nbi/i386/booter", b"x")
    assert plan(source, root).staged_thd() == 1


def test_nothing_is_replaced(source: Path, root: Path) -> None:
    """Not before the copy, and not when somebody was quicker."""
    wanted = plan(source, root)
    import_thd(wanted, quiet)
    make_folder(root, "A.nbi", Index=50)

    with pytest.raises(BundleError, match="cannot be written: exists already"):
        publish_thd(wanted)
    with pytest.raises(BundleError, match="exists already; remove it"):
        plan(source, root)

    discard_thd(wanted)
    assert [path.name for path in root.iterdir()] == ["A.nbi"]


def test_nothing_is_unfinished(tmp_path: Path) -> None:
    """Nor has a folder that a copy left behind."""
    (tmp_path / ".importing-A").mkdir()

    assert unfinished_thd(tmp_path) == []
    assert unfinished_thd(tmp_path / "nowhere") == []


def test_an_index_that_is_taken(source: Path, root: Path) -> None:
    """It says who has it and which is free; then that one is taken."""
    make_folder(root, "B.nbi")

    with pytest.raises(BundleError, match=r"same Index, 7, as .*B.nbi; .*--index 8"):
        plan(source, root)

    assert plistlib.loads(plan(source, root, Index=8).info)["Index"] == 8


def test_a_broken_source(tmp_path: Path, root: Path) -> None:
    """What is wrong is said of the source, before anything is copied."""
    source = make_folder(tmp_path / "usb", without=("i386/booter",))

    with pytest.raises(BundleError) as caught:
        plan(source, root)

    assert caught.value.path == source / "i386/booter"
    assert list(root.iterdir()) == []


def test_a_share_that_is_not_ours(source: Path, open_folder: Path) -> None:
    """It says who may."""
    wanted = plan(source, open_folder)
    source.parent.parent.chmod(0o755)

    with as_nobody(), pytest.raises(BundleError, match="cannot be written: Permission denied; be"):
        import_thd(wanted, quiet)


def test_a_volume_with_an_image(tmp_path: Path, source: Path) -> None:
    """The only bundle on a volume need not be named; of several one has to be."""
    assert find_source_thd(source) == source
    assert find_source_thd(source.parent) == source

    make_folder(source.parent, "B.nbi")
    with pytest.raises(BundleError, match=r"several images in it; name one of them: A.nbi, B.nbi"):
        find_source_thd(source.parent)
    with pytest.raises(BundleError, match=r"is no .nbi folder and has none in it"):
        find_source_thd(source / "i386")
    with pytest.raises(BundleError, match="cannot be read: No such file"):
        find_source_thd(tmp_path / "nowhere")
