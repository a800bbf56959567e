"""HTTPS on real sockets, with the standard library's TLS as client."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import struct
from pathlib import Path
from typing import Literal

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from twisted.internet import reactor
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from netbootd.http.limit import LINGER, Admission
from netbootd.http.secure import CredentialsError, load_credentials
from netbootd.http.service import SWEEP_INTERVAL, HttpsService
from netbootd.http.session import REST
from netbootd.transfer import Outcome
from tests.netbootd.http.certificate import rsa_key, write_credentials
from tests.netbootd.http.client import connect, get, read_answer, read_head, read_to_end
from tests.netbootd.http.served import DISK, LIMITS, in_thread, until
from tests.netbootd.http.site import FOLDER, Answer, Place

OVMF_CIPHERS = tuple(
    bytes.fromhex(number)
    for number in (
        "009f 009e 006b 0067 0039 0033"  # DHE-RSA with AES
        " 009d 009c 003d 003c 0035 002f"  # RSA with AES
    ).split()
)
OVMF_HELLO = bytes.fromhex(
    "16 0301 006f"  # handshake record
    "01 00006b 0303"  # ClientHello, TLS 1.2
    "e505c073994be3c535c6c8ee669dbde1fa4d07af6a34a2248ed4bf36938b7b91"  # random
    "00"  # no session
    "001a" + b"".join(OVMF_CIPHERS).hex() + "00ff"  # and the renegotiation signal
    "0100"  # no compression
    "0028 00230000 00160000 00170000"  # session ticket, encrypt-then-MAC, extended master secret
    "000d 0018 0016 0809 080a 080b 0804 0805 0806 0401 0501 0601 0301 0201"  # RSA signatures only
)
"""Capture `ovmf-https4-tw-default`: OVMF 2022.11, HTTPS boot."""


class SecureTests(TestCase):
    """A service on loopback."""

    timeout = 60
    minimum_version: Literal["TLSv1.2", "TLSv1.3"] = "TLSv1.2"

    def setUp(self) -> None:
        folder = Path(self.mktemp())
        self.credentials = write_credentials(folder / "tls")
        self.clock = Clock()
        self.place = Place(
            folder / "images",
            files={"NetInstall.dmg": DISK},
            service="https",
            limits=LIMITS,
            admission=Admission(total=8, per_peer=4),
        )
        self.service = HttpsService(
            reactor,  # type: ignore[arg-type]
            self.clock,
            self.place.site,
            credentials=load_credentials(
                self.credentials.certificate, self.credentials.key, self.minimum_version
            ),
            addresses=["127.0.0.1"],
            port=0,
        )
        self.service.privilegedStartService()
        self.service.startService()
        self.address = self.service.bound[0]

    async def tearDown(self) -> None:
        if self.service.running:
            await self.service.stopService()
        await until(lambda: not self.service.connections)
        self.assertEqual(self.place.admission.connections, 0)
        self.assertEqual(len(self.place.site.files), 0)

    def later(self, seconds: float) -> None:
        """Time goes by, for the service."""
        self.place.later(seconds)
        self.clock.advance(SWEEP_INTERVAL)

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.credentials.authority)

    def secured(
        self, context: ssl.SSLContext | None = None, *, receive_buffer: int = 0
    ) -> ssl.SSLSocket:
        """A client's connection after its handshake; to be called in a thread."""
        sock = connect(self.address, receive_buffer=receive_buffer)
        try:
            secured = (context or self.context()).wrap_socket(sock, server_hostname="127.0.0.1")
        except BaseException:
            sock.close()
            raise
        self.addCleanup(secured.close)
        return secured

    def ask(self, *requests: bytes, context: ssl.SSLContext | None = None) -> list[Answer]:
        sock = self.secured(context)
        found = []
        for request in requests:
            sock.sendall(request)
            found.append(read_answer(sock))
        return found


