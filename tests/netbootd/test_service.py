"""The whole daemon: a Mac boots from it, it stops and starts, and it says why it cannot."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.trial.unittest import SkipTest

from images.catalog import Snapshot
from netbootd import interface_watch
from netbootd.interface import Interface
from netbootd.service import BootService
from netbootd.simulate.mac import Boot, MacIdentity, Ports, SimulatedMac
from netbootd.simulate.startup import choose_by
from netbootd.simulate.watch import Unwatched
from ops import privilege
from ops.start import StartError
from protocols.bsdp import vendor
from protocols.bsdp.class_id import ClassId
from protocols.bsdp.image_id import BootImageId
from protocols.bsdp.inform import Machine, list_request
from protocols.bsdp.outcome import Bind, Binding
from protocols.dhcp.codec import decode
from protocols.dhcp.value import MessageType as DhcpType
from tests.images.conftest import as_nobody
from tests.images.folder import make_folder
from tests.netbootd.certificate import write_certificate
from tests.netbootd.daemon import LOOPBACK, DaemonTestCase, Packets, free_port
from tests.netbootd.lines import capture
from tests.protocols.bsdp.ask import VERSION, datagram

MAC = bytes.fromhex("a82066010203")
IMAC = ClassId(arch="i386", system_id="iMac14,2")
SAMPLE = BootImageId(0x81000001)
FAR = Interface(name="en9", index=4999, addresses=(IPv4Interface("10.255.255.1/24"),))
"""An interface that this computer does not have."""
SECOND = Interface(name="lo2", index=4998, addresses=(IPv4Interface("127.0.0.2/8"),))


def unserved(service: BootService) -> int:
    """Datagrams that came in by an interface that is not served."""
    return service.counters.snapshot()["netbootd_datagrams_unserved_total"]


class Bsdp:
    """A machine's requests to a daemon, over real sockets."""

    def __init__(self, packets: Packets, port: int) -> None:
        self._packets = packets
        self._port = port

    def ask_for_list(self) -> None:
        machine = Machine(
            mac=MAC,
            address=IPv4Address("127.0.0.1"),
            class_id=IMAC,
            reply_port=self._packets.port,
        )
        self._packets.send(list_request(machine, 1), self._port)

    async def listed(self) -> vendor.VendorOptions:
        """What is said in answer to a LIST."""
        self.ask_for_list()
        data, _ = await self._packets.received()
        return vendor.decode(decode(data).instances(43))

    def discover(self) -> None:
        asked = datagram(VERSION, dhcp_type=DhcpType.DISCOVER, chaddr=MAC, class_id=IMAC.packed)
        self._packets.send(asked, self._port)


