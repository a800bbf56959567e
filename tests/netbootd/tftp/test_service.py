"""The TFTP service: who gets what, over real sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from netbootd.tftp.endpoint import Endpoint
from netbootd.transfer import Outcome
from protocols.tftp.packet import (
    UNKNOWN_TID,
    Ack,
    Data,
    Error,
    ErrorCode,
    OptionAck,
    WriteRequest,
    encode,
)
from protocols.tftp.receiver import read_request
from tests.netbootd.tftp.site import BUNDLE, HOME, OTHER, Site, site

CONTENT = Random(1).randbytes(100_000)
FILE = "i386/x86_64/kernelcache"
NAME = f"{BUNDLE}/{FILE}".encode()


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path) as made:
        made.file(FILE, CONTENT)
        yield made


# Reading.


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 1024, 40_000])
def test_sizes(here: Site, size: int) -> None:
    """A file of any size arrives byte for byte."""
    here.file(FILE, CONTENT[:size])

    assert here.fetch(read_request(NAME)) == CONTENT[:size]
    assert here.observed.outcomes == [Outcome.COMPLETE]


@pytest.mark.parametrize("cuts", [True, False])
@pytest.mark.parametrize("window", [1, 3, 7, 16, 17, 64])
@pytest.mark.parametrize("block", [8, 512, 1468])
def test_windows(here: Site, block: int, window: int, cuts: bool) -> None:
    """Windows of any size arrive, cut into datagrams by the kernel or by us."""
    here.service.can_segment &= cuts
    content = CONTENT[: block * 150 + 3]
    here.file(FILE, content)

    assert here.fetch(read_request(NAME, block_size=block, window_size=window)) == content
    assert here.count("repeated_blocks") == 0


def test_lost_acknowledgements(here: Site) -> None:
    """Where every third packet of the client is lost, the file arrives all the same."""
    random = Random(3)
    lost = iter(lambda: random.random() < 0.3, None)

    received = here.fetch(read_request(NAME, block_size=1468, window_size=8), loss=lost)

    assert received == CONTENT
    assert here.count("repeated_blocks") > 0


def test_text(here: Site) -> None:
    """A text is converted on its way, and its size, not known beforehand, is not told."""
    text = b"one\ntwo\r\nthree\r" * 3000
    here.file(FILE, text)
    client = here.client()
    client.request(FILE, mode=b"NetASCII", tsize=0, blksize=1000)

    assert client.receive() == OptionAck(options=((b"blksize", b"1000"),))
    client.ack(0)
    assert client.receive() == Data(
        block=1, data=text.replace(b"\r", b"\r\0").replace(b"\n", b"\r\n")[:1000]
    )
    wire = here.fetch(read_request(NAME, mode=b"netascii", window_size=4, size=True))
    assert wire == text.replace(b"\r", b"\r\0").replace(b"\n", b"\r\n")


def test_options(here: Site) -> None:
    """Options are granted within the settings, and no others."""
    client = here.client()

    client.request(FILE, tsize=0, blksize=8192, windowsize=9999, rollover=0, timeout=3000)

    options = ((b"tsize", b"100000"), (b"blksize", b"1468"), (b"windowsize", b"64"))
    assert client.receive() == OptionAck(options=options)


def test_port_of_its_own(here: Site) -> None:
    """Each transfer has a port of its own, at the address that the client asked."""
    first, second = here.client(), here.client()
    first.request(FILE)
    second.sock.sendto(b"\0\1" + NAME + b"\0octet\0", (OTHER, here.service.ports[1]))
    here.reactor.settle()
    first.receive()
    second.receive()

    assert (first.server[0], second.server[0]) == (HOME, OTHER)
    assert len({first.server[1], second.server[1], *here.service.ports}) == 4


def test_what_is_told(here: Site) -> None:
    """The observer learns name, role, size, progress at half a second's distance, and the end."""
    client = here.client()
    client.request(FILE, blksize=1000)
    client.receive()
    (transfer,) = here.observed.transfers
    for block in range(30):
        client.ack(block)
        here.pass_time(0.05)
    client.send(encode(Error(code=0)), client.server)

    assert (transfer.service, transfer.peer, transfer.name) == ("tftp", HOME, f"{BUNDLE}/{FILE}")
    assert (transfer.role, transfer.size) == ("kernelcache", len(CONTENT))
    assert len(here.observed.progress) in (2, 3)
    assert (transfer.outcome, transfer.sent) == (Outcome.ABORTED, 29_000)
    assert transfer.ended_at - transfer.started_at == pytest.approx(1.5)


# What the peer may do.


def test_stray(here: Site) -> None:
    """A packet from another port is answered with ERROR 5, and the transfer goes on."""
    client, stranger = here.client(), here.client()
    client.request(FILE, windowsize=2)
    client.receive()

    stranger.send(encode(Ack(block=0)), client.server)
    assert stranger.sock.recvfrom(600) == (UNKNOWN_TID, client.server)
    assert client.receive_all() == []
    client.ack(0)
    assert [client.receive(), client.receive()] == [
        Data(block=1, data=CONTENT[:512]),
        Data(block=2, data=CONTENT[512:1024]),
    ]
    assert here.count("stray_datagrams") == 1


