"""The server's decisions that no recorded exchange shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest

from protocols.bsdp import vendor
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
from protocols.bsdp.request import BsdpRequest
from protocols.bsdp.server import respond
from protocols.bsdp.vendor import SubOption, decode
from protocols.dhcp.codec import encode
from protocols.dhcp.option import RawOption
from protocols.dhcp.route import RouteKind
from protocols.dhcp.value import MessageType as DhcpType
from protocols.errors import EncodeError
from tests.protocols.bsdp.ask import (
    FILTER_DIAGNOSTICS,
    HERE,
    LIST,
    MAC,
    SELECT,
    VERSION,
    image,
    request,
)
from tests.protocols.bsdp.site import CLIENT, IDENTITY, NOWHERE, SERVER, http

CATALINA = http("Catalina", 0x81001004)
SIERRA = http("Sierra", 0x810003E9)
DIAGNOSTICS = replace(http("AHT", 0x0300012C), filter_only=True)
IMAGES = (CATALINA, SIERRA, DIAGNOSTICS)
BOUND = Binding(image_id=SIERRA.image_id, number=7, machine_name="NetBoot007")
RELAY = IPv4Address("10.99.9.1")


def answer(
    asked: BsdpRequest,
    images: Sequence[OfferedImage] = IMAGES,
    server: ServerIdentity = IDENTITY,
    **known: Any,
) -> Outcome:
    return respond(asked, images=images, server=server, **known)


def replied(outcome: Outcome) -> Reply:
    assert isinstance(outcome, Reply)
    return outcome


def silent(outcome: Outcome) -> Silence:
    assert isinstance(outcome, Silence)
    return outcome


def sub_options(reply: Reply) -> list[SubOption]:
    """All sub-options of a reply, each instance read on its own."""
    return list(decode(reply.message.instances(43)).sub_options)


def select(image_id: int | None = SIERRA.image_id, **others: Any) -> BsdpRequest:
    chosen = [] if image_id is None else [image(image_id)]
    return request(SELECT, VERSION, HERE, *chosen, **others)


def discover(*more: SubOption, **others: Any) -> BsdpRequest:
    return request(VERSION, *more, dhcp_type=DhcpType.DISCOVER, **others)


class TestChecks:
    """What is looked at before anything is answered."""

    def test_request_for_another_server_by_name(self) -> None:
        """sname is empty, or ours."""
        assert silent(answer(request(LIST, VERSION, sname=b"other"))).reason is (
            Reason.OTHER_SERVER_NAME
        )
        replied(answer(request(LIST, VERSION, sname=b"srv.test")))

    def test_request_for_another_server_by_address(self) -> None:
        """siaddr is 0, or ours."""
        outcome = answer(request(LIST, VERSION, siaddr=RELAY))

        assert silent(outcome).reason is Reason.OTHER_SERVER_ADDRESS
        replied(answer(request(LIST, VERSION, siaddr=SERVER)))

    def test_old_firmware(self) -> None:
        """Sub-option 10 is answered only where the server is told to."""
        asked = request(LIST, VERSION, SubOption(10, b""))

        assert silent(answer(asked)).reason is Reason.OLD_FIRMWARE
        replied(answer(asked, server=replace(IDENTITY, answer_old_firmware=True)))

    def test_other_hardware(self) -> None:
        """Machines without an Ethernet address cannot be told apart."""
        assert silent(answer(request(LIST, VERSION, hlen=8))).reason is Reason.NOT_ETHERNET

    @pytest.mark.parametrize("dhcp_type", [DhcpType.OFFER, DhcpType.DECLINE, DhcpType.RELEASE])
    def test_other_dhcp_messages(self, dhcp_type: DhcpType) -> None:
        """Only DISCOVER, REQUEST and INFORM mean something to BSDP."""
        outcome = silent(answer(request(LIST, VERSION, dhcp_type=dhcp_type)))

        assert outcome == Silence(reason=Reason.DHCP_TYPE, detail=str(int(dhcp_type)))

    @pytest.mark.parametrize(
        ("port", "plain", "allowed"),
        [(0, False, False), (993, True, True), (1023, True, True), (1024, False, True)],
    )
    def test_reply_port(self, port: int, plain: bool, allowed: bool) -> None:
        """A reply port is privileged, unless the server is told that it need not be."""
        asked = request(LIST, VERSION, vendor.REPLY_PORT.sub_option(port))
        lenient = replace(IDENTITY, allow_unprivileged_reply_port=True)

        assert isinstance(answer(asked), Reply) is plain
        assert isinstance(answer(asked, server=lenient), Reply) is allowed
        if not plain:
            assert answer(asked) == Silence(reason=Reason.REPLY_PORT, detail=str(port))

    def test_checks_come_in_apples_order(self) -> None:
        """The reply port is looked at before the address, and that before the message type."""
        port = vendor.REPLY_PORT.sub_option(2000)

        assert silent(answer(request(VERSION, port, ciaddr=NOWHERE))).reason is Reason.REPLY_PORT
        assert silent(answer(request(VERSION, ciaddr=NOWHERE))).reason is Reason.NO_ADDRESS
        assert silent(answer(request(VERSION))).reason is Reason.NO_MESSAGE_TYPE

    @pytest.mark.parametrize("number", [0, 3, 255])
    def test_other_message_types(self, number: int) -> None:
        """A client may ask LIST and SELECT; FAILED is not a question."""
        asked = request(vendor.MESSAGE_TYPE.sub_option(number), VERSION)

        assert answer(asked) == Silence(reason=Reason.MESSAGE_TYPE, detail=str(number))


class TestList:
    """INFORM[LIST]."""

    def test_priority_goes_down_with_every_client(self) -> None:
        """Servers share the load by saying how many machines they know; never below 0."""
        few = replied(answer(request(LIST, VERSION), known_clients=5))
        many = replied(answer(request(LIST, VERSION), known_clients=40_000))

        assert vendor.SERVER_PRIORITY.sub_option(32763) in sub_options(few)
        assert vendor.SERVER_PRIORITY.sub_option(0) in sub_options(many)

    def test_priority_can_be_configured(self) -> None:
        """A preferred server begins higher."""
        reply = replied(answer(request(LIST, VERSION), server=replace(IDENTITY, priority=50_000)))

        assert vendor.SERVER_PRIORITY.sub_option(50_000) in sub_options(reply)

    def test_images_in_list_order_default_first(self) -> None:
        """The first visible image is the default, those for filters only are left out."""
        reply = replied(answer(request(LIST, VERSION)))

        options = decode(reply.message.instances(43))
        listed = options.value(vendor.BOOT_IMAGE_LIST)
        assert listed is not None
        assert [entry.name for entry in listed] == [b"Catalina", b"Sierra"]
        assert options.value(vendor.DEFAULT_IMAGE) == CATALINA.image_id
        assert (reply.listed, reply.omitted) == (2, 0)

    def test_selected_image_is_told(self) -> None:
        """A machine that selected an image is told which, as long as its filter shows it."""
        shown = replied(answer(request(LIST, VERSION), binding=BOUND))
        hidden = replied(answer(request(LIST, VERSION, FILTER_DIAGNOSTICS), binding=BOUND))
        gone = replied(answer(request(LIST, VERSION), images=[CATALINA], binding=BOUND))

        assert image(SIERRA.image_id) in sub_options(shown)
        assert 8 not in [found.code for found in sub_options(hidden)]
        assert 8 not in [found.code for found in sub_options(gone)]

    def test_name_that_is_no_text_is_listed_all_the_same(self) -> None:
        """One bad name does not cost the others their place."""
        odd = replace(SIERRA, name="Sierra \ud800")

        reply = replied(answer(request(LIST, VERSION), images=[odd]))

        assert b"Sierra ?" in encode(reply.message)

    def test_relay_information_is_echoed(self) -> None:
        """Option 82 comes back whole and last (RFC 3046 §2.2)."""
        relayed = RawOption(82, b"\x01\x04port")
        asked = request(LIST, VERSION, options=(relayed,), giaddr=RELAY)

        reply = replied(answer(asked))

        assert reply.message.options[-1] == relayed
        assert reply.message.giaddr == RELAY
        assert (reply.route.kind, reply.route.address) == (RouteKind.UNICAST, CLIENT)

    def test_relay_information_takes_room_from_the_list(self) -> None:
        """The reply fits what the client takes with option 82 in it."""
        images = [http(f"{n:040}", 0x81000001 + n) for n in range(20)]
        plain = replied(answer(request(LIST, VERSION), images=images))
        relayed = request(LIST, VERSION, options=(RawOption(82, bytes(100)),))

        reply = replied(answer(relayed, images=images))

        assert len(encode(reply.message)) <= 520
        assert 0 < reply.listed < plain.listed
        assert reply.listed + reply.omitted == 20

    def test_reply_that_cannot_fit_is_not_sent(self) -> None:
        """Relay information that leaves no room for a reply leaves the client unanswered."""
        relayed = request(LIST, VERSION, options=(RawOption(82, bytes(250)),))

        outcome = silent(answer(relayed))

        assert outcome.reason is Reason.UNSENDABLE
        assert "the client takes 520" in outcome.detail

    def test_header_of_the_request_does_not_leak_into_the_list(self) -> None:
        """Apple's server echoes `file`, yiaddr and secs of a request; ours are empty."""
        asked = request(LIST, VERSION, file=b"/etc/passwd", yiaddr=RELAY, secs=9, hops=3)

        reply = replied(answer(asked)).message

        assert (reply.file, reply.yiaddr) == (bytes(128), NOWHERE)
        assert (reply.secs, reply.hops) == (0, 0)


