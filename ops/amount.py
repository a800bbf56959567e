"""Numbers and sizes as commands and logs write them."""

from __future__ import annotations


def size_text(size: int) -> str:
    """Bytes: `512 bytes`, `1.4 MiB`."""
    value, unit = float(size), "bytes"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"


def counted(number: int, one: str, many: str) -> str:
    """`1 image`, `12,000 images`."""
    return f"{number:,} {one if number == 1 else many}"
