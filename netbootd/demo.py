"""The whole job on this machine: a real daemon, a sample image, a simulated Mac that boots it.

    this process                                   child process
    sample .nbi, configuration  ──start──▶  twistd -n netbootd on 127.0.0.1
    SimulatedMac  ◀──BSDP, TFTP, HTTP──▶    unprivileged ports

Nothing leaves the loopback interface and nothing is left behind.
"""

from __future__ import annotations

import socket
import time
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv4Address
from pathlib import Path
from random import Random
from typing import Any

from images.author import sample_bundle_thd
from netbootd.simulate.mac import MacIdentity, Ports, SimulatedMac
from netbootd.simulate.startup import choose_by
from netbootd.simulate.watch import BootFailed, BootWatcher
from ops.amount import size_text
from ops.child import Daemon

LOOPBACK = "127.0.0.1"
KERNELCACHE = 24 << 20
"""As large as those of macOS 10.11 to 10.13."""
ROOT_DISK = 96 << 20
"""Bytes of the disk in the sample's root image; the compressed image is about a third."""
IDENTITY = MacIdentity(mac=bytes.fromhex("a82066010203"), model="iMac14,2")

CONFIGURATION = """\
[images]
share = [{{ path = '{images}' }}]

[network]
addresses = ["127.0.0.0/8"]

[bsdp]
port = {bsdp}
unprivileged_reply_port = true

[tftp]
port = {tftp}

[http]
port = {http}

[state]
directory = '{state}'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonPorts:
    """Where the demo's daemon listens."""

    bsdp: int
    tftp: int
    http: int


def free_ports() -> DaemonPorts:
    """Three ports that nobody has at this moment."""
    with (
        closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as bsdp,
        closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as tftp,
        closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as http,
    ):
        for sock in (bsdp, tftp, http):
            sock.bind((LOOPBACK, 0))
        return DaemonPorts(
            bsdp=bsdp.getsockname()[1], tftp=tftp.getsockname()[1], http=http.getsockname()[1]
        )


async def demo(reactor: Any, folder: Path, watcher: BootWatcher, random: Random) -> str:
    """Run it all in the empty `folder`; the verdict, one line. Raises BootFailed.

    `reactor` gives UDP, TCP, time, threads and processes.
    """
    began = time.monotonic()
    images = folder / "images"
    images.mkdir()
    watcher.began("sample image", "a .nbi bundle")
    bundle = sample_bundle_thd(
        images / "Sample.nbi", root_image_size=ROOT_DISK, kernelcache_size=KERNELCACHE
    )
    watcher.ended(f"Sample.nbi, with a root image of {_root_size(bundle.sizes)}")

    ports = free_ports()
    configuration = folder / "netbootd.toml"
    configuration.write_text(
        CONFIGURATION.format(
            images=images,
            state=folder / "state",
            bsdp=ports.bsdp,
            tftp=ports.tftp,
            http=ports.http,
        )
    )
    daemon = Daemon(reactor, "netbootd", configuration)
    watcher.began("daemon", "twistd -n netbootd")
    try:
        await daemon.start()
        watcher.ended(f"BSDP {ports.bsdp}, TFTP {ports.tftp}, HTTP {ports.http} on {LOOPBACK}")
        mac = SimulatedMac(
            reactor,
            identity=IDENTITY,
            address=IPv4Address(LOOPBACK),
            server=LOOPBACK,
            ports=Ports(bsdp=ports.bsdp, tftp=ports.tftp),
            choose=choose_by(None),
            watcher=watcher,
            random=random,
            disk=folder / "root.dmg",
        )
        boot = await mac.boot()
    finally:
        status = await daemon.stop()
    if boot.booter_digest != sha256((images / "Sample.nbi/i386/booter").read_bytes()).hexdigest():
        raise BootFailed("booter", "what was received is not what the bundle holds")
    if status:
        raise BootFailed("daemon", f"it ended with status {status}: {daemon.last_words()}")
    seconds = time.monotonic() - began
    return f"“{boot.image}” booted as {boot.machine_name} in {seconds:.1f} s, every byte checked"


def _root_size(sizes: Any) -> str:
    return size_text(max(sizes.values()))