class BootTests(DaemonTestCase):
    async def boot(self) -> Boot:
        mac = SimulatedMac(
            self.reactor,
            identity=MacIdentity(mac=MAC, model="iMac14,2"),
            address=IPv4Address("127.0.0.1"),
            server="127.0.0.1",
            ports=Ports(bsdp=self.site.bsdp, tftp=self.site.tftp),
            choose=choose_by(None),
            watcher=Unwatched(),
            random=Random(7),
            disk=self.site.folder / "root.dmg",
        )
        return await mac.boot()

    async def bsdp(self) -> Bsdp:
        return Bsdp(await self.packets(), self.site.bsdp)

    async def test_a_mac_boots(self) -> None:
        """LIST, SELECT, every file by TFTP and the root image by HTTP, each byte of it."""
        path = self.site.sample()
        service = self.started()

        boot = await self.boot()

        self.assertEqual((boot.image, boot.machine_name), ("Sample NetInstall", "NetBoot001"))
        self.assertEqual(boot.root_bytes, (path / "NetInstall.dmg").stat().st_size)
        read = (self.site.folder / "root.dmg").read_bytes()
        self.assertEqual(read, (path / "NetInstall.dmg").read_bytes())
        machine = service.timeline.machine(MAC.hex(":"))
        assert machine is not None
        self.assertEqual(machine.image, "Sample NetInstall")
        self.assertEqual(machine.system_id, "iMac14,2")

    async def test_a_selection_outlives_the_daemon(self) -> None:
        """The next daemon knows the machine: its LIST has the image selected, its DISCOVER is
        offered it, and it keeps its name."""
        self.site.sample()
        first = self.started()
        await self.boot()
        await first.stopService()

        second = self.started()

        bsdp = await self.bsdp()
        options = await bsdp.listed()
        self.assertEqual(options.first(vendor.SELECTED_IMAGE.code), SAMPLE.packed)
        self.assertEqual(options.value(vendor.SERVER_PRIORITY), 32767)
        offer = self.broadcast_of(second)
        bsdp.discover()
        offered = decode(await self.within(offer))
        self.assertEqual(offered.option(53), bytes((DhcpType.OFFER,)))
        self.assertTrue(offered.boot_file.endswith(b"/Sample.nbi/i386/booter"))
        self.assertEqual((await self.boot()).machine_name, "NetBoot001")

    def broadcast_of(self, service: BootService) -> Deferred[bytes]:
        """The next broadcast, kept from leaving: a LAN is no place for a test's."""
        sent: Deferred[bytes] = Deferred()
        assert service.port67 is not None
        (datagrams,) = service.port67._sockets

        def broadcast(data: bytes, port: int, arrival: object) -> bool:
            sent.callback(data)
            return True

        self.patch(datagrams, "broadcast", broadcast)
        return sent

    async def test_start_stop_start(self) -> None:
        """One service object stops and starts as often as it is told, and serves each time."""
        self.site.sample()
        service = self.made()

        for number in range(3):
            service.privilegedStartService()
            service.startService()
            await self.boot()

            await service.stopService()

            self.assertEqual(service.bindings.count, 1, number)

    async def test_a_stop_leaves_nothing_in_the_reactor(self) -> None:
        """No reader, no writer, no timer and no port remains."""
        await deferLater(self.reactor, 0)  # now it runs, with what is its own
        before = self.in_reactor()
        service = self.started()
        self.assertNotEqual(self.in_reactor(), before)

        await service.stopService()

        self.assertEqual(self.in_reactor(), before)
        for kind, port in (
            (socket.SOCK_DGRAM, self.site.bsdp),
            (socket.SOCK_DGRAM, self.site.tftp),
            (socket.SOCK_STREAM, self.site.http),
        ):
            with socket.socket(socket.AF_INET, kind) as again:
                again.bind(("127.0.0.1", port))

    def in_reactor(self) -> tuple[set[Any], set[Any], set[Any]]:
        reactor = self.reactor
        return set(reactor.getReaders()), set(reactor.getWriters()), set(reactor.getDelayedCalls())

    async def test_what_was_accepted_is_on_disk_when_it_has_stopped(self) -> None:
        """A selection on its way to disk when the stop comes is there at the next start."""
        service = self.started()
        binding = Binding(image_id=SAMPLE, number=9, machine_name="NetBoot009")
        bound = service.bindings.bind(
            Bind(mac=MAC, binding=binding, address=IPv4Address("127.0.0.1")), class_id=IMAC
        )

        await service.stopService()

        self.successResultOf(bound)
        self.assertEqual(self.started().bindings.lookup(MAC), binding)

    async def test_twist_starts_it_without_a_privileged_start(self) -> None:
        """`startService` alone binds, too."""
        self.site.sample()
        service = self.made()

        service.startService()

        self.assertEqual((await self.boot()).image, "Sample NetInstall")

    async def test_what_an_operator_reads_first(self) -> None:
        """One line says that it is ready, with ports, addresses, images and machines."""
        self.site.sample()
        lines = capture(self)

        service = self.started()
        await deferLater(self.reactor, 0)  # the reactor runs, so it hears signals
        await service.stopService()

        (ready,) = [line for line in lines if "is ready" in line]
        self.assertRegex(
            ready,
            rf"^info: netbootd \S+ is ready: BSDP {self.site.bsdp}, TFTP {self.site.tftp},"
            rf" HTTP {self.site.http} on 127\.0\.0\.1 \[lo\]; 1 image, 0 machines known$",
        )
        self.assertEqual(lines[-1], "info: netbootd has stopped")


