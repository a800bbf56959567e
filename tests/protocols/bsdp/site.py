"""A BSDP server with a memory, as the daemon is around `respond`, and the images of the vectors.

The images are those that Apple's server had when the exchanges were recorded, in its list order;
filtering by architecture, model and MAC stands here in a line, for it is not BSDP's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address

from protocols.bsdp.image_id import BootImageId
from protocols.bsdp.offered import OfferedImage, ServerIdentity
from protocols.bsdp.outcome import Bind, Binding, Outcome, Unbind
from protocols.bsdp.request import BsdpRequest, request_from
from protocols.bsdp.server import respond
from protocols.dhcp.codec import decode
from tests.protocols.bsdp.vectors import reply_of

SERVER = IPv4Address("10.99.0.1")
CLIENT = IPv4Address("10.99.0.50")
NOWHERE = IPv4Address(0)
IDENTITY = ServerIdentity(address=SERVER, host_name="srv.test")
BALANCER = IPv4Address("10.99.0.77")
NFS_ROOT = decode(reply_of("main/select_nfs")).option(17) or b""
"""It names the folder that was shared where Apple's server ran, so it is taken from there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """An image and who may see it."""

    offered: OfferedImage
    models: tuple[str, ...] = ()

    def is_for(self, request: BsdpRequest) -> bool:
        question = request.question
        return question.class_id.arch == "i386" and (
            not self.models or question.model in self.models
        )


def http(bundle: str, image_id: int, name: str | None = None) -> OfferedImage:
    """An image with its root on the server's HTTP share."""
    escaped = bundle.replace(" ", "%20")
    return OfferedImage(
        image_id=BootImageId(image_id),
        name=bundle if name is None else name,
        boot_file=f"/private/tftpboot/NetBoot/NetBootSP0/{bundle}.nbi/i386/booter",
        root_path=f"http://{SERVER}/NetBoot/NetBootSP0/{escaped}.nbi/NetInstall.dmg",
    )


def _root(image: OfferedImage, root_path: str | None) -> OfferedImage:
    return replace(image, root_path=root_path)


MAIN = (
    Published(offered=http("Catalina", 0x81001004, "macOS Catalina é")),
    Published(
        offered=replace(
            http("LB", 0x81001388),
            server=BALANCER,
            root_path=f"http://{BALANCER}/NetBoot/NetBootSP0/LB.nbi/NetInstall.dmg",
        )
    ),
    Published(offered=_root(http("NFSImage", 0x01000007), NFS_ROOT.decode())),
    Published(offered=_root(http("Indirect", 0x81000035), "http://10.99.0.9/img/x y.dmg")),
    Published(offered=http("DisMac", 0x81000036)),
    Published(offered=http("Sierra Install", 0x810003E9)),
    Published(offered=http("iMacOnly", 0x81000032), models=("iMac14,2",)),
    Published(offered=_root(http("BootOnly", 0x01000037), None)),
    Published(offered=replace(http("Diag", 0x0300012C, "AHT"), filter_only=True)),
)


@dataclass(slots=True)
class Site:
    """Answers datagrams and does what the outcomes ask."""

    images: Sequence[Published] = MAIN
    identity: ServerIdentity = IDENTITY
    bindings: dict[bytes, Binding] = field(default_factory=dict)
    next_number: int = 1

    def answer(self, data: bytes, source: IPv4Address = NOWHERE) -> Outcome | None:
        request = request_from(decode(data), source)
        if not isinstance(request, BsdpRequest):
            return request
        outcome = respond(
            request,
            images=[each.offered for each in self.images if each.is_for(request)],
            server=self.identity,
            binding=self.bindings.get(request.mac),
            known_clients=len(self.bindings),
            next_number=self.next_number,
        )
        effect = outcome.effect
        if isinstance(effect, Bind):
            self.bindings[effect.mac] = effect.binding
            self.next_number = max(self.next_number, effect.binding.number + 1)
        elif isinstance(effect, Unbind):
            del self.bindings[effect.mac]
        return outcome
