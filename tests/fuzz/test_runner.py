"""The fuzz runner itself: it repeats, it stops, and it cannot miss a crash."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tests.fuzz import run
from tests.fuzz.mutate import MAX_INPUT, mutants

CORPUS = (b"\x01\x02\x03\x04", b"netboot", b"")


class Planted:
    """A target with a bug: it breaks on any input that holds a byte above 0xf0."""

    name = "planted"
    module = "planted"
    corpus: tuple[Path, ...] = ()

    def load(self) -> object:
        def target(data: bytes) -> None:
            if any(byte > 0xF0 for byte in data):
                raise IndexError("planted")

        return target


def test_mutants_repeat_with_their_seed() -> None:
    """The same corpus and seed give the same inputs; another seed gives others."""
    first = list(itertools.islice(mutants(CORPUS, 7), 500))

    assert list(itertools.islice(mutants(CORPUS, 7), 500)) == first
    assert list(itertools.islice(mutants(CORPUS, 8), 500)) != first


def test_mutants_are_bounded_and_varied() -> None:
    """Inputs never exceed the bound, although pieces are repeated, and they differ."""
    made = list(itertools.islice(mutants((b"x" * MAX_INPUT,), 1), 500))

    assert max(map(len, made)) == MAX_INPUT
    assert len(set(made)) > 400


def test_crash_is_found_and_saved(tmp_path: Path) -> None:
    """An input that raises is written to a file, once for each kind of crash."""
    result = run.run_mutated(Planted(), tmp_path, seed=1, seconds=60, executions=2000)

    assert result.executions == 2000
    (crash,) = result.crashes
    assert any(byte > 0xF0 for byte in crash.read_bytes())


def test_hang_is_a_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An input on which a target never ends is reported like any other crash."""
    monkeypatch.setattr(run, "HANG_AFTER", 0.05)

    class Endless(Planted):
        def load(self) -> object:
            def target(data: bytes) -> None:
                while True:
                    pass

            return target

    result = run.run_mutated(Endless(), tmp_path, seed=1, seconds=60, executions=1)

    assert len(result.crashes) == 1