class TransferTests(SecureTests):
    """What is sent."""

    async def test_whole_file(self) -> None:
        """A file arrives whole, with the certificate's chain verified."""
        (answer,) = await in_thread(self.ask, get())

        assert answer.body == DISK
        assert self.place.observer.begun[0].service == "https"

    async def test_ranges(self) -> None:
        """Ranges, several at once too, are answered as over plain HTTP."""
        one, several = await in_thread(
            self.ask, get("Range: bytes=70000-200000"), get("Range: bytes=0-9,100000-300000,-5")
        )

        assert one.body == DISK[70000:200001]
        assert [content for _, content in several.parts] == [
            DISK[:10],
            DISK[100000:300001],
            DISK[-5:],
        ]
        assert self.place.counted("requests") == 2

    async def test_pipelining(self) -> None:
        """Requests sent without waiting are answered in order."""
        numbers = range(300)

        def read() -> list[bytes]:
            sock = self.secured()
            sock.sendall(b"".join(get(f"Range: bytes={n}-{n + 9999}") for n in numbers))
            return [read_answer(sock).body for _ in numbers]

        assert await in_thread(read) == [DISK[n : n + 10000] for n in numbers]

    async def test_flood_of_requests(self) -> None:
        """Who asks and asks and takes no answer is not read any more."""

        def flood() -> int:
            sock = self.secured(receive_buffer=4096)
            sock.settimeout(1)
            sent = 0
            try:
                while sent < 1 << 28:
                    sent += sock.send(get(target=FOLDER + b"nothing") * 100)
            except TimeoutError:
                pass
            return sent

        sent = await in_thread(flood)

        assert sent < 1 << 28
        (connection,) = self.service._connections
        assert len(connection._conversation._buffer) < 1 << 18  # type: ignore[attr-defined]

    async def test_close(self) -> None:
        """The last response arrives, and the end of the connection is said properly."""

        def read() -> bytes:
            sock = self.secured()
            with sock:
                sock.sendall(get("Connection: close", "Range: bytes=0-99999"))
                return read_to_end(sock)

        assert Answer(await in_thread(read)).body == DISK[:100000]
        await until(lambda: not self.service.connections)
        assert [t.outcome for t in self.place.observer.ended] == [Outcome.COMPLETE]

    async def test_rubbish(self) -> None:
        """What is no HTTP is answered by 400 and the end."""

        def read() -> bytes:
            sock = self.secured()
            sock.sendall(b"rubbish\r\n\r\n")
            return read_to_end(sock)

        assert Answer(await in_thread(read)).status == 400


class HandshakeTests(SecureTests):
    """Who may connect."""

    async def test_uefi_firmware(self) -> None:
        """A client that knows only TLS 1.2 with RSA key exchange is served (EDK2 of 2022)."""
        context = self.context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("AES256-GCM-SHA384")

        (answer,) = await in_thread(lambda: self.ask(get("Range: bytes=0-9"), context=context))

        assert answer.body == DISK[:10]

    async def test_hello_of_uefi_firmware(self) -> None:
        """The very ClientHello of OVMF is answered with a cipher that it offered, whose key
        exchange needs no elliptic curves, and with our certificate."""

        def read() -> bytes:
            with connect(self.address) as sock:
                sock.sendall(OVMF_HELLO)
                return sock.recv(5 + 4 + 2 + 32 + 1 + 32 + 2)

        hello = await in_thread(read)

        assert hello[0] == 22  # a handshake record
        assert hello[5] == 2  # ServerHello
        assert hello[9:11] == b"\x03\x03"  # TLS 1.2
        session = hello[43]
        cipher = hello[44 + session : 46 + session]
        assert cipher in OVMF_CIPHERS

    async def test_modern_client(self) -> None:
        """Who knows better gets TLS 1.3, or in 1.2 a key exchange that keeps the past secret."""
        older = self.context()
        older.maximum_version = ssl.TLSVersion.TLSv1_2

        newest = (await in_thread(self.secured)).cipher()
        old = (await in_thread(self.secured, older)).cipher()

        assert newest is not None
        assert newest[1] == "TLSv1.3"
        assert old is not None
        assert old[0].startswith("ECDHE-")

    async def test_protocol_negotiation(self) -> None:
        """A client that offers HTTP/2 as well is told to speak HTTP/1.1."""
        context = self.context()
        context.set_alpn_protocols(["h2", "http/1.1"])

        sock = await in_thread(self.secured, context)

        assert sock.selected_alpn_protocol() == "http/1.1"

    async def test_old_versions(self) -> None:
        """A client below the minimum version is refused."""
        context = self.context()
        context.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1

        with self.assertRaises((ssl.SSLError, ConnectionResetError)):
            await in_thread(self.secured, context)

    async def test_plain_http(self) -> None:
        """Plain HTTP on this port gets no content."""

        def read() -> bytes:
            with connect(self.address) as sock:
                sock.sendall(get())
                return read_to_end(sock)

        assert b"HTTP/" not in await in_thread(read)

    async def test_too_many_connections(self) -> None:
        """Beyond the limit connections are closed before their handshake."""
        for _ in range(4):
            self.addCleanup(connect(self.address).close)
        await until(lambda: self.service.connections == 4)

        with self.assertRaises((OSError, ssl.SSLError)):
            await in_thread(self.secured)
        assert self.place.counted("connections_refused") == 1

    async def test_silent_client(self) -> None:
        """A connection whose handshake does not come is closed after the time for a request."""
        sock = connect(self.address)
        self.addCleanup(sock.close)
        await until(lambda: self.service.connections == 1)

        self.later(LIMITS.request_timeout)

        await until(lambda: not self.service.connections)
        assert self.place.counted("timeouts") == 1


