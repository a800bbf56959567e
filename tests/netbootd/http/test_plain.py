"""HTTP on real sockets."""

from __future__ import annotations

import errno
import os
import random
import socket
import struct
import unittest
from pathlib import Path

from twisted.trial.unittest import TestCase

import netbootd.http.service
from netbootd.http.limit import LINGER
from netbootd.http.plain import SENDFILE, TURN_BYTES, PlainConnection
from netbootd.http.session import REST
from netbootd.poll import ReactorGroup
from netbootd.transfer import Outcome
from tests.netbootd.http.client import (
    ask,
    connect,
    get,
    read_answer,
    read_exactly,
    read_head,
    read_to_end,
)
from tests.netbootd.http.served import DISK, LIMITS, MIB, Served, in_thread, until
from tests.netbootd.http.site import FOLDER, Answer, Place


class TransferTests(Served):
    """What is sent."""

    async def test_whole_file(self) -> None:
        """A file arrives whole, however slowly it is taken."""
        sock = self.connected(receive_buffer=4096)

        def read() -> Answer:
            sock.sendall(get())
            return read_answer(sock)

        answer = await in_thread(read)

        assert answer.body == DISK

    async def test_ranges(self) -> None:
        """Range after range on one connection gives these bytes of the file."""
        chosen = random.Random(2)
        spans = []
        for _ in range(200):
            start = chosen.randrange(len(DISK))
            spans.append((start, min(start + chosen.choice((1, 512, 4096, 262144)), len(DISK))))

        found = await in_thread(
            ask, self.address, [get(f"Range: bytes={start}-{end - 1}") for start, end in spans]
        )

        assert [answer.body for answer in found] == [DISK[start:end] for start, end in spans]
        assert self.place.counted("requests") == 200
        assert self.place.counted("sent_bytes") == sum(end - start for start, end in spans)
        assert self.place.counted("errors") == 0

    async def test_several_ranges(self) -> None:
        """Parts large and small of a multipart answer arrive in order."""
        spans = [(MIB, 3 * MIB), (0, 1), (5, 500), (4 * MIB - 100000, 4 * MIB)]
        asked = ",".join(f"{start}-{end - 1}" for start, end in spans)

        (answer,) = await in_thread(ask, self.address, [get(f"Range: bytes={asked}")])

        assert [content for _, content in answer.parts] == [DISK[start:end] for start, end in spans]

    async def test_pipelining(self) -> None:
        """Requests sent without waiting are answered in order, more of them than fit a turn."""
        sock = self.connected(receive_buffer=4096)
        numbers = range(400)

        def read() -> list[bytes]:
            sock.sendall(b"".join(get(f"Range: bytes={n}-{n + 10000}") for n in numbers))
            return [read_answer(sock).body for _ in numbers]

        bodies = await in_thread(read)

        assert bodies == [DISK[n : n + 10001] for n in numbers]

    async def test_errors(self) -> None:
        """An error does not end the connection, and is counted."""
        found = await in_thread(
            ask, self.address, [get(target=FOLDER + b"nothing"), get("Range: bytes=0-1")]
        )

        assert [answer.status for answer in found] == [404, 206]
        assert self.place.counted("errors") == 1

    async def test_half_closed(self) -> None:
        """A client that has nothing more to say still gets its answer."""
        sock = self.connected()

        def read() -> bytes:
            sock.sendall(get())
            sock.shutdown(socket.SHUT_WR)
            return read_to_end(sock)

        assert Answer(await in_thread(read)).body == DISK

    async def test_last_response_arrives(self) -> None:
        """The answer to rubbish arrives although more rubbish comes; then the connection ends."""
        sock = self.connected()

        def read() -> bytes:
            sock.sendall(b"rubbish\r\n\r\n" + bytes(200000))
            return read_to_end(sock)

        assert Answer(await in_thread(read)).status == 400
        sock.close()
        await until(lambda: not self.service.connections)

    async def test_transfers_are_told(self) -> None:
        """The ranges of one file on one connection are one transfer; the next file is another."""

        def read() -> None:
            with connect(self.address) as sock:
                for target in (b"NetInstall.dmg", b"NetInstall.dmg", b"i386/booter"):
                    sock.sendall(get("Range: bytes=0-9", target=FOLDER + target))
                    read_answer(sock)

        await in_thread(read)
        await until(lambda: not self.service.connections)

        ended = self.place.observer.ended
        assert self.place.observer.begun == ended
        assert [(t.service, t.peer, t.name, t.role, t.size, t.sent, t.outcome) for t in ended] == [
            (
                "http",
                "127.0.0.1",
                "A.nbi/NetInstall.dmg",
                "root_image",
                len(DISK),
                20,
                Outcome.COMPLETE,
            ),
            ("http", "127.0.0.1", "A.nbi/i386/booter", "booter", 10, 10, Outcome.COMPLETE),
        ]

    async def test_progress_is_told(self) -> None:
        """Progress is told by the sweep, if there is any."""
        sock = self.connected()
        for count in (10, 20):
            sock.sendall(get("Range: bytes=0-9"))
            await in_thread(read_answer, sock)
            self.later(0.5)
            self.later(0.5)
            assert self.place.observer.progress[-1] == ("A.nbi/NetInstall.dmg", count)

        assert len(self.place.observer.progress) == 2


