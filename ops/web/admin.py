"""The admin API of a running daemon: HTTP and JSON on a UNIX socket in the folder of its state.

Who may write to the socket may do everything: the daemon's user, its group, root. Where there are
no UNIX sockets it is on 127.0.0.1, and who can read `admin.json` may.
"""

from __future__ import annotations

import hmac
import os
import secrets
import stat
import sys
from collections.abc import Callable, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress, IProtocol
from twisted.internet.protocol import Factory
from twisted.logger import Logger

from ops.start import StartError
from ops.web.route import Answer, Headers, Json, Problem, Request, Route
from ops.web.settings import AdminSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.web.http import WebFactory

SOCKET: Final = "admin.sock"
LOOPBACK: Final = "admin.json"
FILES: Final = "admin."
"""What the names of both begin with."""
MAX_PATH: Final = 107 if sys.platform == "linux" else 103
"""Bytes of a socket's path: what `sun_path` holds, 108 on Linux, 104 on macOS and BSD."""


class Loopback(msgspec.Struct, frozen=True):
    """What admin.json holds."""

    port: int
    token: str


class AdminService(Service):
    """Listens from start to stop. Start it as the user that the daemon has become, once it alone
    has the state: a socket that is there was left by a daemon that was killed."""

    def __init__(
        self,
        reactor: Any,
        settings: AdminSettings,
        directory: Path,
        *,
        routes: Callable[[], Sequence[Route]],
    ) -> None:
        """`routes` is called at the first connection, so that what handlers need is imported no
        sooner."""
        self._reactor = reactor
        self._settings = settings
        self._socket = settings.socket or directory / SOCKET
        self._loopback = directory / LOOPBACK
        self._factory = Lazy(self._made, "admin API")
        self._routes = routes
        self._token: str | None = None
        self._port: Any = None

    def startService(self) -> None:
        """Raises StartError if the socket that the settings name cannot be had."""
        super().startService()  # type: ignore[no-untyped-call]
        _remove(self._loopback)
        try:
            if not self._settings.loopback and hasattr(self._reactor, "listenUNIX"):
                self._listen_unix()
                return
        except (OSError, CannotListenError) as error:
            why = getattr(error, "socketError", error)
            why = getattr(why, "strerror", None) or str(why)
            if self._settings.socket is not None:
                raise StartError(
                    f"cannot make the socket {self._socket}: {why}; set admin.socket to a path that"
                    " the daemon's user can write to"
                ) from error
            _log.warn(
                "admin: {socket} cannot be made: {why}; served on 127.0.0.1 instead",
                socket=str(self._socket),
                why=why,
            )
        self._listen_loopback()

    def _listen_unix(self) -> None:
        path = self._socket
        if len(os.fsencode(path)) > MAX_PATH:
            raise OSError(None, f"the path is longer than {MAX_PATH} bytes")
        with suppress(FileNotFoundError):
            if not stat.S_ISSOCK(os.lstat(path).st_mode):
                raise OSError(None, "another file is there")
            os.unlink(path)
        with _no_others():
            self._port = self._reactor.listenUNIX(str(path), self._factory, mode=0o660)

    def _listen_loopback(self) -> None:
        self._token = secrets.token_urlsafe(32)
        self._port = self._reactor.listenTCP(0, self._factory, interface="127.0.0.1")
        known = Loopback(port=self._port.getHost().port, token=self._token)
        descriptor = os.open(self._loopback, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:
            file.write(msgspec.json.encode(known))

    def stopService(self) -> Deferred[None]:
        """Close the socket, and every connection."""
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        port, self._port = self._port, None
        if port is None:
            return
        # Twisted removes the file of a socket that it closes; ours it is, for we have the state.
        stopped = port.stopListening()
        if stopped is not None:
            await stopped
        if self._token is not None:
            _remove(self._loopback)
        await self._factory.close()

    def _made(self) -> WebFactory:
        from ops.web.http import WebFactory

        return WebFactory(self._routes(), AdminGate(self._token), self._reactor)


class AdminGate:
    """Who may use the admin API: whom the system lets at the socket, or who has the token."""

    def __init__(self, token: str | None) -> None:
        self._expected = None if token is None else f"Bearer {token}".encode()

    def admit(self, request: Request) -> Answer | Request:
        # A page in a browser on this computer could reach the port, but no page can set these.
        if "origin" in request.headers:
            raise Problem(403, "a web page may not use the admin API")
        if self._expected is None:
            return request
        given = request.headers.get("authorization", "").encode("latin-1")
        if not hmac.compare_digest(given, self._expected):
            raise Problem(401, "the token is wrong", f"send the one that {LOOPBACK} holds")
        return replace(request, who="the bearer of the token")

    def headers(self, request: Request) -> Headers:
        return (("cache-control", "no-store"), ("x-content-type-options", "nosniff"))

    def explain(self, request: Request, problem: Problem) -> Answer:
        return Json({"error": problem.title, "remedy": problem.remedy}, problem.status)


class Lazy(Factory):
    """Makes its web server when somebody comes."""

    noisy = False

    def __init__(self, make: Callable[[], WebFactory], name: str) -> None:
        self._make = make
        self._name = name
        self._made: WebFactory | None = None

    def logPrefix(self) -> str:
        return self._name

    def buildProtocol(  # type: ignore[override]
        self, addr: IAddress | None
    ) -> IProtocol | None:
        if self._made is None:
            self._made = self._make()
        return self._made.buildProtocol(addr)

    async def close(self) -> None:
        made, self._made = self._made, None
        if made is not None:
            closed = made.close()
            if closed is not None:
                await closed


@contextmanager
def _no_others() -> Iterator[None]:
    """Files that are made meanwhile are nobody else's from the first moment on."""
    before = os.umask(0o117)
    try:
        yield
    finally:
        os.umask(before)


def _remove(path: Path) -> None:
    with suppress(OSError):
        os.unlink(path)


_log = Logger("admin")
