from __future__ import annotations

import io
import plistlib
from pathlib import Path
from typing import Any

import pytest

from images.author import sample_bundle_thd, write_bundle_thd
from images.bundle import Bundle, BundleError, ImageType
from images.catalog import Root, scan_thd
from images.dmg import Format, inspect_thd, verify_thd
from images.paths import open_file, resolve

from .disk import raw_disk
from .folder import write

SUPPORT = plistlib.dumps({"SupportedModelProperties": ["iMac14,2", "Macmini6,1", 5]})


def made(path: Path, **parts: Any) -> Bundle:
    usual: dict[str, Any] = {
        "name": "Lab",
        "index": 42,
        "booter": io.BytesIO(b"efi"),
        "kernelcache": io.BytesIO(b"kernel"),
        "platform_support": SUPPORT,
        "boot_plist": b"flags",
        "root_image": io.BytesIO(b"disk" * 1_000_000),
    }
    return write_bundle_thd(path, **{**usual, **parts})


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_bundle_from_its_parts(tmp_path: Path) -> None:
    """A folder as the image tools make it, for the models that the system supports."""
    bundle = made(tmp_path / "Lab.nbi")

    assert (bundle.path, bundle.title, bundle.image_id) == (tmp_path / "Lab.nbi", "Lab", 0x8100002A)
    assert bundle.type is ImageType.HTTP
    assert bundle.enabled_system_ids == {"iMac14,2", "Macmini6,1"}
    assert bundle.warnings == ()
    files = contents(tmp_path / "Lab.nbi")
    assert files.pop("NBImageInfo.plist")
    assert files == {
        "i386/booter": b"efi",
        "i386/x86_64/kernelcache": b"kernel",
        "i386/PlatformSupport.plist": SUPPORT,
        "i386/com.apple.Boot.plist": b"flags",
        "NetInstall.dmg": b"disk" * 1_000_000,
    }
    assert [path.name for path in tmp_path.iterdir()] == ["Lab.nbi"]


def test_boot_file_alone(tmp_path: Path) -> None:
    """Without a root image the bundle is a boot file and no more."""
    parts = ("kernelcache", "platform_support", "boot_plist", "root_image")
    bundle = made(tmp_path / "Lab.nbi", **dict.fromkeys(parts))

    assert bundle.type is ImageType.BOOT_FILE_ONLY
    assert bundle.enabled_system_ids == frozenset()
    assert set(bundle.files) == {"NBImageInfo.plist", "i386/booter"}


def test_keys_may_be_added_and_replaced(tmp_path: Path) -> None:
    """Whatever the caller says wins."""
    keys = {"Type": "NFS", "IsDefault": True, "EnabledSystemIdentifiers": []}

    bundle = made(tmp_path / "Lab.nbi", keys=keys)

    assert (bundle.type, bundle.is_default) == (ImageType.NFS, True)
    assert bundle.enabled_system_ids == frozenset()


def test_files_are_for_everybody_to_read(tmp_path: Path) -> None:
    """A daemon that runs as somebody else can serve what an administrator made."""
    made(tmp_path / "Lab.nbi")

    for path in [tmp_path / "Lab.nbi", *(tmp_path / "Lab.nbi").rglob("*")]:
        assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o644)


def test_support_list_without_models(tmp_path: Path) -> None:
    """A list without models restricts nothing."""
    bundle = made(tmp_path / "Lab.nbi", platform_support=plistlib.dumps({}))

    assert bundle.enabled_system_ids == frozenset()


@pytest.mark.parametrize(
    ("name", "parts", "place", "why"),
    [
        ("Lab", {}, "Lab", "does not end with .nbi"),
        ("Lab.nbi", {"index": 0}, "Lab.nbi/NBImageInfo.plist", "Index is"),
        ("Lab.nbi", {"root_image": io.BytesIO()}, "Lab.nbi/NetInstall.dmg", "is empty"),
        (
            "Lab.nbi",
            {"platform_support": b"<plist"},
            "Lab.nbi/i386/PlatformSupport.plist",
            "not a property list",
        ),
        ("Lab.nbi", {"keys": {"BootFile": "x"}}, "Lab.nbi/i386/x", "is missing"),
        ("Lab.nbi", {"name": "\x07"}, "Lab.nbi/NBImageInfo.plist", "cannot hold that"),
    ],
)
def test_bundle_that_cannot_be_read_back(
    tmp_path: Path, name: str, parts: dict[str, Any], place: str, why: str
) -> None:
    """What the catalog would refuse is refused here, by the name it would have, and not left."""
    with pytest.raises(BundleError) as caught:
        made(tmp_path / name, **parts)

    assert caught.value.path == tmp_path / place
    assert why in caught.value.why
    assert list(tmp_path.iterdir()) == []