class InterfaceTests(DaemonTestCase):
    async def bsdp(self) -> Bsdp:
        return Bsdp(await self.packets(), self.site.bsdp)

    async def test_what_differs_on_one_interface(self) -> None:
        """Its own server address and priority are in what its machines are told."""
        self.site.sample()
        self.site.add("interface.lo", 'server_address = "127.0.0.9"\npriority = 40000')
        self.started()

        options = await (await self.bsdp()).listed()

        self.assertEqual(options.value(vendor.SERVER_PRIORITY), 40000)

    async def test_the_server_address_of_an_interface(self) -> None:
        """The server identifier is the configured address, or that of the arrival interface."""
        self.site.sample()
        for settings, expected in (
            (None, "127.0.0.1"),
            ('server_address = "127.0.0.9"', "127.0.0.9"),
        ):
            if settings is not None:
                self.site.add("interface.lo", settings)
            service = self.started()
            packets = await self.packets()

            Bsdp(packets, self.site.bsdp).ask_for_list()

            reply = decode((await packets.received())[0])
            self.assertEqual(reply.option(54), IPv4Address(expected).packed)
            self.assertEqual(str(reply.siaddr), expected)
            await service.stopService()

    async def test_a_service_that_is_off_on_an_interface(self) -> None:
        """What is switched off there is not bound there, and the rest is served."""
        self.site.sample()
        self.site.add("interface.lo", "tftp = false\nhttp = false")
        service = self.started()
        assert service.tftp is not None
        assert service.http is not None

        await (await self.bsdp()).listed()

        self.assertEqual((service.tftp.ports, service.http.bound), ([], []))

    async def test_a_service_that_is_off(self) -> None:
        """A service that is not enabled is not there at all."""
        self.site.add("tftp", "enabled = false")
        self.site.add("bsdp", "enabled = false")

        service = self.started()

        self.assertEqual((service.tftp, service.port67), (None, None))
        assert service.http is not None
        self.assertEqual(service.http.bound, [("127.0.0.1", self.site.http)])

    async def test_http_that_is_off_hides_its_images(self) -> None:
        """An image that a machine could not reach is not offered, and the log says why."""
        self.site.sample()
        self.site.add("http", "enabled = false")
        lines = capture(self)

        service = self.started()

        self.assertEqual(len(service.booter.snapshot.bundles), 1)
        self.assertTrue(any("http.enabled is false" in line for line in lines), lines)

    async def test_an_interface_that_comes_and_goes(self) -> None:
        """BSDP and TFTP serve a new address within seconds, and no longer when it is gone."""
        self.patch(interface_watch, "INTERVAL", 0.05)
        self.site.settings["network"] = 'addresses = ["127.0.0.0/8", "10.0.0.0/8"]'
        self.site.add("http", "enabled = false")
        self.site.sample(Type="BootFileOnly")
        table: list[Interface] = [FAR]
        service = self.started(interfaces=lambda: tuple(table))
        assert service.port67 is not None
        (datagrams,) = service.port67._sockets
        if datagrams._arrivals is None:
            raise SkipTest("only a socket that hears all interfaces can follow them")
        bsdp = await self.bsdp()
        bsdp.ask_for_list()
        await self.until(lambda: unserved(service) == 1)

        table.append(LOOPBACK)
        await self.until(lambda: len(service._interfaces) == 2)
        await bsdp.listed()

        table.pop()
        await self.until(lambda: len(service._interfaces) == 1)
        bsdp.ask_for_list()
        await self.until(lambda: unserved(service) == 2)

    async def test_http_follows_what_comes(self) -> None:
        """A root path names the address that a machine arrived at, so HTTP must be there, too."""
        self.patch(interface_watch, "INTERVAL", 0.05)
        https = free_port(socket.SOCK_STREAM)
        write_certificate(self.site.folder / "tls.pem", self.site.folder / "tls.key")
        self.site.add(
            "https", f'enabled = true\nport = {https}\ncertificate = "tls.pem"\nkey = "tls.key"'
        )
        table = [LOOPBACK]
        service = self.started(interfaces=lambda: tuple(table))
        assert service.http is not None
        assert service.https is not None

        table.append(SECOND)
        await self.until(lambda: len(service._interfaces) == 2)

        for port in (self.site.http, https):
            with socket.create_connection(("127.0.0.2", port), timeout=15):
                pass
        self.assertEqual((len(service.http.bound), len(service.https.bound)), (2, 2))
        await service.stopService()
        for port in (self.site.http, https):
            with self.assertRaises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.2", port), timeout=15)

    async def test_http_that_cannot_follow(self) -> None:
        """A port that is taken on a new address, or out of reach by now, is told once."""
        self.patch(interface_watch, "INTERVAL", 0.05)
        lines = capture(self)
        table = [LOOPBACK]
        looks = 0

        def look() -> tuple[Interface, ...]:
            nonlocal looks
            looks += 1
            return tuple(table)

        service = self.started(interfaces=look)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as other:
            other.bind(("127.0.0.2", self.site.http))
            other.listen()

            table.append(SECOND)
            await self.until(lambda: any("restart" in line for line in lines))
            told_at = looks
            await self.until(lambda: looks > told_at + 2)

        self.assertEqual(
            [line for line in lines if "restart" in line],
            ["warn: HTTP is not on every address yet: Address already in use; restart netbootd"],
        )
        assert service.http is not None
        self.assertEqual(len(service.http.bound), 1)

    async def until(self, condition: Any) -> None:
        """Let the reactor turn until `condition` holds."""
        end = self.reactor.seconds() + 15
        while not condition():
            self.assertLess(self.reactor.seconds(), end)
            await deferLater(self.reactor, 0.01)


