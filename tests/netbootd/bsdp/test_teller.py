"""What is told of BSDP, and the pace that nobody can drive it over."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import IPv4Address
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netbootd import pace
from netbootd.bsdp.teller import QUIET, UNANSWERED_QUIET, UNREMARKABLE, BsdpTeller
from netbootd.event import Event, ImageOffered, ImagesListed, RequestUnanswered, SelectionFailed
from netbootd.pace import EVENTS_A_SECOND
from netbootd.timeline import Timeline
from ops.counter import Counters
from protocols.bsdp.outcome import Binding, Reason, Reply, Silence
from protocols.bsdp.request import BsdpRequest
from protocols.bsdp.server import respond
from tests.netbootd.responder import LAN, SIERRA
from tests.protocols.bsdp.ask import DISCOVER_REQUEST, HERE, LIST, SELECT, VERSION, image, request
from tests.protocols.bsdp.site import IDENTITY

NOW = datetime(2026, 3, 1, tzinfo=UTC)
MAC = bytes.fromhex("a82066010203")


def mac(number: int) -> bytes:
    return b"\2\0" + number.to_bytes(4, "big")


def replied(asked: BsdpRequest, **known: Any) -> Reply:
    outcome = respond(asked, images=[SIERRA], server=IDENTITY, **known)
    assert isinstance(outcome, Reply)
    return outcome


class TellerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(500.25)
        self.counters = Counters()
        self.events: list[Event] = []
        timeline = Timeline(lambda: NOW)
        timeline.listen(self.events.append)
        self.teller = BsdpTeller(timeline, self.clock.seconds, self.counters)

    def unanswered(self, mac: bytes = MAC, reason: Reason = Reason.NO_IMAGE) -> None:
        self.teller.unanswered(mac, "10.99.0.50", LAN, Silence(reason=reason, detail="why"))

    def listed(self, mac: bytes = MAC) -> None:
        asked = request(LIST, VERSION, chaddr=mac)
        self.teller.replied(asked, LAN, replied(asked), 300)

    def untold(self) -> int:
        return self.counters.snapshot()["netbootd_bsdp_untold_events_total"]

    def test_silence_is_told_with_its_reason(self) -> None:
        """The operator reads why a Mac got no answer, and the detail in brackets."""
        self.unanswered()

        (event,) = self.events
        assert isinstance(event, RequestUnanswered)
        self.assertEqual(
            (event.machine, event.address, event.interface, event.why),
            (
                "a8:20:66:01:02:03",
                "10.99.0.50",
                "en0",
                "no image is offered to this machine (why)",
            ),
        )

    def test_silence_that_should_be_is_not_told(self) -> None:
        """What happens on every LAN all day is counted elsewhere, and never an event."""
        for reason in Reason:
            self.unanswered(reason=reason)

        told = {event.why.partition(" (")[0] for event in self.events}  # type: ignore[attr-defined]
        self.assertEqual(told, {reason.value for reason in set(Reason) - UNREMARKABLE})

    def test_silence_is_told_once_a_minute(self) -> None:
        """A machine asks for as long as it is on; the same reason is news once a minute."""
        self.unanswered()
        self.clock.advance(UNANSWERED_QUIET - 0.1)
        self.unanswered()
        self.assertEqual(len(self.events), 1)

        self.clock.advance(0.1)
        self.unanswered()

        self.assertEqual(len(self.events), 2)

    def test_another_reason_or_machine_is_news(self) -> None:
        """Each reason of each machine has its own quiet period."""
        self.unanswered()
        self.unanswered(reason=Reason.OLD_FIRMWARE)
        self.unanswered(mac=mac(1))

        self.assertEqual(len(self.events), 3)

    def test_a_reply_is_told_once_a_second(self) -> None:
        """Firmware that sends its LIST twice is one event."""
        self.listed()
        self.listed()
        self.clock.advance(QUIET)
        self.listed()

        self.assertEqual([type(event) for event in self.events], [ImagesListed] * 2)

    def test_a_flood_of_machines_is_told_at_a_bounded_pace(self) -> None:
        """However many addresses are made up, a second has so many events; the rest is counted."""
        for number in range(EVENTS_A_SECOND * 3):
            self.unanswered(mac=mac(number))

        self.assertEqual((len(self.events), self.untold()), (EVENTS_A_SECOND, EVENTS_A_SECOND * 2))

        self.clock.advance(1)
        self.unanswered(mac=mac(999_999))
        self.assertEqual(len(self.events), EVENTS_A_SECOND + 1)

    def test_what_was_left_out_is_still_news(self) -> None:
        """An event that did not fit into its second is told when the machine asks again."""
        for number in range(EVENTS_A_SECOND + 1):
            self.unanswered(mac=mac(number))
        self.clock.advance(1)

        self.unanswered(mac=mac(EVENTS_A_SECOND))

        self.assertEqual(self.events[-1].machine, mac(EVENTS_A_SECOND).hex(":"))

    def test_what_is_remembered_is_bounded(self) -> None:
        """The memory of what was told cannot be filled."""
        self.patch(pace, "MAX_QUIETED", 10)
        for number in range(95):
            self.unanswered(mac=mac(number))

        self.assertLessEqual(len(self.teller._pace._quiet_until), 10)
        self.assertEqual(len(self.events), 95)

    def test_a_refused_selection_is_told_with_image_and_reason(self) -> None:
        """FAILED names the image that the machine wanted, and why it does not get it."""
        asked = request(SELECT, VERSION, HERE, image(0x81000099))

        self.teller.replied(asked, LAN, replied(asked), 260)

        (event,) = self.events
        assert isinstance(event, SelectionFailed)
        self.assertEqual(event.image_id, 0x81000099)
        self.assertEqual(event.why, "selected image is not offered to this machine (0x81000099)")

    def test_an_offer_is_told_without_an_address(self) -> None:
        """A machine that discovers has no address yet."""
        asked = BsdpRequest(
            message=DISCOVER_REQUEST,
            source=IPv4Address(0),
            question=request(VERSION, dhcp_type=1).question,
        )
        binding = Binding(image_id=SIERRA.image_id, number=1, machine_name="NetBoot001")

        self.teller.replied(asked, LAN, replied(asked, binding=binding), 342)

        (event,) = self.events
        assert isinstance(event, ImageOffered)
        self.assertEqual(
            (event.address, event.image, event.size), ("0.0.0.0", "Sierra Install", 342)
        )
