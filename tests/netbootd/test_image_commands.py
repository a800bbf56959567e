"""`netbootctl images …` as an operator types it, without a daemon."""

from __future__ import annotations

import json
import os
import plistlib
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from images.author import sample_bundle_thd
from images.bundle import read_bundle_thd
from netbootd.cli import main
from tests.images.entries import DEBIAN, make_entry
from tests.images.folder import make_folder

INFO = "NBImageInfo.plist"

# The real command, which stops at half of the copy until it is told to go on.
HALF = """
import sys
from netbootd.cli import main
from netbootd.image_verify import Screen

def progressed(self, done, total):
    if 2 * done >= total and not Screen.stopped:
        Screen.stopped = True
        print("half", flush=True)
        sys.stdin.readline()

Screen.stopped = False
Screen.progressed = progressed
main()
"""


class Desk:
    """A configuration with a share, and a volume with an image."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.images = folder / "images"
        self.images.mkdir()
        self.usb = folder / "usb"
        self.usb.mkdir()
        self.config = folder / "netbootd.toml"
        self.config.write_text('[images]\nshare = [{path = "images"}]\n[state]\ndirectory = "s"\n')

    def sample(self, name: str = "Sample.nbi", *, root: Path | None = None, **keys: Any) -> Path:
        path = (root or self.usb) / name
        sample_bundle_thd(path, root_image_size=6 << 20, kernelcache_size=200_000, keys=keys)
        return path

    def run(self, command: str, *arguments: object) -> Result:
        words = ["images", command, *map(str, arguments), "--config", str(self.config)]
        return CliRunner().invoke(main, words)

    def json(self, command: str, *arguments: object) -> Any:
        result = self.run(command, *arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def ok(self, command: str, *arguments: object) -> str:
        result = self.run(command, *arguments)
        assert result.exit_code == 0, result.output
        return result.stdout

    def failure(self, command: str, *arguments: object) -> str:
        """What stands on standard error, which is one line."""
        result = self.run(command, *arguments)
        assert (result.exit_code, type(result.exception)) == (1, SystemExit), result.output
        (line,) = result.stderr.splitlines()
        assert line.startswith("Error: ")
        return line.removeprefix("Error: ")

    @contextmanager
    def at_half(self, *arguments: object) -> Iterator[subprocess.Popen[str]]:
        """An import in a process of its own that has copied half."""
        words = ["images", "import", *map(str, arguments), "--config", str(self.config)]
        with subprocess.Popen(
            [sys.executable, "-c", HALF, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        ) as process:
            assert process.stdout is not None
            try:
                assert process.stdout.readline() == "half\n"
                yield process
            finally:
                process.kill()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


class TestList:
    def test_every_state(self, desk: Desk) -> None:
        """A line for each, in list order; what is not served is explained below."""
        desk.sample("B.nbi", root=desk.images, Index=2, Name="Beta", IsDefault=True)
        desk.sample("A.nbi", root=desk.images, Index=1, Name="Alpha\u202e")
        desk.sample("Nfs.nbi", root=desk.images, Index=3, Type="NFS", Name="By NFS")
        desk.sample("Off.nbi", root=desk.images, Index=4, Name="Off", IsEnabled=False)
        make_folder(desk.images, "Bad.nbi", without=("i386/booter",))
        make_entry(desk.images)

        head, *lines = desk.ok("list").splitlines()

        assert head.split() == "index title state purpose machines size folder".split()
        assert [" ".join(line.split()) for line in lines[:6]] == [
            "2 Beta served, default install all Intel Macs 2.7 MiB B.nbi",
            "1 Alpha\\u202e served install all Intel Macs 2.7 MiB A.nbi",
            "3 By NFS not offered install all Intel Macs 2.7 MiB Nfs.nbi",
            "- Debian 12 installer served, first for PCs bios, uefi-x86-64 1.0 KiB debian",
            "4 Off disabled install all Intel Macs 2.7 MiB Off.nbi",
            "- - broken - - - Bad.nbi",
        ]
        assert lines[6:] == [
            "Nfs.nbi: its Type is NFS; name the NFS server in [nfs], or set its Type to HTTP",
            "Bad.nbi: i386/booter: the booter for i386 is missing; put it there, or take i386 out"
            " of Architectures in NBImageInfo.plist",
        ]

    def test_json(self, desk: Desk) -> None:
        """All that is known, by the same keys for all."""
        desk.sample("A.nbi", root=desk.images, EnabledMACAddresses=["0:1:2:3:4:5"])
        make_folder(desk.images, "Bad.nbi", Index=0)
        make_entry(desk.images)

        image, entry, broken = desk.json("list")

        assert image.keys() == entry.keys() == broken.keys()
        assert (image["state"], image["image_id"], image["for"]) == ("served", "0x81000001", "mac")
        assert image["enabled_macs"] == ["00:01:02:03:04:05"]
        assert image["info"]["Name"] == "Sample NetInstall"
        assert {file["name"] for file in image["files"]} >= {INFO, "i386/booter"}
        assert image["size"] == sum(file["size"] for file in image["files"])
        assert (entry["for"], entry["title"]) == ("pc", "Debian 12 installer")
        assert (broken["state"], broken["info"], broken["files"]) == ("broken", None, [])
        assert broken["why"].startswith("NBImageInfo.plist: Index is")

    def test_nothing(self, desk: Desk) -> None:
        """It says how to begin."""
        assert desk.ok("list") == "no images yet; copy some with `netbootctl images import`\n"
        assert desk.json("list") == []

    def test_a_share_that_is_missing(self, desk: Desk) -> None:
        """It is told like an image that is broken."""
        desk.images.rmdir()

        (missing,) = desk.json("list")

        assert (missing["path"], missing["state"]) == (str(desk.images), "broken")
        assert "images: the image folder does not exist; create it" in desk.ok("list")

    def test_several_shares(self, desk: Desk) -> None:
        """Each folder is named with its share, and by that it can be named."""
        (desk.folder / "lab").mkdir()
        desk.config.write_text(
            '[images]\nshare = [{path = "images"}, {path = "lab", name = "Lab"}]\n'
        )
        desk.sample("A.nbi", root=desk.images)
        desk.sample("A.nbi", root=desk.folder / "lab", Index=2)

        assert desk.ok("list").split("\n")[2].endswith("Lab/A.nbi")
        assert "names several images" in desk.failure("show", "A")
        assert desk.json("show", "Lab/A.nbi")["index"] == 2

    def test_a_wrong_configuration(self, desk: Desk) -> None:
        """Its place and its remedy, and an exit status of its own."""
        desk.config.write_text("[imagse]\n")

        result = desk.run("list")

        assert result.exit_code == 3
        assert "did you mean `images`?" in result.stderr


class TestShow:
    def test_an_image(self, desk: Desk) -> None:
        """Every key in plain words, and the files with their sizes."""
        desk.sample(
            "A.nbi",
            root=desk.images,
            Name="Lab",
            Index=4100,
            EnabledSystemIdentifiers=["iMac14,2", "Macmini6,1"],
            DisabledMACAddresses=["0:1:2:3:4:5"],
            Description="for the lab",
            osVersion="10.13.6",
            imageType="netinstall",
            LoadBalanceServer="10.0.0.9",
            SupportsDiskless=True,
            BackwardCompatible=True,
            IsDefault=1,
        )

        for name in ("A", "A.nbi", "4100", "lab", desk.images / "A.nbi"):
            text = desk.ok("show", name)

            assert [" ".join(line.split()) for line in text.splitlines()[:18]] == [
                "title Lab",
                f"folder {desk.images / 'A.nbi'}",
                "state served, first",
                "index 4100 (the same image on every server), image ID 0x81001004",
                "purpose installs a system (Mac OS X)",
                "default no",
                "root disk NetInstall.dmg, over HTTP",
                "boot files i386/booter",
                "kernels i386/x86_64/kernelcache",
                "diskless yes: the Mac gets a place to write",
                "files from the server 10.0.0.9",
                "description for the lab",
                "language Default",
                "made by an image tool, as netinstall",
                "macOS 10.13.6",
                "backward compatible yes",
                "machines Intel Macs of Macmini6,1, iMac14,2",
                "not by the address 00:01:02:03:04:05",
            ]
            assert "doubt " in text
            assert "IsDefault is the number 1; read as false" in text
            assert "6 files" in text.splitlines()[-1]

    def test_boot_file_only(self, desk: Desk) -> None:
        """Without a root disk; disabled with the way back."""
        make_folder(
            desk.images, Type="BootFileOnly", Kind=3, IsEnabled=False, BackwardCompatible=False
        )

        text = desk.ok("show", "A")

        assert "none: the Mac runs the boot file and that is all" in text
        assert "diagnoses the Mac (diagnostics)" in text
        assert "netbootctl images enable A.nbi" in text

    def test_an_entry_and_what_is_broken(self, desk: Desk) -> None:
        """Two at once."""
        make_entry(desk.images)
        make_folder(desk.images, "Bad.nbi", Index=0)

        text = desk.ok("show", "debian", "Bad")

        assert "command line  auto=true url={base_url}/preseed.cfg" in text
        assert "what to do  set Index to an <integer>" in text
        assert len(desk.json("show", "debian", "Bad")) == 2

    def test_nobody_of_that_name(self, desk: Desk) -> None:
        """What there is, is named."""
        assert desk.failure("show", "x") == "no image is called x; there are: there is none"
        make_folder(desk.images)
        assert desk.failure("show", "x") == "no image is called x; there are: A.nbi"


class TestVerify:
    def test_all(self, desk: Desk) -> None:
        """A line for each file, a verdict, and status 0."""
        desk.sample("A.nbi", root=desk.images)
        desk.sample("B.nbi", root=desk.images, Index=2)

        text = desk.ok("verify")

        assert "A.nbi: Sample NetInstall\n" in text
        assert "✓ NetInstall.dmg        2.0 MiB, zlib image, 3 checksums match (" in text
        assert text.endswith("2 images are intact\n")

    def test_damage(self, desk: Desk) -> None:
        """One wrong bit in a disk image is found, and the status is 1."""
        image = desk.sample("A.nbi", root=desk.images) / "NetInstall.dmg"
        desk.sample("B.nbi", root=desk.images, Index=2)
        with image.open("r+b") as file:
            file.seek(1000)
            byte = file.read(1)
            file.seek(1000)
            file.write(bytes([byte[0] ^ 1]))

        result = desk.run("verify")

        assert result.exit_code == 1
        assert "✗ NetInstall.dmg        2.0 MiB, is damaged: the checksum of" in result.stdout
        assert result.stdout.endswith("1 of 2 images are not intact\n")
        assert desk.run("verify", "B").exit_code == 0
        told = json.loads(desk.run("verify", "A", "--json").stdout)
        assert [one["intact"] for one in told] == [False]
        assert {check["result"] for check in told[0]["checks"]} == {"ok", "bad"}

    def test_doubts_and_broken_folders(self, desk: Desk) -> None:
        """A doubt is no failure; a broken folder is one."""
        (desk.sample("A.nbi", root=desk.images) / "i386/booter").write_bytes(b"the booter")
        assert "! booter                10 bytes, is not an EFI program" in desk.ok("verify", "A")

        shutil.rmtree(desk.images / "A.nbi/i386")
        result = desk.run("verify")
        assert result.exit_code == 1
        assert (
            "✗ folder                i386/booter: the booter for i386 is missing" in result.stdout
        )

    def test_a_folder_elsewhere(self, desk: Desk) -> None:
        """On a volume, before it is imported."""
        source = desk.sample("A.nbi")
        make_folder(desk.usb, "Bad.nbi", Index=0)

        assert desk.run("verify", source).exit_code == 0
        assert desk.run("verify", desk.usb / "Bad.nbi").exit_code == 1

    def test_nothing(self, desk: Desk) -> None:
        """No images, no failure."""
        assert desk.run("verify").exit_code == 0
        assert desk.json("verify") == []


class TestImport:
    def test_from_a_volume(self, desk: Desk) -> None:
        """The only image of a volume is copied, verified and there."""
        source = desk.sample("A.nbi")

        text = desk.ok("import", desk.usb)

        assert "✓ copy                  2.7 MiB in 6 files (" in text
        assert "3 checksums match" in text
        assert text.splitlines()[-2:] == [
            f"{desk.images / 'A.nbi'}: Sample NetInstall (index 1)",
            "  served; a netbootd that runs notices within seconds",
        ]
        for name in read_bundle_thd(source).files:
            assert (desk.images / "A.nbi" / name).read_bytes() == (source / name).read_bytes()
        assert [path.name for path in desk.images.iterdir()] == ["A.nbi"]

    def test_with_other_keys(self, desk: Desk) -> None:
        """Where the Index is taken it says which is free; that one works."""
        desk.sample("B.nbi", root=desk.images)
        source = desk.sample("A.nbi")

        line = desk.failure("import", source)
        assert line.endswith("B.nbi; give it another one: --index 2")

        told = desk.json("import", source, "--index", 2, "--name", "Mine", "--disabled")
        assert (told["index"], told["title"], told["state"]) == (2, "Mine", "disabled")
        assert told["running"] is None

    def test_a_share_is_made(self, desk: Desk) -> None:
        """The last part of its path, no more."""
        desk.images.rmdir()
        desk.sample("A.nbi")

        desk.ok("import", desk.usb)
        assert (desk.images / "A.nbi").is_dir()

        desk.config.write_text('[images]\nshare = [{path = "no/such/images"}]\n')
        assert "cannot be made: No such file or directory; make it" in desk.failure(
            "import", desk.usb
        )

    def test_one_of_several_shares(self, desk: Desk) -> None:
        """It has to be said which; a folder elsewhere will do as well."""
        (desk.folder / "lab").mkdir()
        (desk.folder / "else").mkdir()
        desk.config.write_text(
            '[images]\nshare = [{path = "images"}, {path = "lab", name = "Lab"}]\n'
        )
        desk.sample("A.nbi")

        assert desk.failure("import", desk.usb).endswith("--share NetBootSP0 or Lab")
        assert "is neither a share (NetBootSP0, Lab) nor a folder" in desk.failure(
            "import", desk.usb, "--share", "Lob"
        )
        assert desk.json("import", desk.usb, "--share", "Lab")["share"] == "Lab"
        desk.ok("import", desk.usb, "--share", desk.folder / "else", "--index", 5)
        assert (desk.folder / "lab/A.nbi").is_dir()
        assert (desk.folder / "else/A.nbi").is_dir()

    def test_a_damaged_source(self, desk: Desk) -> None:
        """It is not let in, unless that is wanted."""
        image = desk.sample("A.nbi") / "NetInstall.dmg"
        os.truncate(image, image.stat().st_size - 5)

        line = desk.failure("import", desk.usb)

        assert "so nothing was imported; copy the disk image again" in line
        assert list(desk.images.iterdir()) == []
        desk.ok("import", desk.usb, "--no-verify")
        assert (desk.images / "A.nbi").is_dir()

    def test_kill_9(self, desk: Desk) -> None:
        """A copy that was killed is not seen by anybody, and goes on where it stopped."""
        source = desk.sample("A.nbi")
        with desk.at_half(desk.usb) as process:
            process.kill()
            process.wait()

        assert desk.json("list") == []
        assert "A.nbi: its import was cut off; import it again, and it goes on" in desk.ok("list")
        (staging,) = desk.images.iterdir()
        staged = staging / "A.nbi/NetInstall.dmg"
        inode, size = staged.stat().st_ino, staged.stat().st_size
        assert 0 < size < (source / "NetInstall.dmg").stat().st_size

        text = desk.ok("import", desk.usb)

        assert "goes on with a copy that was cut off at 2.0 MiB" in text
        assert "3 checksums match" in text
        assert (desk.images / "A.nbi/NetInstall.dmg").stat().st_ino == inode
        assert [path.name for path in desk.images.iterdir()] == ["A.nbi"]

    def test_ctrl_c(self, desk: Desk) -> None:
        """It ends with the status that shells expect, says how to go on, and keeps what it has."""
        desk.sample("A.nbi")
        with desk.at_half(desk.usb) as process:
            process.send_signal(2)
            _, errors = process.communicate(timeout=60)

        assert process.returncode == 130
        assert "the same command goes on from here" in errors
        assert "Traceback" not in errors
        assert desk.json("list") == []
        assert desk.ok("import", desk.usb).startswith("goes on with")

    def test_two_at_once(self, desk: Desk) -> None:
        """The second one leaves the first one's copy alone."""
        desk.sample("A.nbi")
        with desk.at_half(desk.usb) as process:
            line = desk.failure("import", desk.usb)
            assert line.endswith("A.nbi is being imported by another netbootctl; wait for it")
            assert "A.nbi: is being imported\n" in desk.ok("list")

            out, errors = process.communicate("\n", timeout=60)

        assert (process.returncode, errors) == (0, "")
        assert "A.nbi: Sample NetInstall (index 1)" in out
        assert desk.run("verify").exit_code == 0

    def test_a_file_that_may_not_grow(self, desk: Desk) -> None:
        """A limit of the system is one line, and nothing is left."""
        desk.sample("A.nbi")
        words = ["images", "import", str(desk.usb), "--config", str(desk.config)]

        done = subprocess.run(
            [sys.executable, "-c", "from netbootd.cli import main; main()", *words],
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[2],
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20)),
            timeout=60,
            check=False,
        )

        assert done.returncode == 1
        assert done.stderr == (
            f"Error: {desk.images / 'A.nbi'}: cannot be written: File too large; check that its"
            " disk is well and has room\n"
        )
        assert list(desk.images.iterdir()) == []

    @pytest.mark.interop
    def test_a_disk_that_is_too_small(self, desk: Desk) -> None:
        """It is seen before a byte is copied."""
        desk.sample("A.nbi")
        with small_disk(desk.images, "2m"):
            line = desk.failure("import", desk.usb)
            assert "A.nbi: needs 2,8" in line
            assert line.endswith("make room, or import into a share on another disk")
            assert list(desk.images.iterdir()) == []

    @pytest.mark.interop
    def test_a_disk_that_somebody_else_fills(self, desk: Desk) -> None:
        """One clear line, no torn image, and its room is given back."""
        desk.sample("A.nbi")
        with small_disk(desk.images, "6m"), desk.at_half(desk.usb) as process:
            free = shutil.disk_usage(desk.images).free
            (desk.images / "filler").write_bytes(bytes(free))
            _, errors = process.communicate("\n", timeout=60)

            assert process.returncode == 1
            assert errors == (
                f"Error: {desk.images / 'A.nbi'}: cannot be written: No space left on device;"
                " check that its disk is well and has room\n"
            )
            assert [path.name for path in desk.images.iterdir()] == ["filler"]


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


