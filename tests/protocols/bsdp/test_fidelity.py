"""Our server and client beside Apple's: every recorded exchange, byte for byte.

The exchanges are stateful in file order: a SELECT binds, a SELECT of another server unbinds. Where
we differ on purpose the difference is a row of `DEVIATIONS`, and a row of docs/quirks.md.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from protocols.bsdp.answer import (
    ImageConfirmed,
    ImageRefused,
    ImagesListed,
    Rejected,
    judge_list,
    judge_select,
)
from protocols.bsdp.class_id import ClassId
from protocols.bsdp.image_id import BootImageId
from protocols.bsdp.inform import Machine, list_request, select_request
from protocols.bsdp.outcome import Outcome, Reply, ReplyKind
from protocols.dhcp.codec import decode, encode
from protocols.dhcp.route import RouteKind
from tests.protocols.bsdp.site import CLIENT, IDENTITY, NOWHERE, SERVER, Published, Site, http
from tests.protocols.bsdp.vectors import Vector, name, vector, vectors

ROOT = Path(__file__).parents[3]
QUIRKS = ROOT / "docs" / "quirks.md"

EXCHANGES = vectors("exchange")
REPLIES = [v for v in EXCHANGES if v["reply_hex"]]


def many_images() -> list[Published]:
    """The 60 images of the second server, in the order of its longest reply."""
    reply = vector("apple_server/many/many_list_opt12_8192")["reply"]
    lists = [
        sub for o in reply["options"] if o["code"] == 43 for sub in o["sub"] if sub["code"] == 9
    ]
    found = [image for each in lists for image in each["images"]]
    return [Published(offered=http("Many", int(i["id"], 16), i["name"])) for i in found]


def replayed() -> list[tuple[Vector, Outcome | None]]:
    """Every exchange with our outcome, in file order, each server keeping its state."""
    sites = {"main": Site(), "many": Site(images=many_images())}
    return [
        (v, sites[v["id"].split("/")[1]].answer(bytes.fromhex(v["request_hex"]), NOWHERE))
        for v in EXCHANGES
    ]


def test_every_exchange_is_there() -> None:
    """The replay covers all 40 recorded exchanges, with a reply and with silence."""
    assert len(EXCHANGES) == 40
    assert 0 < len(REPLIES) < len(EXCHANGES)


@pytest.mark.parametrize(("vector", "outcome"), replayed(), ids=[name(v) for v in EXCHANGES])
def test_exchange_is_answered_as_apples_server_does(
    vector: Vector, outcome: Outcome | None
) -> None:
    """The whole datagram is Apple's, header, option order, option 43 and padding, or silence is."""
    ours = encode(outcome.message).hex() if isinstance(outcome, Reply) else None

    assert ours == vector["reply_hex"]


@pytest.mark.parametrize(("vector", "outcome"), replayed(), ids=[name(v) for v in EXCHANGES])
def test_exchange_is_answered_where_apples_server_does(
    vector: Vector, outcome: Outcome | None
) -> None:
    """INFORM is answered at ciaddr and reply port; an OFFER is broadcast to port 68."""
    if vector["reply_to_port"] is None:
        assert not isinstance(outcome, Reply)
        return
    assert isinstance(outcome, Reply)

    route = outcome.route

    assert route.port == vector["reply_to_port"]
    if outcome.kind is ReplyKind.OFFER:
        assert route.kind is RouteKind.BROADCAST
    else:
        assert (route.kind, route.address) == (RouteKind.UNICAST, CLIENT)


def machine_of(reply: bytes) -> Machine:
    """The client that Apple's replies are for; it is the one whose address the vectors use."""
    return Machine(
        mac=reply[28:34],
        address=CLIENT,
        class_id=ClassId(arch="i386", system_id="Macmini6,1"),
        reply_port=993,
    )


def sub_options_of(vector: Vector) -> list[dict[str, Any]]:
    """The sub-options in all instances of option 43 of a recorded reply."""
    return [sub for o in vector["reply"]["options"] if o["code"] == 43 for sub in o["sub"]]


