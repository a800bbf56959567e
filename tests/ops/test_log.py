"""Log lines: one event, one line, safe to show, for people or as JSON."""

from __future__ import annotations

import enum
import io
import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, cast

import pytest
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from ops.log import LogSettings, human_line, json_line, observer, twistd_observer, use

AT = datetime(2026, 3, 1, 9, 30, 0, 125_000, tzinfo=UTC)


class Colour(enum.Enum):
    RED = "red"


@dataclass(frozen=True, slots=True)
class Seen:
    at: datetime
    address: IPv4Address
    colour: Colour
    mac: bytes
    name: str


def event(text: str = "", level: LogLevel = LogLevel.info, **more: Any) -> dict[str, Any]:
    return {
        "log_time": AT.timestamp(),
        "log_level": level,
        "log_namespace": "netbootd.boot",
        "log_format": text,
        **more,
    }


def test_a_line_for_people() -> None:
    """Time to the second, level, logger and the message with its fields filled in."""
    line = human_line(event("{mac} asked for {n} files", mac="a8:20", n=3))

    assert line == "2026-03-01T09:30:00Z info  netbootd.boot  a8:20 asked for 3 files\n"


def test_a_line_as_json() -> None:
    """One object with time, level, logger, message and the fields, nested ones included."""
    seen = Seen(AT, IPv4Address("10.0.0.1"), Colour.RED, b"\xa8\x20", "Büro")

    record = json.loads(json_line(event("saw {event.name}", LogLevel.warn, event=seen, n=3)))

    assert record == {
        "time": "2026-03-01T09:30:00.125Z",
        "level": "warn",
        "logger": "netbootd.boot",
        "message": "saw Büro",
        "event": {
            "at": "2026-03-01T09:30:00.125000+00:00",
            "address": "10.0.0.1",
            "colour": "red",
            "mac": "a820",
            "name": "Büro",
        },
        "n": 3,
    }


EVIL = "x\n2026-03-01T09:30:00Z info  forged\x1b[31m\u202e\udc80"


@pytest.mark.parametrize("line", [human_line, json_line])
def test_a_peer_cannot_write_lines_or_colours(line: Any) -> None:
    """Line ends, escape sequences, reading direction and broken text of a peer stay harmless."""
    shown = line(event("name {name}", name=EVIL))

    assert shown.endswith("\n")
    assert shown[:-1].isprintable()


def test_json_loses_nothing_of_a_field() -> None:
    """A machine reads back exactly what the peer sent."""
    assert json.loads(json_line(event("name {name}", name=EVIL)))["name"] == EVIL


@pytest.mark.parametrize("line", [human_line, json_line])
def test_the_password_of_a_url_is_masked(line: Any) -> None:
    """Secrets that travel in URLs do not reach the log, neither by message nor by field."""
    shown = line(event("mount {url}", url="afp://boot:hunter2@10.0.0.1/Shadow"))

    assert "hunter2" not in shown
    assert "afp://boot:***@10.0.0.1/Shadow" in shown


@pytest.mark.parametrize("line", [human_line, json_line])
def test_a_failure_brings_its_traceback(line: Any) -> None:
    """An error is told with its message, and where it happened."""
    try:
        raise ValueError("no such disk")
    except ValueError:
        failure = Failure()

    shown = line(event(level=LogLevel.critical, log_failure=failure))

    assert "netbootd.boot" in shown
    assert "no such disk" in shown
    assert "test_a_failure_brings_its_traceback" in shown


def test_events_of_the_older_api_are_shown() -> None:
    """What Twisted's own parts log in the old style has a message, too."""
    old = event(message=("Starting factory",), time=0, system="-", isError=0)
    old["log_format"] = "{log_text}"
    old["log_text"] = "Starting factory"

    assert "Starting factory" in human_line(old)
    assert json.loads(json_line(old))["message"] == "Starting factory"