class MinimumVersionTests(SecureTests):
    """The minimum version is a setting."""

    minimum_version = "TLSv1.3"

    async def test_minimum(self) -> None:
        """With 1.3 as the minimum, 1.2 is refused and 1.3 is served."""
        older = self.context()
        older.maximum_version = ssl.TLSVersion.TLSv1_2

        with self.assertRaises(ssl.SSLError):
            await in_thread(self.secured, older)
        (answer,) = await in_thread(self.ask, get("Range: bytes=0-9"))
        assert answer.status == 206


class InterruptionTests(SecureTests):
    """What goes wrong on the way."""

    async def under_way(self) -> ssl.SSLSocket:
        """A client that has asked for the whole file, and takes only the head."""

        def start() -> ssl.SSLSocket:
            sock = self.secured(receive_buffer=4096)
            sock.sendall(get())
            read_head(sock)  # type: ignore[arg-type]
            return sock

        return await in_thread(start)  # type: ignore[no-any-return]

    @property
    def outcomes(self) -> list[Outcome | None]:
        return [transfer.outcome for transfer in self.place.observer.ended]

    async def test_abort(self) -> None:
        """A client that goes away in the middle harms nobody."""
        sock = await self.under_way()

        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
        await until(lambda: not self.service.connections)

        assert self.outcomes == [Outcome.ABORTED]
        (answer,) = await in_thread(self.ask, get("Range: bytes=0-9"))
        assert answer.body == DISK[:10]

    async def test_truncated_file(self) -> None:
        """When a file becomes shorter, the response is cut off."""
        sock = await self.under_way()

        os.truncate(self.place.bundle / "NetInstall.dmg", 1000)
        wire = await in_thread(self.read_what_comes, sock)

        assert len(wire) < len(DISK)
        assert self.outcomes == [Outcome.FAILED]

    async def test_stalled(self) -> None:
        """A client that takes nothing of its response is cut off."""
        await self.under_way()

        for _ in range(3):  # what was in flight may count as headway
            self.later(LIMITS.stall_timeout)

        await until(lambda: not self.service.connections)
        assert self.outcomes == [Outcome.TIMEOUT]

    async def test_slow_request(self) -> None:
        """A request that is not completed in time is answered by 408."""

        def begin() -> ssl.SSLSocket:
            sock = self.secured()
            sock.sendall(get()[:10])
            return sock

        sock = await in_thread(begin)
        await until(lambda: any(c._conversation.begun for c in self.service._connections))  # type: ignore[attr-defined]
        self.later(LIMITS.request_timeout)

        assert Answer(await in_thread(read_to_end, sock)).status == 408

    async def test_lingering(self) -> None:
        """A client that does not say goodbye is not waited for long."""

        def read() -> ssl.SSLSocket:
            sock = self.secured()
            sock.sendall(get("Connection: close", "Range: bytes=0-9"))
            read_answer(sock)
            return sock

        await in_thread(read)
        self.later(0)
        assert self.service.connections == 1
        self.later(LINGER)

        await until(lambda: not self.service.connections)

    async def test_left_open(self) -> None:
        """As with plain HTTP: who has the whole file has read it, though it does not close."""

        def read() -> ssl.SSLSocket:
            sock = self.secured()
            sock.sendall(get())
            read_answer(sock)  # type: ignore[arg-type]
            return sock

        await in_thread(read)
        self.later(0)
        assert self.outcomes == []

        self.later(REST)

        assert self.outcomes == [Outcome.COMPLETE]

    async def test_stop_after_the_whole(self) -> None:
        """Likewise our stop cuts nothing off that was read whole."""

        def read() -> ssl.SSLSocket:
            sock = self.secured()
            sock.sendall(get())
            read_answer(sock)  # type: ignore[arg-type]
            return sock

        await in_thread(read)

        await self.service.stopService()

        assert self.outcomes == [Outcome.COMPLETE]

    async def test_stop(self) -> None:
        """When the service stops, its connections end, and it can be started again."""
        sock = await self.under_way()

        await self.service.stopService()
        assert len(await in_thread(self.read_what_comes, sock)) < len(DISK)
        assert self.outcomes == [Outcome.STOPPED]

        self.service.startService()
        self.address = self.service.bound[0]
        (answer,) = await in_thread(self.ask, get("Range: bytes=0-9"))
        assert answer.status == 206

    async def test_address_in_use(self) -> None:
        """An address in use is an OSError, as with plain HTTP."""
        other = HttpsService(
            reactor,  # type: ignore[arg-type]
            self.clock,
            self.place.site,
            credentials=load_credentials(
                self.credentials.certificate, self.credentials.key, "TLSv1.2"
            ),
            addresses=["127.0.0.2", "127.0.0.1"],
            port=self.address[1],
        )

        with self.assertRaises(OSError) as raised:
            other.privilegedStartService()

        assert raised.exception.errno == errno.EADDRINUSE
        assert other.bound == []

    @staticmethod
    def read_what_comes(sock: ssl.SSLSocket) -> bytes:
        wire = bytearray()
        try:
            while piece := sock.recv(1 << 16):
                wire += piece
        except OSError:
            pass
        return bytes(wire)


