from __future__ import annotations

import errno
import os
import re
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from images import beneath
from images.beneath import open_beneath

from .folder import write

Open = Callable[[Path, str], int]

WAYS = [
    pytest.param(beneath._open_by_descriptor, id="by descriptor"),
    pytest.param(beneath._open_and_prove, id="open and prove"),
]


def content(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("opened", WAYS)
def test_opens_regular_files(tmp_path: Path, opened: Open) -> None:
    """A file at any depth is opened for reading, and closed on exec."""
    write(tmp_path / "a", b"top")
    write(tmp_path / "b/c/d", b"deep")

    descriptor = opened(tmp_path, "a")
    assert not os.get_inheritable(descriptor)
    assert content(descriptor) == b"top"
    assert content(opened(tmp_path, "b/c/d")) == b"deep"


@pytest.mark.parametrize("opened", WAYS)
@pytest.mark.parametrize(
    ("relative", "errors"),
    [
        ("missing", {errno.ENOENT}),
        ("missing/file", {errno.ENOENT}),
        ("file/below", {errno.ENOTDIR}),
        ("folder", {errno.EINVAL}),
        ("pipe", {errno.EINVAL}),
        ("device", {errno.EINVAL}),
        ("link", {errno.ELOOP}),
        ("inner", {errno.ELOOP}),
        ("away/secret", {errno.ELOOP, errno.ENOTDIR}),
        ("within/file", {errno.ELOOP, errno.ENOTDIR}),
    ],
)
def test_opens_nothing_else(tmp_path: Path, opened: Open, relative: str, errors: set[int]) -> None:
    """Links of any kind, folders, pipes and devices are refused, and no descriptor is left over."""
    folder = tmp_path / "x.nbi"
    write(tmp_path / "outside/secret", b"secret")
    write(folder / "file", b"")
    write(folder / "folder/file", b"")
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to("../outside/secret")
    (folder / "inner").symlink_to("file")
    (folder / "away").symlink_to("../outside")
    (folder / "within").symlink_to("folder")
    if relative == "device":
        try:
            os.mknod(folder / "device", 0o644 | stat.S_IFCHR, os.makedev(1, 5))
        except PermissionError:
            pytest.skip("only root may make a device")
    before = open_descriptors()

    with pytest.raises(OSError, match=re.escape(relative.split("/")[0])) as caught:
        opened(folder, relative)

    assert caught.value.errno in errors
    assert open_descriptors() == before


def test_folder_itself_may_not_be_a_link(tmp_path: Path) -> None:
    """The folder was resolved when the catalog was read; a link in its place came later."""
    write(tmp_path / "real/file", b"")
    (tmp_path / "link").symlink_to("real")

    with pytest.raises(OSError, match=r"Not a directory|symbolic links"):
        beneath._open_by_descriptor(tmp_path / "link", "file")


@contextmanager
def swapping(folder: Path) -> Iterator[None]:
    """Let a thread exchange what is called `real` and what is called `link`, again and again."""
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            os.rename(folder / "real", folder / "aside")
            os.rename(folder / "link", folder / "real")
            os.rename(folder / "real", folder / "link")
            os.rename(folder / "aside", folder / "real")

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def harvest(opened: Open, folder: Path, relative: str, rounds: int = 3000) -> set[bytes]:
    """What can be read under that name, opened again and again."""
    seen = set()
    for _ in range(rounds):
        try:
            seen.add(content(opened(folder, relative)))
        except OSError as error:
            seen.add(errno.errorcode[error.errno].encode())
    return seen


@pytest.mark.parametrize("opened", WAYS)
def test_file_swapped_for_a_link_while_it_is_opened(tmp_path: Path, opened: Open) -> None:
    """Between a real file and a link out of the folder, only the real file is ever read."""
    folder = tmp_path / "x.nbi"
    write(tmp_path / "secret", b"secret")
    write(folder / "real", b"public")
    (folder / "link").symlink_to("../secret")

    with swapping(folder):
        seen = harvest(opened, folder, "real")

    assert seen <= {b"public", b"ELOOP", b"ENOENT"}
    assert b"public" in seen


@pytest.mark.parametrize("opened", WAYS)
def test_folder_swapped_for_a_link_while_it_is_walked(tmp_path: Path, opened: Open) -> None:
    """A link in the place of an inner folder leads nowhere either."""
    folder = tmp_path / "x.nbi"
    write(tmp_path / "outside/file", b"secret")
    write(folder / "real/file", b"public")
    (folder / "link").symlink_to("../outside")

    with swapping(folder):
        seen = harvest(opened, folder, "real/file")

    assert seen <= {b"public", b"ELOOP", b"ENOTDIR", b"ENOENT"}
    assert b"public" in seen


@pytest.mark.parametrize("opened", WAYS)
def test_file_exchanged_after_it_was_looked_at(
    tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is no regular file once it is open is closed again and refused."""
    write(tmp_path / "file", b"")
    before = open_descriptors()
    real_open = os.open

    def exchanged(path: str | Path, flags: int, **kwargs: int) -> int:
        if str(path).endswith("file"):
            (tmp_path / "file").unlink()
            os.mkfifo(tmp_path / "file")
            flags |= os.O_NONBLOCK
        return real_open(path, flags, **kwargs)

    monkeypatch.setattr(os, "open", exchanged)
    with pytest.raises(OSError, match="not a regular file"):
        opened(tmp_path, "file")

    assert open_descriptors() == before


def test_proof_asks_the_open_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link that is there only while the file is opened is found out, and nothing stays open."""
    write(tmp_path / "secret", b"secret")
    write(tmp_path / "x.nbi/file", b"public")
    before = open_descriptors()
    real_open = os.open

    def through_a_link(path: Path, flags: int) -> int:
        path.rename(path.with_name("aside"))
        path.symlink_to("../secret")
        descriptor = real_open(path, flags)
        path.with_name("aside").replace(path)
        return descriptor

    monkeypatch.setattr(os, "open", through_a_link)
    with pytest.raises(OSError, match="symbolic link"):
        beneath._open_and_prove(tmp_path / "x.nbi", "file")

    assert open_descriptors() == before


@pytest.mark.parametrize("supported", [True, False])
def test_platform_decides_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, supported: bool
) -> None:
    """Where os.open knows no dir_fd, the file is proved after it was opened."""
    write(tmp_path / "file", b"x")
    (tmp_path / "link").symlink_to(tmp_path)
    if not supported:
        monkeypatch.setattr(os, "supports_dir_fd", set())

    assert content(open_beneath(tmp_path, "file")) == b"x"
    if supported:
        with pytest.raises(OSError, match=r"Not a directory|symbolic links"):
            open_beneath(tmp_path / "link", "file")
