"""A daemon that goes through everything that the documentation quotes log lines of.

The pages say what the log writes when a boot goes well and when it does not; here all of that
happens to the real daemon, and `played` gives the lines that it wrote.
"""

from __future__ import annotations

import itertools
import re
import shutil
import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

from scapy.layers.dhcp import BOOTP, DHCP

from tests.interop.bundle import make_bundle
from tests.interop.lab import Host, Lab, Process

TOOLS = Path(sys.executable).parent
SERVER, MAC = "192.168.1.10", "a8:20:66:01:02:03"
BROADCAST = ("255.255.255.255", 67)
REPLY_PORT = 739
CONFIGURATION = """\
[[images.share]]
path = "images"
[bsdp]
shadow_mount_path = "afp://netboot:secret@192.168.1.20/Shadow"
[tftp]
give_up = "1s"
[state]
directory = "state"
[log]
level = "debug"
"""
CLASS = b"AAPLBSDPC/i386/iMac14,2"
LIST, SELECT, VERSION = b"\1\1\1", b"\1\1\2", b"\2\2\1\1"
ONLY_DIAGNOSTICS = b"\x0b\2\3\0"


def played(folder: Path, bundle: Path) -> list[str]:
    """The lines of the log; `bundle` is HighSierra.nbi with index 1013."""
    with Lab(folder) as lab:
        lan = lab.switch("lan")
        server, client, newcomer = (lab.host(name) for name in ("server", "client", "newcomer"))
        server.plug(lan, f"{SERVER}/24", interface="eth0")
        vlan = server.plug(lab.switch("vlan"), interface="vlan20")
        client.plug(lan, "192.168.1.50/24", interface="eth0", mac=MAC)
        newcomer.plug(lan, interface="eth0")
        images = folder / "images"
        _make_images(images, bundle)
        (folder / "netbootd.toml").write_text(CONFIGURATION)
        command = (str(TOOLS / "twistd"), "--nodaemon", "--pidfile=", "netbootd", "-c")
        daemon = server.start(*command, str(folder / "netbootd.toml"))
        daemon.wait_for("is ready: ")
        wire = _Wire(client, newcomer, daemon)
        _boot(client)
        _bsdp(wire)
        _tftp(wire)
        _http(wire)
        _while_it_runs(server, vlan, images, daemon)
        with wire.tftp("HighSierra.nbi/NetInstall.dmg"):
            daemon.stop()
        return daemon.output().splitlines()


def _make_images(images: Path, bundle: Path) -> None:
    shutil.copytree(bundle, images / bundle.name)
    make_bundle(images, "Lion", index=1, title="Install OS X Lion", IsEnabled=False)
    make_bundle(images, "ElCapitan", index=2, title="Install OS X El Capitan", Type="NFS")
    make_bundle(images, "Personal", index=3, title="Lab", EnabledMACAddresses=["0:1:2:3:4:5"])
    for index in range(2000, 2012):
        title = f"An image with a name of forty-eight bytes, No {index}"
        path = make_bundle(images, f"Many{index}", index=index, title=title).path
        (path / "NetInstall.dmg").write_bytes(b"x")


def _boot(client: Host) -> None:
    client.run(str(TOOLS / "netbootctl"), "simulate", "mac", "--server", SERVER, timeout=60)


class _Wire:
    """What a Mac sends, one datagram at a time; each is followed until the log has it."""

    def __init__(self, client: Host, newcomer: Host, daemon: Process) -> None:
        """`newcomer` has no address yet."""
        self._client = client
        self._newcomer = newcomer
        self._daemon = daemon
        self._serials = itertools.count(1)

    def socket(self, kind: socket.SocketKind = socket.SOCK_DGRAM, port: int = 0) -> socket.socket:
        sock = self._client.socket(kind)
        sock.bind(("192.168.1.50", port))
        return sock

    def bsdp(
        self,
        says: str,
        vendor: bytes,
        *,
        kind: str = "inform",
        class_id: bytes = CLASS,
        mac: str = "",
        ciaddr: str = "192.168.1.50",
        size: int = 1500,
    ) -> None:
        """Ask as another machine, unless `mac` says which, and wait until the log `says` so."""
        serial = next(self._serials)
        hardware = bytes.fromhex((mac or f"a8:20:66:01:03:{serial:02x}").replace(":", ""))
        options = [
            ("message-type", kind),
            ("vendor_class_id", class_id),
            ("max_dhcp_size", size),
            ("vendor_specific", vendor),
            "end",
        ]
        header = BOOTP(op=1, chaddr=hardware, xid=serial, ciaddr=ciaddr)
        with self.socket(port=REPLY_PORT) as sock:
            sock.sendto(bytes(header / DHCP(options=options)), (SERVER, 67))
            self.logged(says)

    def bsdp_without_address(self, vendor: bytes) -> None:
        """Ask everybody, from nowhere."""
        options = [("message-type", "inform"), ("vendor_class_id", CLASS)]
        options += [("vendor_specific", vendor), "end"]
        with self._newcomer.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
            sock.sendto(bytes(BOOTP(op=1, chaddr=b"\x02") / DHCP(options=options)), BROADCAST)
            self.logged("INFORM with no IP address")

    def tftp(self, name: str, *options: str) -> socket.socket:
        """Ask for a file; the socket has the first answer to come."""
        sock = self.socket()
        fields = [name, "octet", *options]
        sock.sendto(b"\0\1" + b"".join(f.encode() + b"\0" for f in fields), (SERVER, 69))
        return sock

    def logged(self, says: str) -> None:
        self._daemon.wait_for(says)


