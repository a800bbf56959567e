"""SIGHUP: the configuration file is read anew, and what can change in a running daemon does.

    SIGHUP ─▶ load ─▶ wrong: told, the old settings stay
                └──▶ [dhcp] and [pxe] apply at once; other keys that changed are named: restart

It must never end the daemon, nor leave it with half of the new settings. Windows has no such
signal: there every change takes a restart.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, Final

import msgspec
from msgspec import Struct
from twisted.application.service import Service
from twisted.logger import Logger

from netbootd.config import Config, load
from ops.config import ConfigError, join
from ops.start import StartError

AT_ONCE: Final = ("dhcp.", "pxe.")
"""Tables that apply to a running daemon."""
NOT_AT_ONCE: Final = frozenset({"pxe.enabled", "pxe.port", "pxe.loaders"})
"""What of them does not: a port to bind, a folder to scan. Nor can `dhcp.enabled` where it was off
at the start: the sockets of its probes need root."""


class HangUp(Service):
    """Waits for the signal. Reactor thread only, which must be the main thread."""

    name = "hang-up"

    def __init__(
        self,
        file: Path | None,
        config: Config,
        *,
        apply: Callable[[Config], None],
        call_soon: Callable[[Callable[[], object]], object],
    ) -> None:
        """`config` is what was read from `file` at the start. `apply` goes by the tables
        `AT_ONCE` of another from now on, or raises StartError and changes nothing; `call_soon`
        calls from within the reactor's loop."""
        self._file = file
        self._started = self._config = config
        self._apply = apply
        self._call_soon = call_soon
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
        try:
            config = load(self._file)
            self._apply(config)
        except (ConfigError, StartError) as error:
            _log.error("The old settings stay, for the new ones are wrong: {error}", error=error)
            return
        now = [key for key in changes(self._config, config) if self._applies(key)]
        later = [key for key in changes(self._started, config) if not self._applies(key)]
        self._config = config
        _log.info("Configuration read again: {keys}", keys=", ".join(now) or "nothing new")
        if later:
            _log.warn("Restart netbootd for the change of {keys}", keys=", ".join(later))

    def _applies(self, key: str) -> bool:
        """Whether a change of `key` is a change of what we do, without a restart."""
        if key == "dhcp.enabled":
            return self._started.dhcp.enabled
        return key.startswith(AT_ONCE) and key not in NOT_AT_ONCE


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


_log = Logger()
