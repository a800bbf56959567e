"""What firmware, loaders and tools were seen to ask, word for word, and what they get."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from netbootd.transfer import Outcome
from protocols.tftp.packet import Data, Error, OptionAck, ReadRequest, decode
from tests.netbootd.tftp.site import Site, site

CAPTURED = Path(__file__).parents[2] / "data/real_clients.json"
CONTENT = bytes(range(250)) * 12
LIMITS = {b"blksize": 1468, b"windowsize": 64, b"timeout": 255}


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path) as made:
        yield made


def captured() -> dict[bytes, str]:
    """Each request once, and the capture that it was first seen in."""
    found: dict[bytes, str] = {}
    for packet in json.loads(CAPTURED.read_text()):
        if packet["dport"] == 69:
            found.setdefault(bytes.fromhex(packet["hex"]), packet["pcap"].removesuffix(".pcap"))
    return found


REQUESTS = captured()
# shim 15.7 asks for blocks of 512 bytes, four at a time; its capture is not among the data.
SHIM = b"\0\1grubx64.efi\0octet\0tsize\0" + b"0\0blksize\0" + b"512\0windowsize\0" + b"4\0"


def granted(request: ReadRequest) -> dict[bytes, bytes]:
    """What a request gets of its options: what we know of and can read, within our limits."""
    accepted = {}
    for name, value in request.options:
        number = int(value)
        if name == b"tsize":
            accepted[name] = b"%d" % len(CONTENT)
        elif name == b"timeout" and number > LIMITS[name]:
            continue
        elif name in LIMITS:
            accepted[name] = b"%d" % min(number, LIMITS[name])
    return accepted


@pytest.mark.parametrize("data", [*REQUESTS, SHIM], ids=[*REQUESTS.values(), "shim"])
def test_request(here: Site, data: bytes) -> None:
    """Leading slashes are ignored, options that are unknown or out of range too, and the rest is
    granted: no client is refused its file for how it asks."""
    request = decode(data)
    assert isinstance(request, ReadRequest)
    here.loader(request.filename.decode().lstrip("/"), CONTENT)
    client = here.client()

    client.send(data, here.listen)

    answer = client.receive()
    expected = granted(request)
    if expected:
        assert isinstance(answer, OptionAck)
        assert dict(answer.options) == expected
        client.ack(0)
        answer = client.receive()
    block_size = int(expected.get(b"blksize", b"512"))
    assert answer == Data(block=1, data=CONTENT[:block_size])


def test_both_requests_of_ovmf(here: Site) -> None:
    """The very packets of OVMF 2022.11: a question for the size, which is no failure, and from
    another port the read itself, four blocks at a time."""
    sent = [
        bytes.fromhex(packet["hex"])
        for packet in json.loads(CAPTURED.read_text())
        if packet["pcap"] == "chain-ovmf-ipxe-linux.pcap" and packet["sport"] in (1537, 1538)
    ]
    ask, stop, read = sent[:3]
    assert isinstance(decode(stop), Error)
    here.loader("snponly.efi", CONTENT)
    first, second = here.client(), here.client()

    first.send(ask, here.listen)
    size = first.receive()
    first.send(stop, first.server)
    second.send(read, here.listen)
    terms = second.receive()
    second.ack(0)
    blocks = second.receive_all()
    second.ack(len(blocks))

    assert isinstance(size, OptionAck)
    assert dict(size.options)[b"tsize"] == b"3000"
    assert isinstance(terms, OptionAck)
    assert dict(terms.options) == {b"blksize": b"1468", b"windowsize": b"4"}
    assert [block.data for block in blocks if isinstance(block, Data)] == [
        CONTENT[:1468],
        CONTENT[1468:2936],
        CONTENT[2936:],
    ]
    assert here.observed.outcomes == [Outcome.PROBE, Outcome.COMPLETE]
    assert here.count("repeated_blocks") == 0
    assert first.receive_all() == []
