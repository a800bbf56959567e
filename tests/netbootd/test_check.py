"""`--check`: what it finds, and the exit status."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from netbootd.check import Severity, check, findings_of
from ops.lock import FileLock
from tests.images.conftest import as_nobody
from tests.images.entries import DEBIAN, make_entry
from tests.images.folder import make_folder, write
from tests.netbootd.certificate import write_certificate

BASIC = """
[network]
addresses = ["127.0.0.0/8"]
[bsdp]
port = {bsdp}
{more_bsdp}
[tftp]
port = {tftp}
[http]
port = {http}
[state]
directory = "{state}"
"""


def free(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Site:
    """A configuration file in a folder with an image, its ports free."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.images = folder / "images"
        make_folder(self.images, Name="Alpha")
        self.bsdp, self.tftp = free(socket.SOCK_DGRAM), free(socket.SOCK_DGRAM)
        self.http = free(socket.SOCK_STREAM)
        self.write()

    def write(self, more: str = "", *, bsdp: str = "", state: str = "state") -> None:
        text = BASIC.format(
            bsdp=self.bsdp, tftp=self.tftp, http=self.http, more_bsdp=bsdp, state=state
        )
        self.file.write_text(more + text)

    @property
    def file(self) -> Path:
        return self.folder / "netbootd.toml"

    def check(self) -> tuple[int, list[str]]:
        out = io.StringIO()
        status = check(self.file, out)
        return status, out.getvalue().replace(f"{self.folder}/", "").splitlines()

    def only(self, severity: Severity) -> list[str]:
        """Texts of that severity, the folder left out."""
        return [
            str(one)[9:].replace(f"{self.folder}/", "")
            for one in findings_of(self.file)
            if one.severity is severity
        ]


@pytest.fixture
def site(open_folder: Path) -> Site:
    return Site(open_folder)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_all_is_well(site: Site) -> None:
    """Everything that a start needs is listed, and the status is 0."""
    status, lines = site.check()

    assert lines == [
        "ok       configuration  netbootd.toml",
        "ok       images         images/A.nbi: Alpha (index 7)",
        "ok       network        127.0.0.1 [lo]",
        f"ok       BSDP           UDP port {site.bsdp} is free",
        f"ok       TFTP           UDP port {site.tftp} is free",
        f"ok       HTTP           TCP port {site.http} is free",
        "ok       state          state",
    ]
    assert status == 0


def test_nothing_is_started_or_made(site: Site) -> None:
    """A check leaves no trace: no folder, no database."""
    site.check()

    assert sorted(path.name for path in site.folder.iterdir()) == ["images", "netbootd.toml"]


