from __future__ import annotations

import os
import plistlib
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from images.bundle import Bundle, BundleError, ImageType, read_bundle_thd

from .conftest import as_nobody
from .folder import make_folder, write


def refused(path: Path) -> BundleError:
    with pytest.raises(BundleError) as caught:
        read_bundle_thd(path)
    assert caught.value.remedy
    return caught.value


@pytest.mark.parametrize("form", [plistlib.FMT_XML, plistlib.FMT_BINARY])
def test_complete_bundle(tmp_path: Path, form: plistlib.PlistFormat) -> None:
    """A folder as the image tools make it is read in full, from a list of either form."""
    path = make_folder(tmp_path, "Alpha.nbi", form=form, Description="For the lab")

    bundle = read_bundle_thd(path, "NetBootSP1")

    assert (bundle.path, bundle.name, bundle.share) == (path, "Alpha.nbi", "NetBootSP1")
    assert bundle.directory == path.resolve()
    assert (bundle.title, bundle.description) == ("Alpha", "For the lab")
    assert (bundle.type, bundle.image_id) == (ImageType.HTTP, 0x81000007)
    assert bundle.boot_files == {"i386": "i386/booter"}
    assert bundle.kernels == {"i386": ("i386/x86_64/kernelcache",)}
    assert bundle.root_image == "NetInstall.dmg"
    assert bundle.indirect_root is None
    assert bundle.load_balance_server is None
    assert bundle.sizes["NetInstall.dmg"] == len(b"the root image")
    assert set(bundle.files) == {
        "NBImageInfo.plist",
        "NetInstall.dmg",
        "i386/PlatformSupport.plist",
        "i386/booter",
        "i386/com.apple.Boot.plist",
        "i386/x86_64/kernelcache",
    }
    assert bundle.warnings == ()


def test_bundle_is_frozen(tmp_path: Path) -> None:
    """Nobody changes a bundle under a conversation that holds it."""
    bundle = read_bundle_thd(make_folder(tmp_path))

    with pytest.raises(AttributeError):
        bundle.title = "x"  # type: ignore[misc]


def test_platform_support_may_be_missing(tmp_path: Path) -> None:
    """boot.efi asks for PlatformSupport.plist and goes on without it."""
    bundle = read_bundle_thd(make_folder(tmp_path, without=("i386/PlatformSupport.plist",)))

    assert bundle.warnings == ()


def test_kernels_are_listed_newest_system_first(tmp_path: Path) -> None:
    """10.7 has one kernel cache per word size; 10.6 a kernel and an archive of extensions."""
    files = {
        "i386/mach.macosx": b"k",
        "i386/mach.macosx.mkext": b"e",
        "i386/kernelcache": b"k",
    }

    bundle = read_bundle_thd(make_folder(tmp_path, files=files))

    assert bundle.kernels["i386"] == (
        "i386/x86_64/kernelcache",
        "i386/kernelcache",
        "i386/mach.macosx",
        "i386/mach.macosx.mkext",
    )


def test_missing_kernel_is_a_warning(tmp_path: Path) -> None:
    """Without a kernel cache the image is listed, but the operator is told."""
    path = make_folder(tmp_path, without=("i386/x86_64/kernelcache",))

    assert read_bundle_thd(path).warnings == ("no kernelcache beside the i386 booter",)


def test_boot_file_only_needs_nothing_but_the_boot_file(tmp_path: Path) -> None:
    """Any EFI program can be a boot file; no kernel or root image is missed."""
    path = tmp_path / "ipxe.nbi"
    write(path / "i386/snponly.efi", b"MZ")
    keys = {"Type": "BootFileOnly", "Kind": 1, "Index": 55, "Name": "iPXE"}
    info = {**keys, "BootFile": "snponly.efi", "Architectures": ["i386"]}
    write(path / "NBImageInfo.plist", plistlib.dumps(info))

    bundle = read_bundle_thd(path)

    assert bundle.boot_files == {"i386": "i386/snponly.efi"}
    assert bundle.root_image is bundle.indirect_root is None
    assert bundle.warnings == ()


def test_booter_must_exist_for_every_architecture(tmp_path: Path) -> None:
    """The error names the path that is missing and both ways out."""
    error = refused(make_folder(tmp_path, Architectures=["i386", "x86_64"]))

    assert error.path == tmp_path / "A.nbi/x86_64/booter"
    assert "take x86_64 out of Architectures" in error.remedy