class TestSelect:
    """INFORM[SELECT]."""

    def test_selection_binds(self) -> None:
        """A new machine gets the next number and a name made of it."""
        reply = replied(answer(select(), next_number=12))

        assert reply.kind is ReplyKind.SELECT
        assert reply.image is SIERRA
        assert reply.effect == Bind(
            mac=MAC,
            binding=Binding(image_id=SIERRA.image_id, number=12, machine_name="NetBoot012"),
            address=CLIENT,
        )

    def test_bound_machine_keeps_its_name(self) -> None:
        """Another selection changes the image only."""
        reply = replied(answer(select(CATALINA.image_id), binding=BOUND, next_number=12))

        assert isinstance(reply.effect, Bind)
        assert reply.effect.binding == replace(BOUND, image_id=CATALINA.image_id)
        assert vendor.MACHINE_NAME.sub_option(b"NetBoot007") in sub_options(reply)

    def test_repeated_selection_gets_the_same_answer(self) -> None:
        """A SELECT is sent twice if the answer is slow: the second changes nothing."""
        first = replied(answer(select(), next_number=12))
        assert isinstance(first.effect, Bind)

        second = replied(answer(select(), binding=first.effect.binding, next_number=13))

        assert second == first

    def test_selection_at_its_source(self) -> None:
        """A SELECT without ciaddr, as Go's client sends it, is bound to the source address."""
        reply = replied(answer(select(ciaddr=NOWHERE, source=CLIENT)))

        assert isinstance(reply.effect, Bind)
        assert reply.effect.address == CLIENT
        assert reply.route.address == CLIENT

    def test_another_server_unbinds(self) -> None:
        """Who selects elsewhere is forgotten, and was never known if not bound."""
        elsewhere = request(SELECT, VERSION, vendor.SERVER_IDENTIFIER.sub_option(RELAY))

        known = silent(answer(elsewhere, binding=BOUND))
        unknown = silent(answer(elsewhere))

        assert known == Silence(
            reason=Reason.OTHER_SERVER, detail=str(RELAY), effect=Unbind(mac=MAC)
        )
        assert unknown.effect is None

    def test_unknown_image_fails(self) -> None:
        """An image that is not for this machine gets ACK[FAILED], which says why to the log."""
        reply = replied(answer(select(0x8100ABCD), binding=BOUND))

        assert reply.kind is ReplyKind.FAILED
        assert (reply.reason, reply.detail) == (Reason.UNKNOWN_IMAGE, "0x8100abcd")
        assert reply.effect is None
        assert sub_options(reply) == [SubOption(1, b"\x03")]

    def test_no_default_fails(self) -> None:
        """Where Apple's server crashes, a SELECT that names no image gets ACK[FAILED]."""
        reply = replied(answer(select(None), images=[DIAGNOSTICS]))

        assert reply.kind is ReplyKind.FAILED
        assert (reply.reason, reply.detail) == (Reason.UNKNOWN_IMAGE, "the default")

    def test_default_ignores_the_filter(self) -> None:
        """The default of a SELECT is that of a client without a filter (bsdpd.c:1903)."""
        reply = replied(answer(request(SELECT, VERSION, HERE, FILTER_DIAGNOSTICS)))

        assert reply.image is CATALINA

    @pytest.mark.parametrize(
        ("broken", "detail"),
        [
            (replace(SIERRA, root_path="http://" + "x" * 249), "root path of 256 bytes"),
            (replace(SIERRA, root_path="http://\ud800"), "surrogates not allowed"),
        ],
    )
    def test_image_that_cannot_be_sent_fails(self, broken: OfferedImage, detail: str) -> None:
        """A root path that option 17 cannot carry gets ACK[FAILED], as on Apple's server."""
        reply = replied(answer(select(), images=[broken]))

        assert reply.kind is ReplyKind.FAILED
        assert reply.reason is Reason.UNSENDABLE
        assert detail in reply.detail

    def test_selection_too_large_for_the_client_fails(self) -> None:
        """A client that takes 520 bytes is not sent more."""
        server = replace(IDENTITY, shadow_mount_path="afp://" + "x" * 100)
        big = replace(SIERRA, root_path="http://" + "x" * 200, diskless=True)

        reply = replied(answer(select(), images=[big], server=server))

        assert reply.kind is ReplyKind.FAILED
        assert "the client takes 520" in reply.detail
        roomy = select(options=(RawOption(57, b"\x05\xdc"),))
        assert replied(answer(roomy, images=[big], server=server)).kind is ReplyKind.SELECT

    def test_boot_file_too_long_for_its_field_is_left_out(self) -> None:
        """127 bytes fit; with more `file` is empty and the reply goes out (bootpd.c)."""
        fits = replied(answer(select(), images=[replace(SIERRA, boot_file="x" * 127)]))
        does_not = replied(answer(select(), images=[replace(SIERRA, boot_file="x" * 128)]))

        assert fits.message.boot_file == b"x" * 127
        assert does_not.message.boot_file == b""
        assert does_not.kind is ReplyKind.SELECT

    def test_long_host_name_is_cut_to_its_field(self) -> None:
        """sname ends with a NUL (strlcpy)."""
        server = replace(IDENTITY, host_name="h" * 80)

        assert replied(answer(select(), server=server)).message.server_name == b"h" * 63

    def test_file_names_of_any_bytes_are_sent_as_they_are(self) -> None:
        """A path that is not UTF-8 reaches TFTP unchanged."""
        odd = replace(SIERRA, boot_file=b"/x\xff/booter".decode("utf-8", "surrogateescape"))

        assert replied(answer(select(), images=[odd])).message.boot_file == b"/x\xff/booter"


