"""What clients are told, field by field: names, URLs, options, limits, and what the log hears."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest

from netbootd.event import BootMenuOffered, BootOffered, BootUnanswered
from netbootd.pxe.answer import WebPorts
from netbootd.pxe.teller import QUIET, UNANSWERED_QUIET
from protocols.dhcp.boot import BootParameters
from protocols.dhcp.message import DhcpMessage
from protocols.dhcp.option import RawOption
from protocols.dhcp.value import MessageType
from protocols.pxe import registry
from protocols.pxe.client import client_from
from protocols.pxe.menu import menu_types
from tests.netbootd.pxe.offered import DEBIAN, FEDORA, MEMTEST, SERVER, Rig, entry
from tests.protocols.pxe.ask import (
    ALL_FEATURES,
    ASKS_66_67,
    BIOS,
    HTTP,
    IPXE,
    MAC,
    MACHINE_ID,
    message,
)

LOADERS = 'loaders = "/srv/loaders"\n'
URL = "http://10.77.0.2"
SCRIPT = f"{URL}/ipxe/52-54-00-77-00-10/boot.ipxe"
DISCOVER_UEFI = message()
DISCOVER_HTTP = message(HTTP, architecture=16)
DISCOVER_IPXE = message(BIOS, IPXE, ALL_FEATURES, architecture=0)


def told(rig: Rig, asked: DhcpMessage, boot: str | None = None) -> BootParameters:
    found = rig.answers.at(SERVER)(asked, boot)
    assert found is not None
    return found


def on_4011(rig: Rig, asked: DhcpMessage) -> BootParameters | None:
    client = client_from(asked)
    assert client is not None
    return rig.answers.boot_server_parameters(client, server=SERVER, message=asked)


def option(found: BootParameters, code: int) -> bytes | None:
    values = [data for each, data in found.options if each == code]
    assert len(values) <= 1
    return values[0] if values else None


def picked(name: str) -> RawOption:
    names = [each.name for each in (DEBIAN, FEDORA, MEMTEST)]
    number = menu_types(names)[names.index(name)]
    return RawOption(43, bytes((71, 4)) + number.to_bytes(2, "big") + bytes(2))


def test_pxe_loads_a_file() -> None:
    """A PXE client gets our address in siaddr, the name in `file`, its identifier again."""
    found = told(Rig(), DISCOVER_UEFI)

    assert found == BootParameters(
        next_server=SERVER, file=b"snponly.efi", options=(RawOption(97, MACHINE_ID),)
    )


def test_options_66_and_67_for_who_asks() -> None:
    """Who asks for server and file as options gets them so, too; the fields stay."""
    found = told(Rig(), message(BIOS, ASKS_66_67, architecture=0))

    assert option(found, 66) == b"10.77.0.2"
    assert option(found, 67) == b"undionly.kpxe"
    assert found.file == b"undionly.kpxe"


def test_http_boot_loads_a_url() -> None:
    """UEFI HTTP boot gets its class back and the URL in option 67, asked for or not."""
    found = told(Rig(), DISCOVER_HTTP)

    assert option(found, 60) == b"HTTPClient"
    assert option(found, 67) == b"http://10.77.0.2/snponly.efi"
    assert found.file == b"http://10.77.0.2/snponly.efi"


def test_ipxe_loads_its_script() -> None:
    """iPXE gets the URL of the script of its machine, and need not wait for proxyDHCP."""
    found = told(Rig(), DISCOVER_IPXE)

    assert found.file == SCRIPT.encode()
    assert option(found, 175) == bytes.fromhex("b00101ff")
    assert option(found, 60) is None


@pytest.mark.parametrize(
    ("features", "ports"),
    [
        (RawOption(175, bytes.fromhex("150101")), WebPorts(http=80, https=None)),
        (ALL_FEATURES, WebPorts(http=None, https=443)),
    ],
)
def test_ipxe_without_http_loads_by_tftp(features: RawOption, ports: WebPorts) -> None:
    """An iPXE built without HTTP, and every iPXE where we do not serve it, is given a name."""
    found = told(Rig(ports=ports), message(BIOS, IPXE, features, architecture=0))

    assert found.file == b"ipxe/52-54-00-77-00-10/boot.ipxe"
    assert found.next_server == SERVER


@pytest.mark.parametrize(
    ("document", "ports", "url"),
    [
        ("", WebPorts(http=8080, https=None), "http://10.77.0.2:8080/snponly.efi"),
        ('scheme = "https"', WebPorts(http=80, https=443), "https://10.77.0.2/snponly.efi"),
        ('scheme = "https"', WebPorts(http=80, https=8443), "https://10.77.0.2:8443/snponly.efi"),
        (
            'scheme = "https"\nhost_name = "boot.example.com"',
            WebPorts(http=None, https=443),
            "https://boot.example.com/snponly.efi",
        ),
        # The name is the certificate's; without TLS firmware need not look it up.
        ('host_name = "boot.example.com"', WebPorts(http=80, https=443), f"{URL}/snponly.efi"),
    ],
)
def test_host_and_port_of_urls(document: str, ports: WebPorts, url: str) -> None:
    """A URL names the port where it is not the scheme's own, and the host of the certificate."""
    found = told(Rig(LOADERS + document, ports=ports), DISCOVER_HTTP)

    assert option(found, 67) == url.encode()


