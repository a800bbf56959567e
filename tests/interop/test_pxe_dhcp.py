"""netbootd as the DHCP server of machines that boot from it: address and file in one reply."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.interop.conftest import Lan
from tests.interop.daemon import Daemon
from tests.interop.peer import peer_file
from tests.interop.rom import IPXE, OVMF_HTTP, OVMF_PXE, Answer, Rom

pytestmark = pytest.mark.interop

MAC = "52:54:00:77:00:10"
SETTINGS = """\
[dhcp]
enabled = true
probe = "off"
[[dhcp.subnet]]
network = "10.77.0.0/24"
pools = ["10.77.0.100-10.77.0.150"]
[pxe]
enabled = true
loaders = "{loaders}"
"""
Ask = Callable[..., Answer]


@pytest.fixture
def ask(lan: Lan) -> Iterator[Ask]:
    """Starts the daemon with further settings; gives the only OFFER to a machine's DISCOVER."""
    program = peer_file("/usr/lib/ipxe") / "snponly.efi"
    loaders, entry = lan.server.folder / "loaders", lan.server.folder / "images" / "shell"
    for folder in (loaders, entry):
        folder.mkdir(parents=True)
        shutil.copy(program, folder)
    (entry / "boot.toml").write_text('title = "Shell"\nefi = "snponly.efi"\n')
    kernel = lan.server.folder / "images" / "debian"
    kernel.mkdir()
    (kernel / "linux").write_bytes(b"kernel")
    keys = 'title = "Debian"\nkernel = "linux"\narchitectures = ["bios", "uefi-x86-64"]\n'
    (kernel / "boot.toml").write_text(keys)
    machine = lan.lab.host("machine")
    interface = machine.plug(lan.switch, mac=MAC)

    with ExitStack() as undo:

        def ask(capture: str, settings: str = "") -> Answer:
            Daemon(lan.server, SETTINGS.format(loaders=loaders) + settings).start()
            rom = Rom(machine, interface, capture)
            undo.callback(rom.close)
            (offer,) = rom.ask(rom.message(1), answers=2, patience=2.0)
            acknowledged = rom.ask(
                rom.message(
                    3,
                    (54, offer.option(54) or b""),
                    (50, bytes(map(int, str(offer.message.yiaddr).split(".")))),
                )
            )
            assert [same(each) for each in acknowledged] == [same(offer)]
            return offer

        yield ask


def same(answer: Answer) -> tuple[object, ...]:
    """What OFFER and ACK must agree about."""
    options = [answer.option(code) for code in (43, 54, 60, 66, 67, 97, 175)]
    return answer.message.yiaddr, answer.message.siaddr, answer.boot_file, options


def test_uefi(ask: Ask) -> None:
    """OVMF's messages get address and loader in one, without option 60, which would send it on."""
    offer = ask(OVMF_PXE)

    assert str(offer.message.yiaddr).startswith("10.77.0.1")
    assert (offer.boot_file, offer.message.siaddr) == ("snponly.efi", "10.77.0.1")
    assert (offer.option(60), offer.option(43)) == (None, None)
    assert offer.option(67) == b"snponly.efi"  # asked for
    assert len(offer.option(97) or b"") == 17


def test_http_boot(ask: Ask) -> None:
    """HTTP boot gets its class and the URL."""
    offer = ask(OVMF_HTTP)

    assert offer.option(60) == b"HTTPClient"
    assert offer.option(67) == b"http://10.77.0.1/snponly.efi"


def test_ipxe(ask: Ask) -> None:
    """iPXE gets its script and need not wait for proxyDHCP."""
    offer = ask(IPXE)

    assert offer.boot_file == "http://10.77.0.1/ipxe/52-54-00-77-00-10/boot.ipxe"
    assert offer.option(175) == bytes.fromhex("b00101ff")


def test_configured_entry(ask: Ask) -> None:
    """What the configuration says of a machine is what it boots."""
    host = f'[[dhcp.host]]\nmac = "{MAC}"\nname = "pc"\nboot = "shell"\n'

    offer = ask(OVMF_PXE, host)

    assert offer.boot_file == "NetBoot/NetBootSP0/shell/snponly.efi"


def test_menu(ask: Ask) -> None:
    """With a menu UEFI is told to ask port 4011."""
    offer = ask(OVMF_PXE, "menu = true\n")

    assert (offer.option(60), offer.option(43), offer.boot_file) == (b"PXEClient", None, "")
    assert offer.message.siaddr == "10.77.0.1"