def test_ppc_booter_may_lie_at_the_top(tmp_path: Path) -> None:
    """An image for PowerPC alone keeps its booter beside the list, as bootpd(8) has it."""
    path = make_folder(tmp_path, Architectures=["ppc", "i386"], files={"booter": b"ppc"})

    assert read_bundle_thd(path).boot_files == {"ppc": "booter", "i386": "i386/booter"}


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe"])
def test_booter_must_be_a_regular_file(tmp_path: Path, kind: str) -> None:
    """A folder or a pipe of that name is no booter."""
    path = make_folder(tmp_path, without=("i386/booter",))
    if kind == "folder":
        (path / "i386/booter").mkdir()
    elif kind == "pipe":
        os.mkfifo(path / "i386/booter")

    assert "the booter for i386 is missing" in refused(path).why


@pytest.mark.parametrize("root_path", ["Images/Big Sur.sparseimage", "./NetInstall.dmg"])
def test_root_image_may_lie_deeper(tmp_path: Path, root_path: str) -> None:
    """RootPath is a path in the bundle, and is published in its plain form."""
    files = {"Images/Big Sur.sparseimage": b"sprs"}

    bundle = read_bundle_thd(make_folder(tmp_path, files=files, RootPath=root_path))

    assert bundle.root_image == root_path.removeprefix("./")


@pytest.mark.parametrize("root_path", ["Missing.dmg", "../outside.dmg", "i386", "/etc/passwd"])
@pytest.mark.parametrize("image_type", ["HTTP", "NFS"])
def test_root_image_must_exist(tmp_path: Path, root_path: str, image_type: str) -> None:
    """A RootPath that leads to no file of the bundle is named."""
    write(tmp_path / "outside.dmg", b"x")

    error = refused(make_folder(tmp_path, RootPath=root_path, Type=image_type))

    assert repr(root_path) in error.why


def test_empty_root_image_is_an_error(tmp_path: Path) -> None:
    """Zero bytes are what an interrupted copy leaves."""
    error = refused(make_folder(tmp_path, files={"NetInstall.dmg": b""}))

    assert (error.path.name, error.why) == ("NetInstall.dmg", "is empty")


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"RootPath": "http://10.0.0.9/x y.dmg"}, "http://10.0.0.9/x y.dmg"),
        ({"RootPath": "http://images.lan/x.dmg"}, "http://10.1.1.1/x.dmg"),
        ({"RootPath": "10.0.0.9:/nb:x.dmg", "Type": "NFS"}, "nfs:10.0.0.9:/nb:x.dmg"),
    ],
)
def test_indirect_root(tmp_path: Path, keys: dict[str, Any], expected: str) -> None:
    """A root image on another server needs no file here, and a name becomes an address."""
    path = make_folder(tmp_path, without=("NetInstall.dmg",), **keys)

    bundle = read_bundle_thd(path, lookup=lambda name: "10.1.1.1")

    assert bundle.root_image is None
    assert bundle.indirect_root == expected


def test_file_wins_over_an_address(tmp_path: Path) -> None:
    """A file of exactly that name is looked for first, as Apple's server does."""
    path = make_folder(tmp_path, RootPath="NetInstall.dmg", Type="NFS")

    assert read_bundle_thd(path).root_image == "NetInstall.dmg"


def test_unknown_host_in_root_path(tmp_path: Path) -> None:
    """A name that cannot be resolved is an error that asks for the address."""
    error = refused(make_folder(tmp_path, RootPath="http://images.lan/x.dmg"))

    assert "images.lan" in error.why
    assert "IPv4 address" in error.remedy


def test_load_balance_server(tmp_path: Path) -> None:
    """The server that takes the load is an address, or a name that is looked up."""
    path = make_folder(tmp_path, LoadBalanceServer="10.99.0.77")
    assert read_bundle_thd(path).load_balance_server == IPv4Address("10.99.0.77")

    path = make_folder(tmp_path, "B.nbi", LoadBalanceServer="other")
    bundle = read_bundle_thd(path, lookup=lambda name: "10.0.0.2")
    assert bundle.load_balance_server == IPv4Address("10.0.0.2")


def test_unknown_load_balance_server_is_not_used(tmp_path: Path) -> None:
    """Apple's server goes on without it; so do we, with a warning."""
    bundle = read_bundle_thd(make_folder(tmp_path, LoadBalanceServer="nowhere"))

    assert bundle.load_balance_server is None
    assert "LoadBalanceServer 'nowhere' is not used" in bundle.warnings[0]


def test_too_long_a_boot_file_path_is_a_warning(tmp_path: Path) -> None:
    """The `file` field of a reply holds 127 bytes; a longer path leaves it empty."""
    prefix, suffix = "/private/tftpboot/NetBoot/NetBootSP0/", "/i386/booter"
    room = 127 - len(prefix) - len(suffix)
    fits = make_folder(tmp_path, "x" * (room - 4) + ".nbi")
    exceeds = make_folder(tmp_path, "x" * (room - 3) + ".nbi")

    assert read_bundle_thd(fits).warnings == ()
    assert "longer than 127 bytes" in read_bundle_thd(exceeds).warnings[0]


