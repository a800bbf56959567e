"""No two images have one ID."""

from __future__ import annotations

from pathlib import Path

import pytest

from images import index as module
from images.bundle import read_bundle_thd
from images.catalog import Root, Snapshot, scan_thd
from images.errors import BundleError
from images.index import bundles_of, free_index, holder_of, require_free

from .entries import DEBIAN, make_entry
from .folder import make_folder


def snapshot(root: Path) -> Snapshot:
    make_folder(root, "A.nbi", Index=1)
    make_folder(root, "B.nbi", Index=2, IsEnabled=False)
    make_folder(root, "C.nbi", Index=4)
    make_entry(root, "off", DEBIAN + "enabled = false\n")
    return scan_thd([Root(root)])


def test_disabled_images_count(tmp_path: Path) -> None:
    """They keep their Index, for they come back."""
    images = snapshot(tmp_path)

    assert [each.name for each in bundles_of(images)] == ["A.nbi", "C.nbi", "B.nbi"]
    assert holder_of(images, 0x81000002) is not None
    assert holder_of(images, 0x01000002) is None


def test_free_index(tmp_path: Path) -> None:
    """The next one, and after the last one the first one."""
    images = snapshot(tmp_path)

    assert [free_index(images, like) for like in (0, 1, 2, 4, 9)] == [3, 3, 3, 5, 9]


def test_free_index_beyond_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It begins again at one, and says when there is none."""
    images = snapshot(tmp_path)
    monkeypatch.setattr(module, "MAX_INDEX", 4)

    assert free_index(images, 4) == 3
    make_folder(tmp_path, "D.nbi", Index=3)
    with pytest.raises(ValueError, match="all 4 indexes are taken"):
        free_index(scan_thd([Root(tmp_path)]), 2)


def test_an_index_that_is_taken(tmp_path: Path) -> None:
    """Who has it, and which would do."""
    images = snapshot(tmp_path / "images")
    other = read_bundle_thd(make_folder(tmp_path, "A.nbi", Index=4))

    with pytest.raises(BundleError) as caught:
        require_free(images, other.path, other)

    assert caught.value.why == f"has the same Index, 4, as {tmp_path / 'images/C.nbi'}"
    assert caught.value.remedy == "give it another one: --index 5"
    require_free(images, other.path, read_bundle_thd(make_folder(tmp_path, "B.nbi", Index=5)))
