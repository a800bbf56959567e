"""The whole job on this machine: a real daemon, a sample image, a simulated Mac that boots it.

    this process                                   child process
    sample .nbi, configuration  ──start──▶  twistd -n netbootd on 127.0.0.1
    SimulatedMac  ◀──BSDP, TFTP, HTTP──▶    unprivileged ports

Nothing leaves the loopback interface and nothing is left behind.
"""

from __future__ import annotations

import signal
import socket
import sys
import time
from collections import deque
from contextlib import closing, suppress
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv4Address
from pathlib import Path
from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessExitedAlready
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from images.author import sample_bundle_thd
from netbootd.simulate.mac import MacIdentity, Ports, SimulatedMac
from netbootd.simulate.startup import choose_by
from netbootd.simulate.watch import BootFailed, BootWatcher, size_text

LOOPBACK = "127.0.0.1"
READY = "is ready:"
START_TIMEOUT = 30.0
"""Seconds for the daemon to say that it is ready; it takes about one."""
STOP_TIMEOUT = 10.0
KERNELCACHE = 24 << 20
"""As large as those of macOS 10.11 to 10.13."""
ROOT_DISK = 96 << 20
"""Bytes of the disk in the sample's root image; the compressed image is about a third."""
IDENTITY = MacIdentity(mac=bytes.fromhex("a82066010203"), model="iMac14,2")
RUN_TWISTD = "from twisted.scripts.twistd import run; run()"

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


class Daemon(ProcessProtocol):
    """`twistd -n netbootd` as a child; its last log lines are kept for whoever asks why."""

    def __init__(self, reactor: Any, configuration: Path) -> None:
        """`reactor` gives processes and time."""
        self._reactor = reactor
        self._configuration = configuration
        self._partial = b""
        self._deadline: IDelayedCall | None = None
        self.lines: deque[str] = deque(maxlen=200)
        self.ready: Deferred[None] = Deferred()
        self.ended: Deferred[int] = Deferred()

    def start(self) -> Deferred[None]:
        """Fires when the daemon serves; fails with BootFailed."""
        arguments = [sys.executable, "-c", RUN_TWISTD, "--nodaemon", "--pidfile=", "netbootd"]
        arguments += ["--config", str(self._configuration)]
        self._reactor.spawnProcess(
            self, sys.executable, arguments, env=None, path=str(self._configuration.parent)
        )
        return self.ready.addTimeout(START_TIMEOUT, self._reactor, self._not_ready)

    def _not_ready(self, result: object, timeout: float) -> None:
        raise BootFailed("daemon", f"it was not ready after {timeout:.0f} s: {self.last_words()}")

    def stop(self) -> Deferred[int]:
        """Fires with the exit status once the daemon has ended as an operator would end it."""
        if not self.ended.called:
            self._signal("TERM")
            self._deadline = self._reactor.callLater(STOP_TIMEOUT, self._signal, "KILL")
        return self.ended

    def _signal(self, name: str) -> None:
        assert self.transport is not None  # noqa: S101 - it has been started
        with suppress(ProcessExitedAlready):  # `ended` is about to fire
            self.transport.signalProcess(name)

    def last_words(self) -> str:
        return self.lines[-1] if self.lines else "it said nothing"

    # What Twisted calls.

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            self.lines.append(line.decode("utf-8", "replace").rstrip())
            if READY in self.lines[-1] and not self.ready.called:
                self.ready.callback(None)

    def processEnded(self, reason: Failure) -> None:
        """Ended by SIGTERM is ended well: twistd cleans up, then dies of the signal it got."""
        if self._partial:
            self.childDataReceived(1, b"\n")
        why = reason.value
        status = 1
        if isinstance(why, ProcessDone) or getattr(why, "signal", None) == signal.SIGTERM:
            status = 0
        if not self.ready.called:
            self.ready.errback(BootFailed("daemon", f"it ended: {self.last_words()}"))
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self.ended.callback(status)


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
    daemon = Daemon(reactor, configuration)
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
