"""Request targets and the names in them."""

from __future__ import annotations

from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbootd.http.status import Refused
from netbootd.http.target import published_name


@pytest.mark.parametrize(
    ("target", "name"),
    [
        (b"/NetBoot/NetBootSP0/A.nbi/NetInstall.dmg", b"NetBoot/NetBootSP0/A.nbi/NetInstall.dmg"),
        (b"/A.nbi/i386/booter", b"A.nbi/i386/booter"),
        (b"/A%20B.nbi/x", b"A B.nbi/x"),
        (b"/%41.nbi/%78", b"A.nbi/x"),
        (b"/%C3%84.nbi/x", "Ä.nbi/x".encode()),
        (b"/A.nbi/x?query=..%2f", b"A.nbi/x"),
        (b"/A.nbi/100%25", b"A.nbi/100%"),
        (b"/A.nbi/%2541", b"A.nbi/%41"),  # decoded once, never twice
        (b"/A.nbi/..x/x..", b"A.nbi/..x/x.."),
        (b"http://10.0.0.1/A.nbi/x", b"A.nbi/x"),
        (b"HTTP://boot.example:8080/A.nbi/x?q", b"A.nbi/x"),
    ],
)
def test_names(target: bytes, name: bytes) -> None:
    """A path is decoded once; scheme, authority and query have no say in which file it names."""
    assert published_name(target) == name


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"*", 400),
        (b"A.nbi/x", 400),
        (b"ftp://10.0.0.1/A.nbi/x", 400),
        (b"http:///A.nbi/x", 400),
        (b"/A.nbi/../../etc/passwd", 400),
        (b"/A.nbi/%2e%2e/x", 400),
        (b"/A.nbi/.%2E/x", 400),
        (b"/A.nbi/./x", 400),
        (b"/..", 400),
        (b"/A.nbi%2fx", 400),
        (b"/A.nbi/..%2f..%2fx", 400),
        (b"/A.nbi/..%5c..%5cx", 400),
        (b"/A.nbi/..\\..\\x", 400),
        (b"/A.nbi/x%00.dmg", 400),
        (b"/A.nbi/x%0d%0aSet-Cookie:", 400),
        (b"/A.nbi/%7f", 400),
        (b"/A.nbi/%ff", 400),
        (b"/A.nbi/%c0%ae%c0%ae/x", 400),  # overlong UTF-8 for ..
        (b"/A.nbi/%ed%a0%80", 400),  # a surrogate
        (b"/A.nbi/%", 400),
        (b"/A.nbi/%4", 400),
        (b"/A.nbi/%zz", 400),
        (b"/A.nbi/%u002e", 400),
        (b"/A.nbi/x#fragment", 400),
        (b"/", 404),
        (b"//A.nbi/x", 404),
        (b"/A.nbi//x", 404),
        (b"/A.nbi/", 404),
        (b"http://10.0.0.1", 404),
    ],
)
def test_refusals(target: bytes, status: int) -> None:
    """What could mean something else to a file system is refused before any file is looked up."""
    with pytest.raises(Refused) as refused:
        published_name(target)

    assert refused.value.status is HTTPStatus(status)


@given(st.binary(max_size=60).map(lambda tail: b"/" + tail))
def test_any_target(target: bytes) -> None:
    """Whatever comes out is plain UTF-8 segments with nothing special in them."""
    try:
        name = published_name(target)
    except Refused:
        return

    segments = name.decode().split("/")
    assert not {"", ".", ".."} & set(segments)
    assert not any(character < " " or character in "\\\x7f" for character in name.decode())
