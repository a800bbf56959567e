"""The child process of `run_guided`: one target under atheris, with libFuzzer's own arguments.

Started as `python -m tests.fuzz.guided MODULE [libFuzzer argument…]`.
"""

from __future__ import annotations

import importlib
import sys

import atheris


def main() -> None:
    module, *arguments = sys.argv[1:]
    with atheris.instrument_imports(include=["protocols", "images", "netbootd", "ops", "tests"]):
        target = importlib.import_module(module).target
    atheris.Setup([sys.argv[0], *arguments], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