@pytest.mark.parametrize("data", [encode(Error(code=5)), b"\0", b""])
def test_stray_that_is_not_answered(here: Site, data: bytes) -> None:
    """An ERROR from a stranger is not answered with another, nor is what is no packet."""
    client, stranger = here.client(), here.client()
    client.request(FILE)
    client.receive()

    stranger.send(data, client.server)

    assert stranger.receive_all() == []
    assert here.observed.outcomes == [None]


def test_nobody_else_can_have_the_port(here: Site) -> None:
    """While a transfer has its port, no other socket can be bound to it."""
    client = here.client()
    client.request(FILE)
    client.receive()

    for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as thief:
            thief.setsockopt(socket.SOL_SOCKET, option, 1)
            with pytest.raises(OSError, match="in use"):
                thief.bind(client.server)


def test_size_probe(here: Site) -> None:
    """Firmware that asks for the size and aborts has not failed."""
    client = here.client()
    client.request(FILE, tsize=0)
    client.receive()

    client.send(encode(Error(code=8, message=b"User aborted the transfer")), client.server)

    assert here.observed.outcomes == [Outcome.PROBE]
    assert here.count("transfers_probe") == 1


def test_closed_port(here: Site) -> None:
    """A client that is gone, as its host tells us, is not sent to any longer."""
    client = here.client()
    client.request(FILE)
    server = client.receive() and client.server
    client.close()
    here.pass_time(2.0)  # the block is repeated, and refused

    assert here.observed.outcomes == [Outcome.ABORTED]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(server)  # the port is free again


def test_silence(here: Site) -> None:
    """A client that never answers from its port gets four packets, and is forgotten."""
    client = here.client()
    client.request(FILE, windowsize=64)

    here.pass_time(40)

    assert len(client.receive_all()) == 4
    assert here.observed.outcomes == [Outcome.TIMEOUT]


def test_malformed(here: Site) -> None:
    """What is no TFTP packet is counted and not answered."""
    client = here.client()
    for data in (b"", b"\0", b"\0\1name", b"\0\x09xx", encode(Ack(block=1))):
        client.send(data, here.listen)

    assert client.receive_all() == []
    assert (here.count("malformed_datagrams"), here.count("stray_datagrams")) == (4, 1)


def test_malformed_within_a_transfer(here: Site) -> None:
    """What is no TFTP packet does not disturb a transfer."""
    client = here.client()
    client.request(FILE)
    client.receive()

    client.send(b"\0\4\0", client.server)
    client.ack(1)

    assert client.receive() == Data(block=2, data=CONTENT[512:1024])
    assert here.count("malformed_datagrams") == 1


# What is refused.


def test_writing(here: Site) -> None:
    """A write is refused."""
    client = here.client()
    client.send(encode(WriteRequest(filename=NAME)), here.listen)

    answer = client.receive()

    assert isinstance(answer, Error)
    assert answer.code == ErrorCode.ACCESS_VIOLATION


def test_mail(here: Site) -> None:
    """A mode other than octet and netascii is refused (RFC 1350: mail is obsolete)."""
    client = here.client()
    client.request(FILE, mode=b"mail")

    answer = client.receive()

    assert isinstance(answer, Error)
    assert answer.code == ErrorCode.ILLEGAL_OPERATION


@pytest.mark.parametrize(
    ("name", "code"),
    [
        (f"{BUNDLE}/nothing".encode(), ErrorCode.FILE_NOT_FOUND),
        (b"pxelinux.cfg/default", ErrorCode.FILE_NOT_FOUND),
        (b"", ErrorCode.FILE_NOT_FOUND),
        (b"../../etc/passwd", ErrorCode.ACCESS_VIOLATION),
        (f"{BUNDLE}/../../x".encode(), ErrorCode.ACCESS_VIOLATION),
        (b"Sample.nbi/\x1b[31mred", ErrorCode.ACCESS_VIOLATION),
    ],
)
def test_files_that_are_not_published(here: Site, name: bytes, code: ErrorCode) -> None:
    """What is not published is an error that says why, and the observer hears of it."""
    client = here.client()
    client.request(name)

    answer = client.receive()

    assert isinstance(answer, Error)
    assert answer.code == code
    assert answer.message
    ((peer, shown, why),) = here.observed.missed
    assert (peer, bool(why), shown.isprintable()) == (HOME, True, True)
    assert here.observed.transfers == []


def test_file_that_becomes_shorter(here: Site) -> None:
    """A file that is cut under way ends the transfer with an error, not with half a file."""
    client = here.client()
    client.request(FILE, blksize=1000)
    client.receive()
    for block in range(5):
        client.ack(block)
    client.receive_all()

    (here.bundle / FILE).write_bytes(CONTENT[:20_000])
    for block in range(5, 40):
        client.ack(block)

    *_, last = client.receive_all()
    assert isinstance(last, Error)
    assert here.observed.outcomes == [Outcome.FAILED]


