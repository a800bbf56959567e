"""`pushctl apns-simulator`: the simulator as a program, its files in a folder.

ca.pem                      what clients are to trust
provider.pem, provider.key  a push certificate for the topics
mdm.pem, mdm.key            one for MDM
AuthKey_KEY0000001.p8       a key for provider tokens
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.task import deferLater, react

from ops.cli import Failed
from pushd.testing.authority import write_private
from pushd.testing.certificate import MDM_PREFIX, Environment
from pushd.testing.conduct import Conduct
from pushd.testing.connection import ApnsConnection
from pushd.testing.control import OrderWrong, order_in
from pushd.testing.record import Push, Statistics
from pushd.testing.simulator import Simulator

TEAM_ID: Final = "TEAM000001"
KEY_ID: Final = "KEY0000001"
MDM_TOPIC: Final = MDM_PREFIX + "External.00000000-0000-4000-8000-000000000001"
BUNDLES_OF_A_CERTIFICATE: Final = ("", ".voip", ".complication")
INTERVAL: Final = 1.0
"""Seconds between two looks at the sums, for the terminal."""
FLUSH: Final = 0.02
"""Seconds for which a line of JSON may wait for others."""
READ: Final = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandOptions:
    """What the command line says."""

    port: int
    address: str
    directory: Path
    environment: Environment
    topics: tuple[str, ...]
    conduct: Conduct
    json: bool
    """Print pushes and connections."""
    control: bool
    """Obey standard input. What is printed is JSON then, too."""


class Ready(msgspec.Struct, frozen=True, kw_only=True, tag="ready", tag_field="event"):
    """It listens."""

    address: str
    port: int
    environment: Environment
    authority: str
    """Path of the certificate to trust; the others are paths likewise."""
    certificate: str
    key: str
    topics: tuple[str, ...]
    mdm_certificate: str
    mdm_key: str
    mdm_topic: str
    signing_key: str
    key_id: str
    team_id: str


class Connection(msgspec.Struct, frozen=True, kw_only=True, tag="connection", tag_field="event"):
    """A connection has begun, or is over."""

    number: int
    is_open: bool
    violation: str | None
    """What the client did that is not HTTP/2."""


class Reply(msgspec.Struct, frozen=True, kw_only=True, tag="reply", tag_field="event"):
    """An order was carried out, or not."""

    error: str | None = None
    result: Any = None


def simulate(options: CommandOptions) -> None:
    """Run until a signal ends it, or, with `control`, the end of standard input. Raises Failed."""
    failure: list[Failed] = []

    async def serve(reactor: Any) -> None:
        try:
            await _Command(reactor, options).run()
        except CannotListenError as error:
            why = error.socketError.strerror
            failure.append(Failed(f"cannot listen on {options.address}:{options.port}: {why}"))
        except OSError as error:
            failure.append(Failed(f"{error.filename}: {error.strerror}"))

    try:
        react(lambda reactor: Deferred.fromCoroutine(serve(reactor)))
    except SystemExit as ended:
        if ended.code:
            raise
    if failure:
        raise failure[0]


class _Command:
    def __init__(self, reactor: Any, options: CommandOptions) -> None:
        self._reactor = reactor
        self._options = options
        self._is_for_programs = options.json or options.control
        self._simulator = Simulator(
            reactor, environment=options.environment, conduct=options.conduct
        )
        self._over: Deferred[None] = Deferred()
        self._done: Deferred[None] = Deferred()
        self._lines: list[bytes] = []
        self._shown: Statistics | None = None

    async def run(self) -> None:
        await deferLater(self._reactor, 0)  # until it heeds signals
        ready_at = self._write_files()
        await self._simulator.start(self._options.port, self._options.address)
        ready = ready_at(self._simulator.port)
        self._reactor.addSystemEventTrigger("before", "shutdown", self._stop)
        if self._options.json:
            self._simulator.service.on_push = self._say
            self._simulator.on_connection = self._connection
        if self._is_for_programs:
            self._say(ready)
        else:
            _print(_welcome(ready))
            self._reactor.callLater(INTERVAL, self._show)
        if self._options.control:
            threading.Thread(target=self._listen_thd, daemon=True).start()
        await self._over
        await self._simulator.stop()
        if self._is_for_programs:
            self._say(self._simulator.statistics)
            self._flush()
        else:
            _print(_sums(self._simulator.statistics))
        self._done.callback(None)

    def _write_files(self) -> Callable[[int], Ready]:
        """Write certificates and keys; what to say once the port is known. Raises OSError."""
        folder = self._options.directory
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        authority = self._simulator.authority
        topics = [t + suffix for t in self._options.topics for suffix in BUNDLES_OF_A_CERTIFICATE]
        trusted, signing_key = folder / "ca.pem", folder / f"AuthKey_{KEY_ID}.p8"
        for name, pair in (
            ("provider", authority.provider(self._options.topics[0], topics=topics)),
            ("mdm", authority.provider(MDM_TOPIC, environments=())),
        ):
            pair.write(folder / f"{name}.pem", folder / f"{name}.key")
        trusted.write_bytes(authority.pem)
        write_private(signing_key, self._simulator.new_key(TEAM_ID, KEY_ID))
        return lambda port: Ready(
            address=self._options.address,
            port=port,
            environment=self._options.environment,
            authority=str(trusted),
            certificate=str(folder / "provider.pem"),
            key=str(folder / "provider.key"),
            topics=tuple(topics),
            mdm_certificate=str(folder / "mdm.pem"),
            mdm_key=str(folder / "mdm.key"),
            mdm_topic=MDM_TOPIC,
            signing_key=str(signing_key),
            key_id=KEY_ID,
            team_id=TEAM_ID,
        )

    def _stop(self) -> Deferred[None]:
        """Begin to end; fires when that is done."""
        if not self._over.called:
            self._over.callback(None)
        return self._done

    # JSON.

    def _say(self, event: Ready | Push | Connection | Reply | Statistics) -> None:
        if not self._lines:
            self._reactor.callLater(FLUSH, self._flush)
        self._lines.append(msgspec.json.encode(event))

    def _flush(self) -> None:
        lines, self._lines = self._lines, []
        if not lines:
            return
        try:
            sys.stdout.buffer.write(b"\n".join(lines) + b"\n")
            sys.stdout.buffer.flush()
        except BrokenPipeError:  # nobody listens any more
            self._stop()

    def _connection(self, connection: ApnsConnection) -> None:
        self._say(
            Connection(
                number=connection.number,
                is_open=connection.is_open,
                violation=connection.violation,
            )
        )

    # Orders.

    def _listen_thd(self) -> None:
        """Read standard input. (Not by `sys.stdin`, whose lock would stop the interpreter.)"""
        rest = b""
        while data := os.read(0, READ):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self._reactor.callFromThread(self._obey, line)
        self._reactor.callFromThread(self._stop)

    def _obey(self, line: bytes) -> None:
        try:
            result = order_in(line).obey(self._simulator, time.time())
        except OrderWrong as error:
            self._say(Reply(error=str(error)))
        else:
            self._say(Reply(result=result))
        self._flush()

    # The terminal.

    def _show(self) -> None:
        said = self._simulator.statistics
        if said != self._shown and said.connections:
            _print(_sums(said))
        self._shown = said
        if not self._over.called:
            self._reactor.callLater(INTERVAL, self._show)


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _welcome(ready: Ready) -> str:
    return (
        f"APNs ({ready.environment.value}) is simulated at {ready.address}, port {ready.port}.\n"
        f"  to trust        {ready.authority}\n"
        f"  certificate     {ready.certificate}, {ready.key}\n"
        f"    for           {', '.join(ready.topics)}\n"
        f"  for MDM         {ready.mdm_certificate}, {ready.mdm_key}\n"
        f"    for           {ready.mdm_topic}\n"
        f"  token key       {ready.signing_key}\n"
        f"    by            key id {ready.key_id}, team id {ready.team_id}"
    )


def _sums(said: Statistics) -> str:
    reasons = ", ".join(f"{count:,} {why}" for why, count in said.rejected_by_reason.items())
    return (
        f"{said.received:,} received: {said.accepted:,} accepted, {said.rejected:,} rejected"
        f"{f' ({reasons})' if reasons else ''}; {said.delivered:,} delivered,"
        f" {said.stored:,} stored, {said.coalesced:,} coalesced; {said.open_connections} of"
        f" {said.connections} connections open"
    )
