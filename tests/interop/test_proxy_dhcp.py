"""proxyDHCP beside a DHCP server of somebody else: firmware's datagrams, down to its boot file."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from protocols.dhcp.codec import decode
from tests.interop.capture import Capture, Packet
from tests.interop.client import dhclient, udhcpc
from tests.interop.daemon import Daemon
from tests.interop.lab import Host, Lab, Process, Switch
from tests.interop.lessor import SERVERS, dnsmasq
from tests.interop.peer import peer_file
from tests.interop.rom import END, IPXE, OVMF_HTTP, OVMF_PXE, Answer, Rom

pytestmark = pytest.mark.interop

LESSOR = "10.77.0.1"
"""Where a DHCP server leases addresses, and knows nothing of network boot."""
US = "10.77.0.2"
KERNEL = 'title = "Debian"\nkernel = "linux"\narchitectures = ["bios", "uefi-x86-64"]\n'
PXE = "[pxe]\nenabled = true\n"
SUB = "dhcp.option.vendor.pxeclient"
FROM_US = f"(udp.srcport == 67 || udp.srcport == 4011) && ip.src == {US}"


@dataclass(frozen=True, slots=True)
class Net:
    """DHCP server, netbootd and a machine on one switch, each on a computer of its own."""

    lab: Lab
    switch: Switch
    server: Host
    machine: Host
    interface: str
    loaders: Path
    undo: ExitStack

    def serve(self, pxe: str = "", *, bsdp: str = "") -> None:
        """Start the daemon with further settings of `[pxe]` and `[bsdp]`."""
        loaders = f'loaders = "{self.loaders}"\n'
        Daemon(self.server, f"[bsdp]\n{bsdp}\n{PXE}{loaders}{pxe}").start()

    def rom(self, capture: str = OVMF_PXE) -> Rom:
        """The machine's firmware, of which `capture` has the messages."""
        rom = Rom(self.machine, self.interface, capture)
        self.undo.callback(rom.close)
        return rom

    def capture(self) -> Capture:
        return Capture(self.server, "s0", "udp port 67 or udp port 68 or udp port 4011")

    def fetched(self, name: str) -> bytes:
        """A file as the machine gets it from us by TFTP."""
        here = self.machine.folder / "fetched"
        self.machine.run("busybox", "tftp", "-g", "-r", name, "-l", str(here), US)
        return here.read_bytes()

    def entry(self, folder: str, boot_toml: str, **files: Path | bytes) -> None:
        """A boot entry in the image folder; `_` in a name of a file stands for its dot."""
        path = self.server.folder / "images" / folder
        path.mkdir(parents=True)
        for name, content in files.items():
            target = path / name.replace("_", ".")
            if isinstance(content, Path):
                shutil.copy(content, target)
            else:
                target.write_bytes(content)
        (path / "boot.toml").write_text(boot_toml)


@pytest.fixture
def program() -> Path:
    """A UEFI program for x86-64."""
    return peer_file("/usr/lib/ipxe") / "snponly.efi"


@pytest.fixture
def net(lab: Lab, program: Path, request: pytest.FixtureRequest) -> Iterator[Net]:
    """Everything but the daemon runs; there is an entry with a kernel, and loaders.

    The DHCP server is dnsmasq, unless the test has parameters.
    """
    switch = lab.switch("lan")
    lessor, server, machine = lab.host("lessor"), lab.host("server"), lab.host("machine")
    plugged = lessor.plug(switch, f"{LESSOR}/24")
    getattr(request, "param", dnsmasq)(lessor, plugged)
    server.plug(switch, f"{US}/24", interface="s0")
    interface = machine.plug(switch, mac="52:54:00:77:00:10")
    loaders = server.folder / "loaders"
    loaders.mkdir()
    shutil.copy(program, loaders)
    shutil.copy(program.with_name("undionly.kpxe"), loaders)
    with ExitStack() as undo:
        net = Net(lab, switch, server, machine, interface, loaders, undo)
        net.entry("debian", KERNEL, linux=b"kernel")
        yield net


def address_of(rom: Rom, offers: dict[str, Answer]) -> str:
    """The address that the DHCP server leases, taken."""
    assert str(offers[LESSOR].message.yiaddr) != "0.0.0.0"
    return rom.lease(offers[LESSOR])