def test_file_that_is_replaced(here: Site) -> None:
    """A new file of that name does not tear a running transfer: it gets the old one whole."""
    client = here.client()
    client.request(FILE, blksize=1000)
    client.receive()
    new = here.bundle / "new"
    new.write_bytes(b"new" * 50_000)
    new.rename(here.bundle / FILE)
    received = b""
    for block in range(101):
        client.ack(block)
        packet = client.receive()
        assert isinstance(packet, Data)
        received += packet.data

    assert received == CONTENT


# Limits.


def test_request_that_the_network_doubles(here: Site) -> None:
    """A request that comes twice begins one transfer."""
    client = here.client()
    for _ in range(3):
        client.request(FILE)

    assert client.receive_all() == [Data(block=1, data=CONTENT[:512])]
    assert here.count("requests_duplicate") == 2


def test_client_that_begins_anew(here: Site) -> None:
    """The same request after a pause in mid-transfer is a machine that was reset."""
    client = here.client()
    client.request(FILE)
    client.receive()
    client.ack(1)
    here.pass_time(1.5)
    client.receive_all()

    client.request(FILE)

    assert client.receive() == Data(block=1, data=CONTENT[:512])
    assert here.observed.outcomes == [Outcome.ABORTED, None]


def test_next_file_from_the_same_port(here: Site) -> None:
    """A client that asks for another file from its port has done with the one before."""
    client = here.client()
    client.request(FILE)
    client.receive()

    client.request("i386/booter")

    assert isinstance(client.receive(), Data)
    assert [transfer.role for transfer in here.observed.transfers] == ["kernelcache", "booter"]
    assert here.observed.outcomes == [Outcome.ABORTED, None]


@pytest.mark.parametrize(
    "settings", [{"max_transfers": 3}, {"max_transfers_per_client": 3}], ids=str
)
def test_too_many_transfers(tmp_path: Path, settings: dict[str, int]) -> None:
    """Requests beyond the limit are not answered; one of them is when a transfer has ended."""
    with site(tmp_path, **settings) as here:
        here.file(FILE, CONTENT)
        clients = [here.client() for _ in range(4)]
        for client in clients:
            client.request(FILE)
        assert [len(client.receive_all()) for client in clients] == [1, 1, 1, 0]
        assert here.count("requests_busy") == 1

        clients[0].send(encode(Error(code=0)), clients[0].server)
        clients[3].request(FILE)

        assert len(clients[3].receive_all()) == 1


def test_too_many_requests(here: Site) -> None:
    """A client that asks more than 200 times in a second is not heard until the next."""
    client = here.client()
    for _ in range(210):
        client.request("nothing")

    assert (len(client.receive_all()), here.count("requests_limited")) == (200, 10)
    here.reactor.advance(1.0)
    client.request("nothing")
    assert len(client.receive_all()) == 1


# Beginning and end.


def test_stop_and_start(here: Site) -> None:
    """Stopping ends all transfers with a word to their clients; started again, it serves again."""
    client = here.client()
    client.request(FILE)
    client.receive()

    here.stop()
    assert isinstance(client.receive(), Error)
    assert here.observed.outcomes == [Outcome.STOPPED]
    assert here.reactor.getReaders() == []

    here.start()
    assert here.fetch(read_request(NAME, block_size=1468)) == CONTENT


def test_nothing_is_left_open(here: Site) -> None:
    """After many transfers no descriptor is left over."""
    before = len(list(Path("/proc/self/fd").iterdir()))

    for _ in range(20):
        here.fetch(read_request(NAME, block_size=1468, window_size=16))
    here.cleanup.pop_all().close()

    assert len(list(Path("/proc/self/fd").iterdir())) <= before


def test_port_in_use(here: Site, tmp_path: Path) -> None:
    """A port that is taken is an OSError at the start, with nothing left open."""
    here.stop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((HOME, 0))
        here.service._settings = type(here.service._settings)(port=other.getsockname()[1])
        with pytest.raises(OSError, match="in use"):
            here.service.privilegedStartService()
    here.service.stopService()


def test_kernel_that_refuses_to_cut(here: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a route cannot have windows cut by the kernel, blocks are sent one by one."""
    so_no_check = 11  # Linux; segmentation needs checksums

    class WithoutChecksums(Endpoint):
        __slots__ = ()

        def __init__(self, local: str, peer: tuple[str, int]) -> None:
            super().__init__(local, peer)
            self.sock.setsockopt(socket.SOL_SOCKET, so_no_check, 1)

    monkeypatch.setattr("netbootd.tftp.service.Endpoint", WithoutChecksums)

    assert here.fetch(read_request(NAME, block_size=1468, window_size=16)) == CONTENT
    assert here.count("repeated_blocks") == 0