class Download(Protocol):
    """Reads an HTTP answer, and stops reading after the first bytes until it is told to go on."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.data = b""
        self.begun: Deferred[None] = Deferred()
        self.ended: Deferred[bytes] = Deferred()

    def connectionMade(self) -> None:
        request = f"GET {self._path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        self.transport.write(request.encode())

    def dataReceived(self, data: bytes) -> None:
        self.data += data
        if not self.begun.called:
            self.transport.pauseProducing()
            self.begun.callback(None)

    def connectionLost(self, reason: object = None) -> None:
        self.ended.callback(self.data.partition(b"\r\n\r\n")[2])


class TornTests(DaemonTestCase):
    """A catalog that changes under a transfer."""

    BIG = 24 << 20
    """Bytes that no socket's buffers hold."""

    def setUp(self) -> None:
        super().setUp()
        self.old = Random(1).randbytes(self.BIG)
        self.booter = Random(2).randbytes(5000)
        make_folder(
            self.site.images, files={"NetInstall.dmg": self.old, "i386/booter": self.booter}
        )
        self.service = self.started()

    async def replaced(self) -> None:
        """Another bundle takes the place of the one being read, and is published."""
        shutil.rmtree(self.site.images / "A.nbi")
        make_folder(self.site.images, files={"NetInstall.dmg": b"new", "i386/booter": b"new"})
        published: Deferred[None] = Deferred()

        def listen(snapshot: Snapshot) -> None:
            sizes = [bundle.sizes["NetInstall.dmg"] for bundle in snapshot.bundles]
            if sizes == [3] and not published.called:
                published.callback(None)

        self.service.booter.listen(listen)
        await self.within(published)

    async def test_http(self) -> None:
        """What was begun is read to its end as it was; who comes later gets what is there now."""
        path = "/NetBoot/NetBootSP0/A.nbi/NetInstall.dmg"
        before = await self.download(path)
        await before.begun

        await self.replaced()
        before.transport.resumeProducing()

        self.assertEqual(await self.within(before.ended), self.old)
        after = await self.download(path)
        await after.begun
        after.transport.resumeProducing()
        self.assertEqual(await self.within(after.ended), b"new")

    async def download(self, path: str) -> Download:
        from twisted.internet.endpoints import TCP4ClientEndpoint

        endpoint = TCP4ClientEndpoint(self.reactor, "127.0.0.1", self.site.http)
        made: Any = await endpoint.connect(Factory.forProtocol(lambda: Download(path)))
        return made  # type: ignore[no-any-return]

    async def test_tftp(self) -> None:
        """Block after block of the old file, although its folder is another one by now."""
        packets = await self.packets()
        packets.send(b"\0\1A.nbi/i386/booter\0octet\0", self.site.tftp)
        first, server = await self.within(packets.received())

        await self.replaced()

        data, block = first[4:], 1
        while len(data) % 512 == 0:
            packets.send(b"\0\4" + block.to_bytes(2, "big"), server[1])
            answer, _ = await self.within(packets.received())
            if answer[:4] == b"\0\3" + (block + 1).to_bytes(2, "big"):
                data, block = data + answer[4:], block + 1
        packets.send(b"\0\4" + block.to_bytes(2, "big"), server[1])
        self.assertEqual(data, self.booter)


