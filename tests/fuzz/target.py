"""What there is to fuzz: the modules of `tests/fuzz/targets`, each with its corpus.

A target is a module with `target(data: bytes) -> None`, which raises when its invariant, the first
sentence of the module's docstring, does not hold for `data`. Its corpus is the folder of the same
name under `tests/fuzz/corpus`, one input a file.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
TARGETS = HERE / "targets"
CORPUS = HERE / "corpus"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One module of `tests/fuzz/targets`."""

    name: str

    @property
    def module(self) -> str:
        return f"tests.fuzz.targets.{self.name}"

    @property
    def corpus(self) -> tuple[Path, ...]:
        """The stored inputs, in the order of their names."""
        folder = CORPUS / self.name
        return tuple(sorted(p for p in folder.glob("*") if p.is_file()))

    def load(self) -> Callable[[bytes], None]:
        function: Callable[[bytes], None] = importlib.import_module(self.module).target
        return function


def targets() -> tuple[Target, ...]:
    """Every target there is, by name."""
    names = sorted(path.stem for path in TARGETS.glob("*.py"))
    return tuple(Target(name=name) for name in names if not name.startswith("_"))
