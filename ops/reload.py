"""SIGHUP: the configuration file is read anew, and what can change in a running daemon does.

    SIGHUP ─▶ load ─▶ wrong: told, the old settings stay
                └──▶ what can be applied is; other keys that changed are named: restart

Log files that somebody has moved are begun anew. It must never end the daemon, nor leave it with
half of the new settings. Windows has no such signal: there every change takes a restart.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from types import FrameType
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct
from twisted.application.service import Service
from twisted.logger import Logger

from ops import log
from ops.config import ConfigError, join
from ops.start import StartError

Settings = TypeVar("Settings", bound=Struct)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reload(Generic[Settings]):
    """How one daemon goes by other settings while it runs."""

    daemon: str
    load: Callable[[], Settings]
    """Reads the file. Raises ConfigError."""
    apply: Callable[[Settings], None]
    """Goes by those that can change from now on; or raises StartError, and changes nothing."""
    at_once: Callable[[str], bool]
    """Whether a change of this key is a change of what the daemon does, without a restart."""


class HangUp(Service, Generic[Settings]):
    """Waits for the signal. Reactor thread only, which must be the main thread."""

    name = "hang-up"

    def __init__(
        self,
        how: Reload[Settings],
        config: Settings,
        *,
        call_soon: Callable[[Callable[[], object]], object],
        around: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """`config` is what was read at the start; `call_soon` calls from within the reactor's
        loop; `around` is entered for as long as a reload takes."""
        self._how = how
        self._started = self._config = config
        self._call_soon = call_soon
        self._around = around
        self._log = Logger(f"{how.daemon}.reload")
        self._before: Any = None

    # What Twisted calls.

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        if hasattr(signal, "SIGHUP"):
            self._before = signal.signal(signal.SIGHUP, self._hung_up)

    def stopService(self) -> None:
        super().stopService()  # type: ignore[no-untyped-call]
        if hasattr(signal, "SIGHUP"):
            signal.signal(signal.SIGHUP, self._before)

    def _hung_up(self, number: int, frame: FrameType | None) -> None:
        self._call_soon(self.reload)

    # Our own.

    def reload(self) -> None:
        """Read the file, and go by it as far as that is possible without a restart."""
        with self._around():
            self._reload()

    def _reload(self) -> None:
        log.reopen()
        how = self._how
        try:
            config = how.load()
            how.apply(config)
        except (ConfigError, StartError) as error:
            text = "The old settings stay, for the new ones are wrong: {error}"
            self._log.error(text, error=error)
            return
        now = [key for key in changes(self._config, config) if how.at_once(key)]
        later = [key for key in changes(self._started, config) if not how.at_once(key)]
        self._config = config
        self._log.info("Configuration read again: {keys}", keys=", ".join(now) or "nothing new")
        if later:
            text = "Restart {daemon} for the change of {keys}"
            self._log.warn(text, daemon=how.daemon, keys=", ".join(later))


def changes(old: Struct, new: Struct, path: str = "") -> Iterator[str]:
    """The dotted paths of the settings that differ. Lists and named tables count as one."""
    for field in msgspec.structs.fields(old):
        before, after = getattr(old, field.name), getattr(new, field.name)
        key = join(path, field.encode_name)
        if before == after:
            continue
        if isinstance(before, Struct) and isinstance(after, Struct):
            yield from changes(before, after, key)
        else:
            yield key
