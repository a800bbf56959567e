from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from images.bundle import BundleError
from images.catalog import Catalog, Root, Snapshot, misspelt_thd, scan_thd
from images.paths import open_file, resolve

from .entries import DEBIAN, efi_program, make_entry
from .folder import make_folder, write


def names(snapshot: Snapshot) -> list[str]:
    return [bundle.name for bundle in snapshot.bundles]


def whys(snapshot: Snapshot) -> dict[str, str]:
    return {error.path.name: error.why for error in snapshot.errors}


def test_snapshot_before_the_first_scan() -> None:
    """An empty snapshot is a catalog without images."""
    snapshot = Snapshot()

    assert snapshot.generation == 0
    assert snapshot.bundles == snapshot.errors == ()


def test_broken_bundles_do_not_hide_the_others(tmp_path: Path) -> None:
    """Each bundle that cannot be served is an error of its own, and the rest is served."""
    make_folder(tmp_path, "Good.nbi", Index=1)
    make_folder(tmp_path, "NoBooter.nbi", Index=2, without=("i386/booter",))
    make_folder(tmp_path, "StringIndex.nbi", Index="3")
    make_folder(tmp_path, "Linked.nbi", Index=4)
    (tmp_path / "Linked.nbi/x").symlink_to("/etc/passwd")
    write(tmp_path / "File.nbi", b"")
    (tmp_path / "Dangling.nbi").symlink_to("nowhere")
    make_folder(tmp_path, "ignored", Index=5)
    (tmp_path / "not an image").mkdir()

    snapshot = scan_thd([Root(tmp_path)])

    assert names(snapshot) == ["Good.nbi"]
    errors = [error.path.relative_to(tmp_path).parts[0] for error in snapshot.errors]
    assert errors == [
        "Dangling.nbi",
        "File.nbi",
        "Linked.nbi",
        "NoBooter.nbi",
        "StringIndex.nbi",
    ]
    assert all(error.remedy for error in snapshot.errors)


def test_disabled_images_are_listed_apart(tmp_path: Path) -> None:
    """A disabled image is found nowhere, and its Index is free."""
    make_folder(tmp_path, "A.nbi", Index=1, IsEnabled=False)
    make_folder(tmp_path, "B.nbi", Index=1)

    snapshot = scan_thd([Root(tmp_path)])

    assert names(snapshot) == ["B.nbi"]
    assert [bundle.name for bundle in snapshot.disabled] == ["A.nbi"]
    assert snapshot.errors == ()
    assert snapshot.by_image_id[0x81000001].name == "B.nbi"
    assert "A.nbi" not in snapshot.by_name


def test_second_bundle_of_one_id_is_an_error_that_names_both(tmp_path: Path) -> None:
    """Of two with the same 32-bit ID the one found first is served."""
    make_folder(tmp_path, "A.nbi", Index=1001)
    make_folder(tmp_path, "B.nbi", Index=1001)
    make_folder(tmp_path, "C.nbi", Index=1001, IsInstall=False)

    snapshot = scan_thd([Root(tmp_path)])

    assert names(snapshot) == ["A.nbi", "C.nbi"]
    (error,) = snapshot.errors
    assert error.path == tmp_path / "B.nbi"
    assert f"1001, as {tmp_path}/A.nbi" in error.why
    assert "another Index" in error.remedy


def test_second_bundle_of_one_name_is_an_error_that_names_both(tmp_path: Path) -> None:
    """In one share point a folder name means one folder, even if two folders are its roots."""
    first = make_folder(tmp_path / "1", "A.nbi", Index=1)
    second = make_folder(tmp_path / "2", "A.nbi", Index=2)

    snapshot = scan_thd([Root(tmp_path / "1"), Root(tmp_path / "2")])

    assert [bundle.path for bundle in snapshot.bundles] == [first]
    (error,) = snapshot.errors
    assert error.path == second
    assert f"NetBootSP0, as {first}" in error.why


