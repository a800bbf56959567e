from __future__ import annotations

import errno
import os
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from images.bundle import Bundle, read_bundle_thd
from images.catalog import Root, Snapshot, scan_thd
from images.paths import (
    MAX_REQUEST_BYTES,
    PathRefused,
    Refusal,
    ResolvedFile,
    Role,
    boot_file_name,
    open_file,
    resolve,
    root_path,
)
from images.root_path import NfsExport

from .conftest import as_nobody
from .entries import efi_program, make_entry
from .folder import FILES, make_folder, write

SERVER = IPv4Address("10.99.0.1")


@pytest.fixture
def share(tmp_path: Path) -> Path:
    root = tmp_path / "NetBootSP0"
    write(tmp_path / "secret", b"secret")
    make_folder(root, "Sierra Install.nbi", Index=1)
    make_folder(root, "Off.nbi", Index=2, IsEnabled=False)
    return root


@pytest.fixture
def snapshot(share: Path) -> Snapshot:
    return scan_thd([Root(share)])


def refused(snapshot: Snapshot, name: bytes | str) -> Refusal:
    with pytest.raises(PathRefused) as caught:
        resolve(snapshot, name)
    assert str(caught.value).startswith(caught.value.reason.value)
    return caught.value.reason


@pytest.mark.parametrize(
    "name",
    [
        b"/private/tftpboot/NetBoot/NetBootSP0/Sierra Install.nbi/i386/booter",
        b"private/tftpboot/NetBoot/NetBootSP0/Sierra Install.nbi/i386/booter",
        b"/private/tftpboot/Sierra Install.nbi/i386/booter",
        b"NetBoot/NetBootSP0/Sierra Install.nbi/i386/booter",
        b"/NetBoot/NetBootSP0/Sierra Install.nbi/i386/booter",
        b"Sierra Install.nbi/i386/booter",
        b"///Sierra Install.nbi//i386/./booter",
        b"./Sierra Install.nbi/./i386/booter",
        b"\\private\\tftpboot\\NetBoot\\NetBootSP0\\Sierra Install.nbi\\i386\\booter",
        b"/private/tftpboot/NetBoot/NetBootSP0/Sierra Install.nbi/i386\\booter",
        "/NetBoot/NetBootSP0/Sierra Install.nbi/i386/booter",
    ],
)
def test_names_that_firmware_asks_for(snapshot: Snapshot, name: bytes | str) -> None:
    """Absolute, relative, short, with doubled slashes or backslashes: all the same file."""
    resolved = resolve(snapshot, name)

    assert resolved.folder is snapshot.bundles[0]
    assert (resolved.relative, resolved.role) == ("i386/booter", Role.BOOTER)