def test_existing_folder_is_left_alone(tmp_path: Path) -> None:
    """Even a dangling link is somebody's."""
    (tmp_path / "Lab.nbi").symlink_to("nowhere")

    with pytest.raises(BundleError, match="exists already"):
        made(tmp_path / "Lab.nbi")


def test_full_disk_leaves_nothing(tmp_path: Path) -> None:
    """A failure of the system comes through, and the unfinished folder goes."""

    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space left"):
        made(tmp_path / "Lab.nbi", root_image=Failing())

    assert list(tmp_path.iterdir()) == []


def test_progress_and_the_name_of_the_root_image(tmp_path: Path) -> None:
    """Every byte is told, to the last; the root image is called as its maker wants."""
    told: list[tuple[int, int]] = []
    root_image = io.BytesIO(b"??" + b"disk" * 100)
    root_image.seek(2)

    bundle = made(
        tmp_path / "Lab.nbi",
        root_image=root_image,
        root_name="NetBoot.dmg",
        progress=lambda *step: told.append(step),
    )

    assert (bundle.root_image, bundle.sizes["NetBoot.dmg"]) == ("NetBoot.dmg", 400)
    assert told[-1][0] == told[-1][1] == sum(bundle.sizes.values())


def test_an_id_that_another_image_has(tmp_path: Path) -> None:
    """It is refused before anything is written."""
    made(tmp_path / "A.nbi")
    snapshot = scan_thd([Root(tmp_path)])

    with pytest.raises(BundleError, match="same Index, 42, as"):
        made(tmp_path / "B.nbi", beside=snapshot)
    made(tmp_path / "B.nbi", index=43, beside=snapshot)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["A.nbi", "B.nbi"]


def test_a_maker_that_is_stopped(tmp_path: Path) -> None:
    """Whoever watches the progress may end it, and nothing is left behind."""

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made(tmp_path / "Lab.nbi", progress=stop)

    assert list(tmp_path.iterdir()) == []


def test_sample_bundle(tmp_path: Path) -> None:
    """The sample is a bundle like any other, with a root image that is intact."""
    bundle = sample_bundle_thd(tmp_path / "S.nbi", root_image_size=1_000_000)

    assert bundle.warnings == ()
    assert bundle.kernels == {"i386": ("i386/x86_64/kernelcache",)}
    snapshot = scan_thd([Root(tmp_path)])
    with open_file(resolve(snapshot, b"S.nbi/NetInstall.dmg")) as opened:
        with open(opened.fd, "rb", closefd=False) as file:
            image = inspect_thd(file)
            assert image.format is Format.UDZO
            assert image.size == 1_000_448
            assert verify_thd(file, image).is_intact


def test_sample_is_the_same_every_time(tmp_path: Path) -> None:
    """The same arguments give the same bytes, and other sizes other files."""
    sizes = {"root_image_size": 300_000, "kernelcache_size": 5000, "booter_size": 70_001}
    sample_bundle_thd(tmp_path / "1.nbi", **sizes)
    sample_bundle_thd(tmp_path / "2.nbi", **sizes)

    files = contents(tmp_path / "1.nbi")
    assert files == contents(tmp_path / "2.nbi")
    assert len(files["i386/booter"]) == 70_001
    assert len(files["i386/x86_64/kernelcache"]) == 5000
    assert raw_disk(files["NetInstall.dmg"])[262_144:].startswith(b"This is chunk 1 of a sample")


def test_sample_takes_keys(tmp_path: Path) -> None:
    """A demonstration names and numbers its image."""
    keys = {"Name": "Demo", "Index": 4100, "IsDefault": True}

    bundle = sample_bundle_thd(tmp_path / "S.nbi", root_image_size=512, keys=keys)

    assert (bundle.title, bundle.index, bundle.is_default) == ("Demo", 4100, True)
    write(tmp_path / "x", b"")
