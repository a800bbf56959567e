"""Whatever a BSDP client hears, it says why it rejects it, or acts on it, and never fails."""

from __future__ import annotations

from ipaddress import IPv4Address

from protocols.bsdp.answer import ImageConfirmed, ImageRefused, ImagesListed, Rejected
from protocols.bsdp.class_id import ClassId
from protocols.bsdp.client import BsdpClient, ImagesGathered, State
from protocols.bsdp.image_id import BootImageId
from protocols.bsdp.inform import Machine
from protocols.bsdp.menu import preferred

MACHINE = Machine(
    mac=bytes.fromhex("02bbccddee01"),
    address=IPv4Address("10.99.0.50"),
    class_id=ClassId(arch="i386", system_id="Macmini6,1"),
    reply_port=993,
)
XID = 0x11223344
SERVER = IPv4Address("10.99.0.1")


def target(data: bytes) -> None:
    _listing(data)
    _selecting(data)


def _listing(data: bytes) -> None:
    client = BsdpClient(MACHINE, xid=XID, jitter=lambda: 0.0)
    client.list(0.0)
    (event,) = client.receive(1.0, data).events
    assert client.state is State.LISTING
    if isinstance(event, Rejected):
        return
    assert isinstance(event, ImagesListed)
    assert event.images
    (gathered,) = client.wake(5.0).events
    assert isinstance(gathered, ImagesGathered)
    assert len(gathered.choices) <= len(event.images)
    choice = preferred(gathered.choices) or gathered.choices[0]
    assert choice.best.server == event.server


def _selecting(data: bytes) -> None:
    client = BsdpClient(MACHINE, xid=XID, jitter=lambda: 0.0)
    client.select(0.0, SERVER, BootImageId(0x810003E9))
    (event,) = client.receive(1.0, data).events
    expected = {
        Rejected: State.SELECTING,
        ImageConfirmed: State.SELECTED,
        ImageRefused: State.REFUSED,
    }
    assert client.state is expected[type(event)]
