"""Configuration files that say what differs from the defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
from msgspec import Meta, Struct, field

from ops.annotated import annotated
from ops.config import parse
from ops.setting import Duration


class Inner(Struct, frozen=True, kw_only=True):
    """A table
    of two lines."""

    path: Path | None = None
    """Where it is."""
    wait: Duration = Duration(30)
    """How long."""


class Item(Struct, frozen=True, kw_only=True):
    """One of many."""

    name: Annotated[str, Meta(examples=["x"])]
    """Its name."""


class Outer(Struct, frozen=True, kw_only=True):
    """All."""

    on: bool = False
    """Whether."""
    names: tuple[str, ...] = ()
    """Which."""
    inner: Inner = Inner()
    items: tuple[Item, ...] = field(default=(), name="item")
    """Many of them."""


def test_the_words() -> None:
    """Each setting stands below its explanation, each table below its own."""
    text = annotated(Outer(on=True, inner=Inner(path=Path("a b"))), "Ours.")

    assert text == (
        "# Ours.\n\n# Whether.\non = true\n"
        '\n# A table\n# of two lines.\n[inner]\n\n# Where it is.\npath = "a b"\n'
    )


@pytest.mark.parametrize(
    "settings",
    [
        Outer(),
        Outer(on=True, names=("ä", 'quo"te')),
        Outer(inner=Inner(path=Path("/x\\y"), wait=Duration(0.5))),
        Outer(items=(Item(name="one"), Item(name="two")), inner=Inner(wait=Duration(1))),
    ],
)
def test_it_can_be_read_again(settings: Outer) -> None:
    """What is written says the same settings."""
    assert parse(annotated(settings, "x").encode(), Outer) == settings
