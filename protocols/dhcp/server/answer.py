"""What a reply is to say, before it is put into a message or straight into bytes."""

from __future__ import annotations

from typing import NamedTuple

from protocols.dhcp.message import RELAY_AGENT_INFORMATION
from protocols.dhcp.option import RawOption
from protocols.dhcp.registry import CLIENT_IDENTIFIER, SUBNET_SELECTION
from protocols.dhcp.server.case import Case
from protocols.dhcp.server.plan import INFINITE, Subnet
from protocols.dhcp.server.question import Question
from protocols.dhcp.server.reply import BOOTP_ROOM, Terms, size_of
from protocols.dhcp.value import MessageType


class Answer(NamedTuple):
    """A reply: its options, and what of its header is not copied from the request."""

    terms: Terms
    address: int = 0
    """yiaddr"""
    echoes_ciaddr: bool = True


def leasing(case: Case, kind: MessageType | None, address: int) -> Answer:
    """An OFFER, an ACK or, without a kind, a BOOTP reply that gives `address`."""
    subnet = case.segment.subnet_of(address) or case.subnet
    seconds = INFINITE if kind is None else case.times.granted(case.question.lease_time)
    terms = _terms(case, kind, subnet, seconds)._replace(pool=subnet.pool_of(address))
    return Answer(terms, address, kind is not MessageType.OFFER)


def informing(case: Case) -> Answer:
    """The ACK to an INFORM: options, neither address nor times (RFC 2131 §4.3.5)."""
    return Answer(_terms(case, MessageType.ACK, case.subnet, None))


def refusal(case: Case, error: str) -> Answer:
    """A NAK: no options but those that say so, and why (RFC 2131 §4.3.1, table 3)."""
    terms = _terms(case, MessageType.NAK, case.subnet, None)
    return Answer(terms._replace(error=error, boot=None), 0, False)


def echoed(question: Question) -> tuple[RawOption, ...]:
    """The options that come back as they were sent, option 82 aside, which comes behind them:
    subnet selection (RFC 3011 §2), client identifier (RFC 6842 §3)."""
    options: tuple[RawOption, ...] = ()
    if question.subnet_selection is not None:
        options = (RawOption(SUBNET_SELECTION.code, question.subnet_selection),)
    if question.client_id:
        options = (*options, RawOption(CLIENT_IDENTIFIER.code, question.client_id))
    return options


def _terms(case: Case, kind: MessageType | None, subnet: Subnet, seconds: int | None) -> Terms:
    question = case.question
    room = BOOTP_ROOM if kind is None else question.room
    if question.relay or question.client_id or question.subnet_selection:
        room -= size_of(echoed(question))
        room -= size_of(RawOption(RELAY_AGENT_INFORMATION, data) for data in question.relay)
    return Terms(
        kind,
        case.server,
        seconds,
        case.times,
        subnet,
        None,
        case.host,
        case.classes,
        question.wanted,
        room,
        question.auto_configure,
        case.boot,
    )