def _bsdp(wire: _Wire) -> None:
    port = b"\5\2" + REPLY_PORT.to_bytes(2, "big")
    list_, server_id = LIST + VERSION + port, b"\3\4" + socket.inet_aton(SERVER)
    wire.bsdp("list truncated", list_, size=548)
    wire.bsdp("no image is offered", list_ + ONLY_DIAGNOSTICS)
    wire.bsdp("not privileged", LIST + VERSION + b"\5\2" + (5000).to_bytes(2, "big"))
    wire.bsdp("1.0 firmware", list_ + b"\x0a\0")
    wire.bsdp("version is unknown", LIST + b"\2\2\1\2")
    wire.bsdp("version is missing", LIST)
    wire.bsdp("options are malformed", VERSION + b"\1\2\1\1")
    wire.bsdp("identifier is malformed", list_, class_id=b"AAPLBSDPC/i386")
    wire.bsdp_without_address(LIST + VERSION)
    wire.bsdp("SELECT without", SELECT + VERSION + port)
    gone = SELECT + VERSION + port + server_id + b"\x08\4" + bytes.fromhex("81000fff")
    wire.bsdp("FAILED", gone)
    wire.bsdp("OFFER", VERSION, kind="discover", ciaddr="0.0.0.0", mac=MAC)


def _tftp(wire: _Wire) -> None:
    booter = "/private/tftpboot/NetBoot/NetBootSP0/HighSierra.nbi/i386/booter"
    with wire.tftp(booter) as sock:  # takes one block and says no more
        _, peer = sock.recvfrom(2000)
        sock.sendto(struct.pack("!HH", 4, 1), peer)
        wire.logged("went silent reading HighSierra.nbi/i386/booter")
    with wire.tftp(booter) as sock:  # takes one block and gives up
        _, peer = sock.recvfrom(2000)
        sock.sendto(struct.pack("!HH", 4, 1), peer)
        sock.recvfrom(2000)
        sock.sendto(b"\0\5\0\0no\0", peer)
        wire.logged("stopped reading HighSierra.nbi/i386/booter")
    with wire.tftp(booter.replace("booter", "x86_64/kernel")) as sock:
        sock.recvfrom(2000)
        wire.logged("asked for .*x86_64/kernel")


def _http(wire: _Wire) -> None:
    with wire.socket(socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect((SERVER, 80))
        sock.sendall(b"GET /NetBoot/NetBootSP0/HighSierra.nbi/NetInstall.dmg HTTP/1.1\r\n")
        sock.sendall(b"Host: x\r\n\r\n")
        sock.recv(1000)
    wire.logged("stopped reading HighSierra.nbi/NetInstall.dmg")


def _while_it_runs(server: Host, vlan: str, images: Path, daemon: Process) -> None:
    make_bundle(images, "Mojave", index=1014, title="Install macOS Mojave")
    daemon.wait_for("Mojave.nbi: is still being copied")
    daemon.wait_for('image 1014 ".*" is served')
    shutil.rmtree(images / "Mojave.nbi")
    daemon.wait_for("Mojave.nbi: gone")
    server.address(vlan, "192.168.20.10/24")
    daemon.wait_for("Interfaces changed")


def messages(log: list[str]) -> Iterator[str]:
    """The lines of a log without time, level and logger."""
    for line in log:
        entry = re.fullmatch(r"\S+Z \w+ +\S+  (.*)", line)
        yield entry[1] if entry else line
