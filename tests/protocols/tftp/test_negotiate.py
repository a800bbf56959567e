"""Which options of a request are granted, and which answers a client takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import DecodeError
from protocols.tftp.negotiate import Limits, Options, Terms, agree, negotiate

LIMITS = Limits(block_size=1468, window_size=16)


def granted(*options: tuple[bytes, bytes], size: int | None = 1000) -> Options:
    return negotiate(options, size=size, limits=LIMITS).accepted


@pytest.mark.parametrize(
    ("name", "asked", "answer"),
    [
        (b"blksize", b"512", b"512"),
        (b"blksize", b"8", b"8"),
        (b"blksize", b"8192", b"1468"),
        (b"blksize", b"65464", b"1468"),
        (b"blksize", b"65465", None),
        (b"blksize", b"7", None),
        (b"blksize", b"", None),
        (b"blksize", b"-5", None),
        (b"blksize", b"0x200", None),
        (b"blksize", b"1" * 400, None),
        (b"BlkSize", b"1024", b"1024"),
        (b"tsize", b"0", b"1000"),
        (b"tsize", b"77", b"1000"),
        (b"tsize", b"x", None),
        (b"timeout", b"1", b"1"),
        (b"timeout", b"255", b"255"),
        (b"timeout", b"0", None),
        (b"timeout", b"3000", None),
        (b"windowsize", b"1", b"1"),
        (b"windowsize", b"16", b"16"),
        (b"windowsize", b"65535", b"16"),
        (b"windowsize", b"0", None),
        (b"windowsize", b"65536", None),
        (b"rollover", b"0", None),
        (b"", b"", None),
    ],
)
def test_option(name: bytes, asked: bytes, answer: bytes | None) -> None:
    """An option within its range is granted, at most up to the limit; any other is ignored."""
    assert granted((name, asked)) == (() if answer is None else ((name, answer),))


def test_order_and_spelling() -> None:
    """What is accepted is acknowledged in the request's order and spelling, and nothing else."""
    asked = ((b"TSIZE", b"0"), (b"multicast", b""), (b"windowsize", b"4"), (b"blkSIZE", b"1468"))

    assert granted(*asked) == ((b"TSIZE", b"1000"), (b"windowsize", b"4"), (b"blkSIZE", b"1468"))


def test_an_option_given_twice() -> None:
    """The first of two equal options counts."""
    assert granted((b"blksize", b"600"), (b"BLKSIZE", b"700")) == ((b"blksize", b"600"),)


def test_size_not_known() -> None:
    """Where the size is not known beforehand, tsize goes unanswered."""
    assert granted((b"tsize", b"0"), size=None) == ()


def test_size_over_four_gigabytes() -> None:
    """A size is as long as it needs to be."""
    assert granted((b"tsize", b"0"), size=5 * 2**32) == ((b"tsize", b"21474836480"),)


def test_terms() -> None:
    """What is granted rules the transfer; what is not keeps RFC 1350's values."""
    terms = negotiate(((b"blksize", b"1024"), (b"tsize", b"0")), size=9, limits=LIMITS)

    assert (terms.block_size, terms.window_size, terms.timeout) == (1024, 1, None)
    assert (terms.size_asked, terms.size) == (True, 9)
    assert negotiate((), size=9, limits=LIMITS) == Terms()


@pytest.mark.parametrize(
    "limits", [{"block_size": 7}, {"block_size": 65465}, {"window_size": 0}, {"window_size": 65536}]
)
def test_impossible_limits(limits: dict[str, int]) -> None:
    """Limits outside of what the options can say are refused."""
    with pytest.raises(ValueError, match="is not within"):
        Limits(**limits)


def test_window_stays_below_half_of_the_numbers() -> None:
    """No window is so wide that an old ACK could be taken for a new one."""
    terms = negotiate(((b"windowsize", b"65535"),), size=1, limits=Limits(window_size=65535))

    assert terms.window_size == 32767


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(((b"windowsize", b"4"),), id="not asked for"),
        pytest.param(((b"blksize", b"1469"),), id="larger block"),
        pytest.param(((b"blksize", b"7"),), id="block out of range"),
        pytest.param(((b"timeout", b"3"),), id="another timeout"),
        pytest.param(((b"tsize", b"many"),), id="not a number"),
        pytest.param(((b"tsize", b"1"), (b"tsize", b"1")), id="twice"),
        pytest.param(((b"rollover", b"0"),), id="an option we do not know, though asked for"),
    ],
)
def test_answers_not_taken(answer: Options) -> None:
    """A client takes no option that it did not ask for, and no more than it asked for."""
    asked = ((b"blksize", b"1468"), (b"tsize", b"0"), (b"timeout", b"2"), (b"rollover", b"0"))

    with pytest.raises(DecodeError):
        agree(asked, answer)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"blksize", b"tsize", b"timeout", b"windowsize", b"other"]),
            st.integers(0, 70000).map(lambda number: b"%d" % number),
        ),
        unique_by=lambda option: option[0],
    ).map(tuple)
)
def test_both_sides_agree(asked: Options) -> None:
    """Whatever a client asks, it takes our answer, and both then have the same terms."""
    terms = negotiate(asked, size=123456, limits=LIMITS)

    theirs = agree(asked, terms.accepted)

    assert (theirs.block_size, theirs.window_size, theirs.timeout, theirs.size) == (
        terms.block_size,
        terms.window_size,
        terms.timeout,
        terms.size,
    )
