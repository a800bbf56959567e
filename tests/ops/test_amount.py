"""Numbers and sizes in words."""

from __future__ import annotations

import pytest

from ops.amount import counted, size_text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        (70_001, "68.4 KiB"),
        (25 << 20, "25.0 MiB"),
        (5 << 40, "5.0 TiB"),
        (5 << 50, "5120.0 TiB"),
    ],
)
def test_size(size: int, text: str) -> None:
    """Sizes are in binary units, as far as TiB."""
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 pushes"), (1, "1 push"), (12_000, "12,000 pushes")]
)
def test_counted(number: int, text: str) -> None:
    """One is one, all others are many."""
    assert counted(number, "push", "pushes") == text