def test_several_share_points(tmp_path: Path) -> None:
    """One name may exist in two share points; without a share point the first one is meant."""
    roots = [Root(tmp_path / "1", "SP0"), Root(tmp_path / "2", "SP1")]
    first = make_folder(tmp_path / "1", "A.nbi", Index=2)
    second = make_folder(tmp_path / "2", "A.nbi", Index=1)

    snapshot = scan_thd(roots)

    assert [bundle.path for bundle in snapshot.bundles] == [second, first]
    assert snapshot.by_share["SP0", "A.nbi"].path == first
    assert snapshot.by_share["SP1", "A.nbi"].path == second
    assert snapshot.by_name["A.nbi"].path == first


def test_list_order(tmp_path: Path) -> None:
    """Defaults for every model, defaults for some, the rest; each group by index, then by name."""
    default, models = {"IsDefault": True}, {"EnabledSystemIdentifiers": ["iMac14,2"]}
    make_folder(tmp_path, "a.nbi", Index=3)
    make_folder(tmp_path, "b.nbi", Index=1, **models)
    make_folder(tmp_path, "c.nbi", Index=2, **default, **models)
    make_folder(tmp_path, "d.nbi", Index=9, **default)
    make_folder(tmp_path, "e.nbi", Index=8, **default)
    make_folder(tmp_path, "f.nbi", Index=1, IsInstall=False)

    snapshot = scan_thd([Root(tmp_path)])

    assert names(snapshot) == ["e.nbi", "d.nbi", "c.nbi", "b.nbi", "f.nbi", "a.nbi"]


@pytest.mark.parametrize("share", ["", "a/b", ".hidden", "dot.", "a b", "é", "x" * 64, "a:b"])
def test_share_names_are_plain(share: str) -> None:
    """A share name stands in paths, URLs and NFS exports unescaped."""
    with pytest.raises(ValueError, match="like NetBootSP0"):
        Root(Path("/images"), share)


def test_missing_root_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    """The other share points are served meanwhile."""
    make_folder(tmp_path / "here")
    write(tmp_path / "file", b"")

    snapshot = scan_thd([Root(tmp_path / "gone"), Root(tmp_path / "file"), Root(tmp_path / "here")])

    assert names(snapshot) == ["A.nbi"]
    gone, file = snapshot.errors
    assert (gone.path, gone.why) == (tmp_path / "gone", "the image folder does not exist")
    assert "create it" in gone.remedy
    assert "Not a directory" in file.why


def test_error_of_a_root_is_told_anew(tmp_path: Path) -> None:
    """A root that was missing and now is no folder has another error."""
    catalog = Catalog([Root(tmp_path / "root")])
    assert "does not exist" in whys(catalog.scan_thd())["root"]

    write(tmp_path / "root", b"")

    assert "Not a directory" in whys(catalog.scan_thd())["root"]


def test_nothing_changed_is_the_same_snapshot(tmp_path: Path) -> None:
    """While the disk stays as it is, a scan returns the very same object, errors included."""
    make_folder(tmp_path)
    make_folder(tmp_path, "B.nbi", Index="x")
    catalog = Catalog([Root(tmp_path), Root(tmp_path / "gone")])

    first = catalog.scan_thd()

    assert first.generation == 1
    assert catalog.scan_thd() is first
    assert catalog.scan_thd() is first


def test_empty_catalog_is_scanned_once(tmp_path: Path) -> None:
    """The first scan counts as a change even if it finds nothing."""
    catalog = Catalog([Root(tmp_path)])

    first = catalog.scan_thd()

    assert first.generation == 1
    assert catalog.scan_thd() is first


def test_new_bundle_is_published_by_the_second_scan_that_sees_it(tmp_path: Path) -> None:
    """Until a folder is seen twice the same, it is listed as being copied."""
    catalog = Catalog([Root(tmp_path)])
    catalog.scan_thd()

    make_folder(tmp_path)
    seen_once = catalog.scan_thd()
    seen_twice = catalog.scan_thd()

    assert whys(seen_once) == {"A.nbi": "is still being copied"}
    assert names(seen_once) == []
    assert names(seen_twice) == ["A.nbi"]
    assert seen_twice.errors == ()
    assert [seen_once.generation, seen_twice.generation] == [2, 3]


