"""Where the log goes: which file has which events, and what is told of a place that cannot be."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import LogLevel

from ops.config import ConfigError
from ops.finding import Severity
from ops.log import LogSettings
from ops.log_destination import (
    Files,
    Logs,
    about_log,
    clamped,
    log_directory,
    open_destination,
)
from ops.setting import ByteSize

LOGS = Logs(daemon="netbootd", own={"netbootd.boot": "boot", "netbootd.http.*": "access"})


def event(logger: str, text: str = "x") -> dict[str, Any]:
    return {
        "log_time": 0.0,
        "log_level": LogLevel.info,
        "log_namespace": logger,
        "log_format": "{text}",
        "text": text,
    }


def opened(settings: LogSettings) -> Files:
    found = open_destination(settings, LOGS, None)
    assert isinstance(found, Files)
    return found


def test_each_part_has_its_file(tmp_path: Path) -> None:
    """The parts that are named write to a file of their own, all others to the daemon's."""
    files = opened(LogSettings(destination="file", directory=tmp_path / "log"))

    for logger in (
        "netbootd.boot",
        "netbootd.boot.part",
        "netbootd.http",
        "netbootd.http.part",
        "netbootd.https",
        "twisted",
    ):
        files(event(logger, logger))
    files.close()

    found = {
        path.name: [line.split()[-1] for line in path.read_text().splitlines()]
        for path in (tmp_path / "log").iterdir()
    }
    assert found == {
        "boot.log": ["netbootd.boot"],
        "access.log": ["netbootd.http", "netbootd.http.part"],
        "netbootd.log": ["netbootd.boot.part", "netbootd.https", "twisted"],
    }


def test_each_is_rotated_on_its_own(tmp_path: Path) -> None:
    """A log that is full leaves the others as they are. News of our own has the same form."""
    files = opened(
        LogSettings(destination="file", directory=tmp_path, size=ByteSize(1), format="json")
    )
    files.started()

    for _ in range(300):
        files(event("netbootd.boot", "x" * 500))
    files(event("netbootd.service"))
    files.close()

    assert (tmp_path / "boot.1.log.gz").exists()
    assert not list(tmp_path.glob("netbootd.*.gz"))
    for line in (tmp_path / "boot.log").read_text().splitlines():
        assert json.loads(line)["logger"] == "netbootd.boot"


@pytest.mark.parametrize(
    ("size", "count", "told"),
    [
        (ByteSize(1 << 20), 10, []),
        (ByteSize(200 << 10), 1, []),
        (ByteSize(4 << 20), 20, []),
        (
            ByteSize(199 << 10),
            10,
            ["log.size = 199 KiB is taken as 200 KiB; give one from 200 KiB"],
        ),
        (ByteSize(5 << 20), 10, ["log.size = 5 MiB is taken as 4 MiB"]),
        (ByteSize(1 << 20), 0, ["log.count = 0 is taken as 1; give one from 1 to 20"]),
        (ByteSize(1 << 20), 21, ["log.count = 21 is taken as 20"]),
    ],
)
def test_out_of_range(size: ByteSize, count: int, told: list[str]) -> None:
    """What is too small or too large is brought back to its bound, and that is told."""
    found = clamped(LogSettings(size=size, count=count))

    assert len(found) == len(told)
    assert all(text.startswith(start) for text, start in zip(found, told, strict=True))


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    """The error names the key, the file, why, and what else can be done."""
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigError) as caught:
        open_destination(
            LogSettings(destination="file", directory=tmp_path / "file" / "log"), LOGS, None
        )

    assert str(caught.value) == (
        f"log.directory: {tmp_path / 'file' / 'log'} cannot be written (Not a directory); name a"
        " folder that can be, or set log.destination to another"
    )


def test_two_daemons_of_one_folder(tmp_path: Path) -> None:
    """The second one does not start: they would rotate each other's files."""
    settings = LogSettings(destination="file", directory=tmp_path)
    files = opened(settings)

    with pytest.raises(ConfigError, match="is written by another daemon"):
        opened(settings)
    files.close()


def test_what_this_system_has_not() -> None:
    """Windows' log is not here; the error says what is."""
    with pytest.raises(ConfigError) as caught:
        open_destination(LogSettings(destination="eventlog"), LOGS, None)

    assert caught.value.key == "log.destination"
    assert '"file", "stdout" or "stderr"' in caught.value.remedy


def test_a_stream_needs_nothing() -> None:
    """Standard output and error are twistd's."""
    assert open_destination(LogSettings(), LOGS, None) is None


def test_the_folder_of_logs(tmp_path: Path) -> None:
    """As configured; for root where this system has logs, otherwise beside the database."""
    assert log_directory(LogSettings(directory=tmp_path), "netbootd", None) == tmp_path
    default = Path("/var/log/netbootd") if os.geteuid() == 0 else tmp_path / "log"
    assert log_directory(LogSettings(), "netbootd", tmp_path) == default


def test_a_check_makes_nothing(tmp_path: Path) -> None:
    """Before a start: whether the folder could be written, and what would be taken as what."""
    settings = LogSettings(destination="file", directory=tmp_path / "new" / "log", count=99)

    good = [str(finding) for finding in about_log(settings, "netbootd", None)]
    (tmp_path / "new").write_text("in the way")
    bad = [str(finding) for finding in about_log(settings, "netbootd", None)]

    assert good == [
        f"ok       log            {tmp_path}/new/log",
        "WARNING  log            log.count = 99 is taken as 20; give one from 1 to 20",
    ]
    assert bad[0].startswith(f"ERROR    log            log.directory: {tmp_path}/new/log cannot")
    assert list(about_log(LogSettings(), "netbootd", None)) == []


def test_a_check_of_what_is_not_here() -> None:
    """An error in a check is that of the start."""
    (finding,) = about_log(LogSettings(destination="eventlog"), "netbootd", None)

    assert finding.severity is Severity.ERROR
    assert 'log.destination: "eventlog" is for Windows; take "file"' in finding.said
