"""The written forms of values that TOML has no type for."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.setting import (
    FORMS,
    AddressRange,
    ByteSize,
    Duration,
    InterfacePattern,
    MacAddress,
    NetworkRoute,
)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Duration, "500ms", 0.5),
        (Duration, "1.5 s", 1.5),
        (Duration, "2m", 120.0),
        (Duration, "1h", 3600.0),
        (ByteSize, "512 B", 512),
        (ByteSize, "64KiB", 65536),
        (ByteSize, "1 MiB", 1 << 20),
        (ByteSize, "2 GiB", 2 << 30),
        (MacAddress, "00:16:cb:AA:bb:cc", b"\x00\x16\xcb\xaa\xbb\xcc"),
        (MacAddress, "0:16:cb:a:b:c", b"\x00\x16\xcb\x0a\x0b\x0c"),
        (MacAddress, "00-16-cb-aa-bb-cc", b"\x00\x16\xcb\xaa\xbb\xcc"),
        (InterfacePattern, "vEthernet (WSL)", "vEthernet (WSL)"),
        (IPv4Address, "10.0.0.1", IPv4Address("10.0.0.1")),
        (IPv4Network, "10.0.0.0/8", IPv4Network("10.0.0.0/8")),
        (
            AddressRange,
            "10.0.0.1-10.0.0.9",
            AddressRange(IPv4Address("10.0.0.1"), IPv4Address("10.0.0.9")),
        ),
        (
            AddressRange,
            "10.0.0.1 - 10.0.0.1",
            AddressRange(IPv4Address("10.0.0.1"), IPv4Address("10.0.0.1")),
        ),
        (
            NetworkRoute,
            "10.9.0.0/16 via 10.0.0.2",
            NetworkRoute(IPv4Network("10.9.0.0/16"), IPv4Address("10.0.0.2")),
        ),
        (Path, "a/b", Path("a/b")),
    ],
)
def test_a_written_form_is_read(kind: type, text: str, value: Any) -> None:
    """Each form that the documentation names has its value."""
    assert FORMS[kind].parse(text) == value


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        (Duration, ["", "5", "s", "-1s", "1 day", "1e3s", "\u0661s", "nans", "1s\n"]),
        (ByteSize, ["", "5", "1.5 KiB", "-1 B", "1 KB", "1kib", "1 MiB\n"]),
        (MacAddress, ["", "00:16:cb:aa:bb", "00:16:cb:aa:bb:cc:dd", "00:16:cb:aa:bb:xx", "0016cb"]),
        (InterfacePattern, ["", "a\nb", "a/b", "a\x00", "x" * 257]),
        (IPv4Address, ["", "10.0.0", "10.0.0.256", "::1", "010.0.0.1"]),
        (IPv4Network, ["10.0.0.1/8", "10.0.0.0/33"]),
        (AddressRange, ["", "-", "10.0.0.9-10.0.0.1", "10.0.0.1-9", "10.0.0.1-10.0.0.2-"]),
        (NetworkRoute, ["", "10.9.0.0/16", "10.9.0.1/16 via 10.0.0.2", "10.9.0.0/16 by 10.0.0.2"]),
        (Path, ["", "a\0b"]),
    ],
)
def test_anything_else_is_refused(kind: type, texts: list[str]) -> None:
    """A text that is not exactly of the form raises ValueError."""
    for text in texts:
        with pytest.raises(ValueError):  # noqa: PT011 - the type is the whole promise
            FORMS[kind].parse(text)


@given(st.integers(1, 10**6), st.sampled_from(["ms", "s", "m", "h"]))
def test_a_duration_prints_what_it_parses(number: int, unit: str) -> None:
    """str() of a duration parses to the same duration, to a microsecond."""
    duration = Duration.parse(f"{number}{unit}")

    assert abs(Duration.parse(str(duration)) - duration) < 1e-6 * max(1.0, duration)


@given(st.integers(0, 10**12 - 1), st.sampled_from(["B", "KiB", "MiB", "GiB"]))
def test_a_size_prints_what_it_parses(number: int, unit: str) -> None:
    """str() of a size parses to the same size."""
    size = ByteSize.parse(f"{number} {unit}")

    assert ByteSize.parse(str(size)) == size


@given(st.binary(min_size=6, max_size=6))
def test_an_ethernet_address_prints_what_it_parses(octets: bytes) -> None:
    """str() of an address parses to the same six octets."""
    assert MacAddress.parse(str(MacAddress(octets))) == octets


@given(st.ip_addresses(v=4), st.ip_addresses(v=4))
def test_addresses_print_what_they_parse(one: IPv4Address, other: IPv4Address) -> None:
    """str() of a range parses to the same range, also where it is one address."""
    span = AddressRange(min(one, other), max(one, other))

    assert AddressRange.parse(str(span)) == span


def test_a_route_prints_what_it_parses() -> None:
    """str() of a route parses to the same route."""
    assert str(NetworkRoute.parse("10.9.0.0/16 via 10.0.0.2")) == "10.9.0.0/16 via 10.0.0.2"
