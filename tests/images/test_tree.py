from __future__ import annotations

import os
from pathlib import Path

import pytest

from images.errors import BundleError, shown
from images.tree import MAX_DEPTH, MAX_ENTRIES, MAX_LINKS, survey_thd, unreadable

from .conftest import as_nobody
from .folder import write


def problem(path: Path) -> BundleError:
    found = survey_thd(path).problem
    assert found is not None
    assert found.remedy
    return found


def test_files_are_found_at_every_depth(tmp_path: Path) -> None:
    """Every regular file is listed by its path with slashes."""
    for relative in ("a", "b/c", "b/d/e"):
        write(tmp_path / relative, b"xyz")

    tree = survey_thd(tmp_path)

    assert tree.problem is None
    assert dict(tree.files) == {"a": "a", "b/c": "b/c", "b/d/e": "b/d/e"}
    assert tree.regular["b/d/e"].size == 3


def test_names_that_may_not_be_published_are_left_out(tmp_path: Path) -> None:
    """A custom folder icon (`Icon` and a carriage return) hurts nobody, and is not served."""
    write(tmp_path / "Icon\r", b"")
    write(tmp_path / "a:b" / "c", b"")
    (tmp_path / "nul").symlink_to("a:b/c")
    write(tmp_path / "ok", b"")

    tree = survey_thd(tmp_path)

    assert tree.problem is None
    assert list(tree.files) == ["ok"]


def test_what_is_no_regular_file_is_not_listed(tmp_path: Path) -> None:
    """A named pipe is no file to serve."""
    os.mkfifo(tmp_path / "pipe")

    assert not survey_thd(tmp_path).files


def test_links_within_the_folder_stand_for_their_file(tmp_path: Path) -> None:
    """A relative link, to a link even, is another name of the real file."""
    write(tmp_path / "i386/x86_64/kernelcache", b"kernel")
    (tmp_path / "i386/kernelcache").symlink_to("x86_64/kernelcache")
    (tmp_path / "kernelcache").symlink_to("i386/../i386/./kernelcache")

    tree = survey_thd(tmp_path)

    assert tree.problem is None
    assert tree.files["i386/kernelcache"] == "i386/x86_64/kernelcache"
    assert tree.files["kernelcache"] == "i386/x86_64/kernelcache"
    assert tree.entry("kernelcache") == tree.regular["i386/x86_64/kernelcache"]
    assert tree.entry("nothing") is None


@pytest.mark.parametrize("target", ["../outside", "../../etc/passwd", "/etc/passwd", "b/../../x"])
def test_links_that_leave_the_folder_are_an_error(tmp_path: Path, target: str) -> None:
    """A link upwards or an absolute one, even to an existing file, is named with its target."""
    folder = tmp_path / "a"
    write(tmp_path / "outside", b"secret")
    folder.mkdir()
    (folder / "booter").symlink_to(target)

    error = problem(folder)

    assert error.path == folder / "booter"
    assert f"leaves the folder, to {target}" in error.why


def test_absolute_link_into_the_folder_is_an_error(tmp_path: Path) -> None:
    """An absolute link would break as soon as the folder is moved."""
    write(tmp_path / "file", b"")
    (tmp_path / "link").symlink_to(tmp_path / "file")

    assert "leaves the folder" in problem(tmp_path).why


@pytest.mark.parametrize("target", ["missing", "link", "folder", "pipe"])
def test_links_to_no_file_are_an_error(tmp_path: Path, target: str) -> None:
    """A link to nothing, to itself, to a folder or to a pipe leads to no regular file."""
    write(tmp_path / "folder" / "file", b"")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(target)

    assert "no regular file of the folder" in problem(tmp_path).why


def test_chains_of_links_are_bounded(tmp_path: Path) -> None:
    """A chain longer than the bound is refused."""
    write(tmp_path / "0", b"")
    for number in range(1, MAX_LINKS + 1):
        (tmp_path / str(number)).symlink_to(str(number - 1))

    assert problem(tmp_path).path == tmp_path / str(MAX_LINKS)


