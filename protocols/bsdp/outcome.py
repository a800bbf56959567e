"""What a BSDP server does with a request: reply or stay silent, and what it then remembers.

Silence always has a reason, so that a log can say why a Mac that "just does not netboot" got no
answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from protocols.bsdp.image_id import BootImageId

if TYPE_CHECKING:
    from protocols.bsdp.offered import OfferedImage
    from protocols.dhcp.message import DhcpMessage
    from protocols.dhcp.route import ReplyRoute


class Reason(Enum):
    """Why a request got no answer, or FAILED; the value is how a log says it."""

    CLASS_ID = "class identifier is malformed"
    NO_VENDOR_OPTIONS = "vendor options are missing"
    VENDOR_OPTIONS = "vendor options are malformed"
    NO_VERSION = "BSDP version is missing"
    VERSION = "BSDP version is unknown"
    OTHER_SERVER_NAME = "sname names another server"
    OTHER_SERVER_ADDRESS = "siaddr names another server"
    OLD_FIRMWARE = "NetBoot 1.0 firmware is not served"
    NOT_ETHERNET = "hardware address is not Ethernet's"
    DHCP_TYPE = "DHCP message type is not one of BSDP"
    DHCP_REQUEST = "a DHCPREQUEST is for the DHCP server"
    NOT_BOUND = "machine has not selected an image here"
    IMAGE_GONE = "selected image is not offered to this machine any more"
    REPLY_PORT = "reply port is not privileged"
    NO_ADDRESS = "INFORM with no IP address"
    NO_MESSAGE_TYPE = "BSDP message type is missing"
    MESSAGE_TYPE = "BSDP message type is neither LIST nor SELECT"
    NO_IMAGE = "no image is offered to this machine"
    NO_SERVER_IDENTIFIER = "SELECT without a server identifier"
    OTHER_SERVER = "machine selected another server"
    UNKNOWN_IMAGE = "selected image is not offered to this machine"
    UNSENDABLE = "reply cannot be put on the wire"


class ReplyKind(Enum):
    """What is sent; the value is how a log says it, as Apple's server does."""

    LIST = "ACK[LIST]"
    SELECT = "ACK[SELECT]"
    FAILED = "ACK[FAILED]"
    OFFER = "OFFER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """What is remembered of a machine that selected an image."""

    image_id: BootImageId
    number: int
    machine_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """Remember `binding` for `mac`, before the reply is sent."""

    mac: bytes
    binding: Binding
    address: IPv4Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Unbind:
    """Forget `mac`: it selected another server."""

    mac: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """The bound machine `mac` asks DHCP for `address`: what it will be known by."""

    mac: bytes
    address: IPv4Address


Effect = Bind | Unbind | Moved


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Nothing is sent."""

    reason: Reason
    detail: str = ""
    """More for the log, such as the sub-option that is malformed."""
    effect: Effect | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """`message` is sent along `route`, from port 67."""

    kind: ReplyKind
    message: DhcpMessage
    route: ReplyRoute
    effect: Effect | None = None
    image: OfferedImage | None = None
    """The image that the machine is to boot (SELECT and OFFER)."""
    listed: int = 0
    omitted: int = 0
    """Images in a LIST, and those that did not fit (`image list truncated`)."""
    reason: Reason | None = None
    """Why FAILED."""
    detail: str = ""

    @property
    def is_repeatable(self) -> bool:
        """Whether it may be remembered and given again (`protocols.bsdp.template`).

        A SELECT has an effect, which must not happen once only; an OFFER does not echo ciaddr.
        """
        return self.kind in (ReplyKind.LIST, ReplyKind.FAILED)


Outcome = Reply | Silence
