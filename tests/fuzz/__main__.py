"""`python -m tests.fuzz [--seconds N | --total N] [--engine auto|mutate|atheris] [target…]`

Replays the corpus of each target, then feeds it new inputs for a bounded time. Exit status 0: no
input broke an invariant; 1: at least one did, and the inputs that did are in the folder printed;
2: there was nothing to run.
"""

from __future__ import annotations

import argparse
import secrets
import sys
from pathlib import Path

from .run import atheris_installed, run_corpus, run_guided, run_mutated
from .target import CORPUS, Target, targets


def arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="target", help="default: all")
    parser.add_argument("--list", action="store_true", help="list the targets and stop")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each target (default 5)")
    parser.add_argument("--total", type=float, help="seconds for all targets together")
    parser.add_argument("--executions", type=int, help="stop the mutation engine after so many")
    parser.add_argument("--engine", choices=("auto", "mutate", "atheris"), default="auto")
    parser.add_argument("--seed", type=int, help="repeat a run (default: a new one, printed)")
    parser.add_argument("--crashes", type=Path, default=Path("fuzz-crashes"), metavar="FOLDER")
    return parser.parse_args(argv)


def chosen(names: list[str]) -> tuple[Target, ...]:
    known = {target.name: target for target in targets()}
    if unknown := set(names) - set(known):
        raise SystemExit(f"no such target: {', '.join(sorted(unknown))} (--list shows them)")
    return tuple(known[name] for name in names or known)


def fuzz(target: Target, options: argparse.Namespace, engine: str, seed: int) -> bool:
    """Run one target and print its line; True when nothing crashed."""
    replayed = run_corpus(target, options.crashes)
    if engine == "atheris":
        run = run_guided(target, options.crashes, seed=seed, seconds=options.seconds)
    else:
        run = run_mutated(
            target,
            options.crashes,
            seed=seed,
            seconds=options.seconds,
            executions=options.executions,
        )
    crashes = replayed.crashes + run.crashes
    print(
        f"{target.name:24} corpus {replayed.executions:4}   {engine} {run.executions:9,} executions"
        f" in {run.seconds:5.1f} s   crashes {len(crashes)}",
        flush=True,
    )
    for path in crashes:
        print(f"  {path}: mend, then keep it as {CORPUS.name}/{target.name}/<what it shows>")
    return not crashes


def main(argv: list[str]) -> int:
    options = arguments(argv)
    selected = chosen(options.targets)
    if options.list:
        for target in selected:
            print(target.name)
        return 0
    if not selected:
        print("there is no fuzz target", file=sys.stderr)
        return 2
    if options.engine == "atheris" and not atheris_installed():
        print("atheris is not installed: pip install -e .[fuzz]", file=sys.stderr)
        return 2
    if options.total is not None:
        options.seconds = options.total / len(selected)
    guided = options.engine == "atheris" or (options.engine == "auto" and atheris_installed())
    engine = "atheris" if guided and options.executions is None else "mutate"
    seed = secrets.randbits(32) if options.seed is None else options.seed
    print(f"seed {seed}: repeat with --engine {engine} --seed {seed}")
    clean = [fuzz(target, options, engine, seed) for target in selected]
    return 0 if all(clean) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