@pytest.mark.parametrize(
    ("relative", "role"),
    [
        ("i386/booter", Role.BOOTER),
        ("i386/x86_64/kernelcache", Role.KERNELCACHE),
        ("i386/PlatformSupport.plist", Role.PLATFORM_SUPPORT),
        ("i386/com.apple.Boot.plist", Role.BOOT_PLIST),
        ("NetInstall.dmg", Role.ROOT_IMAGE),
        ("NBImageInfo.plist", Role.OTHER),
    ],
)
def test_roles(snapshot: Snapshot, relative: str, role: Role) -> None:
    """Each file of a boot is known for what it is."""
    assert resolve(snapshot, f"Sierra Install.nbi/{relative}").role is role


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (b"", Refusal.EMPTY),
        (b"/", Refusal.EMPTY),
        (b"././", Refusal.EMPTY),
        (b"/private/tftpboot/", Refusal.EMPTY),
        (b"x" * (MAX_REQUEST_BYTES + 1), Refusal.TOO_LONG),
        ("é" * (MAX_REQUEST_BYTES // 2 + 1), Refusal.TOO_LONG),
        (b"caf\xe9.nbi/x", Refusal.NOT_UTF8),
        ("caf\udce9.nbi/x", Refusal.NOT_UTF8),
        (b"/../etc/passwd", Refusal.TRAVERSAL),
        (b"Sierra Install.nbi/../../secret", Refusal.TRAVERSAL),
        (b"Sierra Install.nbi/i386/../i386/booter", Refusal.TRAVERSAL),
        (b"Sierra Install.nbi\\..\\..\\secret", Refusal.TRAVERSAL),
        (b"Sierra Install.nbi/i386/booter\0", Refusal.BAD_NAME),
        (b"Sierra Install.nbi/i386/booter\n", Refusal.BAD_NAME),
        (b"Sierra Install.nbi/i386/booter.", Refusal.BAD_NAME),
        (b"Sierra Install.nbi/i386/booter ", Refusal.BAD_NAME),
        (b"Sierra Install.nbi/i386/booter::$DATA", Refusal.BAD_NAME),
        (b"Sierra Install.nbi/i386/..../booter", Refusal.BAD_NAME),
        (b"C:/Windows/win.ini", Refusal.BAD_NAME),
        (b"Sierra Install.nbi/NUL", Refusal.BAD_NAME),
        (b"Sierra Install.nbi/com1.dmg", Refusal.BAD_NAME),
        (b"/etc/passwd", Refusal.NO_BUNDLE),
        (b"NetBootSP0/Sierra Install.nbi/i386/booter", Refusal.NO_BUNDLE),
        (b"NetBoot", Refusal.NO_BUNDLE),
        (b"NetBoot/NetBootSP0", Refusal.NO_BUNDLE),
        (b"NetBoot/NetBootSP1/Sierra Install.nbi/i386/booter", Refusal.NO_BUNDLE),
        (b"netboot/NetBootSP0/Sierra Install.nbi/i386/booter", Refusal.NO_BUNDLE),
        (b"NetBoot/netbootsp0/Sierra Install.nbi/i386/booter", Refusal.NO_BUNDLE),
        (b"sierra install.nbi/i386/booter", Refusal.NO_BUNDLE),
        (b"Sierra%20Install.nbi/i386/booter", Refusal.NO_BUNDLE),
        (b"SIERRA~1.NBI/i386/booter", Refusal.NO_BUNDLE),
        (b"Off.nbi/i386/booter", Refusal.DISABLED),
        (b"NetBoot/NetBootSP0/Off.nbi/i386/booter", Refusal.DISABLED),
        (b"Sierra Install.nbi", Refusal.NO_FILE),
        (b"Sierra Install.nbi/i386", Refusal.NO_FILE),
        (b"Sierra Install.nbi/I386/booter", Refusal.NO_FILE),
        (b"Sierra Install.nbi/i386/Booter", Refusal.NO_FILE),
        (b"Sierra Install.nbi/i386%2Fbooter", Refusal.NO_FILE),
        (b"Sierra Install.nbi/%2e%2e/%2e%2e/secret", Refusal.NO_FILE),
        (
            b"Sierra Install.nbi/i386/System\\Library\\CoreServices\\PlatformSupport.plist",
            Refusal.NO_FILE,
        ),
    ],
)
def test_names_that_lead_nowhere(snapshot: Snapshot, name: bytes | str, reason: Refusal) -> None:
    """Every trick and every mistake is refused, and the log can say why."""
    assert refused(snapshot, name) is reason


def test_names_are_looked_up_in_their_share_point(tmp_path: Path) -> None:
    """A share point in the name decides which of two bundles of one name is meant."""
    make_folder(tmp_path / "0", Index=1)
    make_folder(tmp_path / "1", Index=2, files={"only here": b""})
    snapshot = scan_thd([Root(tmp_path / "0", "SP0"), Root(tmp_path / "1", "SP1")])

    assert resolve(snapshot, "NetBoot/SP1/A.nbi/only here").folder.index == 2
    assert resolve(snapshot, "A.nbi/i386/booter").folder.index == 1
    assert refused(snapshot, "NetBoot/SP0/A.nbi/only here") is Refusal.NO_FILE


PIECES = st.lists(
    st.sampled_from(
        [
            *("/", "\\", "//", ".", "..", "...", ":", " ", "%2e%2e", "\0", "é", "private"),
            *("tftpboot", "NetBoot", "NetBootSP0", "Sierra Install.nbi", "i386", "booter"),
            *("NetInstall.dmg", "secret", "Off.nbi", "x86_64", "kernelcache", "NUL", "C:"),
        ]
    ),
    max_size=14,
)
shared = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@shared
@given(PIECES.map("".join) | PIECES.map("/".join) | st.text() | st.binary())
def test_any_name_is_a_published_file_or_a_refusal(snapshot: Snapshot, name: str | bytes) -> None:
    """There is no third outcome, and what is resolved was seen in the bundle and can be opened."""
    try:
        resolved = resolve(snapshot, name)
    except PathRefused:
        return

    assert resolved.folder in snapshot.bundles
    assert resolved.relative in resolved.folder.files
    with open_file(resolved) as file, open(file.fd, "rb", closefd=False) as data:
        assert data.read() != b"secret"