class TestCreate:
    @pytest.fixture
    def parts(self, desk: Desk) -> list[object]:
        source = desk.sample("Parts.nbi")
        shutil.copy(source / "i386/booter", desk.folder / "boot.efi")
        return [
            *("--booter", desk.folder / "boot.efi"),
            *("--kernelcache", source / "i386/x86_64/kernelcache"),
            *("--platform-support", source / "i386/PlatformSupport.plist"),
            *("--root-image", source / "NetInstall.dmg"),
        ]

    def test_an_installer(self, desk: Desk, parts: list[object]) -> None:
        """Apple's layout, the models of the system, the first Index that is free."""
        desk.sample("A.nbi", root=desk.images)

        text = desk.ok("create", "Lab", *parts)

        assert f"{desk.images / 'Lab.nbi'}: Lab (index 2)" in text
        bundle = read_bundle_thd(desk.images / "Lab.nbi")
        assert set(bundle.files) == {
            INFO,
            "NetInstall.dmg",
            "i386/booter",
            "i386/PlatformSupport.plist",
            "i386/x86_64/kernelcache",
        }
        assert (bundle.image_id, bundle.image_type) == (0x81000002, "netinstall")
        assert bundle.enabled_system_ids == {"iMac14,2"}
        assert desk.run("verify", "Lab").exit_code == 0

    def test_everything_said(self, desk: Desk, parts: list[object]) -> None:
        """A system to work with, for these models, as the default."""
        told = desk.json(
            *("create", "Lab.nbi", *parts, "--type", "netboot", "--name", "Mine", "--index", 4100),
            *("--models", "iMac1,1 iMac2,1", "--models", "iMac3,1", "--description", "x"),
            *("--diskless", "--default", "--disabled"),
            *("--boot-plist", desk.usb / "Parts.nbi/i386/com.apple.Boot.plist"),
        )

        assert told["info"] == {
            **told["info"],
            "Name": "Mine",
            "Index": 4100,
            "RootPath": "NetBoot.dmg",
            "IsInstall": False,
            "IsDefault": True,
            "IsEnabled": False,
            "SupportsDiskless": True,
            "Description": "x",
            "imageType": "netboot",
            "EnabledSystemIdentifiers": ["iMac1,1", "iMac2,1", "iMac3,1"],
        }
        assert told["state"] == "disabled"

    def test_all_models(self, desk: Desk, parts: list[object]) -> None:
        """Whatever PlatformSupport.plist says."""
        told = desk.json("create", "Lab", *parts, "--models", "all", "--type", "netrestore")

        assert told["enabled_models"] == []
        assert told["info"]["IsInstall"] is True

    def test_a_sparse_image_keeps_its_suffix(self, desk: Desk, parts: list[object]) -> None:
        """As DeployStudio has them."""
        head = b"sprs" + bytes(12) + (8).to_bytes(4, "big")
        (desk.folder / "x.sparseimage").write_bytes(head.ljust(4096, b"\0"))

        told = desk.json("create", "Lab", *parts[:2], "--root-image", desk.folder / "x.sparseimage")

        assert told["info"]["RootPath"] == "NetInstall.sparseimage"

    @pytest.mark.parametrize(
        ("name", "option", "content", "words"),
        [
            ("Lab", "--booter", b"<html>", "is no EFI program; give the boot.efi of the system"),
            ("Lab", "--root-image", b"<html>", "are neither a disk image with a trailer nor"),
            ("Lab", "--platform-support", b"<html>", "is not a property list"),
            ("a/b", "--platform-support", b"", "is no name of a folder; say where with --share"),
            ("Lab", "--index", 1, "has the same Index, 1, as "),
        ],
    )
    def test_what_would_not_boot(
        self, desk: Desk, parts: list[object], name: str, option: str, content: Any, words: str
    ) -> None:
        """It is refused in one line, and nothing is made."""
        if isinstance(content, bytes):
            (desk.folder / "wrong").write_bytes(content)
            content = desk.folder / "wrong"
        else:
            desk.sample("A.nbi", root=desk.images)

        assert words in desk.failure("create", name, *parts, option, content)
        assert not (desk.images / "Lab.nbi").exists()

    def test_a_kernel_that_is_none(self, desk: Desk, parts: list[object]) -> None:
        """A doubt, no refusal."""
        (desk.folder / "kernel").write_bytes(b"<html>")

        text = desk.ok("create", "Lab", *parts, "--kernelcache", desk.folder / "kernel")

        assert "kernel does not look like a kernel of macOS" in text

    def test_a_part_that_is_not_there(self, desk: Desk, parts: list[object]) -> None:
        """Its name and the system's words."""
        line = desk.failure("create", "Lab", *parts, "--booter", desk.folder / "none")

        assert line == f"{desk.folder / 'none'}: No such file or directory"


