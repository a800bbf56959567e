"""What every row of the bench stands on: a folder, two cores, servers that are stopped at the end.

The servers measured run on the first core, the load generator on the second, so that neither takes
time from the other. Generators are small C programs, compiled when they are needed.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
TWISTD = str(Path(sys.executable).with_name("twistd"))
PATIENCE = 20.0
"""Seconds for a server to come up."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table: the same load on both servers, in turn."""

    name: str
    unit: str
    peer_name: str
    goal: float
    """What the ratio is to reach; where less is better, what it may not exceed."""
    ours: Callable[[], float]
    peer: Callable[[], float]
    less_is_better: bool = False


@dataclass(frozen=True, kw_only=True)
class Result:
    """Medians of one row."""

    row: Row
    ours: float
    peer: float

    @property
    def ratio(self) -> float:
        return self.ours / self.peer if self.peer else 0.0

    @property
    def reached(self) -> bool:
        if self.row.less_is_better:
            return self.ratio <= self.row.goal
        return self.ratio >= self.row.goal


def measure(row: Row, runs: int) -> Result:
    """Ours and the peer's in turn, `runs` times each, after one of each that does not count."""
    row.ours()
    row.peer()
    pairs = [(row.ours(), row.peer()) for _ in range(runs)]
    return Result(
        row=row,
        ours=statistics.median(ours for ours, _ in pairs),
        peer=statistics.median(peer for _, peer in pairs),
    )


class Twice:
    """Runs that count for two rows: beside a peer, and beside a bound."""

    def __init__(self, run: Callable[[], float]) -> None:
        self._run = run
        self._results: list[float] = []

    def first(self) -> float:
        """For the first row."""
        result = self._run()
        self._results.append(result)
        return result

    def again(self) -> float:
        """For the second: what came of the first's, or of a new one where only this is asked."""
        return self._results.pop(0) if self._results else self._run()


class Bench:
    """Where rows are measured. A context manager: leaving it stops all servers."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        cores = sorted(os.sched_getaffinity(0))
        self.server_core = cores[0]
        self.client_core = cores[-1]
        self.all_cores = ",".join(map(str, cores))
        self.folder = Path()

    def __enter__(self) -> Bench:
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        self.folder.chmod(0o755)  # servers that drop root read it
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def cleanup(self, function: Callable[..., object], *arguments: object) -> None:
        """Call this at the end; the last one first."""
        self._stack.callback(function, *arguments)

    def compiled(self, name: str, *libraries: str) -> str:
        """The path of `name`.c compiled, with OpenSSL's `ssl` and the like."""
        program = self.folder / name
        if not program.exists():
            compiler = shutil.which("cc") or shutil.which("gcc")
            if compiler is None:
                raise SystemExit("the bench needs a C compiler (Debian: apt install gcc libc6-dev)")
            source = HERE / f"{name}.c"
            linked = [f"-l{library}" for library in libraries]
            subprocess.run([compiler, "-O2", "-o", program, source, *linked], check=True)
        return str(program)

    def serve(
        self,
        command: Sequence[str],
        *,
        prefix: Sequence[str] = (),
        cores: str = "",
        is_up: Callable[[], bool] = lambda: True,
    ) -> subprocess.Popen[bytes]:
        """Start a server on its core, or on `cores` (as `taskset` has them: `0-3`), and wait until
        `is_up`; it is stopped at the end."""
        log = (self.folder / f"server-{time.monotonic_ns()}.log").open("wb+")
        process = subprocess.Popen(
            [*prefix, "taskset", "-c", cores or str(self.server_core), *command],
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=self.folder,
            start_new_session=True,
        )
        self.cleanup(stop, process)
        end = time.monotonic() + PATIENCE
        while not is_up():
            if process.poll() is not None or time.monotonic() > end:
                log.seek(0)
                raise SystemExit(f"{command[0]} did not start: {log.read().decode()[-2000:]}")
            time.sleep(0.02)
        return process

    def load(
        self, command: Sequence[str], *, prefix: Sequence[str] = (), input: bytes = b""
    ) -> str:
        """Run a load generator on its core; what it printed."""
        done = subprocess.run(
            [*prefix, "taskset", "-c", str(self.client_core), *command],
            input=input,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} failed: {done.stderr.decode()}")
        return done.stdout.decode()


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a server and all of its children."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def free_port(kind: socket.SocketKind) -> int:
    """A port of 127.0.0.1 that nobody has at this moment."""
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def tool(name: str, package: str) -> str:
    """The path of a peer's program, or a clear end."""
    found = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin:/usr/local/sbin")
    if found is None:
        raise SystemExit(f"the bench needs {name} (Debian: apt install {package})")
    return found
