"""A datagram to a BSDP server gets a reply that fits and is readable, silence, or DecodeError."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

from protocols.bsdp import vendor
from protocols.bsdp.image_id import BootImageId
from protocols.bsdp.offered import OfferedImage, ServerIdentity
from protocols.bsdp.outcome import Bind, Binding, Outcome, Reply, ReplyKind
from protocols.bsdp.request import BsdpRequest, request_from
from protocols.bsdp.server import respond
from protocols.bsdp.template import ReplyTemplate, is_memorable
from protocols.dhcp.codec import decode, encode
from protocols.errors import DecodeError

IMAGE = OfferedImage(
    image_id=BootImageId(0x81001004),
    name="macOS Catalina é",
    boot_file="/private/tftpboot/NetBoot/NetBootSP0/Catalina.nbi/i386/booter",
    root_path="http://10.99.0.1/NetBoot/NetBootSP0/Catalina.nbi/NetInstall.dmg",
    diskless=True,
)
IMAGES = [
    IMAGE,
    replace(IMAGE, image_id=BootImageId(0x810003E9), server=IPv4Address("10.99.0.77")),
    replace(IMAGE, image_id=BootImageId(0x0300012C), name="n" * 300, filter_only=True),
    replace(IMAGE, image_id=BootImageId(0x01000037), root_path=None),
    *(replace(IMAGE, image_id=BootImageId(0x01000100 + n), name=f"{n:040}") for n in range(12)),
]
SERVER = ServerIdentity(
    address=IPv4Address("10.99.0.1"),
    host_name="srv.test",
    shadow_mount_path="afp://user:password@10.99.0.1/NetBootClients0",
    answer_old_firmware=True,
)
BOUND = Binding(image_id=BootImageId(0x810003E9), number=1, machine_name="NetBoot001")
SOURCE = IPv4Address("10.99.0.50")


def target(data: bytes) -> None:
    try:
        request = request_from(decode(data), SOURCE)
    except DecodeError:
        return
    if not isinstance(request, BsdpRequest):
        return
    for binding in (None, BOUND):
        outcome = _respond(request, binding)
        assert outcome == _respond(request, binding)
        if isinstance(outcome, Reply):
            _check(data, request, outcome)


def _respond(request: BsdpRequest, binding: Binding | None) -> Outcome:
    return respond(
        request, images=IMAGES, server=SERVER, binding=binding, known_clients=3, next_number=4
    )


def _check(data: bytes, request: BsdpRequest, reply: Reply) -> None:
    payload = encode(reply.message)
    assert len(payload) <= request.question.payload_limit
    assert decode(payload).instances(43) == reply.message.instances(43)
    assert payload[28:44] == data[28:44]
    options = vendor.decode(reply.message.instances(43))
    for field in vendor.FIELDS:
        options.value(field)
    assert isinstance(reply.effect, Bind) is (reply.kind is ReplyKind.SELECT)
    if reply.is_repeatable and is_memorable(data):
        assert ReplyTemplate(payload).with_xid(data[4:8]) == payload
