from __future__ import annotations

from ipaddress import IPv4Address
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from images.name import objection
from images.root_path import (
    NfsExport,
    http_root_path,
    indirect_http,
    indirect_nfs,
    nfs_root_path,
    no_lookup,
    resolved,
)

SERVER = IPv4Address("10.99.0.1")
NAMES = {"myserver": "17.202.42.112", "broken": "not an address"}


def lookup(name: str) -> str:
    if name not in NAMES:
        raise OSError("no such host")
    return NAMES[name]


def test_http_root_path_is_escaped_as_apple_escapes_it() -> None:
    """The text that Apple's server sent for the same folder (captured ACK[SELECT], option 17)."""
    assert (
        http_root_path(SERVER, 80, "NetBootSP0", "Sierra Install.nbi", "NetInstall.dmg")
        == "http://10.99.0.1/NetBoot/NetBootSP0/Sierra%20Install.nbi/NetInstall.dmg"
    )


def test_http_port_is_named_unless_it_is_80() -> None:
    """A Mac assumes port 80."""
    text = http_root_path(SERVER, 8080, "NetBootSP0", "A.nbi", "x#y?z%.dmg")

    assert text == "http://10.99.0.1:8080/NetBoot/NetBootSP0/A.nbi/x%23y%3Fz%25.dmg"


@given(st.text(min_size=1).filter(lambda name: objection(name) is None))
def test_http_root_path_decodes_to_the_name(name: str) -> None:
    """Whoever decodes the path once has the name again."""
    text = http_root_path(SERVER, 80, "S", "A.nbi", name)

    assert unquote(text) == f"http://10.99.0.1/NetBoot/S/A.nbi/{name}"
    assert text.isascii()


@pytest.mark.parametrize(
    ("export", "expected"),
    [
        (NfsExport(path="/Library/NetBoot/NetBootSP0"), "10.99.0.1:/Library/NetBoot/NetBootSP0"),
        (NfsExport(path="/srv/nb/", server=IPv4Address("10.0.0.9")), "10.0.0.9:/srv/nb"),
        (NfsExport(path="/Volumes/Foo:Bar"), r"10.99.0.1:/Volumes/Foo\:Bar"),
        (NfsExport(path="/"), "10.99.0.1:/"),
    ],
)
def test_nfs_root_path(export: NfsExport, expected: str) -> None:
    """Export and image are parted by a colon; a colon in the export is escaped; nothing else is."""
    text = nfs_root_path(SERVER, export, "Big Sur.nbi", "System.dmg")

    assert text == f"nfs:{expected}:Big Sur.nbi/System.dmg"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://10.99.0.9/img/x y.dmg", "http://10.99.0.9/img/x y.dmg"),
        ("http://17.203.12.194:8080/a/b.dmg", "http://17.203.12.194:8080/a/b.dmg"),
        ("http://foo:bar@17.203.12.194/a.dmg", "http://foo:bar@17.203.12.194/a.dmg"),
        ("http://joe:@myserver:8080/a.dmg", "http://joe:@17.202.42.112:8080/a.dmg"),
        ("http://myserver/a:b@c.dmg", "http://17.202.42.112/a:b@c.dmg"),
    ],
)
def test_indirect_http_is_sent_as_written(text: str, expected: str) -> None:
    """Only a host name is replaced by its address; a space stays a space."""
    assert indirect_http(text, lookup) == expected


@pytest.mark.parametrize(
    "text",
    [
        "NetInstall.dmg",
        "https://10.0.0.1/a.dmg",
        "http://10.0.0.1",
        "http://10.0.0.1/",
        "http:///a.dmg",
        "http://user@10.0.0.1/a.dmg",
        "http://10.0.0.1:http/a.dmg",
        "http://10.0.0.1/a\r\nb",
    ],
)
def test_what_is_no_indirect_http(text: str) -> None:
    """A user needs a password, a port is a number, and https is beyond a booting kernel."""
    assert indirect_http(text, lookup) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("17.1.2.3:/Library/NetBoot:J/J.dmg", "nfs:17.1.2.3:/Library/NetBoot:J/J.dmg"),
        (r"myserver:/Foo\:/SP0:J/J.dmg", r"nfs:17.202.42.112:/Foo\:/SP0:J/J.dmg"),
        ("myserver:/export", "nfs:17.202.42.112:/export"),
    ],
)
def test_indirect_nfs(text: str, expected: str) -> None:
    """The three shapes of nbimages.c, escaped colons included."""
    assert indirect_nfs(text, lookup) == expected


@pytest.mark.parametrize("text", ["System.dmg", ":/x", "host:relative", "user@host:/x", "h:/a\nb"])
def test_what_is_no_indirect_nfs(text: str) -> None:
    """A mount point is absolute and comes after a host."""
    assert indirect_nfs(text, lookup) is None


@pytest.mark.parametrize("name", ["unknown", "broken"])
def test_names_that_cannot_be_resolved(name: str) -> None:
    """A name without an IPv4 address is an OSError, whatever the lookup answers."""
    with pytest.raises(OSError, match=r"no such host|not an address"):
        resolved(name, lookup)


def test_no_lookup_knows_addresses_only() -> None:
    """Without a lookup, literal addresses still work."""
    assert resolved("10.0.0.1", no_lookup) == IPv4Address("10.0.0.1")
    with pytest.raises(OSError, match="looks no names up"):
        resolved("myserver", no_lookup)
