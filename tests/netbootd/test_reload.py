"""SIGHUP: what can change at once does, what is wrong changes nothing, the rest is named."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from netbootd.config import Config, load
from netbootd.reload import reload_of
from ops.reload import HangUp, changes
from ops.start import StartError

SETTINGS = """
[dhcp]
enabled = true
lease_time = "1h"
[[dhcp.subnet]]
network = "10.0.0.0/24"
pools = ["10.0.0.100-10.0.0.199"]
"""


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What is logged about it."""
    lines: list[str] = []

    def observe(event: LogEvent) -> None:
        if event["log_namespace"] == "netbootd.reload":
            lines.append(f"{event['log_level'].name}: {formatEvent(event)}")

    globalLogPublisher.addObserver(observe)
    yield lines
    globalLogPublisher.removeObserver(observe)


class Daemon:
    """Whoever applies a configuration."""

    def __init__(self, file: Path) -> None:
        file.write_text(SETTINGS)
        self.file = file
        self.applied: list[Config] = []
        self.soon: list[Callable[[], object]] = []
        self.refuses = False
        self.hang_up = self.hanging_up(file)

    def hanging_up(self, file: Path) -> HangUp[Config]:
        started = load(file)
        return HangUp(reload_of(file, started, self.apply), started, call_soon=self.soon.append)

    def apply(self, config: Config) -> None:
        if self.refuses:
            raise StartError("dhcp.subnet[0].pools[0]: has no address")
        self.applied.append(config)

    def reload(self, document: str) -> None:
        self.file.write_text(document)
        self.hang_up.reload()


@pytest.fixture
def daemon(tmp_path: Path) -> Daemon:
    return Daemon(tmp_path / "netbootd.toml")


def test_settings_of_dhcp_and_pxe_apply_at_once(daemon: Daemon, lines: list[str]) -> None:
    """The new file is applied, and what differs is told."""
    daemon.reload(SETTINGS.replace('"1h"', '"2h"') + '[pxe]\ntimeout = "3s"')

    (config,) = daemon.applied
    assert (config.dhcp.lease_time, config.pxe.timeout) == (7200, 3)
    assert lines == ["info: Configuration read again: dhcp.lease_time, pxe.timeout"]

    daemon.hang_up.reload()
    assert lines[1:] == ["info: Configuration read again: nothing new"]


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ("[dhcp]\nenabeld = true", "dhcp.enabeld: is not a setting; did you mean `enabled`?"),
        (SETTINGS.replace("0.199", "1.199"), "dhcp.subnet[0].pools[0]: 10.0.1.199 is not in"),
        ("not TOML", "is not TOML"),
    ],
)
def test_a_file_that_is_wrong_changes_nothing(
    daemon: Daemon, lines: list[str], document: str, why: str
) -> None:
    """The old settings stay, and the error is the one that a start would tell."""
    daemon.reload(document)

    assert daemon.applied == []
    (line,) = lines
    assert line.startswith("error: The old settings stay, for the new ones are wrong: ")
    assert str(daemon.file) in line
    assert why in line


def test_a_file_that_is_gone_changes_nothing(daemon: Daemon, lines: list[str]) -> None:
    """It cannot be read: the old settings stay."""
    daemon.file.unlink()

    daemon.hang_up.reload()

    assert daemon.applied == []
    assert "cannot be read (No such file or directory)" in lines[0]


def test_what_cannot_be_applied_changes_nothing(daemon: Daemon, lines: list[str]) -> None:
    """Settings that do not suit this computer are refused as wrong ones are."""
    daemon.refuses = True

    daemon.reload(SETTINGS.replace('"1h"', '"2h"'))

    assert "dhcp.subnet[0].pools[0]: has no address" in lines[0]


def test_keys_that_need_a_restart_are_named_until_it_comes(
    daemon: Daemon, lines: list[str]
) -> None:
    """Ports, folders, and what else a running daemon cannot change."""
    daemon.reload(
        SETTINGS + '[http]\nport = 8080\n[pxe]\nport = 4012\nprompt = "x"\n[interface.en0]'
    )
    daemon.hang_up.reload()

    warning = "warn: Restart netbootd for the change of interface, pxe.port, http.port"
    assert lines == [
        "info: Configuration read again: pxe.prompt",
        warning,
        "info: Configuration read again: nothing new",
        warning,
    ]


def test_a_server_that_was_off_at_the_start_needs_a_restart(
    tmp_path: Path, lines: list[str]
) -> None:
    """It can be switched off and on again at once, if it was on at the start."""
    daemon = Daemon(tmp_path / "netbootd.toml")
    daemon.reload(SETTINGS.replace("enabled = true", "enabled = false"))
    daemon.reload(SETTINGS)
    assert [config.dhcp.enabled for config in daemon.applied] == [False, True]
    assert lines == ["info: Configuration read again: dhcp.enabled"] * 2

    file = tmp_path / "other.toml"
    file.write_text("")
    daemon.hang_up = daemon.hanging_up(file)
    file.write_text("[dhcp]\nenabled = true\n[[dhcp.subnet]]\nnetwork = '10.0.0.0/24'")
    daemon.hang_up.reload()
    assert lines[-1] == "warn: Restart netbootd for the change of dhcp.enabled"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGHUP")
def test_the_signal_asks_for_it_from_start_to_stop(daemon: Daemon) -> None:
    """The handler leaves the work to the reactor; afterwards the old handler is back."""
    before = signal.getsignal(signal.SIGHUP)
    daemon.hang_up.startService()
    try:
        signal.raise_signal(signal.SIGHUP)
    finally:
        daemon.hang_up.stopService()

    assert daemon.soon == [daemon.hang_up.reload]
    assert signal.getsignal(signal.SIGHUP) == before


def test_what_differs_is_named_by_its_path() -> None:
    """Tables are gone into; a list is one setting."""
    new = Config(dhcp=Config().dhcp)

    assert list(changes(Config(), new)) == []
    assert list(changes(Config(), Config(user="x"))) == ["user"]
