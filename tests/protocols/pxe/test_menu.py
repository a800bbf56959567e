"""The boot menu: what fits, how choices are numbered."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import EncodeError
from protocols.pxe import registry
from protocols.pxe.menu import (
    JUST_BOOT,
    MAX_TITLE,
    encode_choice,
    encode_menu,
    menu_types,
)
from protocols.pxe.registry import pxe_sub_options
from protocols.pxe.value import BootItem, BootServer, MenuEntry, MenuPrompt

SERVER = IPv4Address("10.77.0.2")
PROMPT = MenuPrompt(seconds=2, text="E2E boot menu")


def entries(*titles: str) -> list[MenuEntry]:
    types = menu_types([f"{n} {title}" for n, title in enumerate(titles)])
    return [MenuEntry(type=number, text=text) for number, text in zip(types, titles, strict=True)]


def shown(data: bytes) -> tuple[MenuEntry, ...]:
    return registry.BOOT_MENU.decode(dict(pxe_sub_options(data))[9])


def test_menu_is_what_firmware_accepted() -> None:
    """Byte for byte the menu that dnsmasq gave iPXE (capture `bios-ipxe-proxymenu`, frame 2)."""
    lines = [MenuEntry(type=0x8002, text="First"), MenuEntry(type=0x8003, text="Second")]

    data, count = encode_menu(lines, server=SERVER, prompt=PROMPT)

    expected = (
        "06 01 03  08 0e 8002 01 0a4d0002 8003 01 0a4d0002"
        " 09 11 8002 05 4669727374 8003 06 5365636f6e64  0a 0e 02 45324520626f6f74206d656e75 ff"
    )
    assert data == bytes.fromhex(expected)
    assert count == 2


def test_titles_are_cut_between_characters() -> None:
    """A title takes at most MAX_TITLE bytes of UTF-8, none of them half a character."""
    data, _ = encode_menu(entries("ß" * 40), server=SERVER, prompt=PROMPT)

    (line,) = shown(data)
    assert line.text == "ß" * (MAX_TITLE // 2)


def test_control_characters_do_not_reach_the_screen() -> None:
    """A title with an escape in it is shown with question marks."""
    data, _ = encode_menu(entries("a\x1b[2Jb"), server=SERVER, prompt=PROMPT)

    assert shown(data)[0].text == "a?[2Jb"


@given(
    st.lists(st.text(max_size=60), min_size=1, max_size=40),
    st.text(max_size=100),
    st.integers(0, 255),
)
def test_menu_fits_one_option(titles: list[str], prompt: str, seconds: int) -> None:
    """Whatever the titles, the menu fits option 43, shows the first entries in their order, and has
    a server for each."""
    lines = entries(*titles)

    data, count = encode_menu(lines, server=SERVER, prompt=MenuPrompt(seconds=seconds, text=prompt))

    found = dict(pxe_sub_options(data))
    menu = registry.BOOT_MENU.decode(found[9])
    assert len(data) <= 255
    assert [line.type for line in menu] == [line.type for line in lines[:count]]
    assert registry.BOOT_SERVERS.decode(found[8]) == tuple(
        BootServer(type=line.type, addresses=(SERVER,)) for line in menu
    )
    assert registry.MENU_PROMPT.decode(found[10]).seconds == seconds
    if count < len(lines):  # the next one would not have fitted
        left = 255 - len(data)
        assert left < 7 + 3 + MAX_TITLE


def test_nothing_to_show_is_an_error() -> None:
    """There is no empty menu."""
    with pytest.raises(EncodeError):
        encode_menu([], server=SERVER, prompt=PROMPT)


@given(st.lists(st.text(max_size=8), unique=True, max_size=60))
def test_types_are_ours_and_differ(names: list[str]) -> None:
    """Every name has a type of its own in the range that is left to vendors."""
    types = menu_types(names)

    assert len(set(types)) == len(names)
    assert all(0x8000 <= number <= 0xFFFF for number in types)


def test_type_stays_when_the_list_changes() -> None:
    """A choice made in an older menu means the same entry."""
    before = dict(zip(["debian", "fedora"], menu_types(["debian", "fedora"]), strict=True))

    after = dict(zip(["arch", "fedora"], menu_types(["arch", "fedora"]), strict=True))

    assert after["fedora"] == before["fedora"]


def test_names_of_one_number_get_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two names with the same checksum have two types."""
    monkeypatch.setattr("protocols.pxe.menu.crc32", lambda _: 0xFFFFFFFF)

    assert menu_types(["a", "b", "c"]) == (0xFFFF, 0x8000, 0x8001)


def test_choice_is_echoed() -> None:
    """The answer to a choice repeats type and layer."""
    assert encode_choice(BootItem(type=0x8002, layer=0)) == bytes.fromhex("47 04 8002 0000 ff")


def test_just_boot() -> None:
    """Bit 3 of the discovery control tells a ROM to load the file of this very message."""
    assert bytes.fromhex("06 01 08 ff") == JUST_BOOT