@unittest.skipIf(SENDFILE is None, "the copy is what is used anyway")
class CopyTests(TransferTests):
    """The same where the kernel has no sendfile."""

    copies = True


class FileSystemWithoutSendfileTests(TransferTests):
    """The same where the kernel has sendfile, but not for the file system of the image."""

    def setUp(self) -> None:
        super().setUp()
        self.service._sendfile = self.refuse

    def refuse(self, out: int, file: int, offset: int, count: int) -> int:
        raise OSError(errno.EINVAL, "Invalid argument")


class InterruptionTests(Served):
    """What goes wrong on the way."""

    def started(self) -> socket.socket:
        """A client that has asked for the whole file, and takes none of it."""
        sock = self.connected(receive_buffer=4096)
        sock.sendall(get())
        return sock

    async def under_way(self) -> socket.socket:
        sock = self.started()
        await in_thread(read_head, sock)
        return sock

    async def test_abort(self) -> None:
        """A client that goes away in the middle harms nobody."""
        sock = await self.under_way()

        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
        await until(lambda: not self.service.connections)

        assert self.outcomes == [Outcome.ABORTED]
        assert self.place.counted("aborted") == 1
        (answer,) = await in_thread(ask, self.address, [get()])
        assert answer.body == DISK

    async def test_reset_at_the_end(self) -> None:
        """A client that has all and then resets the connection, as UEFI does, is done."""

        def read() -> None:
            with connect(self.address) as sock:
                sock.sendall(get())
                read_answer(sock)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        await in_thread(read)
        await until(lambda: not self.service.connections)

        assert self.outcomes == [Outcome.COMPLETE]
        assert self.place.counted("aborted") == 0

    async def test_many_aborts(self) -> None:
        """Clients that open, read a little and abort, as aria2 does, leave no descriptor behind."""

        def abort() -> None:
            for number in range(50):
                with connect(self.address, receive_buffer=4096) as sock:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    sock.sendall(get(f"Range: bytes={number}-"))
                    if number % 3:
                        sock.recv(1000)

        await in_thread(abort)
        await until(lambda: not self.service.connections)

        assert self.place.counted("connections") + self.place.counted("connections_refused") == 50
        assert len(self.place.site.files) == 0

    async def test_truncated_file(self) -> None:
        """When a file becomes shorter, the response is cut off rather than made up."""
        sock = await self.under_way()

        os.truncate(self.place.bundle / "NetInstall.dmg", 1000)
        wire = await in_thread(read_to_end, sock)

        assert len(wire) < len(DISK)
        assert self.outcomes == [Outcome.FAILED]
        assert self.place.counted("failures") == 1

    async def test_file_written_in_place(self) -> None:
        """When a file is written to, the response is cut off, so that it mixes no versions."""
        sock = await self.under_way()

        with (self.place.bundle / "NetInstall.dmg").open("r+b") as file:
            file.seek(15 * MIB)
            file.write(bytes(MIB))
        wire = await in_thread(read_to_end, sock)

        assert len(wire) < len(DISK)
        assert DISK.startswith(wire)
        assert self.outcomes == [Outcome.FAILED]

    async def test_replaced_file(self) -> None:
        """When a file is replaced, a response on its way goes on with the old one."""
        sock = await self.under_way()

        beside = self.place.bundle / "new"
        beside.write_bytes(bytes(len(DISK)))
        beside.rename(self.place.bundle / "NetInstall.dmg")
        wire = await in_thread(read_exactly, sock, len(DISK))

        assert wire == DISK

    async def test_stop(self) -> None:
        """When the service stops, its connections end, and it says so."""
        sock = await self.under_way()

        self.service.stopService()
        wire = await in_thread(read_to_end, sock)

        assert len(wire) < len(DISK)
        assert self.outcomes == [Outcome.STOPPED]

    async def test_reactor_group(self) -> None:
        """Where a reactor watches each connection itself, the service works all the same."""
        self.service.stopService()
        self.patch(
            netbootd.http.service, "poll_group", lambda reactor: ReactorGroup(reactor, lambda: None)
        )
        self.service.startService()

        (answer,) = await in_thread(ask, self.service.bound[0], [get()])

        assert answer.body == DISK


