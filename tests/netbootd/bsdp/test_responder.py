"""The BSDP responder: what it answers, from memory or not, and what must be on disk before."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netbootd.arrival import arrival_at
from netbootd.binding import TableFull
from netbootd.bsdp import responder as bsdp
from netbootd.bsdp.responder import MAX_KEY, Admission
from netbootd.event import ImageOffered, ImageSelected, ImagesListed, RequestUnanswered
from ops.database import StoreError
from protocols.bsdp import vendor
from protocols.bsdp.answer import ImageConfirmed, ImageRefused, judge_list, judge_select
from protocols.bsdp.answer import ImagesListed as Listed
from protocols.bsdp.class_id import ClassId
from protocols.bsdp.image_id import BootImageId
from protocols.bsdp.inform import Machine
from protocols.bsdp.offered import ServerIdentity
from protocols.bsdp.outcome import Bind, Binding
from protocols.dhcp.codec import decode
from protocols.dhcp.message import DhcpMessage
from protocols.dhcp.option import RawOption
from protocols.dhcp.value import MessageType as DhcpType
from tests.netbootd.responder import (
    CATALINA,
    LAN,
    SIERRA,
    SOURCE,
    FakeBooter,
    Rig,
    Sent,
    server_at,
)
from tests.protocols.bsdp.ask import (
    FILTER_DIAGNOSTICS,
    HERE,
    LIST,
    MAC,
    SELECT,
    VERSION,
    datagram,
    image,
)
from tests.protocols.bsdp.site import CLIENT, IDENTITY, NOWHERE, SERVER

MACMINI = ClassId(arch="i386", system_id="Macmini6,1")
XID = 0x11223344
MACHINE = Machine(mac=MAC, address=CLIENT, class_id=MACMINI, reply_port=68)
LIST_ASKED = datagram(LIST, VERSION)
SIERRA_ASKED = datagram(SELECT, VERSION, HERE, image(SIERRA.image_id))
DISCOVER = datagram(VERSION, dhcp_type=DhcpType.DISCOVER)
ELSEWHERE = vendor.SERVER_IDENTIFIER.sub_option(IPv4Address("10.99.0.2"))
LEFT = datagram(SELECT, VERSION, ELSEWHERE, image(SIERRA.image_id))


def only(sent: list[Sent]) -> Sent:
    (one,) = sent
    return one


def message(sent: list[Sent]) -> DhcpMessage:
    return decode(only(sent).data)


def listed(sent: list[Sent], machine: Machine = MACHINE) -> Listed:
    """The list, as Apple's client reads it."""
    verdict = judge_list(only(sent).data, machine, XID)
    assert isinstance(verdict, Listed), verdict
    return verdict


def sub_option(sent: list[Sent], code: int) -> bytes | None:
    return vendor.decode(message(sent).instances(43)).first(code)


def bind(rig: Rig, mac: bytes = MAC, image_id: int = SIERRA.image_id, number: int = 1) -> None:
    """A machine that selected an image in the past."""
    effect = Bind(
        mac=mac,
        binding=Binding(
            image_id=BootImageId(image_id), number=number, machine_name=f"NetBoot{number:03}"
        ),
        address=CLIENT,
    )
    rig.bindings.bind(effect, class_id=MACMINI)
    rig.store.commit()