def expected_verdicts(vector: Vector) -> tuple[type, type]:
    """What a client that waits for a LIST, and one that waits for a SELECT, make of a reply."""
    if vector["reply"]["options"][0]["hex"] == "02":
        return Rejected, Rejected  # an OFFER answers no INFORM
    codes = {sub["code"] for sub in sub_options_of(vector)}
    match sub_options_of(vector)[0]["message_type"]:
        case "LIST":
            return ImagesListed if 9 in codes else Rejected, Rejected  # none for version 1.0
        case "SELECT":
            return Rejected, ImageConfirmed
        case _:
            return Rejected, ImageRefused


@pytest.mark.parametrize("vector", REPLIES, ids=name)
def test_apples_replies_satisfy_our_client(vector: Vector) -> None:
    """Our client takes each of Apple's replies as the answer to what it answers, and only that."""
    reply = bytes.fromhex(vector["reply_hex"])
    machine, xid = machine_of(reply), int(vector["reply"]["xid"], 16)

    verdicts = type(judge_list(reply, machine, xid)), type(judge_select(reply, machine, xid))

    assert verdicts == expected_verdicts(vector)


@pytest.mark.parametrize("vector", vectors("reply_acceptance"), ids=name)
def test_reply_is_judged_as_apples_client_does(vector: Vector) -> None:
    """What Apple's client was seen to accept or reject, ours does, with as many images to show."""
    reply = bytes.fromhex(vector["reply_hex"])

    verdict = judge_list(reply, machine_of(reply), int(vector["reply"]["xid"], 16))

    assert isinstance(verdict, ImagesListed) is vector["accepted"]
    shown = len(verdict.images) if isinstance(verdict, ImagesListed) else 0
    assert shown == vector["images_shown"]


@pytest.mark.parametrize("vector", vectors("dhcp_packet", "client/apple"), ids=name)
def test_our_client_sends_what_apples_does(vector: Vector) -> None:
    """LIST, LIST with a filter and SELECT are Apple's datagrams, byte for byte."""
    sent = vector["decode"]
    sub = {each["code"]: each for each in sent["options"][-1]["sub"]}
    machine = Machine(
        mac=bytes.fromhex(sent["chaddr"].replace(":", "")),
        address=IPv4Address(sent["ciaddr"]),
        class_id=ClassId(arch="i386", system_id="Macmini6,1"),
        reply_port=sub[5]["reply_port"],
        attributes=tuple(int(a, 16) for a in sub[11]["attributes"]) if 11 in sub else (),
    )
    xid = int(sent["xid"], 16)

    if 3 in sub:
        image_id = BootImageId(int(sub[8]["selected_image"]["id"], 16))
        ours = select_request(machine, xid, IPv4Address(sub[3]["server_id"]), image_id)
    else:
        ours = list_request(machine, xid)

    assert ours.hex() == vector["hex"]


REAL_QUESTIONS = [
    v
    for v in vectors("dhcp_packet", "client/")
    if v["decode"]["op"] == 1 and any(o["code"] == 43 for o in v["decode"]["options"])
]


@pytest.mark.parametrize("vector", REAL_QUESTIONS, ids=name)
def test_real_clients_are_answered(vector: Vector) -> None:
    """The INFORMs of Apple's client, the Go client and sdt.py get the reply that they ask for."""
    data = bytes.fromhex(vector["hex"])
    source = IPv4Address(vector["src"].split(":")[0]) if "src" in vector else NOWHERE
    sub_options = next(o["sub"] for o in vector["decode"]["options"] if o["code"] == 43)
    asked = {sub["code"]: sub for sub in sub_options}
    wanted = int(asked[8]["hex"], 16) if 8 in asked else 0x81001001
    offered = [Published(offered=http("Any", wanted)), Published(offered=http("AHT", 0x0300012C))]
    identity = (
        replace(IDENTITY, address=IPv4Address(asked[3]["server_id"])) if 3 in asked else IDENTITY
    )

    outcome = Site(images=offered, identity=identity).answer(data, source)

    assert isinstance(outcome, Reply)
    assert outcome.kind.value == f"ACK[{asked[1]['message_type']}]"
    ciaddr = decode(data).ciaddr
    assert outcome.route.address == (source if ciaddr == NOWHERE else ciaddr)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """A difference to Apple's server on purpose: the row of docs/quirks.md, and why."""

    quirk: str
    reason: str


