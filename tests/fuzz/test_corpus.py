"""Every input that ever mattered to a fuzz target, replayed on each test run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .target import CORPUS, Target, targets

SEEDS = [
    pytest.param(target, path, id=f"{target.name}-{path.name}")
    for target in targets()
    for path in target.corpus
]


@pytest.mark.parametrize(("target", "path"), SEEDS)
def test_corpus_file_keeps_the_invariant(target: Target, path: Path) -> None:
    """No stored input breaks the invariant of its target."""
    target.load()(path.read_bytes())


@pytest.mark.parametrize("target", targets(), ids=lambda target: target.name)
def test_target_has_corpus_and_invariant(target: Target) -> None:
    """A target opens with its invariant and has at least one input to start from."""
    function = target.load()

    assert (function.__globals__["__doc__"] or "").strip()
    assert target.corpus, f"{target.name} has no file in tests/fuzz/corpus/{target.name}"
    function(b"")


def test_there_are_targets() -> None:
    """A checkout without fuzz targets does not pass for a tested one."""
    if not targets() and os.environ.get("CI") != "true":
        pytest.skip("no fuzz target yet")
    assert targets()


def test_corpus_folders_belong_to_targets() -> None:
    """No corpus outlives the target that it was collected for."""
    folders = {path.name for path in CORPUS.iterdir() if path.is_dir()}

    assert folders <= {target.name for target in targets()}