@shared
@given(
    st.sampled_from(sorted(FILES)),
    st.sampled_from(["", "NetBoot/NetBootSP0/", "private/tftpboot/NetBoot/NetBootSP0/"]),
    st.lists(st.sampled_from(["/", "\\", "//", "/./", "\\\\.\\"]), min_size=9, max_size=9),
    st.sampled_from(["", "/", "\\", "./"]),
)
def test_every_spelling_of_a_name_is_the_same_file(
    snapshot: Snapshot, relative: str, prefix: str, slashes: list[str], start: str
) -> None:
    """However slashes are written and doubled, the file is the same."""
    parts = f"{prefix}Sierra Install.nbi/{relative}".split("/")
    name = start + "".join(part + slash for part, slash in zip(parts, slashes, strict=False))

    assert resolve(snapshot, name).relative == relative
    assert resolve(snapshot, name.encode()).relative == relative


def test_open_file(snapshot: Snapshot, share: Path) -> None:
    """What is open is told with its size, time and inode, and closes once."""
    status = (share / "Sierra Install.nbi/NetInstall.dmg").stat()

    with open_file(resolve(snapshot, b"Sierra Install.nbi/NetInstall.dmg")) as file:
        assert (file.size, file.mtime_ns) == (status.st_size, status.st_mtime_ns)
        assert (file.inode, file.role) == (status.st_ino, Role.ROOT_IMAGE)
        assert file.name == "Sierra Install.nbi/NetInstall.dmg"
        assert os.pread(file.fd, 100, 4) == b"root image"

    assert file.fd == -1
    file.close()


def swap_file(path: Path) -> None:
    path.unlink()
    path.symlink_to("../../secret")


def swap_folder(path: Path) -> None:
    path.unlink()
    path.parent.rmdir()
    path.parent.symlink_to("..")


def make_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (Path.unlink, Refusal.VANISHED),
        (swap_file, Refusal.CHANGED),
        (swap_folder, Refusal.CHANGED),
        (make_pipe, Refusal.CHANGED),
    ],
)
def test_what_changed_since_the_scan_is_refused(
    snapshot: Snapshot, share: Path, change: Callable[[Path], None], reason: Refusal
) -> None:
    """A file that went, or became a link or a pipe, is refused when it is opened."""
    write(share / "Sierra Install.nbi/alone/file", b"x")
    snapshot = scan_thd([Root(share)])
    resolved = resolve(snapshot, "Sierra Install.nbi/alone/file")
    change(share / "Sierra Install.nbi/alone/file")

    with pytest.raises(PathRefused) as caught:
        open_file(resolved)

    assert caught.value.reason is reason
    assert "Sierra Install.nbi/alone/file" in str(caught.value)


def test_bundle_swapped_for_a_link(snapshot: Snapshot, share: Path) -> None:
    """A link in the place of the whole folder is refused, though it leads to the same names."""
    resolved = resolve(snapshot, "Sierra Install.nbi/i386/booter")
    (share / "Sierra Install.nbi").rename(share / "elsewhere")
    (share / "Sierra Install.nbi").symlink_to("elsewhere")

    with pytest.raises(PathRefused, match="has become something else"):
        open_file(resolved)


def test_bundle_exchanged_whole(snapshot: Snapshot, share: Path) -> None:
    """A real folder renamed into place is the bundle from then on."""
    resolved = resolve(snapshot, "Sierra Install.nbi/i386/booter")
    (share / "Sierra Install.nbi").rename(share / "elsewhere")
    make_folder(share, "Sierra Install.nbi", files={"i386/booter": b"a new booter"})

    with open_file(resolved) as file:
        assert file.size == len(b"a new booter")


def test_file_without_permission(open_folder: Path) -> None:
    """A file that the server's user may not read is refused as such."""
    path = make_folder(open_folder)
    resolved = resolve(scan_thd([Root(open_folder)]), "A.nbi/i386/booter")
    (path / "i386/booter").chmod(0)

    with as_nobody(), pytest.raises(PathRefused) as caught:
        open_file(resolved)

    assert caught.value.reason is Refusal.UNREADABLE


