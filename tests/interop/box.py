"""A computer that is run by systemd: this one's files, a boot of its own, in a container.

    with Box(folder) as box:
        box.run("systemctl", "is-system-running")

Debian's systemd-nspawn boots Debian's systemd. What is written stays in a layer over this system's
files, and goes with the box; so does the network, which is connected to nothing. The mounts live in
a namespace of the container's own: a test run that is killed leaves none behind.

The daemons are installed in /opt as their documentation says, with Debian's Python; their code and
what it needs is that of the test run.
"""

from __future__ import annotations

import ctypes
import os
import signal
import site
import subprocess
import sys
from pathlib import Path
from types import TracebackType

import pytest

from .lab import wait_until
from .peer import need_namespaces, peer

ROOT = Path(__file__).parent.parent.parent
PYTHON = "/usr/bin/python3"
OPT = "/opt/netbootd"
PATIENCE = 90.0
"""Seconds for a boot, or for any one command: a busy machine starts Python in ten."""
PR_SET_PDEATHSIG = 1

TARGET = """\
[Unit]
Requires=basic.target
After=basic.target
AllowIsolate=yes
"""
MASKED = ("NetworkManager", "NetworkManager-wait-online", "systemd-networkd-wait-online")
"""They would come with network-online.target, configure what tests configure, and wait for it."""
SCRIPT = "#!{opt}/bin/python\nimport sys\nfrom {module} import {name}\nsys.exit({name}())\n"
SCRIPTS = {
    "twistd": ("twisted.scripts.twistd", "run"),
    "netbootctl": ("netbootd.cli", "main"),
    "pushctl": ("pushd.cli", "main"),
}
BOOT = """\
set -e
mount -t overlay overlay -o lowerdir=/,upperdir={folder}/upper,workdir={folder}/work {folder}/root
exec systemd-nspawn --quiet --register=no --keep-unit --link-journal=no --private-network \\
  --console=pipe --bind-ro={source}:/opt/source --bind-ro={site}:/opt/site \\
  --directory={folder}/root --boot systemd.unit=box.target
"""

_libc = ctypes.CDLL(None, use_errno=True)


def _die_with_parent() -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Box:
    """One container."""

    def __init__(self, folder: Path, *, has_daemons: bool = True) -> None:
        """`folder` is empty, and the box's own; `has_daemons`: whether ours are installed."""
        need_namespaces()
        for program in ("systemd-nspawn", "nsenter", "unshare"):
            peer(program)
        version = "import sys; print(sys.version_info[:2])"
        shown = subprocess.run([PYTHON, "-c", version], capture_output=True, text=True, check=False)
        if shown.stdout.strip() != str(sys.version_info[:2]):
            pytest.skip(f"{PYTHON} is not the Python that our packages are built for")
        self._folder = folder
        self._has_daemons = has_daemons
        for name in ("upper", "work", "root"):
            (folder / name).mkdir()

    def __enter__(self) -> Box:
        self.write("/etc/systemd/system/box.target", TARGET)
        for unit in MASKED:
            self._upper(f"/etc/systemd/system/{unit}.service").symlink_to("/dev/null")
        script = BOOT.format(folder=self._folder, source=ROOT, site=site.getsitepackages()[0])
        with (self._folder / "log").open("wb") as log:
            self._nspawn = subprocess.Popen(
                ["unshare", "--mount", "--propagation=private", "sh", "-c", script],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        try:
            wait_until(self._is_up, PATIENCE)
            if self._has_daemons:
                self._install()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()

    def write(self, path: str, text: str) -> None:
        """Have a file in the box; before it is booted."""
        file = self._upper(path)
        file.write_text(text)

    def save(self, path: str, data: str | bytes, mode: str = "644") -> None:
        """Have a file in the running box."""
        raw = data.encode() if isinstance(data, str) else data
        self.run("install", "-D", "-m", mode, "/dev/stdin", path, data=raw)

    def run(
        self, *command: str, check: bool = True, data: bytes = b""
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in the box, as root."""
        entered = ["nsenter", "--target", str(self._leader()), "--all", "env", "-i"]
        path = f"PATH={OPT}/bin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        done = subprocess.run(
            [*entered, path, *command],
            input=data,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        text = subprocess.CompletedProcess(
            command, done.returncode, done.stdout.decode(), done.stderr.decode()
        )
        shown = f"{command} ended with {done.returncode}:\n{text.stdout}{text.stderr}"
        assert not check or done.returncode == 0, shown
        return text

    def log(self, unit: str) -> str:
        """What the journal has of a unit."""
        return self.run("journalctl", "--unit", unit, "--output", "cat").stdout

    def wait_until(self, command: str, wanted: str) -> None:
        """Look until `command` writes `wanted`."""
        wait_until(lambda: wanted in self.run("sh", "-c", command, check=False).stdout, PATIENCE)

    def _upper(self, path: str) -> Path:
        file = self._folder / "upper" / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        return file

    def _leader(self) -> int:
        """The process that is systemd in the box."""
        children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children")
        pids = children.read_text().split() if children.exists() else []
        assert pids, f"the box does not run:\n{(self._folder / 'log').read_text()}"
        return int(pids[0])

    def _is_up(self) -> bool:
        if self._nspawn.poll() is not None:
            log = (self._folder / "log").read_text()
            raise AssertionError(f"systemd-nspawn ended with {self._nspawn.returncode}:\n{log}")
        try:
            state = self.run("systemctl", "is-system-running", check=False).stdout.strip()
        except AssertionError:
            return False
        return state in ("running", "degraded")

    def _install(self) -> None:
        """As docs/run-as-a-service.md has it, but from the source at hand."""
        self.run(PYTHON, "-m", "venv", "--without-pip", OPT)
        packages = f"{OPT}/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
        self.save(f"{packages}/source.pth", "/opt/source\n/opt/site\n")
        for script, (module, name) in SCRIPTS.items():
            text = SCRIPT.format(opt=OPT, module=module, name=name)
            self.save(f"{OPT}/bin/{script}", text, "755")

    def _end(self) -> None:
        """systemd-nspawn asks systemd to power off, and is asked itself only once."""
        if self._nspawn.poll() is None:
            os.kill(self._nspawn.pid, signal.SIGTERM)
            try:
                self._nspawn.wait(30)
            except subprocess.TimeoutExpired:
                self._nspawn.kill()
                self._nspawn.wait()