class PatienceTests(Served):
    """Clients that keep us waiting."""

    async def test_idle(self) -> None:
        """A connection without a request is closed after its time, quietly."""
        sock = self.connected()
        sock.sendall(get("Range: bytes=0-9"))
        await in_thread(read_answer, sock)
        self.later(0)

        self.later(LIMITS.idle_timeout - 1)
        assert self.service.connections == 1
        self.later(1)

        assert self.service.connections == 0
        assert await in_thread(read_to_end, sock) == b""
        assert self.outcomes == [Outcome.COMPLETE]
        assert self.place.counted("timeouts") == 0

    async def test_rest_is_no_part_of_a_transfer(self) -> None:
        """What a file took is the time to its last byte, however long the connection rests."""
        sock = self.connected()
        sock.sendall(get("Range: bytes=0-9"))
        await in_thread(read_answer, sock)
        self.later(0)

        self.later(LIMITS.idle_timeout)

        (transfer,) = self.place.observer.ended
        assert (transfer.outcome, transfer.ended_at) == (Outcome.COMPLETE, transfer.started_at)

    async def test_left_open(self) -> None:
        """Who has the whole file has read it, though its connection stays open, as iPXE's does."""
        sock = self.connected()
        sock.sendall(get())
        await in_thread(read_answer, sock)
        self.later(0)
        assert self.outcomes == []

        self.later(REST)

        (transfer,) = self.place.observer.ended
        assert (transfer.outcome, transfer.sent) == (Outcome.COMPLETE, len(DISK))
        assert (transfer.ended_at, self.service.connections) == (transfer.started_at, 1)
        sock.sendall(get("Range: bytes=0-9"))
        await in_thread(read_answer, sock)
        assert len(self.place.observer.begun) == 2

    async def test_parts_are_not_the_whole(self) -> None:
        """A Mac that rests between two ranges has not read its root image."""
        sock = self.connected()
        sock.sendall(get("Range: bytes=0-9"))
        await in_thread(read_answer, sock)

        self.later(REST)

        assert self.outcomes == []

    async def test_stop_after_the_whole(self) -> None:
        """Our stop cuts nothing off that was read whole."""
        sock = self.connected()
        sock.sendall(get())
        await in_thread(read_answer, sock)

        self.service.stopService()

        assert self.outcomes == [Outcome.COMPLETE]

    async def test_idle_connection_keeps_no_file_open(self) -> None:
        """The file of an idle connection is closed long before the connection."""
        sock = self.connected()
        sock.sendall(get("Range: bytes=0-9"))
        await in_thread(read_answer, sock)
        assert len(self.place.site.files) == 1

        self.later(2)

        assert (self.service.connections, len(self.place.site.files)) == (1, 0)
        sock.sendall(get("Range: bytes=0-9"))
        assert (await in_thread(read_answer, sock)).body == DISK[:10]
        assert len(self.place.observer.begun) == 1

    async def test_slow_request(self) -> None:
        """A request that comes byte by byte has its time all in all, then is answered by 408."""
        sock = self.connected()
        await until(lambda: self.service.connections)
        (connection,) = self.service._connections
        assert isinstance(connection, PlainConnection)
        conversation = connection._conversation
        for byte in get()[:8]:
            before = len(conversation._buffer)
            sock.sendall(bytes([byte]))
            await until(lambda before=before: len(conversation._buffer) > before)
            self.later(LIMITS.request_timeout / 8)
        self.later(LIMITS.request_timeout / 8)

        wire = await in_thread(read_to_end, sock)

        assert Answer(wire).status == 408

    async def test_no_request(self) -> None:
        """A connection on which nothing ever comes is closed after the time for a request."""
        sock = self.connected()
        await until(lambda: self.service.connections == 1)

        self.later(LIMITS.request_timeout)

        assert await in_thread(read_to_end, sock) == b""
        assert self.place.counted("timeouts") == 1

    async def test_stalled(self) -> None:
        """A client that takes nothing of its response is cut off; one that takes little is not."""
        os.truncate(self.place.bundle / "NetInstall.dmg", 64 * MIB)  # more than sockets buffer
        sock = self.connected(receive_buffer=4096)
        sock.sendall(get())
        await in_thread(read_head, sock)
        self.later(0)
        self.later(LIMITS.stall_timeout - 1)

        sent = self.place.counted("sent_bytes")
        await in_thread(read_exactly, sock, 2 * MIB)
        await until(lambda: self.place.counted("sent_bytes") > sent)
        self.later(2)
        assert self.service.connections == 1
        for _ in range(3):  # what was in flight when the client stopped may count as headway
            self.later(LIMITS.stall_timeout)

        assert self.service.connections == 0
        assert self.outcomes == [Outcome.TIMEOUT]

    async def test_lingering(self) -> None:
        """A client that does not close after our last response is not waited for long."""
        sock = self.connected()
        sock.sendall(get("Connection: close", "Range: bytes=0-9"))
        wire = await in_thread(read_to_end, sock)
        assert Answer(wire).body == DISK[:10]
        self.later(0)
        assert self.service.connections == 1

        self.later(LINGER)

        assert self.service.connections == 0

    async def test_too_many_connections(self) -> None:
        """Beyond the limit for one peer connections are closed at once; others are not hurt."""
        socks = [self.connected() for _ in range(7)]
        await until(lambda: self.place.counted("connections_refused") == 1)
        socks[0].sendall(get("Range: bytes=0-9"))

        assert (await in_thread(read_answer, socks[0])).body == DISK[:10]
        assert self.service.connections == 6
        socks[1].close()
        await until(lambda: self.service.connections == 5)
        (answer,) = await in_thread(ask, self.address, [get("Range: bytes=0-9")])
        assert answer.status == 206

    async def test_out_of_descriptors(self) -> None:
        """When there are no descriptors left, accepting pauses until the next sweep."""
        (listener,) = self.service._listeners
        working = listener._socket

        class Exhausted:
            fileno = working.fileno

            def accept(self) -> None:
                raise OSError(errno.EMFILE, "Too many open files")

        listener._socket = Exhausted()  # type: ignore[assignment]
        sock = self.connected()
        await until(lambda: listener._paused)
        listener._socket = working

        self.later(0)
        sock.sendall(get("Range: bytes=0-9"))

        assert (await in_thread(read_answer, sock)).body == DISK[:10]