class TestSwitch:
    def test_disable_and_enable(self, desk: Desk) -> None:
        """One key of the file changes, twice the same is no failure."""
        path = desk.sample("A.nbi", root=desk.images) / INFO
        make_entry(desk.images)
        before = plistlib.loads(path.read_bytes())

        text = desk.ok("disable", "A", "debian")
        assert text.count("disabled: it is switched off; a netbootd that runs") == 2
        assert plistlib.loads(path.read_bytes()) == {**before, "IsEnabled": False}
        assert (desk.images / "debian/boot.toml").read_text() == f"enabled = false\n{DEBIAN}"

        told = desk.json("enable", "A", "debian")
        assert [one["state"] for one in told] == ["served", "served"]
        assert plistlib.loads(path.read_bytes()) == before
        desk.ok("enable", "A")

    def test_one_of_two_with_one_index(self, desk: Desk) -> None:
        """The way out of a conflict is open, though the second one is not served."""
        desk.sample("A.nbi", root=desk.images)
        desk.sample("B.nbi", root=desk.images)
        assert [one["state"] for one in desk.json("list")] == ["served", "broken"]

        desk.ok("disable", "B")

        assert [one["state"] for one in desk.json("list")] == ["served", "disabled"]

    def test_broken_folders(self, desk: Desk) -> None:
        """They cannot be switched; it says what to mend."""
        make_folder(desk.images, "Bad.nbi", Index=0)

        assert "set Index to an <integer>" in desk.failure("enable", "Bad")

    def test_default(self, desk: Desk) -> None:
        """The chosen one is first for its machines; defaults of other models stay."""
        desk.sample("A.nbi", root=desk.images, Index=1, IsDefault=True)
        mini = {"EnabledSystemIdentifiers": ["Macmini6,1"], "IsDefault": True}
        desk.sample("B.nbi", root=desk.images, Index=2, **mini)
        desk.sample("C.nbi", root=desk.images, Index=3, EnabledSystemIdentifiers=["iMac14,2"])

        text = desk.ok("set-default", "C")

        assert f"{desk.images / 'A.nbi'}: Sample NetInstall is no default any more" in text
        assert [(one["name"], one["default"]) for one in desk.json("list")] == [
            ("B.nbi", True),
            ("C.nbi", True),
            ("A.nbi", False),
        ]

    def test_default_entry(self, desk: Desk) -> None:
        """Likewise for PCs."""
        make_entry(desk.images, "one", DEBIAN + "default = true\n")
        make_entry(desk.images, "off", DEBIAN + "default = true\nenabled = false\n")
        make_entry(desk.images, "two")

        told = desk.json("set-default", "two")

        assert (told["name"], told["default"]) == ("two", True)
        assert [one["default"] for one in desk.json("list")] == [True, False, False]


