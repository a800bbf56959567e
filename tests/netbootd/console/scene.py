"""A daemon as an admin may have it, its console on, for tests and for pictures.

Macs whose boots are over are simulated ones, and every byte of theirs is served. Those that are
still on their way are told to the timeline, as if their network were slower than this computer's
loopback.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from random import Random
from typing import Any

from images.author import sample_bundle_thd
from netbootd import config
from netbootd.demo import CONFIGURATION
from netbootd.event import (
    BootOffered,
    ImageSelected,
    ImagesListed,
    TransferFinished,
    TransferProgressed,
    TransferStarted,
)
from netbootd.interface import Interface
from netbootd.service import BootService
from netbootd.simulate.mac import MacIdentity, Ports, SimulatedMac
from netbootd.simulate.startup import choose_by
from netbootd.simulate.watch import Unwatched
from netbootd.transfer import Outcome
from netbootd.world import World
from ops.web.password import hashed_thd
from tests.netbootd.daemon import free_port

PASSWORD = "correct horse battery"
LOOPBACK = Interface(name="en0", index=1, addresses=(IPv4Interface("127.0.0.1/8"),))

CONSOLE = """
[console]
enabled = true
port = 0
"""

MACS = (
    ("a8:20:66:01:02:03", "iMac14,2"),
    ("a8:20:66:3f:90:1c", "iMac18,3"),
    ("ac:87:a3:11:42:7e", "MacBookPro11,1"),
    ("a8:20:66:77:05:d2", "iMac14,2"),
    ("98:5a:eb:c0:31:09", "Macmini7,1"),
)


def write_images_thd(folder: Path, root_image_size: int) -> None:
    """What an admin may have."""
    folder.mkdir()
    for name, keys in (
        (
            "High Sierra.nbi",
            {
                "Name": "Install macOS 10.13.6",
                "Index": 4096,
                "osVersion": "10.13.6",
                "IsDefault": True,
                "Description": "Clean installation for the lab in room 2.14.",
            },
        ),
        ("AutoDMG.nbi", {"Name": "Imaging", "Index": 4097, "Description": "Restores a master."}),
        ("Diagnostics.nbi", {"Name": "Diagnostics", "Index": 210, "IsEnabled": False}),
    ):
        sample_bundle_thd(
            folder / name, root_image_size=root_image_size, kernelcache_size=9 << 20, keys=keys
        )
    entry = folder / "debian"
    entry.mkdir()
    (entry / "boot.toml").write_text(
        'title = "Debian 12 installer"\ndescription = "Over the network, with a preseed file."\n'
        'kernel = "linux"\ninitrd = ["initrd.gz"]\narchitectures = ["bios", "uefi-x86-64"]\n'
    )
    (entry / "linux").write_bytes(bytes(0x202) + b"HdrS" + bytes(8_200_000))
    (entry / "initrd.gz").write_bytes(b"\x1f\x8b" + bytes(31_000_000))
    (folder / "Mojave (copy).nbi").mkdir()


class Scene:
    """A daemon with machines."""

    def __init__(
        self,
        folder: Path,
        reactor: Any,
        *,
        has_password: bool = True,
        hosts: Sequence[str] = (),
        root_image_size: int = 3 << 20,
    ) -> None:
        self.reactor = reactor
        write_images_thd(folder / "images", root_image_size)
        (folder / "password").write_text(hashed_thd(PASSWORD))
        self.bsdp, self.tftp = free_port(), free_port()
        self.folder = folder
        text = CONFIGURATION.format(
            images=folder / "images",
            bsdp=self.bsdp,
            tftp=self.tftp,
            http=free_port(),
            state=folder / "state",
        )
        text += CONSOLE
        if has_password:
            text += f"password_file = '{folder}/password'\n"
        if hosts:
            text += f"hosts = {list(hosts)}\n"
        file = folder / "netbootd.toml"
        file.write_text(text)
        world = World(
            reactor=self.reactor, interfaces=lambda: (LOOPBACK,), host_name=lambda: "netboot-1"
        )
        self.service = BootService(config.load(file), world)

    @property
    def url(self) -> str:
        assert self.service.console is not None
        ((host, port),) = self.service.console.bound
        return f"http://{host}:{port}"

    async def boot(self, number: int) -> None:
        """A whole boot of a simulated Mac."""
        mac, model = MACS[number]
        await SimulatedMac(
            self.reactor,
            identity=MacIdentity(mac=bytes.fromhex(mac.replace(":", "")), model=model),
            address=IPv4Address("127.0.0.1"),
            server="127.0.0.1",
            ports=Ports(bsdp=self.bsdp, tftp=self.tftp),
            choose=choose_by(None),
            watcher=Unwatched(),
            random=Random(number),
            disk=self.folder / "root.dmg",
        ).boot()

    def under_way(self) -> None:
        """Machines at every stage."""
        for number, (mac, model, address, done) in enumerate(
            (
                ("a8:20:66:12:9e:01", "iMac14,2", "10.0.2.31", (1.0, 1.0, 0.37)),
                ("ac:87:a3:2b:60:44", "MacBookPro11,1", "10.0.2.40", (1.0, 0.62)),
                ("98:5a:eb:77:1d:5f", "Macmini7,1", "10.0.2.52", (0.15,)),
            )
        ):
            self._mac(mac, model, address, done, seconds=48 - 15 * number)
        self._pc("52:54:00:6b:3c:81", "10.0.2.77", 0.81)

    def _mac(
        self, mac: str, model: str, address: str, done: tuple[float, ...], seconds: int
    ) -> None:
        at = datetime.now(UTC) - timedelta(seconds=seconds)
        record = self.service.timeline.record
        about = {"machine": mac, "address": address, "interface": "en0", "architecture": "i386"}
        record(ImagesListed(**about, at=at, system_id=model, images=2, applicable=2, size=400))
        record(
            ImageSelected(
                **about,
                at=at + timedelta(seconds=5),
                system_id=model,
                image="Install macOS 10.13.6",
                image_id=0x81001000,
                machine_name="NetBoot007",
                size=420,
            )
        )
        files = (
            ("tftp", "i386/booter", "booter", 321_000),
            ("tftp", "i386/x86_64/kernelcache", "kernelcache", 21_000_000),
            ("http", "NetInstall.dmg", "root_image", 4_900_000_000),
        )
        for (service, name, role, size), share in zip(files, done, strict=False):
            self._file(mac, address, service, f"High Sierra.nbi/{name}", role, size, share, at)

    def _pc(self, mac: str, address: str, share: float) -> None:
        at = datetime.now(UTC) - timedelta(seconds=9)
        self.service.timeline.record(
            BootOffered(
                at=at,
                machine=mac,
                address=address,
                client="PXE",
                platform="uefi-x86-64",
                file="ipxe.efi",
                entry="Debian 12 installer",
            )
        )
        for name, role, size, part in (
            ("ipxe.efi", "loader", 1_100_000, 1.0),
            ("debian/linux", "kernel", 8_200_000, 1.0),
            ("debian/initrd.gz", "initrd", 31_000_000, share),
        ):
            self._file(mac, address, "http", name, role, size, part, at)

    def _file(
        self,
        mac: str,
        address: str,
        service: str,
        name: str,
        role: str,
        size: int,
        share: float,
        at: datetime,
    ) -> None:
        about: dict[str, Any] = {
            "machine": mac,
            "address": address,
            "service": service,
            "name": name,
            "role": role,
            "size": size,
        }
        record = self.service.timeline.record
        record(TransferStarted(**about, at=at + timedelta(seconds=6)))
        now, sent = datetime.now(UTC), int(size * share)
        if share == 1.0:
            record(
                TransferFinished(**about, at=now, sent=size, outcome=Outcome.COMPLETE, seconds=2.0)
            )
        else:
            record(TransferProgressed(**about, at=now, sent=sent))

    def traffic(self) -> None:
        """An hour of it, as the meter would have seen it."""
        console = self.service.console
        assert console is not None
        (meter,) = [part for part in console.services if hasattr(part, "fill")]
        random, level = Random(4), 0.0
        http = []
        for _ in range(300):
            level = 0.82 * level + (random.random() < 0.09) * random.uniform(2e7, 1.1e8)
            http.append(level + (level > 1e6) * random.uniform(0, 6e6))
        tftp = [0.12 * value * random.random() for value in http]
        meter.fill(http=http, tftp=tftp)
