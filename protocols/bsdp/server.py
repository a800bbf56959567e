"""The server side of BSDP: one request, what is known, one outcome. Pure: no clock, no memory.

What is checked, in which order, follows Apple's server (bsdpd.c:1512, `bsdp_request`);
docs/quirks.md lists where we differ and why.

    DISCOVER         image selected here, still offered ──▶ OFFER                else silence
    REQUEST          silence; the address of a bound machine is noted
    INFORM[LIST]     at least one image ──▶ ACK[LIST]                            else silence
    INFORM[SELECT]   our address, image offered ──▶ bind, ACK[SELECT]            else ACK[FAILED]
                     another server's address ──▶ unbind, silence
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import Final

from protocols.bsdp import vendor
from protocols.bsdp.image_id import BootImageId
from protocols.bsdp.image_list import ImageDescription, cut_list
from protocols.bsdp.offered import OfferedImage, ServerIdentity
from protocols.bsdp.outcome import (
    Bind,
    Binding,
    Moved,
    Outcome,
    Reason,
    Reply,
    ReplyKind,
    Silence,
    Unbind,
)
from protocols.bsdp.reply import boot_sub_options, make_reply, room_for_vendor_options
from protocols.bsdp.request import BsdpRequest
from protocols.dhcp.message import NO_ADDRESS, DhcpMessage
from protocols.dhcp.route import ReplyRoute, reply_route
from protocols.dhcp.value import MessageType
from protocols.errors import EncodeError

FIRST_UNPRIVILEGED_PORT: Final = 1024
PORT_LIMIT: Final = 65536


def respond(
    request: BsdpRequest,
    *,
    images: Sequence[OfferedImage],
    server: ServerIdentity,
    binding: Binding | None = None,
    known_clients: int = 0,
    next_number: int = 1,
) -> Outcome:
    """Answer one request. The outcome depends on these arguments alone; the same give the same.

    `images` are those that the architecture, model (`Question.model`) and MAC of the machine allow,
    in list order, the default first; the client's attribute filter is applied here, because a
    SELECT finds images that the filter, or its absence, hides from a LIST. `binding` is what is
    known of this machine, `known_clients` how many machines are bound, `next_number` the number of
    the next new one.
    """
    case = _Case(
        request=request,
        images=images,
        server=server,
        binding=binding,
        known_clients=known_clients,
        next_number=next_number,
    )
    message, question = request.message, request.question
    # The order of bootpd.c:2157-2180, then bsdpd.c:1530.
    if message.server_name not in (b"", server.host_name.encode()):
        return Silence(reason=Reason.OTHER_SERVER_NAME)
    if message.siaddr not in (NO_ADDRESS, server.address):
        return Silence(reason=Reason.OTHER_SERVER_ADDRESS)
    if question.old_firmware and not server.answer_old_firmware:
        return Silence(reason=Reason.OLD_FIRMWARE)
    if not request.is_ethernet:
        return Silence(reason=Reason.NOT_ETHERNET)
    decide = _BY_DHCP_TYPE.get(question.dhcp_type)
    if decide is None:
        return Silence(reason=Reason.DHCP_TYPE, detail=str(question.dhcp_type))
    try:
        return decide(case)
    except EncodeError as error:
        return Silence(reason=Reason.UNSENDABLE, detail=str(error))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """The arguments of `respond`."""

    request: BsdpRequest
    images: Sequence[OfferedImage]
    server: ServerIdentity
    binding: Binding | None
    known_clients: int
    next_number: int

    def image(self, image_id: BootImageId) -> OfferedImage | None:
        return next((image for image in self.images if image.image_id == image_id), None)

    def bound_image(self) -> OfferedImage | None:
        """The image selected earlier, if it is still offered and the client's filter shows it."""
        image = self.image(self.binding.image_id) if self.binding else None
        return image if image and image.matches(self.request.question.attributes) else None

    def selected_image(self) -> OfferedImage | None:
        """The image that a SELECT names, whatever the client's filter; the default if none."""
        wanted = self.request.question.selected_image
        if wanted is not None:
            return self.image(wanted)
        # Without any, Apple's server reads through NULL here (bsdpd.c:1909).
        return next((image for image in self.images if image.matches(None)), None)

    def route(self, message: DhcpMessage) -> ReplyRoute:
        """Where `message` goes: to the reply port in answer to INFORM, else as all of DHCP."""
        return reply_route(
            self.request.message,
            message,
            source=self.request.source,
            client_port=self.request.reply_port,
        )


def _discover(case: _Case) -> Outcome:
    """DISCOVER: only a machine that selected an image here is offered it (bsdpd.c:1590)."""
    if case.binding is None:
        return Silence(reason=Reason.NOT_BOUND)
    image = case.bound_image()
    if image is None:
        return Silence(reason=Reason.IMAGE_GONE, detail=str(case.binding.image_id))
    sub_options = boot_sub_options(image, case.server, case.binding.machine_name)
    message = make_reply(
        case.request, case.server, MessageType.OFFER, vendor.encode(sub_options), image
    )
    return Reply(kind=ReplyKind.OFFER, message=message, route=case.route(message), image=image)


