"""A simulated Mac and a real daemon: it boots, or says at which stage it would not, and why."""

from __future__ import annotations

import gc
import shutil
import socket
from ipaddress import IPv4Address
from pathlib import Path
from random import Random

from images.catalog import Catalog, Root
from netbootd.simulate.mac import Boot, MacIdentity, Ports, SimulatedMac
from netbootd.simulate.startup import Chooser, choose_by
from netbootd.simulate.watch import BootFailed
from ops.amount import size_text
from protocols.bsdp.answer import ImageConfirmed
from protocols.bsdp.menu import Choice
from tests.images.folder import make_folder
from tests.netbootd.daemon import DaemonTestCase

IDENTITY = MacIdentity(mac=bytes.fromhex("a82066010203"), model="iMac14,2")


class Shown:
    """A watcher that writes down what it is shown."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._stage = ""

    def began(self, stage: str, doing: str) -> None:
        self._stage = stage

    def progressed(self, done: int, total: int) -> None:
        assert 0 <= done <= total

    def noted(self, what: str) -> None:
        self.lines.append(f"{self._stage}… {what}")

    def ended(self, result: str) -> None:
        self.lines.append(f"{self._stage}: {result}")


class MacTestCase(DaemonTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.watcher = Shown()

    def mac(self, choose: Chooser | None = None, *, reply: int = 0) -> SimulatedMac:
        return SimulatedMac(
            self.reactor,
            identity=IDENTITY,
            address=IPv4Address("127.0.0.1"),
            server="127.0.0.1",
            ports=Ports(bsdp=self.site.bsdp, tftp=self.site.tftp, reply=reply),
            choose=choose or choose_by(None),
            watcher=self.watcher,
            random=Random(2),
            disk=self.site.folder / "root.dmg",
        )

    async def failure(self, choose: Chooser | None = None, *, reply: int = 0) -> str:
        try:
            await self.mac(choose, reply=reply).boot()
        except BootFailed as error:
            return str(error).replace("/private/tftpboot/NetBoot/NetBootSP0/", "")
        self.fail("it booted")


class BootTests(MacTestCase):
    async def test_the_stages_of_a_boot(self) -> None:
        """Each stage is shown with its result, in the order of firmware and kernel."""
        path = self.site.sample()
        self.started()

        await self.mac().boot()

        def loaded(name: str) -> str:
            size = size_text((path / "i386" / name).stat().st_size)
            return f"{name.rpartition('/')[2]}: {size} by TFTP"

        *before, root_image, checksum = self.watcher.lines
        self.assertEqual(
            before,
            [
                "LIST: “Sample NetInstall” from 127.0.0.1",
                "SELECT: “Sample NetInstall” from 127.0.0.1, as NetBoot001",
                loaded("booter"),
                loaded("PlatformSupport.plist"),
                loaded("com.apple.Boot.plist"),
                loaded("x86_64/kernelcache"),
            ],
        )
        self.assertRegex(root_image, r"^root image: \d\.\d MiB by HTTP, in \d requests$")
        self.assertRegex(checksum, r"^checksum: \w+ image, its checksums match$")

    async def test_the_image_that_was_asked_for(self) -> None:
        """Of several images, the one that the user names is booted."""
        self.site.sample("A.nbi")
        self.site.sample("B.nbi", Index=2, Name="Other")
        self.started()

        boot = await self.mac(choose_by("Other")).boot()

        self.assertEqual(boot.image, "Other")

    async def test_an_image_without_a_root(self) -> None:
        """A boot file alone is loaded and that is all: there is no system to mount or to name."""
        self.site.sample(Type="BootFileOnly")
        self.started()

        boot = await self.mac().boot()

        self.assertEqual((boot.machine_name, boot.root_bytes, boot.tftp_bytes), ("", 0, 70_001))
        self.assertEqual(str(boot), "“Sample NetInstall” booted: TFTP 68.4 KiB")

    async def test_a_root_that_is_not_http(self) -> None:
        """An NFS root is the kernel's affair: everything before it is loaded."""
        self.site.sample(Type="NFS")
        self.site.add("nfs", 'server = "127.0.0.1"\nexport = "/exports"')
        self.started()

        boot = await self.mac().boot()

        self.assertEqual(boot.root_bytes, 0)
        self.assertRegex(
            self.watcher.lines[-1], r"^root image: nfs:127\.0\.0\.1:/exports.* is not HTTP: left to"
        )

    async def test_what_a_mac_can_do_without(self) -> None:
        """PlatformSupport.plist and com.apple.Boot.plist need not exist."""
        path = self.site.sample()
        (path / "i386/PlatformSupport.plist").unlink()
        (path / "i386/com.apple.Boot.plist").unlink()
        self.started()

        await self.mac().boot()

        self.assertIn("PlatformSupport.plist: not there, and not needed", self.watcher.lines)
        self.assertIn("com.apple.Boot.plist: not there, and not needed", self.watcher.lines)

    async def test_a_raw_image(self) -> None:
        """An image that carries no checksum is said to carry none."""
        make_folder(self.site.images, files={"NetInstall.dmg": bytes(5120)})
        self.started()

        await self.mac().boot()

        self.assertRegex(
            self.watcher.lines[-1], r"^checksum: \w+ image, which carries no checksum$"
        )


