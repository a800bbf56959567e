"""Tables on narrow terminals."""

from __future__ import annotations

import io

from ops.wrapped import Wrapped

LINE = (
    "WARNING  images         /srv/netboot/a: it is not offered: its Type is NFS; set it to HTTP\n"
)


def written(width: int) -> list[str]:
    stream = io.StringIO()
    Wrapped(stream, width=width).write(LINE)
    return stream.getvalue().splitlines()


def test_long_lines_go_on_under_their_column() -> None:
    """Every line fits, and no word is lost or cut."""
    lines = written(60)

    assert lines[0].startswith("WARNING  images         /srv/netboot/a: ")
    assert all(len(line) <= 60 for line in lines)
    assert len(lines) > 1
    assert all(line[:24].isspace() and not line[24].isspace() for line in lines[1:])
    assert " ".join(" ".join(lines).split()) == " ".join(LINE.split())


def test_lines_that_fit_stay() -> None:
    """A wide terminal shows them as they are."""
    assert written(200) == [LINE.rstrip("\n")]


def test_a_very_narrow_terminal() -> None:
    """There they go on further to the left, and still fit."""
    lines = written(36)

    assert all(len(line) <= 36 for line in lines)
    assert all(line[:4].isspace() and not line[4].isspace() for line in lines[1:])
    assert " ".join(" ".join(lines).split()) == " ".join(LINE.split())
