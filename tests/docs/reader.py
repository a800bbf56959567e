"""Somebody who does what a page says, word for word, on a network of their own."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from tests.docs.page import INTERRUPT, Block, Command, commands, unkept
from tests.images.entries import linux
from tests.interop.lab import Host, Lab, Process, wait_until
from tests.interop.peer import FILES, PACKAGES, peer, peer_file

TOOLS = Path(sys.executable).parent
PATIENCE = 120
"""Seconds for one command: a simulated Mac that gets no answer asks for a minute and a half."""
SERVES = re.compile(
    r"^(\S*/)?(twistd (-n|--nodaemon)|twist|dnsmasq|dhcrelay|tcpdump|pushctl apns-simulator)\b"
    r"(?!.*--(check|help|version))"
)
"""Commands that go on until they are ended."""
READY = re.compile(r"is ready: |is simulated|IP range|^Sending on +Socket|listening on")
"""What these say once they do."""
TSHARK_AS_ROOT = "Running as user"
SYSTEM = ("/etc", "/run", "/srv", "/mnt", "/var/lib", "/var/log", "/var/backups")
"""Folders of the computer that commands may write to: the reader has a copy of the first and the
others empty, mounted over the real ones where nobody else sees them."""


class Reader:
    """Runs the commands of one page, one after the other, in one folder."""

    def __init__(self, folder: Path, server: Host | None, other: Host | None) -> None:
        """Without hosts only what needs no network can be run."""
        self._folder = folder
        self._hosts = {"": server, "other": other}
        self._running: list[tuple[Command, Process]] = []
        self.logs: list[str] = []
        """What the daemons wrote."""
        (folder / "home/.venv").mkdir(parents=True)
        (folder / "home/.venv/bin").symlink_to(TOOLS)
        self._home = folder / "home"
        self._mounts = ""
        if server is not None:
            shutil.copytree("/etc", folder / "etc", symlinks=True)
            for path in SYSTEM:
                (folder / path[1:]).mkdir(parents=True, exist_ok=True)
                self._mounts += f"mount --bind {folder}{path} {path}; "
            (folder / "var/lib/misc").mkdir()  # where dnsmasq keeps its leases

    def write(self, block: Block) -> None:
        """Save a configuration under its name."""
        assert block.file is not None
        for path in FILES:
            if f'"{path}"' in block.text:
                peer_file(path)  # skips the page where it is not installed
        base = self._folder if block.file.startswith("/") else self._home
        path = base / block.file.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text)

    def do(self, block: Block) -> list[str]:
        """Run the commands of a block; what they did otherwise than promised."""
        broken = []
        for command in commands(block):
            if command.host == "mac":
                continue
            if (program := command.text.split()[0]) in PACKAGES:
                peer(program)  # skips the page where it is not installed
            if command.text == INTERRUPT:
                broken += self._end_last(command)
            elif SERVES.match(command.text):
                broken += self._serve(command)
            else:
                written = self._run(command)
                broken += _complaints(command, command.promised, written)
        return broken

    def _end_last(self, interrupt: Command) -> list[str]:
        if not self._running:
            return [f"{interrupt.place}: nothing runs that could be ended"]
        return self._end(*self._running.pop())

    def finish(self) -> list[str]:
        """End what still runs; what it did otherwise than promised."""
        broken = []
        while self._running:
            broken += self._end(*self._running.pop())
        return broken

    def _end(self, command: Command, process: Process) -> list[str]:
        ran = process.running()
        process.stop()
        self.logs += process.output().splitlines()
        if not ran:
            return [f"{command.place}: {command.text}\n  ended by itself:\n{process.output()}"]
        return _complaints(command, [*command.promised, "..."], process.output())

    def _shell(self, command: Command) -> str:
        setting = f"PATH={TOOLS}:$PATH COLUMNS=80"
        return f"{self._mounts}cd {self._home} && export {setting}\n{command.text}"

    def _run(self, command: Command) -> str:
        host = self._hosts[command.host]
        if host is not None:
            done = host.run("sh", "-c", self._shell(command), timeout=PATIENCE, check=False)
        else:
            assert (command.host, command.user) == ("", "$"), f"{command.place} needs a network"
            done = subprocess.run(
                ["sh", "-c", self._shell(command)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=False,
            )
        lines = (done.stdout + done.stderr).splitlines()
        return "".join(f"{line}\n" for line in lines if not line.startswith(TSHARK_AS_ROOT))

    def _serve(self, command: Command) -> list[str]:
        """Start it and leave it running, unless it ends without having been ready."""
        host = self._hosts[command.host]
        assert host is not None, f"{command.place} needs a network"
        script = self._shell(replace(command, text=f"exec {command.text}"))
        process = host.start("sh", "-c", script)
        wait_until(lambda: bool(READY.search(process.output())) or not process.running())
        if process.running():
            self._running.append((command, process))
            return []
        return _complaints(command, command.promised, process.output())


def _complaints(command: Command, promised: list[str], written: str) -> list[str]:
    line = unkept(promised, written)
    if line is None:
        return []
    return [f"{command.place}: {command.text}\n  promises: {line}\n  writes:\n{written}"]


@contextmanager
def reader(folder: Path, bundle: Path, *, network: bool) -> Iterator[Reader]:
    """A reader with the image `bundle` at hand, on a network of two computers if asked for."""
    page = folder / "page"
    with ExitStack() as undo:
        server = other = None
        if network:
            lab = undo.enter_context(Lab(folder))
            lan = lab.switch("lan")
            server, other = lab.host("server"), lab.host("other")
            server.plug(lan, "192.168.1.10/24", interface="eth0")
            other.plug(lan, "192.168.1.50/24", interface="eth0", mac="a8:20:66:01:02:03")
            for host in (server, other):
                host.route("default", "192.168.1.1")
        somebody = Reader(page, server, other)
        shutil.copytree(bundle, page / "home" / bundle.name)
        (page / "home/linux").write_bytes(linux())
        (page / "home/initrd.gz").write_bytes(b"a RAM disk")
        yield somebody