class FailureTests(MacTestCase):
    async def test_the_image_that_was_asked_for_is_not_there(self) -> None:
        """A wish that no server grants ends at LIST."""
        self.site.sample()
        self.started()

        self.assertEqual(
            await self.failure(choose_by("Mojave")),
            "LIST: the image that was asked for is not offered",
        )

    async def test_an_image_that_goes_while_the_user_looks_at_it(self) -> None:
        """Selecting what is no longer there is answered FAILED."""
        path = self.site.sample()
        service = self.started()

        def removes(choices: tuple[Choice, ...]) -> Choice:
            shutil.rmtree(path)
            service.booter.publish(Catalog([Root(self.site.images)]).scan_thd())
            return choices[0]

        self.assertEqual(
            await self.failure(removes),
            "SELECT: 127.0.0.1 answered FAILED: it will not boot 0x81000001",
        )

    async def test_a_booter_that_has_gone(self) -> None:
        """The file is named, with the server's reason."""
        path = self.site.sample()
        self.started()
        (path / "i386/booter").unlink()

        self.assertEqual(
            await self.failure(),
            "booter: Sample.nbi/i386/booter: error 1: the file has gone since the bundle was read",
        )

    async def test_a_kernelcache_that_is_missing(self) -> None:
        """Without a kernel there is no boot."""
        path = self.site.sample()
        (path / "i386/x86_64/kernelcache").unlink()
        self.started()

        self.assertEqual(
            await self.failure(),
            "kernelcache: Sample.nbi/i386/x86_64/kernelcache: error 1: the bundle holds no such"
            " file",
        )

    async def test_a_truncated_root_image(self) -> None:
        """An image that was cut short has lost its trailer, and is none."""
        path = self.site.sample()
        self.cut(path / "NetInstall.dmg", 1000)
        self.started()

        self.assertRegex(
            await self.failure(),
            r"^checksum: \d+ bytes are neither a disk image with a trailer nor whole sectors of a"
            r" raw one: the file is cut short or no disk image$",
        )

    @staticmethod
    def cut(path: Path, size: int) -> None:
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size - size)

    async def test_a_root_image_with_a_wrong_byte(self) -> None:
        """One byte that is not what it was is found by the image's own checksum."""
        path = self.site.sample()
        with (path / "NetInstall.dmg").open("r+b") as file:
            file.seek(1000)
            byte = file.read(1)
            file.seek(1000)
            file.write(bytes((byte[0] ^ 1,)))
        self.started()

        self.assertEqual(
            await self.failure(), "checksum: the root image is not what its own checksums say"
        )

    async def test_a_root_image_that_has_gone(self) -> None:
        """The kernel's part fails with the status that HTTP gave."""
        path = self.site.sample()
        self.started()
        (path / "NetInstall.dmg").unlink()

        self.assertRegex(
            await self.failure(), r"^root image: HEAD http://127\.0\.0\.1:\d+/.* was answered 404$"
        )

    async def test_a_reply_port_that_is_taken(self) -> None:
        """Where the port asked for cannot be had, that is the end."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", 0))

            text = await self.failure(reply=other.getsockname()[1])

        self.assertRegex(text, r"^LIST: no reply port could be bound: .*in use.*$")
        gc.collect()  # Twisted leaves the socket that it could not bind to the collector,
        self.flushWarnings()  # which complains

    async def test_an_answer_that_boots_nothing(self) -> None:
        """A confirmation without a boot file, or without a server to load it from, is no use."""
        for boot_file, server, why in (
            (b"", "127.0.0.1", "the answer names no boot file"),
            (b"/x/booter", "0.0.0.0", "the answer names no server to load from (siaddr)"),
        ):
            mac = self.mac()
            confirmed = ImageConfirmed(
                server=IPv4Address("127.0.0.1"),
                boot_server=IPv4Address(server),
                boot_file=boot_file,
                root_path=None,
                machine_name=None,
                shadow_mount_path=None,
                shadow_file_path=None,
            )

            async def found(confirmed: ImageConfirmed = confirmed) -> object:
                return None, confirmed

            self.patch(mac, "_find_image", found)

            with self.assertRaises(BootFailed) as caught:
                await mac.boot()

            self.assertEqual(str(caught.exception), f"SELECT: {why}")


def test_a_boot_in_one_line() -> None:
    """What was booted, as whom, and how much of it."""
    boot = Boot(
        image="High Sierra",
        machine_name="NetBoot007",
        booter_digest="",
        tftp_bytes=25_000_000,
        root_bytes=5 << 30,
    )

    assert str(boot) == "“High Sierra” booted as NetBoot007: TFTP 23.8 MiB, HTTP 5.0 GiB"
