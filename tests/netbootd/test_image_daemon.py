"""Images that commands make and change, and the daemon that serves them."""

from __future__ import annotations

import json
from ipaddress import IPv4Address
from random import Random
from typing import Any

from click.testing import CliRunner
from twisted.internet.threads import deferToThread

from images.author import sample_bundle_thd
from netbootd.admin.client import admin_client
from netbootd.cli import main
from netbootd.demo import IDENTITY
from netbootd.simulate.mac import Ports, SimulatedMac
from netbootd.simulate.startup import choose_by
from netbootd.simulate.watch import BootFailed, Unwatched
from tests.netbootd.daemon import DaemonTestCase


class CommandTests(DaemonTestCase):
    """The commands ask the daemon what it makes of what they did."""

    timeout = 100

    async def command(self, *words: object) -> Any:
        """What a command of `netbootctl images` prints as JSON."""
        arguments = ["images", *map(str, words), "--json", "--config", str(self.site.write())]
        result = await deferToThread(CliRunner().invoke, main, arguments)
        self.assertEqual(result.exit_code, 0, result.output)
        return json.loads(result.stdout)

    async def boots(self, image: str) -> str:
        """A simulated Mac boots it; the title of what it got."""
        mac = SimulatedMac(
            self.reactor,
            identity=IDENTITY,
            address=IPv4Address("127.0.0.1"),
            server="127.0.0.1",
            ports=Ports(bsdp=self.site.bsdp, tftp=self.site.tftp),
            choose=choose_by(image),
            watcher=Unwatched(),
            random=Random(1),
            disk=self.site.folder / "root.dmg",
        )
        return (await mac.boot()).image

    async def test_an_image_that_was_created_is_booted(self) -> None:
        """From its parts to a Mac with its root disk, every byte checked; then it is switched off
        and nobody is offered it."""
        self.site.sample("Other.nbi")
        parts = self.site.folder / "Parts.nbi"
        sample_bundle_thd(parts, root_image_size=3 << 20, kernelcache_size=100_000)
        self.started()

        made = await self.command(
            *("create", "Lab", "--name", "The lab", "--index", 4100),
            *("--booter", parts / "i386/booter"),
            *("--kernelcache", parts / "i386/x86_64/kernelcache"),
            *("--platform-support", parts / "i386/PlatformSupport.plist"),
            *("--root-image", parts / "NetInstall.dmg"),
        )
        self.assertEqual(made["running"]["state"], "served")
        self.assertEqual(await self.boots("4100"), "The lab")

        disabled = await self.command("disable", "Lab")
        self.assertEqual(disabled["running"]["state"], "disabled")
        with self.assertRaisesRegex(BootFailed, "asked for is not offered"):
            await self.boots("4100")

    async def test_an_image_that_was_imported_is_booted(self) -> None:
        """It is served when the command ends."""
        usb = self.site.folder / "usb"
        usb.mkdir()
        sample_bundle_thd(usb / "A.nbi", root_image_size=3 << 20, kernelcache_size=100_000)
        self.started()

        told = await self.command("import", usb, "--name", "Brought", "--index", 7)

        self.assertEqual(told["running"]["state"], "served")
        self.assertEqual(await self.boots("Brought"), "Brought")

    async def test_the_default_is_another_one(self) -> None:
        """A Mac that has chosen nothing boots what was made the default."""
        for index, name in enumerate(("Alpha", "Beta"), 1):
            path = self.site.images / f"{name}.nbi"
            sample_bundle_thd(path, root_image_size=1 << 20, keys={"Name": name, "Index": index})
        service = self.started()
        self.assertEqual(service.booter.snapshot.bundles[0].title, "Alpha")

        told = await self.command("set-default", "Beta")

        self.assertTrue(told["running"]["default"])
        self.assertEqual(service.booter.snapshot.bundles[0].title, "Beta")

    async def test_what_the_daemon_does_not_see(self) -> None:
        """A folder outside of its shares is told as such."""
        elsewhere = self.site.folder / "else"
        elsewhere.mkdir()
        sample_bundle_thd(self.site.folder / "A.nbi", root_image_size=1 << 20)
        self.started()
        source = self.site.folder / "A.nbi"
        words = ["images", "import", str(source), "--share", str(elsewhere)]

        told = await deferToThread(
            CliRunner().invoke, main, [*words, "--config", str(self.site.write())]
        )

        self.assertIn("the netbootd that runs does not serve this folder", told.stdout)

    async def test_images_by_the_admin_api(self) -> None:
        """What is served and what is not, the same as `netbootctl images list --json` says."""
        self.site.sample("A.nbi")
        self.site.sample("B.nbi", Index=2, IsEnabled=False)
        self.started()
        client = admin_client(self.site.write())
        served = await deferToThread(client.get, "/v1/images")

        self.assertEqual([one["state"] for one in served], ["served", "disabled"])
        self.assertEqual(served, await self.command("list"))
