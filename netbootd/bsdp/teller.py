"""What the BSDP responder tells the timeline, at a pace that a flood cannot set.

A machine repeats its LIST every few seconds and firmware sends it twice; a broken or hostile one
may ask thousands of times a second. One event a second and machine is told, and no more in all than
`netbootd.pace` allows; the rest is in the counters only.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from datetime import datetime
from typing import Final, TypedDict

from netbootd.arrival import Arrival
from netbootd.event import (
    ImageOffered,
    ImageSelected,
    ImagesListed,
    RequestUnanswered,
    SelectionFailed,
)
from netbootd.pace import Pace
from netbootd.timeline import Timeline
from ops.counter import Counters
from protocols.bsdp.class_id import ClassId
from protocols.bsdp.outcome import Bind, Reason, Reply, ReplyKind, Silence
from protocols.bsdp.request import BsdpRequest
from protocols.dhcp.message import NO_ADDRESS

QUIET: Final = 1.0
"""Seconds for which the same news of one machine is not told again."""
UNANSWERED_QUIET: Final = 60.0
"""The same for a request that gets no answer: the machine will ask for as long as it is on."""

UNREMARKABLE: Final = frozenset(
    {
        Reason.DHCP_REQUEST,  # a DHCPREQUEST is the DHCP server's
        Reason.NOT_BOUND,  # every DISCOVER of a Mac that is not netbooting
        Reason.OTHER_SERVER,  # a choice, not a fault
        Reason.OTHER_SERVER_NAME,
        Reason.OTHER_SERVER_ADDRESS,
    }
)
"""Silence that is how things should be: counted, not told."""


NOBODY: Final = ClassId(arch="", system_id="")
"""Who sent what is too malformed to tell."""


class _Where(TypedDict):
    """What every event of the conversation tells (`netbootd.event.BsdpEvent`)."""

    at: datetime
    machine: str
    address: str
    interface: str


class _Model(TypedDict):
    """What tells one kind of machine from another."""

    architecture: str
    system_id: str


class BsdpTeller:
    """Turns outcomes into events. `seconds` is a monotonic clock."""

    def __init__(
        self, timeline: Timeline, seconds: Callable[[], float], counters: Counters
    ) -> None:
        self._timeline = timeline
        untold = counters.counter(
            "netbootd_bsdp_untold_events_total", "BSDP events left out to keep the pace."
        )
        self._pace = Pace(seconds, untold)

    def replied(self, request: BsdpRequest, arrival: Arrival, reply: Reply, size: int) -> None:
        """`reply` was sent, `size` bytes of UDP payload."""
        image_id = reply.image.image_id if reply.image else None
        if not self._pace.allows((request.mac, reply.kind, reply.reason, image_id), QUIET):
            return
        where = self._where(request.mac, _address(request), arrival)
        model = _model(request.question.class_id)
        match reply.kind:
            case ReplyKind.LIST:
                self._timeline.record(
                    ImagesListed(
                        **where,
                        **model,
                        images=reply.listed,
                        applicable=reply.listed + reply.omitted,
                        size=size,
                    )
                )
            case ReplyKind.SELECT:
                assert isinstance(reply.effect, Bind)  # noqa: S101 - a SELECT binds
                assert reply.image is not None  # noqa: S101 - an image
                self._timeline.record(
                    ImageSelected(
                        **where,
                        **model,
                        image=reply.image.name,
                        image_id=reply.image.image_id,
                        machine_name=reply.effect.binding.machine_name,
                        size=size,
                    )
                )
            case ReplyKind.FAILED:
                self._timeline.record(
                    SelectionFailed(
                        **where,
                        **model,
                        image_id=request.question.selected_image or 0,
                        why=_why(reply.reason, reply.detail),
                    )
                )
            case ReplyKind.OFFER:
                assert reply.image is not None  # noqa: S101 - an OFFER is of an image
                self._timeline.record(
                    ImageOffered(
                        **where,
                        image=reply.image.name,
                        image_id=reply.image.image_id,
                        size=size,
                    )
                )

    def silent(self, request: BsdpRequest, arrival: Arrival, silence: Silence) -> None:
        """A request got no answer on purpose."""
        if silence.reason not in UNREMARKABLE:
            why = _why(silence.reason, silence.detail)
            who = request.question.class_id
            self._tell_unanswered(request.mac, _address(request), arrival, silence.reason, why, who)

    def unanswered(self, mac: bytes, address: str, arrival: Arrival, silence: Silence) -> None:
        """The same, where the request is not even one."""
        if silence.reason not in UNREMARKABLE:
            why = _why(silence.reason, silence.detail)
            self._tell_unanswered(mac, address, arrival, silence.reason, why)

    def unstored(self, request: BsdpRequest, arrival: Arrival, why: str) -> None:
        """A selection could not be stored, so it is not acknowledged."""
        why = f"its selection could not be stored ({why})"
        who = request.question.class_id
        self._tell_unanswered(request.mac, _address(request), arrival, "unstored", why, who)

    def _tell_unanswered(
        self,
        mac: bytes,
        address: str,
        arrival: Arrival,
        news: Hashable,
        why: str,
        who: ClassId = NOBODY,
    ) -> None:
        if not self._pace.allows((mac, news), UNANSWERED_QUIET):
            return
        self._timeline.record(
            RequestUnanswered(
                **self._where(mac, address, arrival),
                **_model(who),
                why=why,
            )
        )

    def _where(self, mac: bytes, address: str, arrival: Arrival) -> _Where:
        return _Where(
            at=self._timeline.now(),
            machine=mac.hex(":"),
            address=address,
            interface=arrival.interface,
        )


def _model(class_id: ClassId) -> _Model:
    return _Model(architecture=class_id.arch, system_id=class_id.system_id)


def _address(request: BsdpRequest) -> str:
    return str(request.client_address or NO_ADDRESS)


def _why(reason: Reason | None, detail: str) -> str:
    text = reason.value if reason else ""
    return f"{text} ({detail})" if detail else text