DEVIATIONS = (
    Deviation(
        quirk="ciaddr-empty",
        reason="the Go client's SELECT has none; its source address is where it is",
    ),
    Deviation(
        quirk="name-cut",
        reason="a name cut inside a character makes Apple's own client drop the image",
    ),
    Deviation(
        quirk="sub-option-length",
        reason="Apple's server reads past the end of a short sub-option",
    ),
    Deviation(
        quirk="default-image",
        reason="Apple's default without IsDefault is the order of the folder, which is no order",
    ),
    Deviation(
        quirk="disabled-models",
        reason="Server.app writes DisabledSystemIdentifiers and administrators expect it to work",
    ),
    Deviation(
        quirk="no-default",
        reason="Apple's server crashes where a SELECT without an image finds no default",
    ),
    Deviation(
        quirk="joined-instances",
        reason="clients that split option 43 by bytes would get no answer",
    ),
    Deviation(
        quirk="option-82",
        reason="RFC 3046 §2.2 wants it back, and relays may drop what lacks it",
    ),
    Deviation(
        quirk="offer-broadcast",
        reason="a frame to 0.0.0.0 is for firmware only; a broadcast reaches the same machine",
    ),
    Deviation(
        quirk="request-echo",
        reason="a reply holds what the server says, not what a request happened to hold",
    ),
    Deviation(
        quirk="reply-port-zero",
        reason="nothing can be sent to port 0",
    ),
    Deviation(
        quirk="shadow-strings",
        reason="there is no AFP server here to make users on",
    ),
    Deviation(
        quirk="bsdp-only",
        reason="there is no DHCP server here to answer a second time",
    ),
)


def quirks(section: str = "") -> dict[str, str]:
    """The rows of docs/quirks.md by the name in their first column, each with its last column."""
    text = QUIRKS.read_text()
    if section:
        text = text.partition(f"## {section}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([a-z0-9.-]+)` \|(.*)\|$", text, re.MULTILINE)
    return {quirk: rest.split("|")[-1].strip() for quirk, rest in rows}


@pytest.mark.parametrize("deviation", DEVIATIONS, ids=lambda deviation: deviation.quirk)
def test_deviation_is_documented(deviation: Deviation) -> None:
    """Each deviation has a row in docs/quirks.md."""
    assert deviation.reason
    assert deviation.quirk in quirks()


def test_differences_in_the_documentation_are_deviations() -> None:
    """What docs/quirks.md says that we do otherwise than Apple's server is what is listed here."""
    differences = quirks("Where netbootd differs from Apple's server")

    assert set(differences) == {deviation.quirk for deviation in DEVIATIONS}


@pytest.mark.parametrize("quirk", quirks())
def test_quirk_is_tested(quirk: str) -> None:
    """Each row of docs/quirks.md names at least one test, and the tests that it names exist."""
    named = re.findall(r"`(tests/[\w/]+\.py)::(?:\w+::)?(\w+)`", quirks()[quirk])

    assert named
    for path, function in named:
        assert function in functions(ROOT / path), f"{path} has no {function}"


def functions(path: Path) -> set[str]:
    """The names of all functions defined in a file."""
    nodes = ast.walk(ast.parse(path.read_text()))
    return {
        node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }


def test_ciaddr_zero_is_answered_at_the_source() -> None:
    """Apple's server drops the exchange `list_ciaddr0`; we answer it where it came from."""
    request = bytes.fromhex(vector("apple_server/main/list_ciaddr0")["request_hex"])

    outcome = Site().answer(request, CLIENT)

    assert isinstance(outcome, Reply)
    assert outcome.kind is ReplyKind.LIST
    assert (outcome.route.kind, outcome.route.address) == (RouteKind.UNICAST, CLIENT)
    assert outcome.route.port == 993
    assert int(outcome.message.ciaddr) == 0
    assert outcome.message.siaddr == SERVER