class ListTests(SynchronousTestCase):
    def test_a_list_is_answered_at_the_clients_address_and_reply_port(self) -> None:
        """INFORM[LIST] is answered by unicast, with the images in order, the first as default."""
        rig = Rig()
        asked = datagram(LIST, VERSION, vendor.REPLY_PORT.sub_option(993))

        sent = rig.receive(asked)

        self.assertEqual(only(sent).to, (str(CLIENT), 993))
        images = listed(sent).images
        self.assertEqual([one.name for one in images], ["Sierra Install", "Catalina"])
        self.assertEqual([one.is_default for one in images], [True, False])

    def test_the_images_are_those_for_this_machine(self) -> None:
        """The booter is asked with architecture, model, address and our own address."""
        booter = FakeBooter(applies=lambda asker, one: one is SIERRA or asker.mac != MAC)
        rig = Rig(booter=booter)

        images = listed(rig.receive(LIST_ASKED)).images

        self.assertEqual([one.name for one in images], ["Sierra Install"])
        (asker,) = booter.asked
        self.assertEqual(
            (asker.arch, asker.system_id, asker.mac, asker.server, asker.machine_name),
            ("i386", "Macmini6,1", MAC, SERVER, ""),
        )

    def test_no_image_no_answer(self) -> None:
        """There is no empty list: without an image the server is silent, and says why."""
        rig = Rig(booter=FakeBooter(images=()))

        self.assertEqual(rig.receive(LIST_ASKED), [])

        (event,) = rig.events
        assert isinstance(event, RequestUnanswered)
        self.assertEqual(event.why, "no image is offered to this machine")
        self.assertEqual(rig.count("bsdp_silent_requests"), 1)

    def test_a_client_without_an_address_is_answered_where_it_is(self) -> None:
        """With ciaddr 0 the source of the datagram is the client's address."""
        rig = Rig()
        asked = datagram(LIST, VERSION, ciaddr=NOWHERE)

        for source in ("10.99.0.60", "10.99.0.61"):
            sent = rig.receive(asked, source=(source, 68))

            self.assertEqual(only(sent).to, (source, 68))

    def test_what_is_sent_is_told_and_counted(self) -> None:
        """An answered LIST is one event, with the size of the datagram."""
        rig = Rig()

        sent = rig.receive(LIST_ASKED)

        (event,) = rig.events
        assert isinstance(event, ImagesListed)
        self.assertEqual(
            (event.machine, event.address, event.interface, event.system_id, event.images),
            ("02:bb:cc:dd:ee:01", "10.99.0.50", "en0", "Macmini6,1", 2),
        )
        self.assertEqual(event.size, len(only(sent).data))
        self.assertEqual((rig.count("bsdp_requests"), rig.count("bsdp_list_replies")), (1, 1))

    def test_what_is_not_sent_is_neither_told_nor_remembered(self) -> None:
        """A reply that the kernel refuses is no reply: the next request is a new one."""
        rig = Rig()
        rig.socket.refuses = True
        rig.receive(LIST_ASKED)

        self.assertEqual((rig.events, rig.count("bsdp_list_replies")), ([], 0))

        rig.socket.refuses = False
        rig.receive(LIST_ASKED)
        self.assertEqual(len(rig.booter.asked), 2)

    def test_a_list_that_is_cut_says_so(self) -> None:
        """A client that takes short messages gets the images that fit."""
        many = [
            replace(
                SIERRA, image_id=BootImageId(0x81000001 + number), name=f"Image {number:02} " * 5
            )
            for number in range(20)
        ]
        rig = Rig(booter=FakeBooter(images=many))

        count = len(listed(rig.receive(LIST_ASKED)).images)

        (event,) = rig.events
        assert isinstance(event, ImagesListed)
        self.assertLess(count, 20)
        self.assertEqual((event.images, event.applicable), (count, 20))


