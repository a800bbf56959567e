from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from images.name import MAX_NAME_BYTES, objection


@pytest.mark.parametrize(
    "name",
    [
        "booter",
        "NetInstall.dmg",
        "Sierra Install.nbi",
        ".DS_Store",
        "macOS Catalina é.nbi",
        "100% free?.dmg",
        "...a",
        "console",
        "com.apple.Boot.plist",
        "COM10",
        "x" * MAX_NAME_BYTES,
    ],
)
def test_usual_names_may_be_published(name: str) -> None:
    """Spaces, accents, leading dots and names that only begin like a device are no obstacle."""
    assert objection(name) is None


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "not the name of a file"),
        (".", "not the name of a file"),
        ("..", "not the name of a file"),
        ("a/b", "slash"),
        ("a\\b", "backslash"),
        ("booter:$DATA", "colon"),
        ("booter.", "ends with a dot or a space"),
        ("booter ", "ends with a dot or a space"),
        ("a\0b", "control character"),
        ("Icon\r", "control character"),
        ("a\x7f", "control character"),
        ("a\x9b", "control character"),
        ("NUL", "Windows device"),
        ("nul.dmg", "Windows device"),
        ("Con .txt", "Windows device"),
        ("com1.tar.gz", "Windows device"),
        ("LPT\u00b2", "Windows device"),
        ("conin$", "Windows device"),
        ("x" * (MAX_NAME_BYTES + 1), "longer than 255 bytes"),
        ("é" * 128, "longer than 255 bytes"),
        ("a\udcff", "not UTF-8"),
    ],
)
def test_names_that_mean_something_else_somewhere_are_refused(name: str, why: str) -> None:
    """A name that any platform reads as a stream, a device, a path or another name is refused."""
    problem = objection(name)

    assert problem is not None
    assert why in problem


@given(st.text())
def test_what_may_be_published_is_one_component(name: str) -> None:
    """A name without objection holds no separator of any platform and is not a way up."""
    if objection(name) is None:
        assert name not in {"", ".", ".."}
        assert not set(name) & set("/\\:\0\n\r")
        assert name == name.rstrip(" .")
        assert len(name.encode()) <= MAX_NAME_BYTES