class TestDiskless:
    """Shadow paths are configured strings; there is no AFP server here."""

    SERVER = replace(IDENTITY, shadow_mount_path="afp://nb:secret@10.99.0.2/Clients")

    def test_shadow_paths_are_told(self) -> None:
        """A diskless image comes with where the shadow is, by the machine's name."""
        images = [replace(SIERRA, diskless=True)]

        reply = replied(answer(select(), images=images, server=self.SERVER))

        assert sub_options(reply) == [
            SubOption(1, b"\x02"),
            image(SIERRA.image_id),
            SubOption(130, b"NetBoot001"),
            SubOption(128, b"afp://nb:secret@10.99.0.2/Clients"),
            SubOption(129, b"NetBoot001/Shadow"),
        ]

    def test_other_images_have_no_shadow(self) -> None:
        """Only images that say so are diskless, and only where a share is configured."""
        on_disk = replied(answer(select(), server=self.SERVER))
        unconfigured = replied(answer(select(), images=[replace(SIERRA, diskless=True)]))

        for reply in (on_disk, unconfigured):
            assert [found.code for found in sub_options(reply)] == [1, 8, 130]

    def test_long_paths_go_into_a_second_instance(self) -> None:
        """Sub-options stay whole (dhcpoa_vendor_add)."""
        server = replace(IDENTITY, shadow_mount_path="afp://" + "x" * 220)
        asked = select(options=(RawOption(57, b"\x05\xdc"),))

        reply = replied(answer(asked, images=[replace(SIERRA, diskless=True)], server=server))

        assert [len(instance) for instance in reply.message.instances(43)] == [21 + 228, 19]

    def test_boot_file_only_image_has_no_shadow(self) -> None:
        """What has no root has no machine name either."""
        images = [replace(SIERRA, root_path=None, diskless=True)]

        reply = replied(answer(select(), images=images, server=self.SERVER))

        assert [found.code for found in sub_options(reply)] == [1, 8]
        assert reply.message.option(17) is None