@pytest.mark.parametrize(
    ("destination", "errors"), [("stdout", 0), ("stderr", 1)], ids=["stdout", "stderr"]
)
def test_standard_output_or_error(
    destination: str, errors: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """A stream is twistd's own, or standard error if the settings say so."""
    runner: dict[str, Any] = {"logger": None, "nodaemon": True}
    use(runner, LogSettings(destination=cast(Any, destination)))

    Logger("test", observer=twistd_observer()).info("here")

    written = capsys.readouterr()
    assert written.err.count("here") == errors
    assert written.out.count("here") == 1 - errors


def test_the_level_is_a_floor() -> None:
    """Events below the configured level are not written."""
    stream = io.StringIO()
    log = Logger("test", observer=observer(stream, "human", "warn"))

    log.info("quiet")
    log.error("loud")

    assert stream.getvalue().endswith("error test  loud\n")
    assert stream.getvalue().count("\n") == 1


@pytest.mark.parametrize(("level", "shown"), [("info", 2), ("debug", 3)])
def test_chatter_of_twisted_is_for_debugging(level: str, shown: int) -> None:
    """News of ports are told by its older API; what went wrong is told by that anyhow."""
    stream = io.StringIO()
    write = observer(stream, "human", level)
    old = event("{log_text}", log_text="Site starting on 80", isError=0)
    old["log_namespace"] = "log_legacy"

    for each in (
        old,
        old | {"isError": 1, "log_level": LogLevel.critical},
        old | {"warning": "w", "category": "c"},
    ):
        write(each)

    assert stream.getvalue().count("\n") == shown


def test_what_the_operator_chose_on_the_command_line_stays() -> None:
    """twistd's own --logger and --syslog win over the configuration; no runner is no error."""
    for chosen in ({"logger": print}, {"syslog": True}):
        runner: dict[str, Any] = dict(chosen)
        use(runner, LogSettings(format="json"))
        assert runner == chosen
    use(None, LogSettings(format="json"))


PLUGIN = """
from twisted.application.service import Service, ServiceMaker
from twisted.logger import Logger
from twisted.python import usage

loud = ServiceMaker("loud", "loud_tap", "logs", "loud")
"""
TAP = """
from twisted.application.service import Service
from twisted.internet import reactor
from twisted.logger import Logger
from twisted.python import usage
from ops.log import LogSettings, use

class Options(usage.Options):
    def postOptions(self):
        use(self.parent, LogSettings(format="json", level="warn"))

class Loud(Service):
    def startService(self):
        Logger("loud").info("not this")
        Logger("loud").warn("but {this}", this="that")
        reactor.callWhenRunning(reactor.stop)

def makeService(options):
    return Loud()
"""


@pytest.mark.parametrize(
    "command",
    [
        ["twisted.scripts.twistd", "-n", "--pidfile=", "loud"],
        ["twisted.scripts.twistd", "-n", "--pidfile=", "--logfile=out.log", "loud"],
        ["twisted.application.twist._twist:Twist.main", "loud"],
        ["twisted.application.twist._twist:Twist.main", "--log-file=out.log", "loud"],
    ],
)
def test_twistd_and_twist_write_our_lines(tmp_path: Path, command: list[str]) -> None:
    """Run by either, to standard output or a file, a daemon logs as its configuration says."""
    (tmp_path / "twisted" / "plugins").mkdir(parents=True)
    (tmp_path / "twisted" / "plugins" / "loud_dropin.py").write_text(PLUGIN)
    (tmp_path / "loud_tap.py").write_text(TAP)
    module, _, call = command[0].partition(":")
    run = f"from {module} import {call.split('.')[0] or 'run'} as run; "
    run += "import sys; run.main(sys.argv)" if call else "run()"

    result = subprocess.run(
        [sys.executable, "-c", run, *command[1:]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    file = tmp_path / "out.log"
    lines = (file.read_text() if file.exists() else result.stdout).splitlines()
    records = [json.loads(line) for line in lines]
    assert file.exists() == any("out.log" in argument for argument in command)
    assert [(r["level"], r["message"], r["this"]) for r in records] == [
        ("warn", "but that", "that")
    ]


def test_a_stale_pidfile_is_not_critical(tmp_path: Path) -> None:
    """That twistd was killed before and removes its pidfile is a warning, as all is well now."""
    (tmp_path / "twisted" / "plugins").mkdir(parents=True)
    (tmp_path / "twisted" / "plugins" / "loud_dropin.py").write_text(PLUGIN)
    (tmp_path / "loud_tap.py").write_text(TAP)
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    (tmp_path / "old.pid").write_text(f"{ended.pid}\n")

    result = subprocess.run(
        [
            *(sys.executable, "-c", "from twisted.scripts.twistd import run; run()"),
            *("-n", "--pidfile=old.pid", "loud"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    first = json.loads(result.stdout.splitlines()[0])
    said = f"Removing stale pidfile {tmp_path / 'old.pid'}"
    assert (first["level"], first["message"]) == ("warn", said)
