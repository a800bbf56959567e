"""Text from outside, made safe to show."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ops.text import escape, mask_passwords


def test_text_that_is_harmless_is_unchanged() -> None:
    """Printable characters of any script stay as they are."""
    assert escape("Büro Mac 3, 日本") == "Büro Mac 3, 日本"


def test_controls_and_direction_marks_are_written_out() -> None:
    """Escape sequences, line ends, overrides of direction and lone surrogates become `\\x..`."""
    assert escape("\x1b[31m\r\n\u202e\udc80\\") == r"\x1b[31m\r\n\u202e\udc80" + "\\\\"


def test_long_text_is_cut() -> None:
    """No more than `limit` characters are shown, and an ellipsis says that there were more."""
    assert escape("a" * 300) == "a" * 256 + "…"


@given(st.text())
def test_what_is_shown_is_one_printable_line(text: str) -> None:
    """Whatever comes in, what goes out is printable."""
    assert escape(text).isprintable()


def test_the_password_in_a_url_is_masked() -> None:
    """User and host stay readable; what stands between is not."""
    line = "mount afp://boot:s3cr:et@10.0.0.1/x, http://u:p@h/ and http://10.0.0.1:80/a@b"

    assert mask_passwords(line) == (
        "mount afp://boot:***@10.0.0.1/x, http://u:***@h/ and http://10.0.0.1:80/a@b"
    )