def test_failing_disk(snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any other failure of the system is a refusal with the system's words."""

    def failing(*_: object, **__: object) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    resolved = resolve(snapshot, "Sierra Install.nbi/i386/booter")
    monkeypatch.setattr(os, "open", failing)

    with pytest.raises(PathRefused, match=r"cannot be read: .*Input/output error"):
        open_file(resolved)


def test_links_within_the_bundle_are_served_under_both_names(share: Path) -> None:
    """A link is opened as the file that it was resolved to; swapping the link changes nothing."""
    link = share / "Sierra Install.nbi/i386/kernelcache"
    link.symlink_to("x86_64/kernelcache")
    resolved = resolve(scan_thd([Root(share)]), "Sierra Install.nbi/i386/kernelcache")
    link.unlink()
    link.symlink_to("../../../secret")

    with open_file(resolved) as file:
        assert os.pread(file.fd, 100, 0) == b"the kernel"
        assert (file.name, file.role) == (
            "Sierra Install.nbi/i386/kernelcache",
            Role.KERNELCACHE,
        )


def bundle_of(root: Path, **keys: object) -> Bundle:
    return read_bundle_thd(make_folder(root, "Sierra Install.nbi", **keys))


def test_boot_file_name_is_that_of_apple(tmp_path: Path) -> None:
    """The text that Apple's server put into `file` (captured ACK[SELECT])."""
    bundle = bundle_of(tmp_path)

    expected = "/private/tftpboot/NetBoot/NetBootSP0/Sierra Install.nbi/i386/booter"
    assert boot_file_name(bundle, "i386") == expected
    assert boot_file_name(bundle, "i386", "NetBoot001") == expected
    with pytest.raises(KeyError):
        boot_file_name(bundle, "ppc")


def test_booter_of_one_machine(tmp_path: Path) -> None:
    """A booter with the name of the machine behind it is preferred, and is a booter."""
    bundle = bundle_of(tmp_path, files={"i386/booter.NetBoot001": b"mine"})
    name = boot_file_name(bundle, "i386", "NetBoot001")

    assert name.endswith("/i386/booter.NetBoot001")
    assert boot_file_name(bundle, "i386", "NetBoot002").endswith("/i386/booter")
    assert resolve(scan_thd([Root(tmp_path)]), name).role is Role.BOOTER


def test_ppc_booter_at_the_top(tmp_path: Path) -> None:
    """A PowerPC booter beside the list is named without a folder (bsdpd.c, S_add_bootfile)."""
    bundle = bundle_of(tmp_path, files={"booter": b"ppc"}, Architectures=["ppc"])

    assert boot_file_name(bundle, "ppc").endswith("/Sierra Install.nbi/booter")


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, "http://10.99.0.1:8080/NetBoot/NetBootSP0/Sierra%20Install.nbi/NetInstall.dmg"),
        (
            {"LoadBalanceServer": "10.99.0.77"},
            "http://10.99.0.77:8080/NetBoot/NetBootSP0/Sierra%20Install.nbi/NetInstall.dmg",
        ),
        ({"RootPath": "http://10.99.0.9/img/x y.dmg"}, "http://10.99.0.9/img/x y.dmg"),
        ({"Type": "BootFileOnly", "Kind": 1}, None),
        (
            {"Type": "NFS"},
            "nfs:10.0.0.9:/exports/nb:Sierra Install.nbi/NetInstall.dmg",
        ),
    ],
)
def test_root_path(tmp_path: Path, keys: dict[str, object], expected: str | None) -> None:
    """Each type has the root path that Apple's server would send."""
    nfs = NfsExport(path="/exports/nb", server=IPv4Address("10.0.0.9"))

    assert root_path(bundle_of(tmp_path, **keys), SERVER, http_port=8080, nfs=nfs) == expected


def test_nfs_root_path_without_a_configured_export(tmp_path: Path) -> None:
    """The folder of the share point is taken to be exported, as Apple's server takes it."""
    bundle = bundle_of(tmp_path / "sp:0", Type="NFS")

    expected = f"nfs:10.99.0.1:{tmp_path}/sp\\:0:Sierra Install.nbi/NetInstall.dmg"
    assert root_path(bundle, SERVER) == expected


def test_resolved_file_of_our_own_names(snapshot: Snapshot) -> None:
    """What a reply calls a file leads back to that file."""
    (bundle,) = snapshot.bundles
    text = root_path(bundle, SERVER)
    assert text is not None

    expected = ResolvedFile(folder=bundle, relative="i386/booter", role=Role.BOOTER)
    assert resolve(snapshot, boot_file_name(bundle, "i386")) == expected
    decoded = text.removeprefix("http://10.99.0.1").replace("%20", " ")
    assert resolve(snapshot, decoded).role is Role.ROOT_IMAGE