class Taker:
    """A socket that takes all it is given at once, and the kernel's way to it."""

    def __init__(self, *requests: bytes) -> None:
        self.taken = 0
        self.incoming = b"".join(requests)

    def fileno(self) -> int:
        return 1000

    def recv(self, size: int) -> bytes:
        assert len(self.incoming) <= size
        return self.incoming

    def send(self, data: bytes, flags: int = 0) -> int:
        return len(data)

    def sendfile(self, out: int, file: int, offset: int, count: int) -> int:
        self.taken += count
        return count

    def close(self) -> None: ...


class Group:
    """A poll group in which nothing happens."""

    def watch(self, *interest: object) -> None: ...

    def forget(self, fileno: int) -> None: ...

    def close(self) -> None: ...


class FairnessTests(TestCase):
    """What one connection may do before others get their turn."""

    def check(self, *requests: bytes, total: int) -> None:
        place = Place(Path(self.mktemp()), files={"NetInstall.dmg": DISK})
        taker = Taker(*requests)
        place.admission.admit("p")
        connection = PlainConnection(
            place.site,
            Group(),
            taker,  # type: ignore[arg-type]
            "p",
            on_closed=lambda closed: None,
            sendfile=taker.sendfile,
        )

        connection.on_readable()
        turns = [taker.taken]
        while taker.taken < total:
            connection.on_writable()
            turns.append(taker.taken - sum(turns))

        assert turns == [TURN_BYTES] * (total // TURN_BYTES)
        connection.stop()

    def test_one_response(self) -> None:
        """However fast a client is, one turn sends it so many bytes and no more."""
        self.check(get(), total=len(DISK))

    def test_many_responses(self) -> None:
        """The same holds however many requests the client has sent ahead."""
        self.check(*[get(f"Range: bytes=0-{MIB - 1}")] * 10, total=10 * MIB)
