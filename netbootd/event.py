"""What happens to a machine on its way from power-on to desktop, as values.

These are the entries of its timeline, the lines of the log and the items of the event stream: one
vocabulary. An event carries plain values only, ready to be shown or written as JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from netbootd.transfer import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """`machine` is the hardware address (`a8:20:66:01:02:03`), or the IPv4 address while the
    hardware address is not known (a reader that never spoke BSDP to us)."""

    at: datetime
    """Aware, UTC."""
    machine: str
    address: str
    """The machine's IPv4 address at that moment, `0.0.0.0` where it has none yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BsdpEvent(Event):
    """An event of the BSDP conversation."""

    interface: str
    """Name of the interface that the request came in by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesListed(BsdpEvent):
    """An INFORM[LIST] was answered."""

    architecture: str
    system_id: str
    images: int
    """Images in the list that was sent."""
    applicable: int
    """Images that this machine may see; more than `images` where its message size cut the list."""
    size: int
    """Bytes of UDP payload sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSelected(BsdpEvent):
    """An INFORM[SELECT] was answered with the image; the choice is on disk."""

    architecture: str
    system_id: str
    image: str
    image_id: int
    machine_name: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionFailed(BsdpEvent):
    """An INFORM[SELECT] was answered with FAILED; `why` tells the admin."""

    architecture: str
    system_id: str
    image_id: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageOffered(BsdpEvent):
    """A DISCOVER of a machine with a selected image was answered with an OFFER."""

    image: str
    image_id: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestUnanswered(BsdpEvent):
    """A BSDP request that got no answer on purpose; `why` tells the admin.

    Architecture and model are empty where the request was too malformed to tell.
    """

    architecture: str
    system_id: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PxeEvent(Event):
    """An event of a PC or virtual machine that boots from the network."""

    client: str
    """How it loads: `PXE`, `HTTP boot` or `iPXE`."""
    platform: str
    """What it is, such as `uefi-x86-64`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BootOffered(PxeEvent):
    """It was told what to load."""

    file: str
    """The name of a file that TFTP serves, or a URL."""
    entry: str
    """Title of the boot entry that this starts; empty for a loader or a menu."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BootMenuOffered(PxeEvent):
    """Its firmware was given a menu to show."""

    entries: int
    """Entries in the menu that was sent."""
    applicable: int
    """Entries that this machine may boot; more where the menu could not hold them all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BootUnanswered(PxeEvent):
    """It was told nothing on purpose; `why` tells the admin."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EntrySelected(Event):
    """A PC asked for the script that boots an entry: from its menu, or since it is set to."""

    service: str
    platform: str
    entry: str
    """The entry's name: its folder."""
    title: str
    stays: bool
    """Whether it was chosen to be booted without asking from now on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferStarted(Event):
    """A file began to flow."""

    service: str
    name: str
    role: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferProgressed(Event):
    """More of it did."""

    service: str
    name: str
    role: str
    size: int
    sent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferFinished(Event):
    """It ended, well or not."""

    service: str
    name: str
    role: str
    size: int
    sent: int
    outcome: Outcome
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FileMissing(Event):
    """A file was asked for that is not published. Firmware asks for several that need not exist."""

    service: str
    name: str
    why: str