@pytest.fixture
def network(tmp_path: Path) -> Snapshot:
    """An image, a boot entry and a folder of loaders."""
    share, loaders = tmp_path / "share", tmp_path / "loaders"
    make_folder(share)
    make_entry(share, files={"a/b.cpio": b"more", "grubx64": efi_program()})
    make_entry(share, "grub", 'title = "G"\nefi = "grubx64"\n', files={"grubx64": efi_program()})
    make_entry(share, "off", 'title = "Off"\nkernel = "linux"\nenabled = false\n')
    write(loaders / "snponly.efi", efi_program())
    write(loaders / "undionly.kpxe", b"ipxe")
    write(loaders / "grub/x86_64-efi/http.mod", b"module")
    write(loaders / "NetBoot/x", b"never asked for")
    return scan_thd([Root(share, "SP1")], loaders=loaders)


@pytest.mark.parametrize(
    ("requested", "name", "role"),
    [
        ("debian/linux", "debian/linux", Role.KERNEL),
        ("/debian/initrd.gz", "debian/initrd.gz", Role.INITRD),
        ("NetBoot/SP1/debian/a/b.cpio", "debian/a/b.cpio", Role.OTHER),
        ("\\NetBoot\\SP1\\debian\\grubx64", "debian/grubx64", Role.LOADER),
        ("debian/preseed.cfg", "debian/preseed.cfg", Role.OTHER),
        ("grub/grubx64", "grub/grubx64", Role.LOADER),
        ("snponly.efi", "snponly.efi", Role.LOADER),
        ("/undionly.kpxe", "undionly.kpxe", Role.LOADER),
        ("//grub/x86_64-efi/http.mod", "grub/x86_64-efi/http.mod", Role.LOADER),
        ("A.nbi/i386/booter", "A.nbi/i386/booter", Role.BOOTER),
    ],
)
def test_names_of_entries_and_loaders(
    network: Snapshot, requested: str, name: str, role: Role
) -> None:
    """Files of entries go by share and folder, or by the folder; loaders by their own names, also
    where a folder of images begins alike."""
    with open_file(resolve(network, requested)) as file:
        assert (file.name, file.role) == (name, role)


@pytest.mark.parametrize(
    ("requested", "is_efi"),
    [
        ("debian/linux", True),
        ("debian/initrd.gz", False),
        ("debian/grubx64", True),
        ("snponly.efi", True),
        ("undionly.kpxe", False),
        ("A.nbi/i386/booter", True),
        ("A.nbi/i386/x86_64/kernelcache", False),
    ],
)
def test_programs_for_firmware(network: Snapshot, requested: str, is_efi: bool) -> None:
    """A file is known to be an EFI program by its head, a Mac's booter by what it is for."""
    with open_file(resolve(network, requested)) as file:
        assert file.is_efi is is_efi


@pytest.mark.parametrize(
    ("requested", "reason"),
    [
        ("debian/boot.toml", Refusal.NO_FILE),
        ("debian/../A.nbi/i386/booter", Refusal.TRAVERSAL),
        ("../loaders/snponly.efi", Refusal.TRAVERSAL),
        ("off/linux", Refusal.DISABLED),
        ("NetBoot/SP1/off/linux", Refusal.DISABLED),
        ("NetBoot/snponly.efi", Refusal.NO_BUNDLE),
        ("SNPONLY.EFI", Refusal.NO_BUNDLE),
        ("grub", Refusal.NO_FILE),
        ("x86_64-efi/http.mod", Refusal.NO_BUNDLE),
        ("loaders/snponly.efi", Refusal.NO_BUNDLE),
    ],
)
def test_names_of_entries_and_loaders_that_lead_nowhere(
    network: Snapshot, requested: str, reason: Refusal
) -> None:
    """boot.toml is nobody's business, and there is no way from one folder to another."""
    assert refused(network, requested) is reason


def test_loader_that_became_a_link(tmp_path: Path) -> None:
    """A loader is opened as the catalog saw it, or not at all."""
    write(tmp_path / "secret", b"secret")
    write(tmp_path / "loaders/x", b"loader")
    found = scan_thd([], loaders=tmp_path / "loaders")
    (tmp_path / "loaders/x").unlink()
    (tmp_path / "loaders/x").symlink_to("../secret")

    with pytest.raises(PathRefused) as caught:
        open_file(resolve(found, "x"))

    assert caught.value.reason is Refusal.CHANGED


def test_the_script_of_an_entry(tmp_path: Path) -> None:
    """It is told apart from what it loads."""
    text = 'title = "Own"\nscript = "own.ipxe"\n'
    make_entry(tmp_path, "own", text, files={"own.ipxe": b"#!ipxe\n", "more": b"x"})
    snapshot = scan_thd([Root(tmp_path)])

    roles = [resolve(snapshot, f"own/{name}").role for name in ("own.ipxe", "more")]

    assert roles == [Role.SCRIPT, Role.OTHER]
