"""A simulator in the background of each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from pushd.testing import Authority
from pushd.testing.background import Background, simulator_in_background
from tests.pushd.testing.hand import TOPIC, Hand, bearer

Connect = Callable[..., Hand]


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def options() -> dict[str, Any]:
    """The simulator's; a test says others by a parameter of this name."""
    return {}


@pytest.fixture
def apple(authority: Authority, options: dict[str, Any]) -> Iterator[Background]:
    with simulator_in_background(authority=authority, **options) as background:
        yield background


@pytest.fixture
def connect(apple: Background, authority: Authority, tmp_path: Path) -> Iterator[Connect]:
    """Connections with a certificate for TOPIC, unless told otherwise."""
    usual = authority.provider(TOPIC)
    with ExitStack() as stack:

        def connected(**options: Any) -> Hand:
            if "authorization" not in options:
                options.setdefault("certificate", usual)
            options["folder"] = tmp_path
            hand = Hand(apple.port, authority.pem, **options)
            return stack.enter_context(hand)

        yield connected


@pytest.fixture
def authorization(apple: Background) -> str:
    """A provider token by a registered key."""
    return bearer(apple.run(lambda simulator: simulator.new_key()))