class TestCompletion:
    def completed(self, desk: Desk, line: str) -> list[str]:
        """What a shell is told at the end of `line`."""
        words = line.split(" ")
        environment = {
            **os.environ,
            "_NETBOOTCTL_COMPLETE": "bash_complete",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words) - 1),
            "NETBOOTD_CONFIG": str(desk.config),
        }
        done = subprocess.run(
            [Path(sys.executable).with_name("netbootctl")],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert done.stderr == ""
        return [each.partition(",")[2] for each in done.stdout.split()]

    def test_images(self, desk: Desk) -> None:
        """Names of images and boot entries, those that are broken as well."""
        (desk.images / "Sierra.nbi").mkdir()
        make_folder(desk.images, "Mojave.nbi")
        make_entry(desk.images)
        (desk.images / ".importing-A").mkdir()

        assert self.completed(desk, "netbootctl images show ") == ["Mojave", "Sierra", "debian"]
        assert self.completed(desk, "netbootctl images set-default Si") == ["Sierra"]

    def test_nothing_to_tell(self, desk: Desk) -> None:
        """A wrong configuration or a missing folder disturbs nobody who types."""
        desk.images.rmdir()
        assert self.completed(desk, "netbootctl images verify ") == []
        desk.config.write_text("[imagse]\n")
        assert self.completed(desk, "netbootctl images verify ") == []
