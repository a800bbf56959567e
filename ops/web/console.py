"""The console's port: bound early, its web server made when the first browser comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

from ops.start import StartError
from ops.web.admin import Lazy
from ops.web.password import PasswordError, PasswordFile
from ops.web.settings import ConsoleSettings

if TYPE_CHECKING:
    from ops.web.http import WebFactory
    from ops.web.shell import Console

MAX_FORM: Final = 65536
"""Bytes. No form of ours has a hundredth of it, and strangers reach the one to log in."""


class ConsoleService(MultiService):
    """Listens from `privilegedStartService` to `stopService`. Services that its pages need may be
    added to it."""

    def __init__(
        self, reactor: Any, settings: ConsoleSettings, *, make: Callable[[], Console]
    ) -> None:
        """Reads certificate and key. `make` is called when the first browser comes. Raises
        StartError."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._reactor = reactor
        self._settings = settings
        self._make = make
        self._tls = None if settings.certificate is None else tls_of(settings)
        self._factory = Lazy(self._made, "console")
        self._ports: list[Any] = []

    @property
    def bound(self) -> list[tuple[str, int]]:
        """Addresses and ports that are listened at."""
        hosts = [port.getHost() for port in self._ports]
        return [(host.host, host.port) for host in hosts]

    @property
    def urls(self) -> list[str]:
        """Where a browser finds it."""
        scheme = "http" if self._tls is None else "https"
        return [
            f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
            for host, port in self.bound
        ]

    def privilegedStartService(self) -> None:
        """Raises OSError where a port cannot be had."""
        if self._ports:
            return
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        port = self._settings.port
        try:
            for address in self._settings.addresses:
                self._ports.append(self._listen(port, address))
                port = port or self._ports[0].getHost().port
        except CannotListenError as error:
            raise error.socketError from None

    def _listen(self, port: int, address: str) -> Any:
        if self._tls is None:
            return self._reactor.listenTCP(port, self._factory, interface=address)
        return self._reactor.listenSSL(port, self._factory, self._tls, interface=address)

    def startService(self) -> None:
        """Raises StartError if nobody could log in."""
        self.privilegedStartService()
        if self._settings.password_file is not None:
            try:
                PasswordFile(self._settings.password_file).line()
            except PasswordError as error:
                raise StartError(f"console.password_file: {error}") from error
        super().startService()  # type: ignore[no-untyped-call]
        _log.info("The console is on {urls}", urls=", ".join(self.urls))

    def stopService(self) -> Deferred[None]:
        """Close the port, and every connection."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        ports, self._ports = self._ports, []
        for port in ports:
            stopped = port.stopListening()
            if stopped is not None:
                await stopped
        await self._factory.close()
        await super().stopService()  # type: ignore[no-untyped-call]

    def _made(self) -> WebFactory:
        from ops.web.gate import ConsoleGate
        from ops.web.http import WebFactory

        console = self._make()
        reactor = self._reactor

        def in_thread(work: Callable[[], bool]) -> Deferred[bool]:
            return deferToThreadPool(reactor, reactor.getThreadPool(), work)

        gate = ConsoleGate(
            self._settings,
            seconds=reactor.seconds,
            in_thread=in_thread,
            explain=console.problem_page,
            login_page=console.login_page,
        )
        return WebFactory(console.routes(gate), gate, reactor, max_body=MAX_FORM)


def tls_of(settings: ConsoleSettings) -> Any:
    """From the files that are named. Raises StartError."""
    from ops.config import ConfigError
    from ops.tls import load_server_tls

    assert settings.certificate is not None  # noqa: S101 - the caller has looked
    assert settings.key is not None  # noqa: S101 - the settings have been checked
    try:
        return load_server_tls(
            "console",
            certificate=settings.certificate,
            key=settings.key,
            minimum_version=settings.minimum_version,
            protocols=[b"http/1.1"],
        )
    except ConfigError as error:
        raise StartError(str(error)) from error


_log = Logger("console")