@pytest.mark.parametrize(
    ("document", "ports", "remedy"),
    [
        ("", WebPorts(http=None, https=443), "enable [http]"),
        ('scheme = "https"', WebPorts(http=80, https=None), "enable [https]"),
    ],
)
def test_http_boot_without_a_server(document: str, ports: WebPorts, remedy: str) -> None:
    """Where the scheme is not served, HTTP boot gets nothing and the log a remedy."""
    rig = Rig(LOADERS + document, ports=ports)

    assert rig.answers.at(SERVER)(DISCOVER_HTTP, None) is None
    (event,) = rig.events
    assert isinstance(event, BootUnanswered)
    assert remedy in event.why


def test_names_in_urls_are_quoted() -> None:
    """A folder with a blank or a letter beyond ASCII is written as RFC 3986 wants it; TFTP gets its
    bytes."""
    rig = Rig(entries=[entry("Größe 1", efi="boot.efi")])

    by_http = told(rig, DISCOVER_HTTP)
    by_tftp = told(rig, DISCOVER_UEFI)

    path = "NetBoot/NetBootSP0/Gr%C3%B6%C3%9Fe%201/boot.efi"
    assert option(by_http, 67) == f"{URL}/{path}".encode()
    assert by_tftp.file == "NetBoot/NetBootSP0/Größe 1/boot.efi".encode()


@pytest.mark.parametrize(
    ("asked", "longest"),
    [(DISCOVER_UEFI, 127), (DISCOVER_HTTP, 255)],
)
def test_longest_name(asked: DhcpMessage, longest: int) -> None:
    """A name as long as `file`, or a URL as long as option 67, is sent; a longer one never."""
    prefix = "NetBoot/NetBootSP0/a/"
    room = longest - len(prefix) - (len(f"{URL}/") if longest == 255 else 0)

    found = told(Rig(entries=[entry("a", efi="x" * room)]), asked)
    rig = Rig(entries=[entry("a", efi="x" * (room + 1))])
    beyond = rig.answers.at(SERVER)(asked, None)

    sent = option(found, 67) if longest == 255 else found.file
    assert len(sent or b"") == longest
    assert beyond is None
    (event,) = rig.events
    assert isinstance(event, BootUnanswered)
    assert f"more than {longest} bytes" in event.why


def test_long_url_is_in_the_option_alone() -> None:
    """A URL that `file` cannot hold is not cut."""
    found = told(Rig(entries=[entry("a", efi="x" * 120)]), DISCOVER_HTTP)

    assert found.file == b""
    assert len(option(found, 67) or b"") > 127


def test_what_decides_is_what_the_client_tells() -> None:
    """The booter is asked with address, platform, UUID, class and our address for the machine."""
    rig = Rig()

    told(rig, DISCOVER_UEFI)

    (asker,) = rig.booter.askers
    assert (asker.mac, asker.platform, asker.server) == (MAC, "uefi-x86-64", SERVER)
    assert str(asker.machine_id) == "564d4c55-0001-0002-0003-525400770010"
    assert asker.vendor_class == b"PXEClient:Arch:00007:UNDI:003000"


def test_configured_entry() -> None:
    """`boot` of a host or class decides; iPXE gets that entry's script."""
    rig = Rig()

    assert told(rig, DISCOVER_UEFI, "memtest").file == b"NetBoot/NetBootSP0/memtest/memtest.efi"
    assert told(rig, DISCOVER_IPXE, "debian").file == SCRIPT.replace("boot.", "debian.").encode()


@pytest.mark.parametrize(
    "asked",
    [
        message(None),
        message(b"AAPLBSDPC/i386/iMac14,2"),
        message(b"PXEClient", architecture=None),
        message(BIOS, RawOption(93, b"\0"), architecture=None),
    ],
)
def test_others_are_told_nothing(asked: DhcpMessage) -> None:
    """Who does not boot from the network, or says so in garbled words, is nobody here."""
    rig = Rig()

    assert rig.answers.at(SERVER)(asked, None) is None
    assert rig.events == []


