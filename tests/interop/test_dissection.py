"""Our replies as tshark dissects them, field by field, against what our codec meant by them."""

from __future__ import annotations

import pytest

from protocols.dhcp.codec import decode
from tests.interop.bundle import Bundle, make_bundle
from tests.interop.capture import Packet
from tests.interop.conftest import Lan
from tests.interop.daemon import Daemon
from tests.interop.lab import wait_until
from tests.interop.mac import Mac

pytestmark = pytest.mark.interop

REPLY = "dhcp.type == 2"
BSDP = "dhcp.option.vendor.bsdp"


def text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode()


def assert_read_as_meant(packet: Packet) -> None:
    """Header and options are to tshark what they are to us."""
    (payload,) = packet.values("udp.payload")
    message = decode(payload)
    shown = {
        "udp.srcport": "67",
        "dhcp.type": str(message.op),
        "dhcp.hw.type": f"0x{message.htype:02x}",
        "dhcp.hw.len": str(message.hlen),
        "dhcp.hops": str(message.hops),
        "dhcp.id": f"0x{message.xid:08x}",
        "dhcp.secs": str(message.secs),
        "dhcp.flags": f"0x{message.flags:04x}",
        "dhcp.ip.client": str(message.ciaddr),
        "dhcp.ip.your": str(message.yiaddr),
        "dhcp.ip.server": str(message.siaddr),
        "dhcp.ip.relay": str(message.giaddr),
        "dhcp.hw.mac_addr": message.chaddr[:6].hex(":"),
        "dhcp.cookie": "99.130.83.99",
        "dhcp.option.end": "255",
    }
    options = [bytes((o.code, len(o.data))) + o.data for o in message.options]

    assert {name: packet.one(name) for name in shown} == shown
    assert packet.values("dhcp.server") == [message.sname]
    assert packet.values("dhcp.file") == [message.file]
    assert packet.values("dhcp.option.type") == [*options, b"\xff"]


def test_list(lan: Lan, daemon: Daemon, sierra: Bundle, mac: Mac) -> None:
    """tshark reads from the answer to LIST the images, their kinds, the default, the priority."""
    images = lan.server.folder / "images"
    mojave = make_bundle(images, "Mojave", index=7, title="Mojave, großes Büro", install=False)
    wait_until(lambda: len(mac.list().images) == 2)
    capture = lan.capture()

    mac.list()

    (packet,) = capture.packets(REPLY)
    assert_read_as_meant(packet)
    assert packet.one("dhcp.option.dhcp") == "5"
    assert packet.one("dhcp.option.dhcp_server_id") == lan.address
    assert packet.one("dhcp.option.vendor_class_id") == "AAPLBSDPC"
    assert packet.one(f"{BSDP}.message_type") == "1"
    assert packet.one(f"{BSDP}.server_priority") == "32768"
    assert packet.values(f"{BSDP}.default_boot_image_id") == [mojave.image_id]
    assert packet.all(f"{BSDP}.boot_image.name") == [mojave.title, sierra.title]
    # The first is the default image's, from sub-option 7; the others are the list's.
    assert packet.all(f"{BSDP}.boot_image.index") == ["0x0007", "0x0007", "0x052a"]
    installs = packet.all(f"{BSDP}.boot_image.attribute.install")
    assert installs == ["0x0000", "0x0000", "0x0001"]
    assert set(packet.all(f"{BSDP}.boot_image.attribute.kind")) == {"0x0001"}
    assert capture.complaints() == ""


def test_long_list(lan: Lan, daemon: Daemon, sierra: Bundle, mac: Mac) -> None:
    """A list that spreads over several options 43 has no piece that tshark holds to be damaged."""
    images = lan.server.folder / "images"
    titles = [f"{index:03} {'x' * (20 + index)}" for index in range(1, 25)]
    for index, title in enumerate(titles, start=1):
        make_bundle(images, f"Image{index}", index=index, title=title)
    wait_until(lambda: len(mac.list().images) == 25)
    capture = lan.capture()

    mac.list()

    (packet,) = capture.packets(REPLY)
    assert_read_as_meant(packet)
    assert packet.all("dhcp.option.type").count("43") > 3
    assert packet.all(f"{BSDP}.boot_image.name") == [*titles, sierra.title]
    assert capture.complaints() == ""


def test_select(lan: Lan, daemon: Daemon, sierra: Bundle, mac: Mac) -> None:
    """tshark reads from the answer to SELECT the image, the files and the server."""
    capture = lan.capture()

    mac.ask(mac.selection(lan.address, sierra.image_id))

    (packet,) = capture.packets(REPLY)
    assert_read_as_meant(packet)
    assert packet.all("dhcp.option.type") == ["53", "54", "60", "17", "43", "0"]
    assert packet.one(f"{BSDP}.message_type") == "2"
    assert packet.values(f"{BSDP}.selected_boot_image_id") == [sierra.image_id]
    (server_name,) = packet.values("dhcp.server")
    assert text(server_name)
    (boot_file,) = packet.values("dhcp.file")
    assert text(boot_file) == "/private/tftpboot/NetBoot/NetBootSP0/Sierra.nbi/i386/booter"
    root = f"http://{lan.address}/NetBoot/NetBootSP0/Sierra.nbi/NetInstall.dmg"
    assert packet.one("dhcp.option.root_path") == root
    assert capture.complaints() == ""


def test_failed_and_offer(lan: Lan, daemon: Daemon, sierra: Bundle, mac: Mac) -> None:
    """tshark reads FAILED, and the OFFER to a machine that has selected."""
    capture = lan.capture()

    mac.ask(mac.selection(lan.address, bytes((0x81, 0, 0, 9))))
    mac.ask(mac.selection(lan.address, sierra.image_id))
    mac.ask(mac.discovery())

    failed, _, offer = capture.packets(REPLY)
    assert_read_as_meant(failed)
    assert failed.one(f"{BSDP}.message_type") == "3"
    assert_read_as_meant(offer)
    assert offer.one("dhcp.option.dhcp") == "2"
    assert f"{BSDP}.message_type" not in offer
    assert offer.values(f"{BSDP}.selected_boot_image_id") == [sierra.image_id]
    assert capture.complaints() == ""
