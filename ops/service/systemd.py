"""Install a daemon as a service of systemd, remove it, and ask what it does."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ops.cli import Failed
from ops.service.plan import Plan
from ops.service.unit import HOMES, homes_needed, service_unit, socket_unit

UNITS = Path("/etc/systemd/system")
"""Where the administrator's units are; a package's are in /usr/lib/systemd/system."""
PATIENCE = 1000
"""Seconds for systemctl: a start may take 900 (`ops.service.unit.START`)."""
LAST_LINES = 5
"""Of the log, where a start has failed."""

PROPERTIES = {
    "ActiveState": "state",
    "SubState": "phase",
    "UnitFileState": "at boot",
    "StatusText": "says",
    "MainPID": "process",
    "ActiveEnterTimestamp": "since",
    "NRestarts": "restarts",
    "Result": "result",
}
"""What systemd knows of a unit, and what we call it."""

Say = Callable[[str], object]
Run = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]
"""Runs a program and gives what it wrote."""


def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a program of the system's. Raises Failed where there is none."""
    if shutil.which(command[0]) is None:
        raise Failed(f"{command[0]} is not installed; this system is not run by systemd")
    return subprocess.run(  # noqa: S603 - our own command lines, no shell
        command, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A file to be written."""

    name: str
    text: str


def units(plan: Plan, *, with_socket: bool) -> list[Unit]:
    """The files that make up the service."""
    made = [Unit(name=f"{plan.daemon}.service", text=service_unit(plan, with_socket=with_socket))]
    if with_socket:
        made.append(Unit(name=f"{plan.daemon}.socket", text=socket_unit(plan)))
    return made


class Systemd:
    """The service manager of this computer. Methods raise Failed."""

    def __init__(self, say: Say, *, folder: Path = UNITS, run: Run = run) -> None:
        """`say` tells the operator what is done."""
        self._say = say
        self._folder = folder
        self._run = run

    def install(self, plan: Plan, *, with_socket: bool, start: bool) -> None:
        """Write the units, have systemd read them, start the service now and at every boot."""
        if with_socket and not plan.listens:
            raise Failed(f"{plan.configuration} has no port that systemd could bind")
        self._require_readable(plan)
        if plan.user is not None:
            self._require_user(plan.user, plan.daemon)
        self._write_plugins(plan)
        for unit in units(plan, with_socket=with_socket):
            path = self._folder / unit.name
            self._write(path, unit.text)
            self._say(f"{path} written")
        if not with_socket:
            self._remove(f"{plan.daemon}.socket")
        self._systemctl("daemon-reload")
        names = [unit.name for unit in reversed(units(plan, with_socket=with_socket))]
        self._systemctl("enable", *names)
        self._say(f"{plan.daemon} starts at every boot")
        if start:
            self._start(plan.daemon, names)

    def uninstall(self, daemon: str) -> None:
        """Stop the service, and remove what `install` wrote. State and configuration stay."""
        names = [f"{daemon}.socket", f"{daemon}.service"]
        present = [name for name in names if (self._folder / name).exists()]
        if not present:
            raise Failed(f"{daemon} is not installed: no unit of its in {self._folder}")
        self._systemctl("disable", "--now", *present)
        for name in present:
            (self._folder / name).unlink()
            self._say(f"{self._folder / name} removed")
        self._systemctl("daemon-reload")
        self._say("its configuration, its state and its user stay")

    def status(self, daemon: str) -> dict[str, str]:
        """What systemd says of the service, by the names in PROPERTIES."""
        wanted = ",".join(PROPERTIES)
        shown = self._systemctl("show", f"{daemon}.service", f"--property={wanted},LoadState")
        found = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
        if found.get("LoadState") == "not-found":
            raise Failed(f"{daemon} is not installed; `service install` does that")
        return {name: found.get(key, "") for key, name in PROPERTIES.items()}

    # Steps.

    def _start(self, daemon: str, names: Sequence[str]) -> None:
        self._systemctl("stop", f"{daemon}.service")  # an earlier one, which may have the ports
        done = self._run(["systemctl", "start", *names])
        if done.returncode != 0:
            log = self._run(
                ["journalctl", "--unit", daemon, "--lines", str(LAST_LINES), "--output", "cat"]
            )
            for line in log.stdout.splitlines():
                self._say(line)
            raise Failed(f"{daemon} is installed and did not start; see above")
        self._say(self.status(daemon)["says"] or f"{daemon} runs")

    def _require_readable(self, plan: Plan) -> None:
        """The service must not depend on what only this user can see."""
        for path in homes_needed(plan):
            home = next(home for home in HOMES if path.is_relative_to(home))
            if home == HOMES[1]:
                raise Failed(
                    f"{path} is below {home}, which the service cannot read;"
                    f" have it elsewhere: /opt/{plan.daemon}, /srv, /etc/{plan.daemon}"
                )

    def _require_user(self, user: str, daemon: str) -> None:
        import pwd

        try:
            pwd.getpwnam(user)
        except KeyError:
            folder = f"/var/lib/{daemon}"
            command = ["useradd", "--system", "--home-dir", folder, "--no-create-home"]
            done = self._run([*command, "--shell", "/usr/sbin/nologin", user])
            if done.returncode != 0:
                why = done.stderr.strip() or "no reason given"
                raise Failed(f"user {user} cannot be made: {why}") from None
            self._say(f"user {user} made")

    def _write_plugins(self, plan: Plan) -> None:
        """Have Twisted write down its plugins, which it may not do as the service."""
        twistd, *_ = plan.command
        self._run([twistd, "--help"])

    def _write(self, path: Path, text: str) -> None:
        draft = path.with_name(path.name + ".new")
        try:
            draft.write_text(text)
            draft.chmod(0o644)
            draft.replace(path)
        except OSError as error:
            remedy = "be root, or take --dry-run" if os.geteuid() else "check its disk"
            raise Failed(f"{path} cannot be written: {error.strerror}; {remedy}") from None

    def _remove(self, name: str) -> None:
        """An earlier install may have had it."""
        if (self._folder / name).exists():
            self._systemctl("disable", "--now", name)
            (self._folder / name).unlink()
            self._say(f"{self._folder / name} removed")

    def _systemctl(self, *arguments: str) -> str:
        done = self._run(["systemctl", *arguments])
        if done.returncode != 0:
            why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            if "connect to bus" in why:
                why += "; where systemd is not in charge, start twistd by what is"
            raise Failed(f"systemctl {arguments[0]}: {why}")
        return done.stdout
