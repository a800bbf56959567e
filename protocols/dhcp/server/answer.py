"""What a reply is to say, before it is put into a message or straight into bytes."""

from __future__ import annotations

from typing import NamedTuple

from protocols.dhcp.server.case import Case
from protocols.dhcp.server.plan import INFINITE, LeaseTimes, Pool, Subnet
from protocols.dhcp.server.reply import BOOTP_ROOM, Terms
from protocols.dhcp.value import MessageType


class Answer(NamedTuple):
    """A reply: its options, and what of its header is not copied from the request."""

    terms: Terms
    address: int = 0
    """yiaddr"""
    echoes_ciaddr: bool = True


def leasing(case: Case, kind: MessageType | None, address: int) -> Answer:
    """An OFFER, an ACK or, without a kind, a BOOTP reply that gives `address`."""
    subnet = case.subnet
    if not subnet.first <= address <= subnet.last:
        subnet = case.segment.subnet_of(address) or subnet
    times = case.times
    seconds = INFINITE if kind is None else times.granted(case.question.lease_time)
    terms = _terms(case, kind, seconds, times, subnet, subnet.pool_of(address))
    return Answer(terms, address, kind is not MessageType.OFFER)


def informing(case: Case) -> Answer:
    """The ACK to an INFORM: options, neither address nor times (RFC 2131 §4.3.5)."""
    return Answer(_terms(case, MessageType.ACK, None, case.times, case.subnet, None))


def refusal(case: Case, error: str) -> Answer:
    """A NAK: no options but those that say so, and why (RFC 2131 §4.3.1, table 3)."""
    terms = _terms(case, MessageType.NAK, None, case.times, case.subnet, None)
    return Answer(terms._replace(error=error, boot=None), 0, False)


def _terms(
    case: Case,
    kind: MessageType | None,
    seconds: int | None,
    times: LeaseTimes,
    subnet: Subnet,
    pool: Pool | None,
) -> Terms:
    question, host = case.question, case.host
    return Terms(
        kind,
        case.server,
        seconds,
        times,
        subnet,
        pool,
        host if host is not None and host.has_options else None,
        case.classes,
        question.wanted,
        (BOOTP_ROOM if kind is None else question.room) - len(question.echo_bytes),
        question.auto_configure,
        case.boot,
    )