def test_half_copied_bundle_is_never_published(tmp_path: Path) -> None:
    """While the root image grows, scan by scan, the bundle stays unpublished, without new noise."""
    catalog = Catalog([Root(tmp_path)])
    catalog.scan_thd()
    path = make_folder(tmp_path)
    snapshots = [catalog.scan_thd()]

    for _ in range(3):
        with (path / "NetInstall.dmg").open("ab") as file:
            file.write(bytes(1000))
        snapshots.append(catalog.scan_thd())
    done = catalog.scan_thd()

    assert all(snapshot is snapshots[0] for snapshot in snapshots)
    assert names(done) == ["A.nbi"]
    assert done.bundles[0].sizes["NetInstall.dmg"] == 3014


def test_growing_root_image_withdraws_a_bundle(tmp_path: Path) -> None:
    """A copy that was running when the daemon started is withdrawn until it is complete."""
    path = make_folder(tmp_path)
    catalog = Catalog([Root(tmp_path)])
    assert names(catalog.scan_thd()) == ["A.nbi"]

    write(path / "NetInstall.dmg", b"the root image, and more of it")
    growing = catalog.scan_thd()
    done = catalog.scan_thd()

    assert whys(growing) == {"A.nbi": "is still being copied"}
    assert names(done) == ["A.nbi"]


def test_changed_bundle_stays_as_it_was_until_it_is_settled(tmp_path: Path) -> None:
    """An edited list takes effect at the second scan, and the image never disappears."""
    path = make_folder(tmp_path)
    catalog = Catalog([Root(tmp_path)])
    first = catalog.scan_thd()

    make_folder(tmp_path, Name="Beta")
    seen_once = catalog.scan_thd()
    seen_twice = catalog.scan_thd()

    assert seen_once is first
    assert [bundle.title for bundle in seen_twice.bundles] == ["Beta"]
    assert [bundle.title for bundle in first.bundles] == ["Alpha"]
    assert path == seen_twice.bundles[0].path


def test_replaced_root_image_keeps_the_bundle(tmp_path: Path) -> None:
    """An image that is exchanged whole, by a rename, is no growing image."""
    path = make_folder(tmp_path)
    catalog = Catalog([Root(tmp_path)])
    first = catalog.scan_thd()

    write(path / "new", b"another root image")
    (path / "new").replace(path / "NetInstall.dmg")

    assert catalog.scan_thd() is first
    assert catalog.scan_thd().bundles[0].sizes["NetInstall.dmg"] == 18


def test_removed_root_image_turns_the_bundle_into_an_error(tmp_path: Path) -> None:
    """What is gone for good is told, at the second scan."""
    path = make_folder(tmp_path)
    catalog = Catalog([Root(tmp_path)])
    catalog.scan_thd()

    (path / "NetInstall.dmg").unlink()
    assert names(catalog.scan_thd()) == ["A.nbi"]
    snapshot = catalog.scan_thd()

    assert names(snapshot) == []
    assert "RootPath" in whys(snapshot)["NBImageInfo.plist"]


def test_removed_bundle_and_removed_root(tmp_path: Path) -> None:
    """A folder that is gone is gone at once; so are all of a share point that is unmounted."""
    make_folder(tmp_path / "sp", "A.nbi", Index=1)
    make_folder(tmp_path / "sp", "B.nbi", Index=2)
    catalog = Catalog([Root(tmp_path / "sp")])
    catalog.scan_thd()

    shutil.rmtree(tmp_path / "sp/A.nbi")
    assert names(catalog.scan_thd()) == ["B.nbi"]
    (tmp_path / "sp").rename(tmp_path / "away")
    gone = catalog.scan_thd()
    assert names(gone) == []
    assert whys(gone) == {"sp": "the image folder does not exist"}
    (tmp_path / "away").rename(tmp_path / "sp")
    catalog.scan_thd()
    assert names(catalog.scan_thd()) == ["B.nbi"]