def test_credentials_of_any_kind(tmp_path: Path) -> None:
    """A key of elliptic curves is as good as an RSA one."""
    written = write_credentials(tmp_path, ec.generate_private_key(ec.SECP256R1()))

    load_credentials(written.certificate, written.key, "TLSv1.2").getContext()


@pytest.mark.parametrize(
    ("file", "content", "why"),
    [
        ("certificate.pem", b"rubbish", "is no PEM certificate"),
        ("certificate.pem", None, "cannot be read: No such file or directory"),
        ("key.pem", b"rubbish", "is no unencrypted PEM private key"),
        ("key.pem", None, "cannot be read: No such file or directory"),
        ("key.pem", b"other", "is not the key of"),
    ],
)
def test_bad_credentials(tmp_path: Path, file: str, content: bytes | None, why: str) -> None:
    """What cannot be used is named, with the reason, before anything is bound."""
    written = write_credentials(tmp_path)
    if content is None:
        (tmp_path / file).unlink()
    elif content == b"other":
        write_credentials(tmp_path / "other", rsa_key(3))
        (tmp_path / "other/key.pem").rename(written.key)
    else:
        (tmp_path / file).write_bytes(content)

    with pytest.raises(CredentialsError) as raised:
        load_credentials(written.certificate, written.key, "TLSv1.2")

    assert str(raised.value).startswith(f"{tmp_path / file}: {why}")
