"""An APNs client by hand: a blocking TLS socket and h2, told step by step what to do."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import jwt
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    DataReceived,
    Event,
    PingAckReceived,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from h2.settings import SettingCodes

from pushd.testing import KeyPair

TOPIC = "com.example.app"
TOKEN = "ab" * 32
APNS_ID = "123e4567-e89b-12d3-a456-4266554400a0"
PAYLOAD = b'{"aps":{"alert":"Hello"}}'
PATIENCE = 60.0


GOAWAY = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class GoneAway:
    """A GOAWAY."""

    last_stream_id: int
    error_code: int
    additional_data: bytes


class Answer:
    """What came back on a stream."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.body = b""
        self.ended = False
        self.reset: int | None = None

    @property
    def status(self) -> int:
        return int(self.headers[":status"])

    @property
    def verdict(self) -> tuple[int, bytes]:
        return self.status, self.body


class Hand:
    """One connection."""

    def __init__(
        self,
        port: int,
        trusted: bytes,
        *,
        certificate: KeyPair | None = None,
        folder: Path | None = None,
        authorization: str | None = None,
        alpn: Sequence[str] = ("h2",),
        waits: bool = True,
        **config: Any,
    ) -> None:
        """`waits`: for SETTINGS. `config` is h2's: hostile clients switch its checks off."""
        self.authorization = authorization
        self.answers: dict[int, Answer] = {}
        self.goaway: GoneAway | None = None
        self.pongs = 0
        self.closed = False
        self._input = b""
        context = ssl.create_default_context(cadata=trusted.decode())
        if alpn:
            context.set_alpn_protocols(list(alpn))
        if certificate is not None:
            assert folder is not None
            certificate.write(folder / "client.pem", folder / "client.key")
            context.load_cert_chain(folder / "client.pem", folder / "client.key")
        plain = socket.create_connection(("127.0.0.1", port), PATIENCE)
        try:
            self.socket = context.wrap_socket(plain, server_hostname="localhost")
        except BaseException:
            plain.close()
            raise
        self.h2 = H2Connection(H2Configuration(header_encoding="utf-8", **config))
        self.streams: list[int] = []
        """MAX_CONCURRENT_STREAMS, each time it was said."""
        self.settings: dict[int, int] = {}
        self.h2.initiate_connection()
        self.flush()
        if waits:
            try:
                self.until(lambda: bool(self.streams))
            except BaseException:
                self.socket.close()
                raise

    def __enter__(self) -> Hand:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.socket.close()

    def begin(
        self,
        token: str = TOKEN,
        *,
        payload: bytes | None = PAYLOAD,
        path: str | None = None,
        method: str = "POST",
        extra: Sequence[tuple[str, str]] = (),
        **headers: str | None,
    ) -> int:
        """Send a push; its stream. A header is left out by None, and `apns_topic` names one."""
        said: dict[str, str | None] = {
            "apns-topic": TOPIC,
            "apns-push-type": "alert",
            "apns-id": APNS_ID,
            "authorization": self.authorization,
        }
        said |= {name.replace("_", "-"): value for name, value in headers.items()}
        fields = [
            (":method", method),
            (":scheme", "https"),
            (":authority", "localhost"),
            (":path", f"/3/device/{token}" if path is None else path),
            *((name, value) for name, value in said.items() if value is not None),
            *extra,
        ]
        stream = self.h2.get_next_available_stream_id()
        self.answers[stream] = Answer()
        self.h2.send_headers(stream, fields, end_stream=payload is None)
        if payload is not None:
            self.h2.send_data(stream, payload, end_stream=True)
        self.flush()
        return stream

    def push(self, token: str = TOKEN, **request: Any) -> Answer:
        """Send a push and wait for its answer."""
        return self.answer(self.begin(token, **request))

    def answer(self, stream: int) -> Answer:
        """The answer on a stream, once it is there (or reset)."""
        found = self.answers[stream]
        self.until(lambda: found.ended or found.reset is not None)
        return found

    def flush(self) -> None:
        """Send what h2 has; a connection that takes nothing any more has ended."""
        try:
            self.socket.sendall(self.h2.data_to_send())
        except OSError:
            self.closed = True

    def until(self, condition: Callable[[], bool], patience: float = PATIENCE) -> None:
        """Receive until it holds. An AssertionError if the connection ends, or time runs out."""
        deadline = time.monotonic() + patience
        while not condition():
            left = deadline - time.monotonic()
            assert left > 0, "nothing happened"
            assert not self.closed, "the connection has ended"
            self.receive(left)

    def until_closed(self) -> None:
        """Receive until the simulator has ended the connection."""
        deadline = time.monotonic() + PATIENCE
        while not self.closed:
            assert time.monotonic() < deadline, "it stays open"
            self.receive(PATIENCE)

    def receive(self, patience: float) -> None:
        """One read, if something comes in time."""
        self.socket.settimeout(patience)
        try:
            data = self.socket.recv(65536)
        except TimeoutError:
            return
        except (ssl.SSLError, ConnectionError):
            data = b""
        if not data:
            self.closed = True
            return
        self._input += data
        while len(self._input) >= 9:
            end = 9 + int.from_bytes(self._input[:3], "big")
            if len(self._input) < end:
                break
            frame, self._input = self._input[:end], self._input[end:]
            if frame[3] == GOAWAY:  # after which h2 would hear nothing more
                self.goaway = GoneAway(
                    last_stream_id=int.from_bytes(frame[9:13], "big"),
                    error_code=int.from_bytes(frame[13:17], "big"),
                    additional_data=frame[17:],
                )
                continue
            for event in self.h2.receive_data(frame):
                self._handle(event)
        if self.goaway is None:
            self.flush()

    def _handle(self, event: Event) -> None:
        match event:
            case ResponseReceived(stream_id=stream, headers=headers):
                self.answers[stream].headers = dict(headers)  # type: ignore[arg-type]
            case DataReceived(stream_id=stream, data=data):
                self.answers[stream].body += data
            case StreamEnded(stream_id=stream):
                self.answers[stream].ended = True
            case StreamReset(stream_id=stream, error_code=code):
                self.answers[stream].reset = int(code)
            case PingAckReceived():
                self.pongs += 1
            case RemoteSettingsChanged(changed_settings=changed):
                self.settings |= {int(code): s.new_value for code, s in changed.items()}
                streams = changed.get(SettingCodes.MAX_CONCURRENT_STREAMS)
                if streams is not None:
                    self.streams.append(streams.new_value)


def bearer(
    key: bytes,
    *,
    team: str = "TEAM000001",
    kid: str = "KEY0000001",
    iat: float | str | None = None,
    algorithm: str = "ES256",
) -> str:
    """The value of `authorization`, by PyJWT."""
    issued = int(time.time()) if iat is None else iat
    token = jwt.encode({"iss": team, "iat": issued}, key, algorithm, headers={"kid": kid})
    return f"bearer {token}"
