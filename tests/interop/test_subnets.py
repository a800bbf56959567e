"""One daemon on several networks at once: each is told the address that it can reach."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.interop.bundle import Bundle, make_bundle
from tests.interop.daemon import Daemon
from tests.interop.lab import Host, Lab
from tests.interop.mac import Mac

pytestmark = pytest.mark.interop


@dataclass(frozen=True, slots=True)
class Site:
    """A server with an interface in each of two networks, `s0` and `s1`; a Mac in each."""

    server: Host
    macs: tuple[Mac, Mac]
    sierra: Bundle


@pytest.fixture
def site(lab: Lab) -> Iterator[Site]:
    server = lab.host("server")
    with ExitStack() as undo:
        macs = []
        for number in (0, 1):
            switch = lab.switch(f"lan{number}")
            server.plug(switch, f"10.77.{number}.1/24", interface=f"s{number}")
            client = lab.host(f"client{number}")
            interface = client.plug(switch, f"10.77.{number}.50/24")
            mac = Mac(client, interface)
            undo.callback(mac.close)
            macs.append(mac)
        sierra = make_bundle(server.folder / "images", "Sierra", index=1322)
        yield Site(server, (macs[0], macs[1]), sierra)


def listening(host: Host) -> set[str]:
    """The local addresses and ports on which `host` takes UDP or TCP."""
    lines = host.run("ss", "--no-header", "--numeric", "--udp", "--tcp", "--listening").stdout
    return {line.split()[4] for line in lines.splitlines()}


def test_each_network_is_told_the_address_of_its_interface(site: Site) -> None:
    """Server identifier, siaddr, source and root path are of the interface that was asked."""
    Daemon(site.server).start()

    for number, mac in enumerate(site.macs):
        address = f"10.77.{number}.1"
        for reply in (mac.list(), mac.ask(mac.selection(address, site.sierra.image_id))):
            assert str(reply.source) == reply.message.siaddr == address
            (server_id,) = reply.options(54)
            assert ".".join(map(str, server_id)) == address
        assert reply.root_path.startswith(f"http://{address}/")


def test_selection_names_the_interface_that_was_asked(site: Site) -> None:
    """The address of our other interface is another server's to a Mac that cannot reach it."""
    Daemon(site.server).start()
    mac = site.macs[0]

    mac.assert_silence(mac.selection("10.77.1.1", site.sierra.image_id))


def test_address_of_its_own_for_one_interface(site: Site) -> None:
    """`server_address` is told to the clients of its interface, and to no others."""
    Daemon(site.server, '[interface.s1]\nserver_address = "10.77.1.200"\n').start()

    assert site.macs[0].list().message.siaddr == "10.77.0.1"
    assert site.macs[1].list().message.siaddr == "10.77.1.200"


EXCLUDED = '[network]\nexclude = ["s1"]\n'
NAMED = '[network]\ninterfaces = ["s0"]\n'
ADDRESSED = '[network]\naddresses = ["10.77.0.0/24"]\n'
SWITCHED_OFF = "[interface.s1]\nbsdp = false\ntftp = false\nhttp = false\n"


@pytest.mark.parametrize("settings", [EXCLUDED, NAMED, ADDRESSED, SWITCHED_OFF])
def test_interface_that_is_not_served(site: Site, settings: str) -> None:
    """An interface that the settings leave out gets no BSDP, TFTP or HTTP."""
    Daemon(site.server, settings).start()
    inside, outside = site.macs

    outside.send(outside.listing())
    assert inside.list().images == [(site.sierra.image_id, "Sierra")]

    assert outside.heard_nothing()
    served = listening(site.server)
    assert any(at.startswith("10.77.0.1:") for at in served)
    assert not any(at.startswith("10.77.1.1:") for at in served)