def _request(case: _Case) -> Outcome:
    """REQUEST: the DHCP server's affair; a bound machine's address is noted (bsdpd.c:1425)."""
    address = case.request.question.requested_address
    effect = Moved(mac=case.request.mac, address=address) if case.binding and address else None
    return Silence(reason=Reason.DHCP_REQUEST, effect=effect)


def _inform(case: _Case) -> Outcome:
    """INFORM: what LIST and SELECT have in common (bsdpd.c:1718-1742)."""
    question, server = case.request.question, case.server
    limit = PORT_LIMIT if server.allow_unprivileged_reply_port else FIRST_UNPRIVILEGED_PORT
    if not 0 < question.reply_port < limit:
        return Silence(reason=Reason.REPLY_PORT, detail=str(question.reply_port))
    if case.request.client_address is None:
        return Silence(reason=Reason.NO_ADDRESS)
    if question.message_type is None:
        return Silence(reason=Reason.NO_MESSAGE_TYPE)
    decide = _BY_MESSAGE_TYPE.get(question.message_type)
    if decide is None:
        return Silence(reason=Reason.MESSAGE_TYPE, detail=str(question.message_type))
    return decide(case, case.request.client_address)


def _list(case: _Case, _: IPv4Address) -> Outcome:
    """INFORM[LIST]: there is no empty list, silence instead (bsdpd.c:1762)."""
    visible = [image for image in case.images if image.matches(case.request.question.attributes)]
    if not visible:
        return Silence(reason=Reason.NO_IMAGE)
    sub_options = [
        vendor.MESSAGE_TYPE.sub_option(vendor.MessageType.LIST),
        vendor.SERVER_PRIORITY.sub_option(max(0, case.server.priority - case.known_clients)),
        vendor.DEFAULT_IMAGE.sub_option(visible[0].image_id),
    ]
    selected = case.bound_image()
    if selected:
        sub_options.append(vendor.SELECTED_IMAGE.sub_option(selected.image_id))
    instances, listed = vendor.encode(sub_options), len(visible)
    if case.request.question.version != vendor.VERSION_1_0:  # knows no list (bsdpd.c:1838)
        room = room_for_vendor_options(case.request, case.server)
        instances, listed = cut_list(instances[0], _descriptions(visible), room)
    message = make_reply(case.request, case.server, MessageType.ACK, instances)
    return Reply(
        kind=ReplyKind.LIST,
        message=message,
        route=case.route(message),
        listed=listed,
        omitted=len(visible) - listed,
    )


def _descriptions(images: Sequence[OfferedImage]) -> list[ImageDescription]:
    return [
        ImageDescription(image_id=image.image_id, name=image.name.encode("utf-8", "replace"))
        for image in images
    ]


def _select(case: _Case, address: IPv4Address) -> Outcome:
    """INFORM[SELECT] (bsdpd.c:1864-1965)."""
    question = case.request.question
    if question.server_identifier is None:
        return Silence(reason=Reason.NO_SERVER_IDENTIFIER)
    if question.server_identifier != case.server.address:
        effect = Unbind(mac=case.request.mac) if case.binding else None
        chosen = str(question.server_identifier)
        return Silence(reason=Reason.OTHER_SERVER, detail=chosen, effect=effect)
    image = case.selected_image()
    if image is None:
        return _failed(case, Reason.UNKNOWN_IMAGE, str(question.selected_image or "the default"))
    try:
        return _bound(case, image, address)
    except EncodeError as error:
        return _failed(case, Reason.UNSENDABLE, str(error))


def _bound(case: _Case, image: OfferedImage, address: IPv4Address) -> Reply:
    """The confirmation of a selection. Raises EncodeError if it does not fit."""
    binding = Binding(
        image_id=image.image_id,
        number=case.next_number,
        machine_name=case.server.machine_name(case.next_number),
    )
    if case.binding:  # number and name stay for as long as the machine is bound
        binding = replace(case.binding, image_id=image.image_id)
    confirmed = vendor.MESSAGE_TYPE.sub_option(vendor.MessageType.SELECT)
    sub_options = [confirmed, *boot_sub_options(image, case.server, binding.machine_name)]
    message = make_reply(
        case.request, case.server, MessageType.ACK, vendor.encode(sub_options), image
    )
    return Reply(
        kind=ReplyKind.SELECT,
        message=message,
        route=case.route(message),
        effect=Bind(mac=case.request.mac, binding=binding, address=address),
        image=image,
    )


def _failed(case: _Case, reason: Reason, detail: str) -> Reply:
    refused = vendor.MESSAGE_TYPE.sub_option(vendor.MessageType.FAILED)
    message = make_reply(case.request, case.server, MessageType.ACK, vendor.encode([refused]))
    return Reply(
        kind=ReplyKind.FAILED,
        message=message,
        route=case.route(message),
        reason=reason,
        detail=detail,
    )


_BY_DHCP_TYPE: Final[dict[int, Callable[[_Case], Outcome]]] = {
    MessageType.DISCOVER: _discover,
    MessageType.REQUEST: _request,
    MessageType.INFORM: _inform,
}
_BY_MESSAGE_TYPE: Final[dict[int, Callable[[_Case, IPv4Address], Outcome]]] = {
    vendor.MessageType.LIST: _list,
    vendor.MessageType.SELECT: _select,
}