def test_without_a_file_the_defaults_are_checked(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What would run without a configuration is said to be just that."""
    monkeypatch.chdir(site.folder)

    lines = [str(one) for one in findings_of(None)]

    assert lines[0] == "ok       configuration  defaults (no file given)"
    assert f"ok       images         {site.images}/A.nbi: Alpha (index 7)" in lines


def test_a_configuration_that_is_wrong_is_all_that_is_said(site: Site) -> None:
    """Without a configuration there is nothing else to look at."""
    site.write("rescan = 2\n")

    status, (line,) = site.check()

    assert status == 1
    assert line.startswith("ERROR    configuration  netbootd.toml")
    assert "rescan" in line


def test_a_missing_image_folder_keeps_us_from_starting(site: Site) -> None:
    """It is said once, with the remedy."""
    site.images.rename(site.folder / "elsewhere")

    assert site.check()[0] == 1
    assert site.only(Severity.ERROR) == [
        "images         images does not exist; create it and put .nbi folders in it"
    ]


def test_addresses_are_leased_without_images(site: Site) -> None:
    """Where we lease addresses, the folder that nobody has named may be missing."""
    subnet = '[[dhcp.subnet]]\nnetwork = "127.0.0.0/8"\npools = ["127.0.0.9"]\n'
    site.write(f"[dhcp]\nenabled = true\n{subnet}")
    site.images.rename(site.folder / "elsewhere")

    assert site.only(Severity.ERROR) == []
    assert site.only(Severity.WARNING) == [
        "images         images does not exist; create it and put .nbi folders in it"
    ]

    site.write(f'[[images.share]]\npath = "mine"\n[dhcp]\nenabled = true\n{subnet}')
    assert len(site.only(Severity.ERROR)) == 1


def test_an_image_folder_that_cannot_be_read(site: Site) -> None:
    """A folder that is there and closed to us is not passed over in silence."""
    site.images.chmod(0)
    try:
        with as_nobody():
            (line,) = [one for one in site.only(Severity.WARNING) if "images" in one]
    finally:
        site.images.chmod(0o755)

    assert line.startswith("images         images: cannot be read")


def test_images_that_are_not_there_yet(site: Site) -> None:
    """An empty folder is a start, and nothing to boot."""
    site.images.rename(site.folder / "elsewhere")
    site.images.mkdir()

    assert site.check()[0] == 0
    assert site.only(Severity.WARNING) == [
        "images         no image is there yet: nothing to boot; put .nbi folders there (Macs), or"
        " folders with a boot.toml (PCs)"
    ]


def test_images_that_some_machine_will_not_see(site: Site) -> None:
    """Broken, doubtful and unreachable images are warnings; a disabled one is as it should be."""
    make_folder(site.images, "B.nbi", Index=2, without=("i386/booter",))
    make_folder(site.images, "C.nbi", Index=3, Name="Gamma", Type="NFS")
    make_folder(site.images, "D.nbi", Index=4, Name="Delta", IsEnabled=False)
    make_folder(site.images, "E.nbi", Index=5, Name="Eta", without=("i386/x86_64/kernelcache",))

    assert site.check()[0] == 0
    assert site.only(Severity.WARNING) == [
        "images         images/C.nbi: Gamma (index 3) is not offered: its Type is NFS;"
        " name the NFS server in [nfs], or set its Type to HTTP",
        "images         images/E.nbi: no kernelcache beside the i386 booter",
        "images         images/B.nbi/i386/booter: the booter for i386 is missing; put it there,"
        " or take i386 out of Architectures in NBImageInfo.plist",
    ]
    assert "images         images/D.nbi: Delta, disabled" in site.only(Severity.OK)


def test_boot_entries_and_loaders(site: Site) -> None:
    """They are listed like images; what keeps an entry back is a warning."""
    make_entry(site.images)
    make_entry(site.images, "off", DEBIAN + "enabled = false\n")
    make_entry(site.images, "odd", without=("linux",))
    (site.folder / "loaders").mkdir()
    (site.folder / "loaders/undionly.kpxe").write_bytes(b"ipxe")
    (site.folder / "loaders/ipxe.efi").symlink_to("/boot/ipxe.efi")
    (site.folder / "loaders/snponly.efi").symlink_to("/boot/snponly.efi")
    site.write('[pxe]\nenabled = true\nloaders = "loaders"\n')

    entry = "images         images/debian: Debian 12 installer (bios, uefi-x86-64)"
    found = site.only(Severity.OK)
    assert entry in found
    assert "images         images/off: Debian 12 installer, disabled" in found
    assert "loaders        loaders: 1 files" in found
    warnings = site.only(Severity.WARNING)
    assert (
        "images         images/odd/linux: is missing, and boot.toml names it;"
        " put it there, or correct boot.toml"
    ) in warnings
    link = "loaders        loaders/{}: is a symbolic link that leaves the folder"
    assert any(line.startswith(link.format("snponly.efi")) for line in warnings)
    (left_out,) = [line for line in found if line.startswith(link.format("ipxe.efi"))]
    assert left_out.endswith(": it is left out")
    assert [line for line in warnings if "boots" in line] == [
        "loaders        loaders: snponly.efi is missing, so no uefi-x86-64 machine boots “Debian 12"
        " installer”; put it there, or name another in [pxe.loader] uefi-x86-64"
    ]


def test_a_boot_toml_that_is_spelt_otherwise(site: Site) -> None:
    """A folder that would be an entry but for capitals is not passed over in silence."""
    write(site.images / "debian/Boot.toml", DEBIAN.encode())

    assert site.only(Severity.WARNING) == [
        "images         images/debian/Boot.toml: did you mean boot.toml? Rename it"
    ]


def test_a_folder_of_loaders_that_is_not_there(site: Site) -> None:
    """It is told as what it is, no folder of images."""
    site.write('[pxe]\nenabled = true\nloaders = "loaders"\n')

    (line,) = site.only(Severity.WARNING)

    assert line.startswith("loaders        loaders: the folder of loaders does not exist")


def test_entries_without_a_folder_of_loaders(site: Site) -> None:
    """Where an entry takes a loader and no folder is named, that is a warning."""
    make_entry(site.images)
    site.write("[pxe]\nenabled = true\n")

    assert site.only(Severity.WARNING) == [
        "loaders        pxe.loaders is not set, and “Debian 12 installer” takes a loader such as"
        ' iPXE to start; name its folder: "/usr/lib/ipxe"'
    ]


def test_boot_entries_that_machines_are_to_boot(site: Site) -> None:
    """An entry that is not there, or that nothing can boot, is told with who wants it."""
    make_entry(site.images)
    site.write(
        '[[dhcp.host]]\nname = "a"\nmac = "52:54:00:00:00:01"\nboot = "debain"\n'
        '[[dhcp.class]]\nname = "b"\nmac = "52:54"\nboot = "debian"\n'
    )

    assert site.only(Severity.WARNING) == [
        'images         dhcp.host[0].boot of "a": there is no boot entry "debain"; did you mean'
        ' "debian"?',
        'images         dhcp.class[0].boot of "b": nothing boots "debian" while [pxe] is off; set'
        " pxe.enabled = true",
    ]


def test_no_address_to_serve_on(site: Site) -> None:
    """Where [network] allows none of this machine's addresses, it says which there are."""
    site.file.write_text(site.file.read_text().replace("127.0.0.0/8", "203.0.113.0/24"))

    assert site.check()[0] == 1
    (line,) = site.only(Severity.ERROR)
    assert line.startswith("network        no address to serve on: [network] allows none of ")
    assert "127.0.0.1 [lo]" in line


def test_an_interface_that_is_not_there(site: Site) -> None:
    """Settings of an interface with a misspelt name would do nothing, silently."""
    site.write("[interface.en99]\nbsdp = false\n")

    assert site.only(Severity.WARNING) == [
        "network        [interface.en99] names an interface that this machine does not have"
    ]


@pytest.mark.parametrize(
    ("service", "kind"),
    [
        ("BSDP", socket.SOCK_DGRAM),
        ("TFTP", socket.SOCK_DGRAM),
        ("HTTP", socket.SOCK_STREAM),
    ],
)
def test_a_port_that_is_taken(site: Site, service: str, kind: socket.SocketKind) -> None:
    """It is a warning, for it may be this daemon itself that has it."""
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind(("127.0.0.1", getattr(site, service.lower())))
        if kind is socket.SOCK_STREAM:
            other.listen()

        status, lines = site.check()

    assert status == 0
    (line,) = [line for line in lines if service in line]
    assert line.startswith(f"WARNING  {service:<15}cannot bind ")
    assert "it is in use" in line


def test_a_port_that_another_program_has(site: Site) -> None:
    """A program that is not netbootd keeps us from starting: an error that names it."""
    held = f"import socket, sys; s = socket.create_server(('127.0.0.1', {site.http}))"
    command = [sys.executable, "-c", f"{held}; print(flush=True); sys.stdin.read()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()

        status, _ = site.check()
        (line,) = site.only(Severity.ERROR)
        other.communicate()

    assert status == 1
    assert line.startswith(
        f"HTTP           cannot bind TCP port {site.http} for HTTP: it is in use by "
    )
    assert f"(pid {other.pid}); stop that, or set another port" in line


def test_a_port_that_another_address_has(site: Site) -> None:
    """HTTP is bound to the addresses that are served; another address of ours is no obstacle."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as other:
        other.bind(("127.0.0.2", site.http))
        other.listen()

        assert site.only(Severity.WARNING) == []


def test_a_port_that_is_shared(site: Site) -> None:
    """With bsdp.share_port a DHCP server that shares it, too, is no obstacle."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", site.bsdp))
        assert len(site.only(Severity.WARNING)) == 1

        site.write(bsdp="share_port = true")

        assert site.only(Severity.WARNING) == []