def test_too_long_a_root_path_is_an_error(tmp_path: Path) -> None:
    """Option 17 holds 255 bytes, whatever address and port the server has."""
    room = 255 - len("http://255.255.255.255:65535/NetBoot/NetBootSP0/A.nbi/")
    image = "x" * room
    path = make_folder(tmp_path, "A.nbi", RootPath=image, files={image: b"x"})
    assert read_bundle_thd(path).root_image == image

    image = "x" * (room - 1) + "é"  # six bytes once it is escaped
    path = make_folder(tmp_path, "B.nbi", RootPath=image, files={image: b"x"})
    assert "takes 260 bytes, and a reply carries 255" in refused(path).why

    image = "x" * 245
    path = make_folder(tmp_path, "D.nbi", RootPath=image, files={image: b"x"}, Type="NFS")
    assert "a reply carries 255" in refused(path).why

    path = make_folder(tmp_path, "C.nbi", RootPath="http://10.0.0.1/" + "x" * 240)
    assert "takes 256 bytes" in refused(path).why


def test_folder_without_info(tmp_path: Path) -> None:
    """A folder that is no boot image says what is missing."""
    error = refused(make_folder(tmp_path, without=("NBImageInfo.plist",)))

    assert error.why == "holds no NBImageInfo.plist"


def test_bad_info_names_the_file(tmp_path: Path) -> None:
    """Hostile bytes in the list are an error of that file."""
    error = refused(make_folder(tmp_path, files={"NBImageInfo.plist": b"<plist"}))

    assert error.path == tmp_path / "A.nbi/NBImageInfo.plist"


def test_problem_of_the_tree_comes_first(tmp_path: Path) -> None:
    """A link that leaves the bundle is an error even where nothing else is wrong."""
    path = make_folder(tmp_path)
    (path / "extra").symlink_to("../../etc/passwd")

    assert "leaves the folder" in refused(path).why


def test_links_within_the_bundle_work(tmp_path: Path) -> None:
    """The booter, the list and the image may be links to files of the bundle."""
    path = make_folder(tmp_path, without=("i386/booter", "NBImageInfo.plist"))
    write(path / "real/boot.efi", b"efi")
    make_folder(tmp_path, "B.nbi")
    (tmp_path / "B.nbi/NBImageInfo.plist").replace(path / "real/info")
    (path / "i386/booter").symlink_to("../real/boot.efi")
    (path / "NBImageInfo.plist").symlink_to("real/info")

    bundle = read_bundle_thd(path)

    assert bundle.files["i386/booter"] == "real/boot.efi"
    assert bundle.sizes["i386/booter"] == 3


def test_folder_may_be_reached_through_a_link(tmp_path: Path) -> None:
    """Whoever owns the share point may keep a bundle on another disk and link it."""
    real = make_folder(tmp_path / "disk2", "real.nbi")
    (tmp_path / "Alias.nbi").symlink_to(real)

    bundle = read_bundle_thd(tmp_path / "Alias.nbi")

    assert (bundle.name, bundle.directory) == ("Alias.nbi", real.resolve())


@pytest.mark.parametrize("name", ["A:B.nbi", "Icon\r.nbi", "nul.nbi"])
def test_name_of_the_folder_must_be_publishable(tmp_path: Path, name: str) -> None:
    """A folder that no client could ask for is an error, not a silence."""
    assert refused(make_folder(tmp_path, name)).remedy == "rename the folder"


def test_name_outside_utf8(tmp_path: Path) -> None:
    """The folder is named by its bytes."""
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.nbi"))

    error = refused(make_folder(path.parent, path.name))

    assert "is not UTF-8" in error.why
    assert "caf\\xe9.nbi" in str(error)


def test_info_without_permission(open_folder: Path) -> None:
    """A list that the server's user may not read asks for permission."""
    path = make_folder(open_folder)
    (path / "NBImageInfo.plist").chmod(0)

    with as_nobody():
        error = refused(path)

    assert "permission" in error.remedy
    assert error.path.name == "NBImageInfo.plist"


def test_bundle_says_little_about_itself_in_logs(tmp_path: Path) -> None:
    """A bundle shows as its path, not as a page of fields."""
    bundle = read_bundle_thd(make_folder(tmp_path))

    assert repr(bundle) == f"<Bundle 0x81000007 {tmp_path}/A.nbi>"
    assert isinstance(bundle, Bundle)
