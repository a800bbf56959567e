"""BSDP with packets that scapy builds and reads: every field of an answer, and every silence."""

from __future__ import annotations

import pytest

from tests.interop.bundle import Bundle, make_bundle
from tests.interop.conftest import Lan
from tests.interop.daemon import Daemon
from tests.interop.lab import wait_until
from tests.interop.mac import FAILED, LIST, SELECT, VERSION_1_1, Mac

pytestmark = pytest.mark.interop


def test_list(lan: Lan, daemon: Daemon, sierra: Bundle, mac: Mac) -> None:
    """A LIST is answered with the list, the priority and the default image, and no lease."""
    reply = mac.list()

    assert reply.kind == "ack"
    assert (reply.message.op, reply.message.ciaddr) == (2, "10.77.0.50")
    assert (reply.message.yiaddr, reply.message.siaddr) == ("0.0.0.0", lan.address)
    assert [code for code, _ in reply.vendor] == [1, 4, 7, 9]
    assert reply.sub(1) == LIST
    assert reply.images == [(sierra.image_id, sierra.title)]
    for lease_option in (1, 3, 51, 58):
        assert reply.options(lease_option) == []


def test_select(lan: Lan, daemon: Daemon, sierra: Bundle, mac: Mac) -> None:
    """A SELECT is answered with everything that the boot needs."""
    reply = mac.ask(mac.selection(lan.address, sierra.image_id))

    assert reply.kind == "ack"
    assert (reply.sub(1), reply.sub(8)) == (SELECT, sierra.image_id)
    assert reply.message.siaddr == lan.address
    assert reply.boot_file == "/private/tftpboot/NetBoot/NetBootSP0/Sierra.nbi/i386/booter"
    assert reply.root_path == f"http://{lan.address}/NetBoot/NetBootSP0/Sierra.nbi/NetInstall.dmg"
    assert reply.sub(130) == b"NetBoot001"


def test_selection_is_remembered(lan: Lan, daemon: Daemon, sierra: Bundle, mac: Mac) -> None:
    """Firmware that selected before is offered its image; one that did not hears nothing."""
    mac.assert_silence(mac.discovery())
    mac.ask(mac.selection(lan.address, sierra.image_id))

    offer = mac.ask(mac.discovery())

    assert offer.kind == "offer"
    assert offer.message.yiaddr == "0.0.0.0"
    assert offer.sub(1) is None
    assert offer.sub(8) == sierra.image_id
    assert mac.list().sub(8) == sierra.image_id


def test_selection_of_another_server_forgets(
    lan: Lan, daemon: Daemon, sierra: Bundle, mac: Mac
) -> None:
    """Who selects at another server is no longer ours, and is not answered."""
    mac.ask(mac.selection(lan.address, sierra.image_id))

    mac.assert_silence(mac.selection("10.77.0.9", sierra.image_id))

    wait_until(lambda: mac.list().sub(8) is None)
    mac.assert_silence(mac.discovery())


def test_selection_without_own_address(lan: Lan, daemon: Daemon, sierra: Bundle, mac: Mac) -> None:
    """A SELECT that leaves ciaddr empty is answered where it came from."""
    reply = mac.ask(mac.selection(lan.address, sierra.image_id, ciaddr="0.0.0.0"))

    assert reply.sub(1) == SELECT


def test_selection_of_a_removed_image_fails(
    lan: Lan, daemon: Daemon, sierra: Bundle, mac: Mac
) -> None:
    """An image that is not offered is refused with FAILED."""
    reply = mac.ask(mac.selection(lan.address, bytes((0x81, 0, 0, 9))))

    assert reply.vendor == ((1, FAILED),)


def test_reply_port(lan: Lan, daemon: Daemon, sierra: Bundle) -> None:
    """A running macOS asks for answers to a privileged port of its own, and gets them there."""
    startup_disk = Mac(lan.client, lan.client_interface, port=993)

    reply = startup_disk.list()

    assert reply.images == [(sierra.image_id, sierra.title)]
    startup_disk.close()


def test_unprivileged_reply_port(lan: Lan, daemon: Daemon, mac: Mac) -> None:
    """Answers to a port that any user may have are refused."""
    mac.assert_silence(mac.listing((5, (1024).to_bytes(2, "big"))))


def test_what_is_not_bsdp(lan: Lan, daemon: Daemon, mac: Mac) -> None:
    """A request of another version, or without one, is none of ours."""
    mac.assert_silence(mac.request("inform", ((1, LIST), (2, b"\x01\x02"))))
    mac.assert_silence(mac.request("inform", ((1, LIST),)))
    mac.assert_silence(mac.request("inform", ((2, VERSION_1_1),)))
    mac.assert_silence(mac.request("request", ((2, VERSION_1_1),)))


def test_long_list(lan: Lan, daemon: Daemon, sierra: Bundle, mac: Mac) -> None:
    """A list over 255 bytes spreads over several options 43, each of which stands alone."""
    images = lan.server.folder / "images"
    for index in range(1, 13):
        make_bundle(images, f"Image{index}", index=index, title=f"Image {index:02} " + "x" * 30)

    def listed() -> list[tuple[bytes, str]]:
        return mac.list().images

    wait_until(lambda: len(listed()) == 13)
    reply = mac.list()

    assert len(reply.options(43)) > 1
    assert {name for _, name in reply.images} >= {sierra.title, "Image 12 " + "x" * 30}


def test_image_that_appears(lan: Lan, daemon: Daemon, sierra: Bundle, mac: Mac) -> None:
    """An image that is put into the folder is offered without a restart."""
    assert len(mac.list().images) == 1

    added = make_bundle(lan.server.folder / "images", "Mojave", index=7)

    wait_until(lambda: (added.image_id, "Mojave") in mac.list().images)
