"""A TFTP service in the hands of a test, on real sockets of loopback and in virtual time."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from ipaddress import IPv4Interface
from pathlib import Path

from images.author import sample_bundle_thd
from images.catalog import Catalog, Root
from images.paths import OpenFile, open_file, resolve
from netbootd.config import TftpSettings
from netbootd.interface import Interface
from netbootd.tftp import TftpService
from netbootd.transfer import Outcome, Transfer
from ops.counter import Counters
from protocols.tftp.packet import Ack, Packet, ReadRequest, decode, encode
from protocols.tftp.receiver import Fetched, Receiver
from tests.netbootd.turning import PATIENCE, TurningReactor

BUNDLE = "Sample.nbi"
HOME, OTHER = "127.0.0.1", "127.0.0.2"
LOOPBACK = Interface(
    name="lo",
    index=1,
    addresses=(IPv4Interface(f"{HOME}/8"), IPv4Interface(f"{OTHER}/8")),
)


class Observed:
    """What the service told its observer."""

    def __init__(self) -> None:
        self.transfers: list[Transfer] = []
        self.progress: list[int] = []
        self.missed: list[tuple[str, str, str]] = []

    def started(self, transfer: Transfer) -> None:
        self.transfers.append(transfer)

    def progressed(self, transfer: Transfer) -> None:
        self.progress.append(transfer.sent)

    def finished(self, transfer: Transfer) -> None:
        assert transfer in self.transfers

    def missing(self, service: str, peer: str, name: str, why: str) -> None:
        assert service == "tftp"
        self.missed.append((peer, name, why))

    @property
    def outcomes(self) -> list[Outcome | None]:
        return [transfer.outcome for transfer in self.transfers]


class Client:
    """A socket with a port of its own, as a client has it."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((HOME, 0))
        self.sock.settimeout(PATIENCE)
        self.server: tuple[str, int] = (HOME, 0)
        """Where the last packet came from."""
        site.cleanup.callback(self.sock.close)

    def request(self, name: str | bytes, mode: bytes = b"octet", **options: int) -> None:
        """Send a read request, and have it handled."""
        raw = name if isinstance(name, bytes) else f"{BUNDLE}/{name}".encode()
        pairs = tuple((key.encode(), b"%d" % value) for key, value in options.items())
        self.send(encode(ReadRequest(filename=raw, mode=mode, options=pairs)), self.site.listen)

    def ack(self, block: int) -> None:
        self.send(encode(Ack(block=block & 0xFFFF)), self.server)

    def send(self, data: bytes, to: tuple[str, int]) -> None:
        self.sock.sendto(data, to)
        self.site.reactor.settle()

    def receive(self) -> Packet:
        """The next packet; it must have been sent already."""
        data, self.server = self.sock.recvfrom(65536)
        return decode(data)

    def receive_all(self) -> list[Packet]:
        """What has been sent already."""
        packets = []
        self.sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                packets.append(self.receive())
        self.sock.settimeout(PATIENCE)
        return packets

    def close(self) -> None:
        self.sock.close()


class Site:
    """The service, its clock, and a bundle with files of chosen content."""

    def __init__(self, folder: Path, cleanup: contextlib.ExitStack, **settings: int) -> None:
        self.cleanup = cleanup
        self.reactor = TurningReactor()
        self.reactor.advance(1000.0)
        self.observed = Observed()
        self.counters = Counters()
        self.bundle = folder / BUNDLE
        sample_bundle_thd(
            self.bundle, root_image_size=4096, kernelcache_size=4096, booter_size=4096
        )
        self.loaders = folder / "loaders"
        self.loaders.mkdir()
        self._catalog = Catalog([Root(path=folder, share="NetBootSP0")], loaders=self.loaders)
        self.publish()
        self.service = TftpService(
            self.reactor,
            [LOOPBACK],
            TftpSettings(port=0, **settings),  # type: ignore[arg-type]
            open_file=self.open_file,
            observer=self.observed,
            counters=self.counters,
            monotonic=self.reactor.seconds,
        )
        cleanup.callback(self.stop)
        self.start()

    def publish(self) -> None:
        """Have the catalog see what the folder holds now."""
        self._snapshot = self._catalog.scan_thd()

    def file(self, name: str, content: bytes) -> None:
        """Publish a file of the bundle with this content."""
        path = self.bundle / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.publish()

    def loader(self, name: str, content: bytes) -> None:
        """Publish a loader with this content."""
        path = self.loaders / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.publish()
        self.publish()  # it is settled now

    def open_file(self, name: bytes, *, peer: str, service: str) -> OpenFile:
        return open_file(resolve(self._snapshot, name))

    def start(self) -> None:
        self.service.privilegedStartService()
        self.service.startService()

    def stop(self) -> None:
        if self.service.running:
            self.service.stopService()

    @property
    def listen(self) -> tuple[str, int]:
        return HOME, self.service.ports[0]

    def client(self) -> Client:
        return Client(self)

    def pass_time(self, seconds: float) -> None:
        """Let time pass as it does, a bit at a time."""
        for _ in range(round(seconds / 0.025)):
            self.reactor.advance(0.025)
            self.reactor.settle()

    def count(self, name: str) -> int:
        return self.counters.snapshot()[f"netbootd_tftp_{name}_total"]

    def fetch(self, request: ReadRequest, *, loss: Iterator[bool] | None = None) -> bytes:
        """Read a file with our own receiver; `loss` says for each of our packets if it is lost."""
        client, receiver = self.client(), Receiver(request)
        client.sock.setblocking(False)
        lost = loss or iter(lambda: False, True)
        received = bytearray()
        outgoing = receiver.start(self.reactor.seconds()).send
        while receiver.ended is None:
            for datagram, peer in outgoing:
                if not next(lost):
                    client.sock.sendto(datagram, peer or self.listen)  # type: ignore[arg-type]
            self.reactor.settle()
            outgoing = []
            try:
                while True:
                    data, source = client.sock.recvfrom(65536)
                    step = receiver.receive(data, source, self.reactor.seconds())
                    received += b"".join(step.data)
                    outgoing += step.send
            except BlockingIOError:
                pass
            if not outgoing and receiver.ended is None:
                self.reactor.advance(0.025)
                outgoing = receiver.tick(self.reactor.seconds()).send
        for datagram, peer in outgoing:
            client.sock.sendto(datagram, peer)  # type: ignore[arg-type]
        self.reactor.settle()
        assert receiver.ended is Fetched.COMPLETE, receiver.error
        return bytes(received)


@contextlib.contextmanager
def site(folder: Path, **settings: int) -> Iterator[Site]:
    """A service that is stopped at the end, with nothing of it left in the reactor."""
    with contextlib.ExitStack() as cleanup:
        made = Site(folder, cleanup, **settings)
        yield made
        made.stop()
        assert made.reactor.getReaders() == []
        assert made.reactor.getDelayedCalls() == []