class StartErrorTests(DaemonTestCase):
    """Why it does not start: one line each, with the remedy."""

    def error(self, service: BootService | None = None) -> str:
        with self.assertRaises(StartError) as caught:
            made = service or self.made()
            made.privilegedStartService()
            made.startService()
        text = str(caught.exception)
        self.assertNotIn("\n", text)
        return text.replace(f"{self.site.folder}/", "")

    def taken(self, kind: socket.SocketKind, port: int) -> None:
        other = socket.socket(socket.AF_INET, kind)
        self.addCleanup(other.close)
        other.bind(("127.0.0.1", port))
        if kind is socket.SOCK_STREAM:
            other.listen()

    async def test_a_port_in_use(self) -> None:
        """The service and its port are named, and how to find who has it."""
        for name, kind, port in (
            ("BSDP", socket.SOCK_DGRAM, self.site.bsdp),
            ("TFTP", socket.SOCK_DGRAM, self.site.tftp),
            ("HTTP", socket.SOCK_STREAM, self.site.http),
        ):
            with socket.socket(socket.AF_INET, kind) as other:
                other.bind(("127.0.0.1", port))
                if kind is socket.SOCK_STREAM:
                    other.listen()
                service = self.made()

                text = self.error(service)

            await service.stopService()
            transport = "UDP" if kind is socket.SOCK_DGRAM else "TCP"
            self.assertTrue(
                text.startswith(f"cannot bind {transport} port {port} for {name}: it is in use; "),
                text,
            )

    async def test_a_start_that_failed_can_be_made_good(self) -> None:
        """What was bound before the error is let go of by the stop; the next start succeeds."""
        service = self.made()
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as other:
            other.bind(("127.0.0.1", self.site.http))
            other.listen()
            self.error(service)

        await service.stopService()

        service.privilegedStartService()
        service.startService()

    def test_the_https_port_in_use(self) -> None:
        """HTTPS is bound by Twisted, and its error is told as the others are."""
        port = self.https()
        self.taken(socket.SOCK_STREAM, port)

        self.assertTrue(self.error().startswith(f"cannot bind TCP port {port} for HTTPS: it is in"))

    def https(self) -> int:
        port = free_port(socket.SOCK_STREAM)
        self.site.add(
            "https", f'enabled = true\nport = {port}\ncertificate = "tls.pem"\nkey = "tls.key"'
        )
        write_certificate(self.site.folder / "tls.pem", self.site.folder / "tls.key")
        return port

    async def test_https_starts_and_stops(self) -> None:
        """With HTTPS, too, a stop leaves nothing and a start follows."""
        self.https()
        service = self.made()

        for _ in range(2):
            service.privilegedStartService()
            service.startService()
            assert service.https is not None
            self.assertEqual(len(service.https.bound), 1)
            await service.stopService()

    def test_a_certificate_that_is_not_there(self) -> None:
        """It stops the start, with the file's path."""
        self.https()
        (self.site.folder / "tls.pem").unlink()

        self.assertEqual(self.error(), "[https] tls.pem: cannot be read: No such file or directory")

    def test_a_missing_image_folder(self) -> None:
        """Nothing is bound before it is there."""
        self.site.images.rmdir()

        self.assertEqual(
            self.error(),
            "image folder images does not exist;"
            " create it and put .nbi folders in it, or name another in [images]",
        )

    def test_no_interface_to_serve(self) -> None:
        """The addresses that there are, and the setting that admits none of them."""
        self.site.settings["network"] = 'addresses = ["203.0.113.0/24"]'

        self.assertEqual(
            self.error(),
            "no address to serve on: this machine has 127.0.0.1 [lo], and [network] allows none of"
            " them; name its network in network.addresses, or bring the interface up",
        )

    def test_no_interface_at_all(self) -> None:
        """A machine without any says so."""
        with self.assertRaises(StartError) as caught:
            self.made(interfaces=tuple)

        self.assertIn("this machine has none", str(caught.exception))

    def test_an_address_that_is_not_ours(self) -> None:
        """An interface that vanished between looking and binding is named as the reason."""
        self.site.settings["network"] = 'addresses = ["127.0.0.0/8", "10.0.0.0/8"]'

        text = self.error(self.made(interfaces=lambda: (LOOPBACK, FAR)))

        self.assertEqual(
            text,
            f"cannot bind TCP port {self.site.http} for HTTP: its address is not on this machine;"
            " check [network] and the interfaces' state",
        )

    def test_state_that_cannot_be_written(self) -> None:
        """A state folder closed to us stops the start with its path, and leaves nothing bound."""
        self.site.settings["state"] = 'directory = "closed/state"'
        (self.site.folder / "closed").mkdir(mode=0o755)

        service = self.made()

        with as_nobody():
            me = os.geteuid()
            text = self.error(service)

        self.assertEqual(
            text,
            "closed/state: Permission denied;"
            f" give uid {me} a folder to write in, or name another one",
        )

    async def test_a_database_of_a_newer_version(self) -> None:
        """An older program does not touch what a newer one wrote."""
        service = self.started()
        await service.stopService()
        with sqlite3.connect(self.site.state / "netbootd.sqlite") as connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.close()

        text = self.error()

        self.assertRegex(
            text,
            r"^state/netbootd\.sqlite has schema 9999, this program knows \d{4};"
            " run the newer program that wrote it, or restore a backup of its time$",
        )

    async def test_a_machine_in_the_database_that_makes_no_sense(self) -> None:
        """A row that somebody edited stops the start; the store is closed again."""
        service = self.started()
        await service.stopService()
        with sqlite3.connect(self.site.state / "netbootd.sqlite") as connection:
            connection.execute(
                "INSERT INTO machines VALUES ('nonsense', 1, 'x', 1, 'i386', 'x', '10.0.0.1', 0)"
            )
        connection.close()

        self.assertIn("machine 'nonsense' in the database makes no sense", self.error(service))

        await service.stopService()
        with sqlite3.connect(self.site.state / "netbootd.sqlite") as connection:
            connection.execute("DELETE FROM machines")
        connection.close()
        service.startService()

    def test_two_daemons_on_one_database(self) -> None:
        """The second one says that the state is in use."""
        self.started()
        self.site.bsdp = free_port()
        for table in ("bsdp", "tftp", "http"):
            kind = socket.SOCK_STREAM if table == "http" else socket.SOCK_DGRAM
            self.site.settings[table] = f"port = {free_port(kind)}"

        self.assertIn("state/netbootd.sqlite is in use by another process", self.error())


