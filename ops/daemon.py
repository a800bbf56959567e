"""What twistd and twist know of any daemon here: its options, and how it tells that it cannot
start.

    twistd -n netbootd --config netbootd.toml
    twistd netbootd --config netbootd.toml --check
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from twisted.application.service import MultiService
from twisted.logger import Logger
from twisted.python import usage

from ops import log
from ops.config import ConfigError
from ops.log import Destination, LogSettings
from ops.service.inherited import Inherited
from ops.service.leash import hold
from ops.service.notify import Notifier, notifier_of
from ops.start import StartError

SMALL_COLLECTION = 10_000
"""New objects between collections; Python's own 700 are two dozen leases on their way to disk."""


class Options(usage.Options):
    """Command line of a daemon, which says what it is called and how it is configured."""

    daemon: ClassVar[str]
    logs: ClassVar[Mapping[str, str]] = {}
    """Log files beside the daemon's own, by the parts that write to them."""
    synopsis = "[--config FILE] [--check]"
    optParameters: ClassVar = [
        ["config", "c", None, "Configuration file (TOML); without it, defaults."]
    ]
    optFlags: ClassVar = [["check", None, "Check what a start needs; start nothing."]]

    def check(self, file: Path | None) -> int:
        """Write findings to standard output; the exit status."""
        raise NotImplementedError

    def load(self, file: Path | None) -> Any:
        """The settings, `log` among them. Raises ConfigError."""
        raise NotImplementedError

    @property
    def file(self) -> Path | None:
        """The configuration, wherever the daemon goes."""
        return None if self["config"] is None else Path(self["config"]).absolute()

    @property
    def in_background(self) -> bool:
        """Whether twistd will leave the terminal."""
        parent = self.parent
        return parent is not None and parent.get("nodaemon") in (0, False)

    def parseArgs(self, *arguments: str) -> None:
        """Takes none. Raises UsageError."""
        if arguments:
            raise usage.UsageError(f"{arguments[0]}? Name the configuration by --config FILE")

    def postOptions(self) -> None:
        """Read the configuration, so that logging begins as it says.

        Raises SystemExit where only a check is asked for, or the configuration is wrong.
        """
        file = None if self["config"] is None else Path(self["config"])
        if self["check"]:
            raise SystemExit(self.check(file))
        try:
            self.settings = self.load(file)
            destination = self._destination(self.settings.log, file)
        except ConfigError as error:
            raise SystemExit(f"{self.daemon}: {error}") from error
        log.use(self.parent, self.settings.log, destination)

    def _destination(self, settings: LogSettings, file: Path | None) -> Destination | None:
        """Where the log goes, if to no stream, which most do and nothing is imported for."""
        if settings.destination in ("stdout", "stderr"):
            return None
        from ops.log_destination import Logs, open_destination

        logs = Logs(daemon=self.daemon, own=self.logs)
        try:
            return open_destination(settings, logs, self.settings.state.directory)
        except ConfigError as error:
            raise ConfigError(file, error.key, error.problem, error.remedy) from None


class Told(MultiService):
    """A failure to start is told where it will be read: on the terminal in the foreground, in the
    log in the background, where twistd shows its first 100 characters. What goes well is told to
    systemd, if that started us. To be inherited from before the daemon's service."""

    daemon = ""
    in_background = False
    collection: ClassVar[int] = SMALL_COLLECTION
    """New objects between collections, of this daemon."""
    notifier: Notifier | None = None
    call_when_running: Callable[[Callable[[], object]], object]
    status = ""
    """What the daemon said when it was ready."""

    def privilegedStartService(self) -> None:
        with self._told():
            super().privilegedStartService()  # type: ignore[no-untyped-call]

    def startService(self) -> None:
        with self._told():
            super().startService()  # type: ignore[no-untyped-call]
        # What is there by now stays: collections that look through 100,000 leases and all modules
        # stop the server for 54 ms each, measured; the frequent small ones are 3 % of a lease.
        gc.freeze()
        gc.set_threshold(self.collection)
        log.started()
        if self.notifier is not None:
            self.call_when_running(self._notify_ready)  # behind the daemon's own

    def stopService(self) -> Any:
        if self.notifier is not None:
            self.notifier.stopping()
        return super().stopService()  # type: ignore[no-untyped-call]

    def reloading(self) -> AbstractContextManager[None]:
        """While the configuration is read again."""
        return nullcontext() if self.notifier is None else self.notifier.reloading()

    def _notify_ready(self) -> None:
        if self.running and self.notifier is not None:
            self.notifier.ready(self.status)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except StartError as error:
            if self.in_background:
                Logger(f"{self.daemon}.service").critical("{error}", error=error)
                raise error from None
            if sys.__stderr__ is not None:  # sys.stderr is the log by now
                sys.__stderr__.write(f"{self.daemon}: {error}\n")
            raise SystemExit(1) from None


Daemon = TypeVar("Daemon", bound=Told)


def made(
    options: Options,
    make: Callable[[], Daemon],
    bind: Callable[[Daemon], None],
    *,
    reactor: Any,
    inherited: Inherited,
) -> Daemon:
    """The service that `make` gives, its ports bound: once in the background, the terminal hears
    of no error. Raises SystemExit, with one line, where it cannot be.

    `inherited` are the sockets that it may take instead of binding its own.
    """
    try:
        service = make()
        service.daemon = options.daemon
        service.in_background = options.in_background
        service.call_when_running = reactor.callWhenRunning
        service.notifier = notifier_of(os.environ, pid=os.getpid(), clock=reactor)
        reactor.callWhenRunning(hold, os.environ, partial(reactor.callFromThread, reactor.stop))
        bind(service)
    except StartError as error:
        raise SystemExit(f"{options.daemon}: {error}") from error
    for unused in inherited.unused():
        text = "systemd handed over {socket}, and nothing of the configuration serves there"
        Logger(f"{options.daemon}.service").warn(text, socket=unused)
    return service