def test_mended_bundle_is_published(tmp_path: Path) -> None:
    """An error goes when its cause does."""
    path = make_folder(tmp_path, without=("i386/booter",))
    catalog = Catalog([Root(tmp_path)])
    broken = catalog.scan_thd()
    assert len(broken.errors) == 1

    write(path / "i386/booter", b"efi")

    assert catalog.scan_thd() is broken
    assert names(catalog.scan_thd()) == ["A.nbi"]


def test_a_change_is_settled_when_it_was_seen_twice(tmp_path: Path) -> None:
    """Until then somebody may still be copying."""
    catalog = Catalog([Root(tmp_path)])
    catalog.scan_thd()
    make_folder(tmp_path)

    settled = []
    for _ in range(3):
        catalog.scan_thd()
        settled.append(catalog.is_settled)

    assert settled == [False, True, True]


def test_unknown_host_is_tried_again(tmp_path: Path) -> None:
    """A name server that comes back is noticed, though nothing changed on disk."""
    known: dict[str, str] = {}

    def lookup(name: str) -> str:
        if name not in known:
            raise OSError("no such host")
        return known[name]

    make_folder(tmp_path, RootPath="http://images.lan/x.dmg")
    catalog = Catalog([Root(tmp_path)], lookup=lookup)

    first = catalog.scan_thd()
    assert catalog.is_settled
    assert "images.lan" in whys(first)["NBImageInfo.plist"]
    assert catalog.scan_thd() is first
    known["images.lan"] = "10.0.0.9"
    assert catalog.scan_thd().bundles[0].indirect_root == "http://10.0.0.9/x.dmg"


def test_old_snapshot_serves_on(tmp_path: Path) -> None:
    """A file that is open stays readable when its bundle is replaced and removed."""
    make_folder(tmp_path)
    catalog = Catalog([Root(tmp_path)])
    old = catalog.scan_thd()

    with open_file(resolve(old, "A.nbi/NetInstall.dmg")) as file:
        shutil.rmtree(tmp_path / "A.nbi")
        new = catalog.scan_thd()

        assert names(new) == []
        assert names(old) == ["A.nbi"]
        with open(file.fd, "rb", closefd=False) as data:
            assert data.read() == b"the root image"


def test_errors_of_the_catalog_are_values(tmp_path: Path) -> None:
    """Errors are told, never raised."""
    snapshot = scan_thd([Root(tmp_path / "gone")])

    assert isinstance(snapshot.errors[0], BundleError)


def titled(title: str, more: str = "") -> str:
    return DEBIAN.replace("Debian 12 installer", title) + more


def test_entries_beside_images(tmp_path: Path) -> None:
    """A folder with a boot.toml is a boot entry; one without, and a bundle with one, is not."""
    make_folder(tmp_path)
    write(tmp_path / "A.nbi/boot.toml", b"no concern of ours")
    make_entry(tmp_path)
    make_entry(tmp_path, "broken", "title = 1")
    make_entry(tmp_path, "off", titled("Off", "enabled = false\n"))
    make_entry(tmp_path, "other", without=("boot.toml",))
    write(tmp_path / "file", b"")

    snapshot = scan_thd([Root(tmp_path)])

    assert names(snapshot) == ["A.nbi"]
    assert [entry.name for entry in snapshot.entries] == ["debian"]
    assert [each.name for each in snapshot.disabled] == ["off"]
    (error,) = snapshot.errors
    assert (error.path, error.folder) == (tmp_path / "broken/boot.toml", tmp_path / "broken")
    assert snapshot.by_name["debian"] is snapshot.by_share["NetBootSP0", "debian"]
    assert "off" not in snapshot.by_name