@pytest.mark.parametrize("net", SERVERS, indirect=True)
def test_uefi_gets_its_address_there_and_its_file_here(net: Net, program: Path) -> None:
    """OVMF's messages: two offers, the address of one, the boot file of the other, by port 4011."""
    net.serve()
    rom = net.rom()
    capture = net.capture()

    offers = rom.discover(answers=2)
    address = address_of(rom, offers)
    (ack,) = rom.ask_boot_server(US, address)

    offer = offers[US]
    assert offer.message.yiaddr == "0.0.0.0"
    assert (offer.option(53), offer.option(60)) == (b"\2", b"PXEClient")
    assert offer.option(51) is None
    assert ack.source == (US, 4011)
    for answer in (offer, ack):
        assert (answer.boot_file, answer.message.siaddr) == ("snponly.efi", US)
    assert net.fetched(ack.boot_file) == program.read_bytes()
    ours = capture.packets(FROM_US)
    assert len(ours) == 2  # nothing to the REQUEST on port 67
    for packet in ours:
        assert_dissected(packet)
        assert packet.one("dhcp.option.vendor_class_id") == "PXEClient"
        assert packet.one("dhcp.option.dhcp_server_id") == US
    assert capture.complaints() == ""


def test_bios_is_told_to_load_at_once(net: Net) -> None:
    """The OFFER to a BIOS ROM says by discovery control that its file is to be loaded."""
    net.serve()
    rom = net.rom()
    rom.options = [(93, bytes(2)) if code == 93 else (code, data) for code, data in rom.options]
    capture = net.capture()

    offers = rom.discover(answers=2)
    address_of(rom, offers)

    offer = offers[US]
    assert (offer.boot_file, offer.option(43)) == ("undionly.kpxe", b"\6\1\x08\xff")
    assert net.fetched(offer.boot_file) == (net.loaders / "undionly.kpxe").read_bytes()
    (packet,) = capture.packets(FROM_US)
    assert_dissected(packet)
    assert packet.one(f"{SUB}.discovery_control.bstrap") == "1"


def test_menu_of_uefi(net: Net, program: Path) -> None:
    """Without a loader the firmware's own menu has the entries with a UEFI program; the one that is
    picked is loaded."""
    net.entry("fedora", 'title = "Fedora"\nefi = "boot.efi"\n', boot_efi=program)
    net.entry("shell", 'title = "UEFI shell"\nefi = "shell.efi"\n', shell_efi=program)
    net.serve('prompt = "Pick one"\nloader = { uefi-x86-64 = "" }\n')
    rom = net.rom()
    capture = net.capture()

    offers = rom.discover(answers=2)
    address = address_of(rom, offers)
    (shown,) = rom.ask_boot_server(US, address)
    (_, (picked, _)) = shown.menu
    (ack,) = rom.ask_boot_server(US, address, (43, b"\x47\4" + picked + b"\0\0\xff"))

    assert (offers[US].option(43), offers[US].boot_file) == (None, "")
    assert [text for _, text in shown.menu] == ["Fedora", "UEFI shell"]
    assert (ack.option(43) or b"").startswith(b"\x47\4" + picked)
    assert ack.boot_file == "NetBoot/NetBootSP0/shell/shell.efi"
    assert net.fetched(ack.boot_file) == program.read_bytes()
    _, menu, choice = capture.packets(FROM_US)
    assert menu.all(f"{SUB}.boot_menu.desc") == ["Fedora", "UEFI shell"]
    assert menu.all(f"{SUB}.boot_menu.type") == menu.all(f"{SUB}.boot_servers.type")
    assert menu.all(f"{SUB}.boot_servers.ip") == [US, US]
    assert menu.one(f"{SUB}.menu_prompt.prompt") == "Pick one"
    assert menu.one(f"{SUB}.menu_prompt.timeout") == "10"
    assert choice.one(f"{SUB}.boot_item.type") == str(int.from_bytes(picked, "big"))
    for packet in (menu, choice):
        assert_dissected(packet)
    assert capture.complaints() == ""


def test_http_boot(net: Net, program: Path) -> None:
    """OVMF's HTTP boot gets a URL, which serves a UEFI program as one."""
    net.serve()
    rom = net.rom(OVMF_HTTP)

    offers = rom.discover(answers=2)
    address_of(rom, offers)

    offer = offers[US]
    url = (offer.option(67) or b"").decode()
    assert (offer.option(60), url) == (b"HTTPClient", f"http://{US}/snponly.efi")
    head = net.machine.run("curl", "--silent", "--fail", "--head", url).stdout.lower()
    assert "content-type: application/efi" in head
    assert f"content-length: {program.stat().st_size}" in head
    net.machine.run("curl", "--silent", "--fail", "--output", "fetched", url)
    assert (net.machine.folder / "fetched").read_bytes() == program.read_bytes()


def test_ipxe(net: Net) -> None:
    """iPXE's messages get the URL of a script that boots this machine's entries."""
    net.serve()
    rom = net.rom(IPXE)

    offers = rom.discover(answers=2)
    address_of(rom, offers)

    url = offers[US].boot_file
    assert url == f"http://{US}/ipxe/52-54-00-77-00-10/boot.ipxe"
    script = net.machine.run("curl", "--silent", "--fail", url).stdout
    assert script.startswith("#!ipxe\n")
    assert "Debian" in script


