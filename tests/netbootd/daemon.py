"""The whole daemon in this process, on free loopback ports, with folders of its own."""

from __future__ import annotations

import socket
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, DeferredQueue
from twisted.internet.protocol import DatagramProtocol
from twisted.trial.unittest import TestCase

from images.author import sample_bundle_thd
from netbootd import config
from netbootd.interface import Interface
from netbootd.service import BootService
from netbootd.world import World
from tests.netbootd.temporary import folder

LOOPBACK = Interface(
    name="lo", index=socket.if_nametoindex("lo"), addresses=(IPv4Interface("127.0.0.1/8"),)
)


def free_port(kind: socket.SocketKind = socket.SOCK_DGRAM, address: str = "127.0.0.1") -> int:
    """A port that nobody has at this moment."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port


class Site:
    """Folders, ports and a configuration for one daemon."""

    def __init__(self, test: TestCase) -> None:
        self.folder = folder(test)
        self.images = self.folder / "images"
        self.images.mkdir()
        self.state = self.folder / "state"
        self.bsdp, self.tftp = free_port(), free_port()
        self.http = free_port(socket.SOCK_STREAM)
        self.settings: dict[str, str] = {
            "images": 'rescan = "500ms"',
            "network": 'addresses = ["127.0.0.0/8"]',
            "bsdp": f"port = {self.bsdp}\nunprivileged_reply_port = true",
            "tftp": f"port = {self.tftp}",
            "http": f"port = {self.http}",
            "state": f'directory = "{self.state}"',
        }

    def add(self, table: str, text: str) -> None:
        """More lines for a table of the configuration."""
        self.settings[table] = f"{self.settings.get(table, '')}\n{text}"

    def write(self) -> Path:
        """The configuration as a file."""
        file = self.folder / "netbootd.toml"
        tables = (f"[{table}]\n{text}\n" for table, text in self.settings.items() if table)
        file.write_text(self.settings.get("", "") + "\n" + "\n".join(tables))
        return file

    def sample(self, name: str = "Sample.nbi", **keys: Any) -> Path:
        """A small complete image."""
        path = self.images / name
        sample_bundle_thd(
            path, root_image_size=3 << 20, kernelcache_size=100_000, booter_size=70_001, keys=keys
        )
        return path

    def daemon(self, reactor: Any, **world: Any) -> BootService:
        """The service, not started. Raises StartError."""
        world.setdefault("interfaces", lambda: (LOOPBACK,))
        return BootService(config.load(self.write()), World(reactor=reactor, **world))


class DaemonTestCase(TestCase):
    """Starts daemons, and stops them at the end of the test."""

    def setUp(self) -> None:
        from twisted.internet import reactor

        self.reactor: Any = reactor
        self.site = Site(self)

    def made(self, **world: Any) -> BootService:
        """A daemon that ends with the test, whatever becomes of it."""
        service = self.site.daemon(self.reactor, **world)
        self.addCleanup(service.stopService)
        return service

    def started(self, **world: Any) -> BootService:
        """The same, started as twistd does."""
        service = self.made(**world)
        service.privilegedStartService()
        service.startService()
        return service

    async def packets(self) -> Packets:
        """A UDP client."""
        packets = Packets()
        port = self.reactor.listenUDP(0, packets, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        return packets

    def within(self, deferred: Deferred[Any], seconds: float = 15) -> Deferred[Any]:
        """`deferred`, but the test fails if it takes too long."""
        return deferred.addTimeout(seconds, self.reactor)


class Packets(DatagramProtocol):
    """A UDP socket: what comes waits in a queue."""

    def __init__(self) -> None:
        self._queue: DeferredQueue[tuple[bytes, tuple[str, int]]] = DeferredQueue()

    @property
    def port(self) -> int:
        assert self.transport is not None
        port: int = self.transport.getHost().port
        return port

    def send(self, data: bytes, port: int) -> None:
        assert self.transport is not None
        self.transport.write(data, ("127.0.0.1", port))

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        self._queue.put((datagram, addr))

    def received(self) -> Deferred[tuple[bytes, tuple[str, int]]]:
        return self._queue.get()