def test_order_of_entries(tmp_path: Path) -> None:
    """Defaults for every machine, defaults for some, the rest; by index, then by title."""
    some = "enabled_system_identifiers = ['4c4c4544-0043-3010-8052-b4c04f564231']\n"
    make_entry(tmp_path, "a", titled("zebra"))
    make_entry(tmp_path, "b", titled("Apple"))
    make_entry(tmp_path, "c", titled("x", "index = 9\n"))
    make_entry(tmp_path, "d", titled("x", "index = 10\n"))
    make_entry(tmp_path, "e", titled("x", "default = true\n" + some))
    make_entry(tmp_path, "f", titled("x", "default = true\n"))

    snapshot = scan_thd([Root(tmp_path)])

    assert "".join(entry.name for entry in snapshot.entries) == "fecdba"


def test_one_name_in_two_share_points(tmp_path: Path) -> None:
    """As with images: by its name alone the first is meant, and one share holds a name once."""
    make_entry(tmp_path / "1")
    make_entry(tmp_path / "2")
    make_entry(tmp_path / "3")
    roots = [Root(tmp_path / "1", "A"), Root(tmp_path / "2", "B"), Root(tmp_path / "3", "B")]

    snapshot = scan_thd(roots)

    assert [entry.share for entry in snapshot.entries] == ["A", "B"]
    assert snapshot.by_name["debian"].share == "A"
    (error,) = snapshot.errors
    assert f"share point, B, as {tmp_path}/2/debian" in error.why


def test_entries_are_published_once_they_are_settled(tmp_path: Path) -> None:
    """A new entry waits for the second scan that sees it the same; a changed one stays as it was
    meanwhile, but one whose kernel or initrd grows is withdrawn."""
    catalog = Catalog([Root(tmp_path)])
    catalog.scan_thd()
    path = make_entry(tmp_path)
    assert whys(catalog.scan_thd()) == {"debian": "is still being copied"}
    published = catalog.scan_thd()
    assert [entry.title for entry in published.entries] == ["Debian 12 installer"]

    write(path / "boot.toml", titled("New").encode())
    assert catalog.scan_thd() is published
    assert [entry.title for entry in catalog.scan_thd().entries] == ["New"]

    with (path / "initrd.gz").open("ab") as file:
        file.write(b"more")
    assert whys(catalog.scan_thd()) == {"debian": "is still being copied"}
    assert catalog.scan_thd().entries[0].sizes["initrd.gz"] == 14


def test_entry_without_its_boot_toml_is_gone(tmp_path: Path) -> None:
    """Taking boot.toml away is the way to withdraw an entry."""
    path = make_entry(tmp_path)
    catalog = Catalog([Root(tmp_path)])
    assert len(catalog.scan_thd().entries) == 1

    (path / "boot.toml").unlink()

    snapshot = catalog.scan_thd()
    assert (snapshot.entries, snapshot.errors) == ((), ())


def test_loaders(tmp_path: Path) -> None:
    """The folder of loaders is looked at like the images: settled first, then served."""
    folder = tmp_path / "loaders"
    catalog = Catalog([], loaders=folder)
    missing = catalog.scan_thd()
    assert missing.loaders is None
    assert whys(missing) == {"loaders": "the folder of loaders does not exist"}

    write(folder / "snponly.efi", efi_program())
    assert catalog.scan_thd().loaders is None
    loaders = catalog.scan_thd().loaders
    assert loaders is not None
    assert loaders.files == {"snponly.efi": "snponly.efi"}

    write(folder / "undionly.kpxe", b"ipxe")
    still = catalog.scan_thd().loaders
    assert still is loaders
    assert "undionly.kpxe" in getattr(catalog.scan_thd().loaders, "files", {})


def test_misspelt_descriptions(tmp_path: Path) -> None:
    """A boot.toml in capitals is found, one in an image for Macs is not looked for."""
    write(tmp_path / "a/Boot.TOML", b"")
    write(tmp_path / "b/boot.toml", b"")
    write(tmp_path / "c.nbi/BOOT.toml", b"")

    assert misspelt_thd([Root(tmp_path)]) == [tmp_path / "a/Boot.TOML"]