@pytest.mark.parametrize("client", ["udhcpc", "dhclient", "windows"])
def test_others_get_nothing_from_us(net: Net, client: str) -> None:
    """A client of an operating system gets its lease, and not one datagram from us."""
    net.serve()
    capture = net.capture()

    if client == "dhclient":
        running = dhclient(net.machine, net.interface, "timeout 20;\n")
        running.wait_for("bound to")
        running.stop()
    else:
        options = ("-V", "MSFT 5.0") if client == "windows" else ()
        assert udhcpc(net.machine, net.interface, *options) is not None

    assert capture.count(FROM_US) == 0
    assert capture.count("udp.dstport == 67") >= 2  # we heard the DISCOVER and the REQUEST


def test_machine_that_nothing_is_for(net: Net) -> None:
    """A platform without an entry hears from the DHCP server alone; the log says why."""
    shutil.rmtree(net.server.folder / "images" / "debian")
    (net.server.folder / "images").mkdir(exist_ok=True)
    net.serve()
    rom = net.rom()

    offers = rom.ask(rom.message(1), answers=2, patience=1.0)

    assert [answer.source[0] for answer in offers] == [LESSOR]


def test_request_for_another_boot_server(net: Net) -> None:
    """Port 4011 leaves a REQUEST that names another server alone."""
    net.serve()
    rom = net.rom()
    address = address_of(rom, rom.discover(answers=2))

    other = rom.ask_boot_server(US, address, (54, bytes((10, 77, 0, 1))), patience=1.0)
    ours = rom.ask_boot_server(US, address, (54, bytes((10, 77, 0, 2))))

    assert other == []
    assert len(ours) == 1


def test_through_a_relay(net: Net) -> None:
    """A machine behind ISC dhcrelay is offered its boot file through that."""
    outer = net.lab.switch("outer")
    router, machine = net.lab.host("router"), net.lab.host("far")
    router.plug(net.switch, "10.77.0.3/24", interface="r0")
    router.plug(outer, "10.78.0.1/24", interface="r1")
    router.forward()
    net.server.route("10.78.0.0/24", "10.77.0.3")
    net.serve()
    router.start(
        *("dhcrelay", "-4", "-d", "-a", "-m", "replace", "--no-pid"),
        *("-id", "r1", "-iu", "r0", US),
    ).wait_for("Sending on .*fallback")
    rom = Rom(machine, machine.plug(outer))
    net.undo.callback(rom.close)

    (offer,) = rom.ask(rom.message(1))

    assert offer.source == ("10.78.0.1", 67)
    assert (offer.boot_file, offer.message.siaddr) == ("snponly.efi", US)
    assert offer.message.giaddr == "10.78.0.1"
    assert offer.option(82) is None  # the relay took off what it had put on


@pytest.fixture
def one_host(net: Net) -> Net:
    """A switch of its own, on which one computer is to be DHCP and boot server."""
    switch = net.lab.switch("other")
    server, machine = net.lab.host("both"), net.lab.host("pc")
    server.plug(switch, f"{US}/24", interface="s0")
    interface = machine.plug(switch, mac="52:54:00:77:00:10")
    return replace(net, switch=switch, server=server, machine=machine, interface=interface)


def test_dhcp_server_on_the_same_host_shares_port_67(one_host: Net) -> None:
    """Both hear the DISCOVER and both answer from the one address."""
    dnsmasq(one_host.server, "s0")
    one_host.serve(bsdp="share_port = true")
    rom = one_host.rom()

    offers = rom.ask(rom.message(1), answers=2)

    assert [offer.source for offer in offers] == [(US, 67)] * 2
    by_address = {str(offer.message.yiaddr): offer.boot_file for offer in offers}
    assert by_address.pop("0.0.0.0") == "snponly.efi"
    assert list(by_address.values()) == [""]


@pytest.mark.parametrize("lessor", SERVERS)
def test_dhcp_server_on_the_same_host_sends_to_port_4011(
    one_host: Net, lessor: Callable[..., Process]
) -> None:
    """Without port 67 we are found by the DHCP server's option 60."""
    lessor(one_host.server, "s0", to_boot_server=True)
    one_host.serve("proxy = false\n", bsdp="enabled = false")
    rom = one_host.rom()

    (offer,) = rom.ask(rom.message(1), answers=2, patience=2.0)
    address = rom.lease(offer)
    (ack,) = rom.ask_boot_server(US, address)

    assert offer.option(60) == b"PXEClient"
    assert (ack.boot_file, ack.message.siaddr) == ("snponly.efi", US)


def assert_dissected(packet: Packet) -> None:
    """Options and fields are to tshark what they are to our codec."""
    (payload,) = packet.values("udp.payload")
    message = decode(payload)
    options = [bytes((o.code, len(o.data))) + o.data for o in message.options]

    assert packet.values("dhcp.option.type") == [*options, END]
    assert packet.values("dhcp.file") == [message.file]
    assert packet.one("dhcp.ip.your") == "0.0.0.0"
    assert packet.one("dhcp.ip.server") == str(message.siaddr)