class PriorityTests(SynchronousTestCase):
    def test_auto_falls_with_every_bound_machine(self) -> None:
        """With "auto" the priority is 32768 less the machines that are bound here."""
        rig = Rig(spreads_load=True)
        self.assertEqual(listed(rig.receive(LIST_ASKED)).priority, 32768)

        for number in range(3):
            bind(rig, bytes((2, 0, 0, 0, 0, number)), number=number + 1)

        self.assertEqual(listed(rig.receive(LIST_ASKED)).priority, 32765)

    def test_a_fixed_priority_stays(self) -> None:
        """A configured number is announced whatever the number of machines."""
        rig = Rig(spreads_load=False, server=lambda arrival: replace(IDENTITY, priority=40000))

        for number in range(3):
            bind(rig, bytes((2, 0, 0, 0, 0, number)), number=number + 1)

        self.assertEqual(listed(rig.receive(LIST_ASKED)).priority, 40000)

    def test_each_interface_has_its_own_identity(self) -> None:
        """Who we are is decided where the request arrived, even if both LANs have one address."""
        first = arrival_at("en0", 7, "10.99.0.1")
        second = arrival_at("en1", 8, "10.99.0.1")
        names = {"en0": "10.99.0.1", "en1": "10.99.1.1"}
        rig = Rig(server=lambda arrival: server_at(names[arrival.interface]))

        for _ in range(2):
            for arrival in (first, second):
                server = listed(rig.receive(LIST_ASKED, arrival=arrival)).server

                self.assertEqual(str(server), names[arrival.interface])

    def test_who_we_are_is_asked_once_until_it_may_have_changed(self) -> None:
        """The identity of an interface is remembered, and forgotten with `forget`."""
        asked: list[str] = []
        addresses = ["10.99.0.1", "10.99.0.9"]

        def server(arrival: Any) -> ServerIdentity:
            asked.append(arrival.interface)
            return server_at(addresses[len(asked) - 1])

        rig = Rig(server=server)
        rig.receive(LIST_ASKED)
        rig.receive(DISCOVER)
        self.assertEqual(asked, ["en0"])

        rig.responder.forget()

        self.assertEqual(str(listed(rig.receive(LIST_ASKED)).server), "10.99.0.9")


MACS = [MAC, bytes.fromhex("a82066010203"), bytes.fromhex("a82066010204")]
ADDRESSES = st.sampled_from(["10.99.0.50", "10.99.0.51", "10.1.2.3", "0.0.0.0", "224.0.0.1"])
ASKED = st.fixed_dictionaries(
    {
        "chaddr": st.sampled_from(MACS),
        "xid": st.integers(0, 0xFFFFFFFF),
        "secs": st.integers(0, 0xFFFF),
        "flags": st.sampled_from([0, 0x8000, 0xFFFF]),
        "hops": st.integers(0, 16),
        "ciaddr": ADDRESSES.map(IPv4Address),
        "giaddr": ADDRESSES.map(IPv4Address),
        "siaddr": st.sampled_from([NOWHERE, NOWHERE, SERVER, IPv4Address("10.99.0.7")]),
        "sname": st.sampled_from([b"", b"srv.test", b"other.test"]),
    }
)
QUESTIONS = st.sampled_from(
    [
        (LIST, VERSION),
        (LIST, VERSION, vendor.REPLY_PORT.sub_option(993)),
        (LIST, VERSION, FILTER_DIAGNOSTICS),
        (LIST, vendor.VERSION.sub_option(0x0100)),
        (LIST, VERSION, vendor.MAX_MESSAGE_SIZE.sub_option(1500)),
        (VERSION,),
    ]
)
PEERS = st.sampled_from(["10.99.0.50", "10.99.0.77"])


@given(st.lists(st.tuples(QUESTIONS, ASKED, PEERS), min_size=2, max_size=12), st.booleans())
@settings(max_examples=60, deadline=None)
def test_the_memory_answers_like_the_full_path(
    asked: list[tuple[tuple[vendor.SubOption, ...], dict[str, Any], str]], spreads_load: bool
) -> None:
    """Whoever asks what, in any order: a responder that remembers sends what one that forgets
    sends, byte for byte and to the same place."""
    remembers = Rig(spreads_load=spreads_load)
    bind(remembers, MACS[1], CATALINA.image_id)
    forgets = Rig(spreads_load=spreads_load, bindings=remembers.bindings)

    for question, header, peer in asked:
        data = datagram(*question, **header)
        for _ in range(2):
            forgets.responder.forget()

            assert remembers.receive(data, source=(peer, 68)) == forgets.receive(
                data, source=(peer, 68)
            )


class MemoryTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig()

    def asked(self) -> int:
        """How often the full path was gone."""
        return len(self.rig.booter.asked)

    def test_a_repeated_list_is_answered_from_memory(self) -> None:
        """The same machine's next LIST differs in xid and secs only, and needs no work."""
        self.rig.receive(LIST_ASKED)

        sent = self.rig.receive(datagram(LIST, VERSION, xid=0x55667788))

        self.assertEqual(message(sent).xid, 0x55667788)
        self.assertEqual(self.asked(), 1)
        self.assertEqual(self.rig.count("bsdp_list_replies"), 2)
        self.assertEqual(self.rig.count("bsdp_requests"), 2)

    def test_another_machine_is_not_answered_from_memory(self) -> None:
        """Two machines of one model may see different images."""
        self.rig.receive(LIST_ASKED)
        self.rig.receive(datagram(LIST, VERSION, chaddr=MACS[1]))

        self.assertEqual(self.asked(), 2)

    def test_a_new_catalog_is_answered_from(self) -> None:
        """When the images have changed, the next answer has the new ones."""
        self.rig.receive(LIST_ASKED)
        self.rig.booter.images = (CATALINA,)
        self.rig.booter.generation += 1

        images = listed(self.rig.receive(LIST_ASKED)).images

        self.assertEqual([one.name for one in images], ["Catalina"])

    def test_a_selection_shows_in_the_next_list(self) -> None:
        """When a binding has changed, the next list has the image selected."""
        self.rig.receive(LIST_ASKED)
        self.assertIsNone(sub_option(self.rig.receive(LIST_ASKED), 8))

        bind(self.rig)

        selected = sub_option(self.rig.receive(LIST_ASKED), 8)
        self.assertEqual(selected, SIERRA.image_id.packed)

    def test_a_selection_is_never_answered_from_memory(self) -> None:
        """Each SELECT goes to disk anew, however often it is repeated."""
        for _ in range(3):
            self.rig.receive(SIERRA_ASKED)
            self.assertEqual(len(self.rig.store.writes), 1)
            self.rig.store.commit()

        self.assertEqual(self.rig.count("bsdp_select_replies"), 3)

    def test_the_memory_is_bounded(self) -> None:
        """Machines that never end cannot fill our memory."""
        self.patch(bsdp, "MAX_REMEMBERED", 4)
        for number in range(9):
            mac = bytes((2, 0, 0, 0, 0, number))
            self.rig.receive(datagram(LIST, VERSION, chaddr=mac))

        self.assertLessEqual(len(self.rig.responder._memo), 4)

    def test_a_padded_question_is_answered_and_not_remembered(self) -> None:
        """Nobody has us keep jumbo frames by the thousand."""
        padding = tuple(RawOption(224, bytes(250)) for _ in range(5))
        padded = datagram(LIST, VERSION, options=padding)
        assert len(padded) > MAX_KEY + 28

        for _ in range(2):
            self.assertEqual(len(listed(self.rig.receive(padded)).images), 2)

        self.assertEqual((self.asked(), len(self.rig.responder._memo)), (2, 0))

    def test_answers_from_memory_are_told_once_a_second(self) -> None:
        """A machine that repeats itself is one event a second, not one a datagram."""
        for _ in range(5):
            self.rig.receive(LIST_ASKED)
        self.assertEqual(len(self.rig.events), 1)

        self.rig.clock.advance(1.1)
        for _ in range(5):
            self.rig.receive(LIST_ASKED)

        self.assertEqual([type(event) for event in self.rig.events], [ImagesListed, ImagesListed])
        self.assertEqual(self.rig.events[0].size, self.rig.events[1].size)  # type: ignore[attr-defined]

    def test_a_refused_datagram_is_not_counted(self) -> None:
        """What the kernel does not take from memory either is no reply."""
        self.rig.receive(LIST_ASKED)
        self.rig.socket.refuses = True

        self.rig.receive(LIST_ASKED)

        self.assertEqual(self.rig.count("bsdp_list_replies"), 1)


class SelectTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig()

    def test_a_selection_is_acknowledged_once_it_is_on_disk(self) -> None:
        """ACK[SELECT] leaves when the store says so, and not before."""
        sent = self.rig.receive(SIERRA_ASKED)
        self.assertEqual(sent, [])
        self.assertIsNone(self.rig.bindings.lookup(MAC))

        self.rig.store.commit()

        confirmed = judge_select(only(self.rig.socket.sent).data, MACHINE, XID)
        assert isinstance(confirmed, ImageConfirmed)
        self.assertEqual(confirmed.machine_name, b"NetBoot001")
        self.assertEqual(confirmed.root_path, (SIERRA.root_path or "").encode())
        (event,) = self.rig.events
        assert isinstance(event, ImageSelected)
        self.assertEqual((event.image, event.machine_name), ("Sierra Install", "NetBoot001"))

    def test_a_repeated_selection_is_answered_once(self) -> None:
        """Firmware that asks again before the disk has answered gets one answer."""
        for _ in range(3):
            self.rig.receive(SIERRA_ASKED)

        self.assertEqual(len(self.rig.store.writes), 1)
        self.rig.store.commit()
        self.assertEqual(len(self.rig.socket.sent), 1)

    def test_two_machines_wait_for_the_disk_side_by_side(self) -> None:
        """One machine's pending selection keeps no other from its own, nor do they share a name."""
        self.rig.receive(SIERRA_ASKED)
        self.rig.receive(datagram(SELECT, VERSION, HERE, image(CATALINA.image_id), chaddr=MACS[1]))

        self.rig.store.commit()

        names = [
            vendor.decode(decode(one.data).instances(43)).first(130) for one in self.rig.socket.sent
        ]
        self.assertEqual(names, [b"NetBoot001", b"NetBoot002"])

    def test_what_cannot_be_stored_is_not_acknowledged(self) -> None:
        """A disk that fails means no answer: counted, told, and the machine may ask again."""
        self.rig.receive(SIERRA_ASKED)

        self.rig.store.fail(StoreError("the disk is full", "free space on it"))

        self.assertEqual(self.rig.socket.sent, [])
        self.assertEqual(self.rig.count("bsdp_unstored_selections"), 1)
        (event,) = self.rig.events
        assert isinstance(event, RequestUnanswered)
        self.assertEqual(
            event.why,
            "its selection could not be stored (the disk is full; free space on it)",
        )
        self.rig.receive(SIERRA_ASKED)
        self.rig.store.commit()
        self.assertEqual(len(self.rig.socket.sent), 1)

    def test_a_store_that_refuses_at_once_is_told_at_a_pace(self) -> None:
        """A machine that floods us while the table is full is one line a minute."""

        def full(effect: Bind, *, class_id: ClassId) -> Any:
            from twisted.internet.defer import fail

            return fail(TableFull("32768 machines have selected an image already"))

        self.patch(self.rig.bindings, "bind", full)

        for _ in range(50):
            self.rig.receive(SIERRA_ASKED)

        self.assertEqual(len(self.rig.events), 1)
        self.assertEqual(self.rig.count("bsdp_unstored_selections"), 50)

    def test_an_image_that_is_not_offered_is_refused(self) -> None:
        """A SELECT of what this machine may not boot is answered FAILED and changes nothing."""
        sent = self.rig.receive(datagram(SELECT, VERSION, HERE, image(0x81000099)))

        self.assertIsInstance(judge_select(only(sent).data, MACHINE, XID), ImageRefused)
        self.assertEqual(self.rig.store.writes, [])

    def test_a_second_image_within_a_second_is_told_too(self) -> None:
        """Who changes his mind at once is shown with what he chose last."""
        for chosen in (SIERRA, CATALINA):
            self.rig.receive(datagram(SELECT, VERSION, HERE, image(chosen.image_id)))
            self.rig.store.commit()

        images = [event.image for event in self.rig.events if isinstance(event, ImageSelected)]
        self.assertEqual(images, ["Sierra Install", "Catalina"])

    def test_the_services_stop_does_not_break_a_late_commit(self) -> None:
        """A selection that the disk confirms after the sockets are closed is simply not sent."""
        self.rig.receive(SIERRA_ASKED)
        self.rig.socket.refuses = True

        self.rig.store.commit()

        self.assertEqual((self.rig.events, self.rig.socket.sent), ([], []))
        self.assertIsNotNone(self.rig.bindings.lookup(MAC))

    def test_a_fault_after_the_commit_is_logged(self) -> None:
        """What goes wrong when the answer is sent is not lost in a Deferred."""
        self.patch(self.rig.socket, "send", lambda *_: 1 / 0)
        self.rig.receive(SIERRA_ASKED)

        self.rig.store.commit()

        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class OtherServerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig()
        bind(self.rig)

    def test_a_machine_that_selects_another_server_is_forgotten(self) -> None:
        """SELECT with another server's address: no answer, and the binding goes."""
        self.assertEqual(self.rig.receive(LEFT), [])

        self.rig.store.commit()

        self.assertIsNone(self.rig.bindings.lookup(MAC))
        self.assertEqual(self.rig.receive(DISCOVER), [])
        self.assertEqual(self.rig.events, [])

    def test_a_stranger_that_selects_another_server_costs_nothing(self) -> None:
        """Without a binding there is nothing to forget, and no write."""
        self.rig.receive(datagram(SELECT, VERSION, ELSEWHERE, chaddr=MACS[1]))

        self.assertEqual(self.rig.store.writes, [])

    def test_leaving_is_written_once(self) -> None:
        """A repeated farewell does not queue a write each time."""
        for _ in range(5):
            self.rig.receive(LEFT)

        self.assertEqual(len(self.rig.store.writes), 1)

    def test_a_farewell_that_cannot_be_stored_changes_nothing(self) -> None:
        """The binding stays, the store has said why, and the next farewell tries again."""
        self.rig.receive(LEFT)
        self.rig.store.fail(StoreError("the disk is full", "free space on it"))
        self.assertIsNotNone(self.rig.bindings.lookup(MAC))

        self.rig.receive(LEFT)
        self.rig.store.commit()

        self.assertIsNone(self.rig.bindings.lookup(MAC))
        self.assertEqual(self.flushLoggedErrors(), [])


class DhcpTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig()

    def test_a_bound_machine_is_offered_its_image(self) -> None:
        """A DISCOVER of a machine that selected an image is broadcast an OFFER of it."""
        bind(self.rig)

        sent = self.rig.receive(DISCOVER, source=("0.0.0.0", 68))

        self.assertEqual(only(sent).to, ("broadcast", 68))
        offer = message(sent)
        self.assertEqual(offer.option(53), bytes((DhcpType.OFFER,)))
        self.assertEqual(offer.boot_file, SIERRA.boot_file.encode())
        (event,) = self.rig.events
        self.assertIsInstance(event, ImageOffered)

    def test_a_machine_with_a_booter_of_its_own_is_known_by_name(self) -> None:
        """The booter is told the name that a bound machine has."""
        bind(self.rig)

        self.rig.receive(DISCOVER)

        self.assertEqual(self.rig.booter.asked[-1].machine_name, "NetBoot001")

    def test_a_relays_discover_goes_back_to_the_relay(self) -> None:
        """With giaddr the OFFER is sent to the relay agent on port 67, option 82 echoed."""
        bind(self.rig)
        relayed = datagram(
            VERSION,
            dhcp_type=DhcpType.DISCOVER,
            giaddr=IPv4Address("10.50.0.1"),
            options=(RawOption(82, b"\x01\x04port"),),
        )

        sent = self.rig.receive(relayed, source=("10.50.0.1", 67))

        self.assertEqual(only(sent).to, ("10.50.0.1", 67))
        self.assertEqual(message(sent).option(82), b"\x01\x04port")

    def test_a_stranger_is_left_to_the_dhcp_server(self) -> None:
        """A DISCOVER of a machine that selected nothing here: silence, without a word."""
        self.assertEqual(self.rig.receive(DISCOVER), [])
        self.assertEqual(self.rig.events, [])
        self.assertEqual(self.rig.count("bsdp_silent_requests"), 1)

    def test_a_bound_machines_new_address_is_noted(self) -> None:
        """A DHCPREQUEST is not answered; the address that it asks for is the machine's new one."""
        bind(self.rig)
        asked = datagram(
            VERSION,
            dhcp_type=DhcpType.REQUEST,
            options=(RawOption(50, IPv4Address("10.99.0.88").packed),),
        )

        self.assertEqual(self.rig.receive(asked), [])

        machine = self.rig.bindings.machine(MAC)
        assert machine is not None
        self.assertEqual(str(machine.address), "10.99.0.88")