def test_what_is_not_enabled_is_not_looked_at(site: Site) -> None:
    """A service that is off needs no port."""
    site.file.write_text(site.file.read_text().replace("[tftp]", "[tftp]\nenabled = false"))

    assert not any("TFTP" in line for line in site.check()[1])


def test_port_67_that_is_left_to_the_dhcp_server(site: Site) -> None:
    """Without BSDP and proxyDHCP the DHCP server on this computer has the port, as documented."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", site.bsdp))
        site.write(
            f"[pxe]\nenabled = true\nproxy = false\nport = {free(socket.SOCK_DGRAM)}\n",
            bsdp="enabled = false",
        )

        lines = site.check()[1]

    assert not any(f"port {site.bsdp}" in line for line in lines)
    assert any("PXE            UDP port" in line for line in lines)


def test_a_certificate(site: Site) -> None:
    """A usable certificate is named; one that is not there is an error with its path."""
    https = f"[https]\nenabled = true\nport = {free(socket.SOCK_STREAM)}\n"
    site.write(f'{https}certificate = "tls.pem"\nkey = "tls.key"\n')
    (line,) = site.only(Severity.ERROR)
    assert line == "HTTPS          tls.pem: cannot be read: No such file or directory"

    write_certificate(site.folder / "tls.pem", site.folder / "tls.key")

    assert site.only(Severity.ERROR) == []
    assert "HTTPS          tls.pem and its key" in site.only(Severity.OK)


def test_a_certificate_whose_time_is_over(site: Site) -> None:
    """netbootd starts with it, and no client takes it: a warning, with the day."""
    left = -timedelta(hours=1)
    write_certificate(site.folder / "tls.pem", site.folder / "tls.key", left=left)
    https = f"[https]\nenabled = true\nport = {free(socket.SOCK_STREAM)}\n"
    site.write(f'{https}certificate = "tls.pem"\nkey = "tls.key"\n')

    (line,) = [line for line in site.only(Severity.WARNING) if line.startswith("HTTPS")]

    assert line.startswith("HTTPS          tls.pem: netboot.test expired on ")
    assert line.endswith("; renew it")
    assert site.only(Severity.ERROR) == []


def test_a_certificate_that_firmware_would_not_take(site: Site) -> None:
    """It is looked at with firmware's eyes where firmware is told https URLs, and only there."""
    write_certificate(site.folder / "tls.pem", site.folder / "tls.key")
    https = f"[https]\nenabled = true\nport = {free(socket.SOCK_STREAM)}\n"
    https += 'certificate = "tls.pem"\nkey = "tls.key"\n'
    pxe = '[pxe]\nenabled = true\nscheme = "https"\n'

    def objections() -> list[str]:
        return [line for line in site.only(Severity.WARNING) if line.startswith("HTTPS")]

    site.write(https)
    assert objections() == []

    site.write(https + pxe)
    (host,) = [line for line in objections() if "127.0.0.1 is not among" in line]
    assert host.startswith("HTTPS          tls.pem is nothing for UEFI firmware: 127.0.0.1 is not")

    site.write(https + pxe + 'host_name = "boot.example.com"\n')
    assert any("boot.example.com is not among" in line for line in objections())