class UserTests(DaemonTestCase):
    """Which user reads and writes what, when another one is named. Dropping itself is tested in a
    process of its own (test_tap)."""

    def test_a_user_that_nobody_knows(self) -> None:
        """It stops the start before anything is bound."""
        self.site.add("", 'user = "no-such-user"')

        with self.assertRaises(StartError) as caught:
            self.made()

        self.assertEqual(
            str(caught.exception), 'user "no-such-user" does not exist; create it or correct `user`'
        )

    async def test_images_are_read_by_who_will_serve_them(self) -> None:
        """An image that the user of the daemon may not read is told at the start, not at a boot."""
        if os.geteuid() != 0:
            raise SkipTest("only root can become somebody else")
        self.site.add("", 'user = "nobody"')
        path = make_folder(self.site.images)
        path.chmod(0o700)
        lines = capture(self)
        self.patch(privilege, "become", lambda identity: os.seteuid(identity.uid))
        self.addCleanup(os.seteuid, 0)

        service = self.started()

        self.assertEqual(service.booter.snapshot.bundles, ())
        self.assertTrue(any("A.nbi: cannot be read" in line for line in lines), lines)
        self.assertEqual(self.owner(self.site.state / "netbootd.sqlite"), os.geteuid())
        os.seteuid(0)

    @staticmethod
    def owner(path: Path) -> int:
        return path.stat().st_uid