# Menus.

MENU: dict[str, Any] = {"document": LOADERS + 'menu = true\nprompt = "Pick"\ntimeout = "5s"'}
REQUEST = MessageType.REQUEST


def test_menu_of_bios_is_in_the_offer() -> None:
    """A BIOS ROM is shown the menu at once: option 43, class, no file."""
    found = told(Rig(**MENU), message(BIOS, ASKS_66_67, architecture=0))

    assert option(found, 60) == b"PXEClient"
    menu = dict(registry.pxe_sub_options(option(found, 43) or b""))
    lines = registry.BOOT_MENU.decode(menu[9])
    prompt = registry.MENU_PROMPT.decode(menu[10])
    assert [line.text for line in lines] == ["Debian", "Fedora", "Memtest"]
    assert (prompt.seconds, prompt.text) == (5, "Pick")
    assert (found.file, option(found, 67)) == (b"", None)


def test_menu_of_uefi_is_on_port_4011() -> None:
    """UEFI is told on port 67 that there is a PXE server, and asks it for the menu."""
    rig = Rig(**MENU)

    first = told(rig, DISCOVER_UEFI)
    then = on_4011(rig, message(kind=REQUEST, ciaddr="10.77.0.145"))

    assert (option(first, 60), option(first, 43), first.file) == (b"PXEClient", None, b"")
    assert then is not None
    assert registry.BOOT_MENU.code in dict(registry.pxe_sub_options(option(then, 43) or b""))
    assert [type(event) for event in rig.events] == [BootMenuOffered]


def test_what_was_picked_is_loaded() -> None:
    """The answer to a choice echoes it and names the file."""
    asked = message(BIOS, picked("fedora"), architecture=0, kind=REQUEST, ciaddr="10.77.0.9")

    found = on_4011(Rig(**MENU), asked)

    assert found is not None
    assert found.file == b"NetBoot/NetBootSP0/fedora/shimx64.efi"
    assert option(found, 43) == asked.options[-1].data + b"\xff"


def test_no_menu_for_ipxe() -> None:
    """iPXE shows its own."""
    assert told(Rig(**MENU), DISCOVER_IPXE).file == SCRIPT.encode()


# What the log hears.


def test_offer_is_told_once() -> None:
    """OFFERs, ACK and boot server of one boot are one event; the next boot is another."""
    rig = Rig()

    for _ in range(4):
        told(rig, DISCOVER_UEFI)
    rig.clock.advance(QUIET)
    told(rig, DISCOVER_UEFI)

    first, second = rig.events
    assert isinstance(first, BootOffered)
    assert (first.machine, first.address) == ("52:54:00:77:00:10", "0.0.0.0")
    assert (first.client, first.platform) == ("PXE", "uefi-x86-64")
    assert (first.file, first.entry) == ("snponly.efi", "")
    assert second == first


def test_entry_is_told() -> None:
    """An event names what the file starts, where it starts an entry."""
    rig = Rig(entries=[FEDORA])

    told(rig, DISCOVER_HTTP)

    (event,) = rig.events
    assert isinstance(event, BootOffered)
    assert (event.client, event.entry) == ("HTTP boot", "Fedora")
    assert event.file == f"{URL}/NetBoot/NetBootSP0/fedora/shimx64.efi"


def test_cut_menu_is_told() -> None:
    """The log hears how many entries did not fit."""
    rig = Rig(entries=[entry(f"{n} {'x' * 40}", efi="a.efi") for n in range(9)], **MENU)

    told(rig, message(BIOS, architecture=0))

    (event,) = rig.events
    assert isinstance(event, BootMenuOffered)
    assert (event.entries, event.applicable) == (4, 9)


def test_nothing_is_told_with_its_reason_once_a_minute() -> None:
    """A machine that finds nothing asks for as long as it is on; the log hears it now and then."""
    rig = Rig(entries=[])
    answer = rig.answers.at(SERVER)

    for _ in range(3):
        assert answer(DISCOVER_UEFI, None) is None
    rig.clock.advance(UNANSWERED_QUIET)
    answer(DISCOVER_UEFI, None)

    assert len(rig.events) == 2
    assert isinstance(rig.events[0], BootUnanswered)
    assert rig.events[0].why == "no boot entry is for it (uefi-x86-64)"


def test_machine_without_an_address_of_its_own() -> None:
    """Where neither hardware nor IP address tells machines apart they share one entry."""
    rig = Rig()

    told(rig, message(mac=b""))

    assert rig.events[0].machine == "0.0.0.0"
    assert rig.events[0].address == str(IPv4Address(0))