def test_a_user_that_nobody_knows(site: Site) -> None:
    """A misspelt user would stop the start."""
    site.write('user = "no-such-user"\n')

    assert site.check()[0] == 1
    assert site.only(Severity.ERROR) == [
        'user           user "no-such-user" does not exist; create it or correct `user`'
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_the_user_that_we_will_be(site: Site) -> None:
    """Who we become is said beforehand."""
    site.write('user = "nobody"\n')

    assert "user           becomes nobody once the ports are bound" in site.only(Severity.OK)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_images_are_looked_at_as_the_user_that_we_will_be(site: Site) -> None:
    """What root may read and that user may not is found now, not after the start."""
    site.write('user = "nobody"\n')
    site.images.chmod(0o700)

    (line,) = [one for one in site.only(Severity.WARNING) if "images:" in one]

    assert line.startswith("images         images: cannot be read")
    assert (os.geteuid(), os.getegid()) == (0, 0)


@pytest.mark.parametrize("state", ["file/state", "file", "closed/state"])
def test_state_that_cannot_be_written(site: Site, state: str) -> None:
    """A file where the folder should be, or a folder closed to us: an error, not a traceback."""
    write(site.folder / "file", b"")
    (site.folder / "closed").mkdir(mode=0)
    site.write(state=state)

    with as_nobody():
        status, lines = site.check()

    assert status == 1
    assert lines[-1] == (
        f"ERROR    state          {state} cannot be written;"
        " set state.directory to a folder that can"
    )


@pytest.mark.skipif(os.name == "nt", reason="its locks cannot be looked at")
def test_state_that_another_daemon_has(site: Site) -> None:
    """Two daemons cannot have one folder: an error before the start."""
    (site.folder / "state").mkdir()
    lock = FileLock(site.folder / "state/netbootd.sqlite.lock")
    lock.acquire()

    held = site.check()
    lock.release()

    assert held[0] == 1
    assert held[1][-1] == (
        "ERROR    state          state is in use by another netbootd; stop that, or set"
        " state.directory to another folder"
    )
    assert site.check()[1][-1] == "ok       state          state"