class DropTests(SynchronousTestCase):
    def test_what_is_not_dhcp_is_counted(self) -> None:
        """Garbage on port 67 is dropped, counted and never told."""
        rig = Rig()

        for data in (b"", b"\0", b"\1\1\6\0", bytes(240), LIST_ASKED[:200], b"\xff" * 9216):
            self.assertEqual(rig.receive(data), [])

        self.assertEqual((rig.count("dhcp_malformed_datagrams"), rig.events), (6, []))
        self.assertEqual(rig.count("bsdp_requests"), 0)

    def test_plain_dhcp_is_left_alone(self) -> None:
        """A DHCP server's client gets nothing from us."""
        rig = Rig()

        self.assertEqual(rig.receive(datagram(VERSION, class_id=b"MSFT 5.0")), [])

        self.assertEqual((rig.ended, rig.count("bsdp_requests")), (False, 0))

    def test_a_mac_that_asks_for_an_address_is_left_to_dhcp_too(self) -> None:
        """BSDP has the whole of an INFORM, and of a DISCOVER or REQUEST its part only."""
        rig = Rig(admission=Admission(deny=frozenset([MAC])))
        types = (DhcpType.DISCOVER, DhcpType.REQUEST, DhcpType.INFORM)

        ended = []
        for dhcp_type in types:
            rig.receive(datagram(LIST, VERSION, dhcp_type=dhcp_type))
            ended.append(rig.ended)

        self.assertEqual((ended, rig.count("bsdp_refused_requests")), ([False, False, True], 3))

    def test_what_claims_to_be_bsdp_and_is_not_is_told_why(self) -> None:
        """A request of a Mac that cannot be read says why in one event a minute."""
        rig = Rig()
        broken = datagram(LIST)  # no version

        for _ in range(3):
            rig.receive(broken)
        self.assertEqual([event.why for event in rig.events], ["BSDP version is missing"])  # type: ignore[attr-defined]

        rig.clock.advance(61)
        rig.receive(broken)
        self.assertEqual(len(rig.events), 2)
        self.assertEqual(rig.count("bsdp_silent_requests"), 4)

    def test_a_denied_machine_is_not_answered(self) -> None:
        """`deny` wins over everything, and is counted, not told."""
        rig = Rig(admission=Admission(allow=frozenset({MAC}), deny=frozenset({MAC})))

        self.assertEqual(rig.receive(LIST_ASKED), [])

        self.assertEqual((rig.count("bsdp_refused_requests"), rig.events), (1, []))

    def test_an_allow_list_admits_no_other(self) -> None:
        """With `allow`, whoever is not in it is refused."""
        rig = Rig(admission=Admission(allow=frozenset({MAC})))

        self.assertEqual(len(rig.receive(LIST_ASKED)), 1)
        self.assertEqual(rig.receive(datagram(LIST, VERSION, chaddr=MACS[1])), [])


@pytest.mark.parametrize("cut", range(0, 300, 7))
def test_a_remembered_question_cut_short_is_another_question(cut: int) -> None:
    """No part of a datagram is answered from the memory of the whole."""
    rig = Rig()
    rig.receive(LIST_ASKED, source=SOURCE, arrival=LAN)
    memory = rig.receive(LIST_ASKED[:cut])
    rig.responder.forget()

    assert memory == rig.receive(LIST_ASKED[:cut])
