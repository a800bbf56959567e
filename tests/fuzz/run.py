"""Runs one target: its corpus first, then inputs of an engine for a bounded time.

`run_mutated` works everywhere and can be repeated to the byte; `run_guided` hands over to atheris
(libFuzzer with Python coverage) in a process of its own, which never returns from `Fuzz()`.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import itertools
import re
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .mutate import MAX_INPUT, mutants
from .target import CORPUS, Target

HANG_AFTER = 10.0
"""Seconds that one input may take. Inputs take microseconds; a busy machine gets the rest."""

MAX_KINDS = 20
"""A run stops after this many different crashes: it has made its point."""


@dataclass(slots=True, kw_only=True)
class Result:
    """What a run saw."""

    executions: int = 0
    seconds: float = 0.0
    crashes: list[Path] = field(default_factory=list)


class Hang(Exception):
    """An input took longer than `HANG_AFTER`."""


def atheris_installed() -> bool:
    return importlib.util.find_spec("atheris") is not None


@contextlib.contextmanager
def hang_detection() -> Iterator[Callable[[], None]]:
    """Raise `Hang` in the main thread when the function given is not called for `HANG_AFTER`."""

    def on_alarm(*_: object) -> None:
        raise Hang(f"one input took more than {HANG_AFTER:g} s")

    before = signal.signal(signal.SIGALRM, on_alarm)
    try:
        yield lambda: (signal.setitimer(signal.ITIMER_REAL, HANG_AFTER), None)[1]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def run_corpus(target: Target, crashes: Path) -> Result:
    """Every stored input once."""
    inputs = (path.read_bytes() for path in target.corpus)
    return _execute(target, inputs, crashes, seconds=float("inf"))


def run_mutated(
    target: Target, crashes: Path, *, seed: int, seconds: float, executions: int | None = None
) -> Result:
    """Mutants of the corpus, for `seconds` or for `executions`, whichever ends first."""
    corpus = [path.read_bytes() for path in target.corpus]
    inputs = itertools.islice(mutants(corpus, seed), executions)
    return _execute(target, inputs, crashes, seconds=seconds)


def _execute(target: Target, inputs: Iterator[bytes], crashes: Path, *, seconds: float) -> Result:
    function = target.load()
    result = Result()
    seen: set[tuple[str, ...]] = set()
    started = time.monotonic()
    with hang_detection() as watch:
        for data in inputs:
            result.executions += 1
            watch()
            try:
                function(data)
            except Exception as error:
                kind = _kind(error)
                if kind not in seen:
                    seen.add(kind)
                    result.crashes.append(_save(crashes / target.name, data, result.executions))
            result.seconds = time.monotonic() - started
            if result.seconds >= seconds or len(seen) >= MAX_KINDS:
                break
    return result


def _kind(error: BaseException) -> tuple[str, ...]:
    """What makes two crashes one: the error's type and the place that raised it."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    return (type(error).__name__, where.filename, str(where.lineno))


def _save(folder: Path, data: bytes, execution: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"crash-{hashlib.sha1(data).hexdigest()[:12]}"
    path.write_bytes(data)
    print(f"\n{path} (execution {execution}, {len(data)} bytes)", file=sys.stderr)
    traceback.print_exc()
    return path


def run_guided(target: Target, crashes: Path, *, seed: int, seconds: float) -> Result:
    """Coverage-guided: libFuzzer in a child process, new inputs kept only while it runs."""
    folder = crashes / target.name
    folder.mkdir(parents=True, exist_ok=True)
    before = set(folder.iterdir())
    with tempfile.TemporaryDirectory(prefix="fuzz-") as found:
        corpus = [str(CORPUS / target.name)] if target.corpus else []
        command = [
            *(sys.executable, "-m", "tests.fuzz.guided", target.module),
            *(found, *corpus),
            # libFuzzer counts whole seconds, and takes 0 for "no end".
            f"-max_total_time={max(1, round(seconds))}",
            f"-max_len={MAX_INPUT}",
            f"-seed={seed % 2**32 or 1}",
            f"-timeout={HANG_AFTER:.0f}",
            f"-artifact_prefix={folder}/",
            "-print_final_stats=1",
        ]
        started = time.monotonic()
        child = subprocess.run(command, capture_output=True, text=True, check=False)
    result = Result(seconds=time.monotonic() - started)
    if count := re.search(r"stat::number_of_executed_units: (\d+)", child.stderr):
        result.executions = int(count[1])
    result.crashes = sorted(set(folder.iterdir()) - before)
    if child.returncode != 0:
        print(child.stdout + child.stderr, file=sys.stderr)
        if not result.crashes:
            raise RuntimeError(f"{target.name}: the fuzzer ended with {child.returncode}")
    return result