class TestDiscover:
    """DISCOVER and REQUEST, from machines that have no address yet."""

    def test_offer_to_a_bound_machine(self) -> None:
        """What it selected, with its name, without an address."""
        reply = replied(answer(discover(), binding=BOUND))

        assert reply.kind is ReplyKind.OFFER
        assert reply.image is SIERRA
        assert reply.effect is None
        assert (reply.message.ciaddr, reply.message.yiaddr) == (NOWHERE, NOWHERE)
        assert [found.code for found in sub_options(reply)] == [8, 130]

    def test_offer_is_broadcast(self) -> None:
        """Apple's server unicasts to 0.0.0.0 on the link; a broadcast needs no address."""
        reply = replied(answer(discover(), binding=BOUND))

        assert (reply.route.kind, reply.route.port) == (RouteKind.BROADCAST, 68)

    def test_offer_goes_through_the_relay(self) -> None:
        """With giaddr the relay brings it, and gets its option 82 back."""
        relayed = RawOption(82, b"\x01\x02r1")
        asked = discover(giaddr=RELAY, options=(relayed,))

        reply = replied(answer(asked, binding=BOUND))

        assert (reply.route.kind, reply.route.address) == (RouteKind.RELAY, RELAY)
        assert reply.route.port == 67
        assert reply.message.options[-1] == relayed

    def test_image_that_is_gone_is_not_offered(self) -> None:
        """Nor is one that the client's filter does not show."""
        gone = Silence(reason=Reason.IMAGE_GONE, detail=str(SIERRA.image_id))

        assert answer(discover(), images=[CATALINA], binding=BOUND) == gone
        assert answer(discover(FILTER_DIAGNOSTICS), binding=BOUND) == gone

    def test_offer_that_cannot_be_sent_is_silence(self) -> None:
        """There is no FAILED for a DISCOVER."""
        broken = replace(SIERRA, root_path="x" * 256)

        outcome = silent(answer(discover(), images=[broken], binding=BOUND))

        assert outcome.reason is Reason.UNSENDABLE

    def test_request_tells_the_address(self) -> None:
        """A bound machine's REQUEST is not answered; the address it asks for is noted."""
        wanted = RawOption(50, CLIENT.packed)
        asked = request(VERSION, dhcp_type=DhcpType.REQUEST, options=(wanted,))
        vague = request(VERSION, dhcp_type=DhcpType.REQUEST)

        assert answer(asked, binding=BOUND) == Silence(
            reason=Reason.DHCP_REQUEST, effect=Moved(mac=MAC, address=CLIENT)
        )
        assert answer(asked) == Silence(reason=Reason.DHCP_REQUEST)
        assert answer(vague, binding=BOUND) == Silence(reason=Reason.DHCP_REQUEST)


class TestIdentity:
    """Settings that no reply could carry are refused before there is one."""

    @pytest.mark.parametrize("name", ["NetBoot", "NetBoot%s", "%d%d", "%5000000d", "100%%%d"])
    def test_name_format_takes_one_number(self, name: str) -> None:
        """Without exactly one number, names would not be unique, or not be names."""
        with pytest.raises(EncodeError, match="has not one %d"):
            replace(IDENTITY, machine_name_format=name)

    @pytest.mark.parametrize(
        ("name", "made"), [("NetBoot%03d", "NetBoot001"), ("mac-%d", "mac-1"), ("%4d", "   1")]
    )
    def test_names_are_made_as_apples_are(self, name: str, made: str) -> None:
        """The format is printf's, as in bootpd.plist."""
        assert replace(IDENTITY, machine_name_format=name).machine_name(1) == made

    @pytest.mark.parametrize("priority", [-1, 65536])
    def test_priority_fits_its_sub_option(self, priority: int) -> None:
        """It has 16 bits."""
        with pytest.raises(EncodeError):
            replace(IDENTITY, priority=priority)
