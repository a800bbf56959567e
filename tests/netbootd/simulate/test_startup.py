"""Startup Disk on its UDP port: whom it asks, how often, and what it says when nothing comes."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Address
from random import Random
from typing import Any

from twisted.internet.address import IPv4Address as Address
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netbootd.simulate import startup
from netbootd.simulate.startup import UNANSWERED, StartupDisk, choose_by
from netbootd.simulate.watch import BootFailed
from protocols.bsdp.answer import ShownImage
from protocols.bsdp.class_id import ClassId
from protocols.bsdp.client import LIST_WAITS, SELECT_WAITS
from protocols.bsdp.image_id import BootImageId
from protocols.bsdp.inform import Machine
from protocols.bsdp.menu import Choice, Offer
from protocols.bsdp.offered import OfferedImage
from protocols.bsdp.outcome import Reply
from protocols.bsdp.request import BsdpRequest, request_from
from protocols.bsdp.server import respond
from protocols.dhcp.codec import decode, encode
from tests.netbootd.responder import CATALINA, SIERRA, server_at

ADDRESS = IPv4Address("10.99.0.50")
SERVER = "10.99.0.1"
BROADCAST = "255.255.255.255"
MACHINE = Machine(
    mac=bytes.fromhex("a82066010203"),
    address=ADDRESS,
    class_id=ClassId(arch="i386", system_id="iMac14,2"),
    reply_port=993,
)


class FakeTransport:
    """A bound UDP port."""

    def __init__(self, port: int = 993) -> None:
        self.written: list[tuple[bytes, tuple[str, int]]] = []
        self.may_broadcast = False
        self.fails = False
        self._port = port

    def getHost(self) -> Any:
        return Address("UDP", str(ADDRESS), self._port)

    def setBroadcastAllowed(self, allowed: bool) -> None:
        self.may_broadcast = allowed

    def write(self, data: bytes, to: tuple[str, int]) -> None:
        if self.fails:
            raise OSError(errno.ENETUNREACH, "Network is unreachable")
        self.written.append((data, to))


def answer(asked: bytes, images: Iterable[OfferedImage] = (SIERRA,), server: str = SERVER) -> bytes:
    """What a server answers."""
    request = request_from(decode(asked), ADDRESS)
    assert isinstance(request, BsdpRequest)
    outcome = respond(request, images=tuple(images), server=server_at(server))
    assert isinstance(outcome, Reply), outcome
    return encode(outcome.message)


class StartupTests(SynchronousTestCase):
    def begin(self, server: str = SERVER, port: int = 993, timeout: float | None = None) -> None:
        self.clock = Clock()
        self.transport = FakeTransport(port)
        self.silences: list[int] = []
        self.disk = StartupDisk(
            self.clock,
            Random(1),
            (server, 67),
            str(ADDRESS),
            timeout=timeout,
            silent=lambda: self.silences.append(len(self.transport.written)),
        )
        self.disk.makeConnection(self.transport)  # type: ignore[no-untyped-call]

    def list(self) -> Deferred[tuple[Choice, ...]]:
        return Deferred.fromCoroutine(self.disk.list(MACHINE))

    def select(self, choice: Choice) -> Deferred[Any]:
        return Deferred.fromCoroutine(self.disk.select(choice))

    def last(self) -> bytes:
        return self.transport.written[-1][0]

    def receive(self, data: bytes) -> None:
        self.disk.datagramReceived(data, (SERVER, 67))

    def failure(self, result: Deferred[Any]) -> str:
        return str(self.failureResultOf(result, BootFailed).value)

    def choice(self) -> Choice:
        result = self.list()
        self.receive(answer(self.last()))
        (choice,) = self.successResultOf(result)
        return choice

    def broadcast_choice(self) -> Choice:
        result = self.list()
        self.receive(answer(self.last()))
        self.clock.pump([0.5] * 10)
        (choice,) = self.successResultOf(result)
        return choice


class ListTests(StartupTests):
    def test_one_server_is_asked_and_its_first_answer_taken(self) -> None:
        """With a server named, nobody else can answer, so nothing is waited for."""
        self.begin()

        result = self.list()
        self.assertEqual([to for _, to in self.transport.written], [(SERVER, 67)])
        self.receive(answer(self.last(), (SIERRA, CATALINA)))

        names = [choice.image.name for choice in self.successResultOf(result)]
        self.assertEqual(names, ["Sierra Install", "Catalina"])
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertFalse(self.transport.may_broadcast)

    def test_all_servers_are_asked_and_waited_for(self) -> None:
        """By broadcast the answers of four seconds are gathered into one menu."""
        self.begin(BROADCAST)
        self.assertTrue(self.transport.may_broadcast)
        result = self.list()

        for server in (SERVER, "10.99.0.2"):
            self.receive(answer(self.last(), server=server))
            self.assertNoResult(result)
        self.clock.pump([0.5] * 10)

        choices = self.successResultOf(result)
        self.assertEqual([str(one.best.server) for one in choices], [SERVER, "10.99.0.2"])

    def test_a_lost_list_is_repeated(self) -> None:
        """Until somebody answers, the LIST is sent again as Apple's client does."""
        self.begin()
        result = self.list()

        self.clock.pump([0.5] * 20)
        self.assertEqual(len(self.transport.written), 3)

        self.receive(answer(self.last()))
        self.successResultOf(result)

    def test_nobody_answers(self) -> None:
        """After seven requests it is told that no server answered; no timer is left."""
        self.begin()
        result = self.list()

        self.clock.pump([1.0] * 90)

        self.assertEqual(len(self.transport.written), len(LIST_WAITS))
        self.assertEqual(self.failure(result), "LIST: no server answered")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_silence_is_told_early(self) -> None:
        """When two requests were not answered that is told, once; they are asked on."""
        self.begin()
        result = self.list()

        self.clock.pump([1.0] * 4)
        before = list(self.silences)
        self.clock.pump([1.0] * 60)

        self.assertEqual((before, self.silences), ([], [UNANSWERED]))
        self.assertNoResult(result)

    def test_who_answers_is_not_called_silent(self) -> None:
        """While answers of others are waited for, nobody is missed."""
        self.begin(BROADCAST)
        result = self.list()
        self.clock.pump([1.0, 1.0, 1.0])
        self.receive(answer(self.last()))

        self.clock.pump([1.0] * 10)

        self.assertEqual(self.silences, [])
        self.successResultOf(result)

    def test_timeout(self) -> None:
        """Whoever has less patience than a Mac gets its verdict then; no timer is left."""
        self.begin(timeout=3)
        result = self.list()

        self.clock.pump([1.0] * 2)
        self.assertNoResult(result)
        self.clock.advance(1)

        self.assertEqual(self.failure(result), "LIST: no server answered")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_timeout_cuts_nobody_short(self) -> None:
        """A server that has answered in time is listed, though others were waited for longer."""
        self.begin(BROADCAST, timeout=1)
        result = self.list()
        self.receive(answer(self.last()))

        self.clock.pump([0.5] * 10)

        self.assertEqual(len(self.successResultOf(result)), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_port_that_servers_do_not_answer(self) -> None:
        """Without privileges the reply port is one that servers ignore: that is told as well."""
        self.begin(port=40000)
        result = self.list()

        self.clock.pump([1.0] * 90)

        self.assertEqual(
            self.failure(result),
            "LIST: no server answered; servers ignore reply ports like 40000: run this as root",
        )

    def test_answers_that_a_mac_throws_away(self) -> None:
        """Where something came and was not taken, it is told how often and why."""
        self.begin()
        result = self.list()
        message = decode(answer(self.last()))
        for _ in range(3):
            self.receive(encode(replace(message, xid=message.xid ^ 1)))
        self.receive(b"garbage")

        self.clock.pump([1.0] * 90)

        self.assertRegex(
            self.failure(result),
            r"^LIST: no server answered; 4 answers were thrown away: is not a DHCP message \(.*\)$",
        )

    def test_a_flood_of_answers_is_not_kept(self) -> None:
        """Whoever floods the reply port does not fill our memory."""
        self.begin()
        self.list().addErrback(lambda _: None)

        for _ in range(startup.MAX_REJECTED * 2):
            self.receive(b"garbage")

        self.assertEqual(len(self.disk.rejected), startup.MAX_REJECTED)
        self.disk.stopProtocol()

    def test_nothing_can_be_sent(self) -> None:
        """Without a route it fails at once, with the system's reason."""
        self.begin()
        self.transport.fails = True

        result = self.list()

        self.assertEqual(
            self.failure(result),
            f"BSDP: nothing can be sent to {SERVER}, port 67: Network is unreachable",
        )
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_the_network_goes_away(self) -> None:
        """A repetition that cannot be sent ends the waiting, too."""
        self.begin()
        result = self.list()
        self.transport.fails = True

        self.clock.pump([0.5] * 8)

        self.assertIn("Network is unreachable", self.failure(result))

    def test_what_comes_unasked_is_ignored(self) -> None:
        """Before the first question, and after the last answer, datagrams mean nothing."""
        self.begin()
        self.receive(b"garbage")

        self.choice()
        self.receive(b"garbage")

        self.assertEqual(list(self.disk.rejected), [])

    def test_the_port_closes_in_the_middle(self) -> None:
        """No timer outlives the port."""
        self.begin()
        self.list().addErrback(lambda _: None)

        self.disk.stopProtocol()

        self.assertEqual(self.clock.getDelayedCalls(), [])


class SelectTests(StartupTests):
    def test_a_selection_is_confirmed(self) -> None:
        """The answer says from where to boot."""
        self.begin()
        result = self.select(self.choice())

        self.receive(answer(self.last()))

        confirmed = self.successResultOf(result)
        self.assertEqual(confirmed.boot_file, SIERRA.boot_file.encode())

    def test_a_lost_selection_is_repeated(self) -> None:
        """An answer that is lost costs two seconds, whichever way the images were found."""
        for server, find in ((SERVER, self.choice), (BROADCAST, self.broadcast_choice)):
            self.begin(server)
            result = self.select(find())
            asked = len(self.transport.written)

            self.clock.pump([0.5] * 5)

            self.assertEqual(len(self.transport.written), asked + 1, server)
            self.receive(answer(self.last()))
            self.successResultOf(result)

    def test_nobody_confirms(self) -> None:
        """A server that listed its images and is gone: told, and no timer is left."""
        for server, find in ((SERVER, self.choice), (BROADCAST, self.broadcast_choice)):
            self.begin(server)
            choice = find()
            asked = len(self.transport.written)
            result = self.select(choice)

            self.clock.pump([0.5] * 20)

            self.assertEqual(self.failure(result), f"SELECT: {SERVER} did not answer")
            self.assertEqual(len(self.transport.written) - asked, len(SELECT_WAITS))
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_selecting_as_soon_as_the_list_is_there(self) -> None:
        """A boot goes on in the very call that brought the list; its timers are its own."""
        for server in (SERVER, BROADCAST):
            self.begin(server)

            async def both() -> None:
                (choice,) = await self.disk.list(MACHINE)
                await self.disk.select(choice)

            result = Deferred.fromCoroutine(both())
            self.receive(answer(self.last()))
            self.clock.pump([0.5] * 20)

            self.assertEqual(self.failure(result), f"SELECT: {SERVER} did not answer")

    def test_the_server_refuses(self) -> None:
        """ACK[FAILED] names server and image."""
        self.begin()
        result = self.select(self.choice())

        self.receive(answer(self.last(), images=(CATALINA,)))

        self.assertEqual(
            self.failure(result), f"SELECT: {SERVER} answered FAILED: it will not boot 0x810003e9"
        )


def shown(name: str, image_id: int, *, default: bool = False, selected: bool = False) -> Choice:
    return Choice(
        image=ShownImage(
            image_id=BootImageId(image_id), name=name, is_default=default, is_selected=selected
        ),
        offers=(Offer(server=IPv4Address(SERVER), priority=1),),
    )


MENU = (shown("A", 0x81000001), shown("B", 0x81000002, default=True), shown("7", 0x81000003))


def test_what_firmware_would_take() -> None:
    """Without a wish it is the selected image, else the default, else the first."""
    choose = choose_by(None)

    assert choose(MENU) is MENU[1]
    assert choose(MENU[:1]) is MENU[0]
    selected = shown("C", 0x81000009, selected=True)
    assert choose((*MENU, selected)) is selected


def test_a_wish() -> None:
    """An image may be asked for by name, by index, or by its whole id."""
    assert choose_by("A")(MENU) is MENU[0]
    assert choose_by("2")(MENU) is MENU[1]
    assert choose_by(str(MENU[2].image.image_id))(MENU) is MENU[2]
    assert choose_by("7")(MENU) is MENU[2]
    assert choose_by("none")(MENU) is None