def test_name_outside_utf8_is_an_error(tmp_path: Path) -> None:
    """A name that is not UTF-8 is shown by its bytes, and the message itself is plain text."""
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")).write_bytes(b"")

    error = problem(tmp_path)

    assert "not UTF-8" in error.why
    assert "caf\\xe9" in str(error)
    str(error).encode()


def test_depth_and_number_of_files_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder without end cannot hold the daemon up."""
    deep = tmp_path / "deep"
    write(deep.joinpath(*["d"] * (MAX_DEPTH + 1), "f"), b"")
    assert f"more than {MAX_DEPTH} folders deep" in problem(deep).why

    assert MAX_ENTRIES == 10_000
    monkeypatch.setattr("images.tree.MAX_ENTRIES", 3)
    for number in range(4):
        write(tmp_path / "many" / str(number), b"")
    assert "more than 3 files" in problem(tmp_path / "many").why


def test_stamp_tells_every_change(tmp_path: Path) -> None:
    """New, removed, grown, replaced and renamed files all give another stamp; reading does not."""
    write(tmp_path / "a", b"1")
    stamps = [survey_thd(tmp_path).stamp]

    def step() -> None:
        stamps.append(survey_thd(tmp_path).stamp)

    (tmp_path / "a").read_bytes()
    assert survey_thd(tmp_path).stamp == stamps[0]
    write(tmp_path / "b", b"1")
    step()
    write(tmp_path / "a", b"12")
    step()
    (tmp_path / "b").replace(tmp_path / "a")
    step()
    (tmp_path / "a").rename(tmp_path / "c")
    step()
    (tmp_path / "c").unlink()
    step()

    assert len(set(stamps)) == len(stamps)


def test_folder_that_cannot_be_listed_is_an_error(open_folder: Path) -> None:
    """A folder without permission asks for permission; one that is none, for something else."""
    locked = open_folder / "locked"
    locked.mkdir(mode=0o700)
    locked.chmod(0)
    with as_nobody():
        assert "permission to read it" in problem(locked).remedy
    write(open_folder / "file", b"")
    assert "cannot be read: Not a directory" in problem(open_folder / "file").why
    assert "permission" not in problem(open_folder / "missing").remedy


def test_nothing_happened_is_the_same_survey(tmp_path: Path) -> None:
    """An earlier survey that still holds is given back, and one of another state is not."""
    write(tmp_path / "a", b"1")
    first = survey_thd(tmp_path)

    assert survey_thd(tmp_path, first) is first
    write(tmp_path / "b", b"1")
    assert set(survey_thd(tmp_path, first).files) == {"a", "b"}


def test_folder_that_locks_itself_is_another_state(open_folder: Path) -> None:
    """An empty folder and one that may not be listed look alike, and are not."""
    folder = open_folder / "folder"
    folder.mkdir()
    empty = survey_thd(folder)
    folder.chmod(0)

    with as_nobody():
        assert survey_thd(folder, empty).problem is not None


def test_link_that_goes_during_the_survey(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link that was seen and cannot be read any more is an error until the next survey."""

    def gone(path: Path) -> str:
        path.unlink()
        return os.fspath(path.readlink())

    (tmp_path / "link").symlink_to("x")
    monkeypatch.setattr(os, "readlink", gone)

    assert "cannot be read: No such file" in problem(tmp_path).why


def test_error_without_text_of_the_system() -> None:
    """An OSError made in Python is shown as it is."""
    assert "cannot be read: odd" in str(unreadable(Path("/x"), OSError("odd")))


def test_errors_are_one_line_for_people() -> None:
    """Path, reason and remedy, in this order."""
    assert str(BundleError(Path("/a"), "is bad", "mend it")) == "/a: is bad; mend it"
    assert shown("caf\udce9") == "caf\\xe9"
