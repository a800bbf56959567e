"""The boot menu of PXE firmware: what it shows, and how its user's choice comes back.

    OFFER or ACK   43{ 6: ask those in 8   8: type ──▶ our address   9: type, title   10: prompt }
    REQUEST 4011   43{ 71: type, layer 0 }
    ACK            43{ 71: the same } and the boot file

The type is a number of ours between 0x8000 and 0xffff, made from the entry's name and not from its
place, so that a choice means the same entry when the list changed between menu and choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address
from typing import Final
from zlib import crc32

from protocols.dhcp.option import INSTANCE_LIMIT
from protocols.errors import EncodeError
from protocols.pxe.registry import (
    BOOT_ITEM,
    BOOT_MENU,
    BOOT_SERVERS,
    DISCOVERY_CONTROL,
    MENU_PROMPT,
    NO_BROADCAST,
    NO_MULTICAST,
    USE_BOOT_FILE,
    encode_sub_options,
)
from protocols.pxe.value import BootItem, BootServer, MenuEntry, MenuPrompt

FIRST_OWN_TYPE: Final = 0x8000
"""Types below are Intel's and Microsoft's, from here on the vendor's (PXE 2.1 §2.1)."""
MAX_TITLE: Final = 48
"""Bytes of a title: with more, a list of three would fill option 43, and a text screen's line."""
MAX_PROMPT: Final = 64
WAIT_FOR_EVER: Final = 255

_SERVER_SIZE: Final = 2 + 1 + 4
_ENTRY_HEADER: Final = 2 + 1
_TLV: Final = 2
_FIXED: Final = (_TLV + 1) + _TLV + _TLV + (_TLV + 1) + 1
"""What a menu takes beside its entries and the text of its prompt: sub-options 6, 8, 9, 10, 255."""

JUST_BOOT: Final = encode_sub_options([DISCOVERY_CONTROL.of(USE_BOOT_FILE)])
"""Option 43 of a reply whose boot file is to be loaded without asking anybody else."""


def menu_types(names: Sequence[str]) -> tuple[int, ...]:
    """The type of each of `names`, no two the same; at most 0x8000 of them."""
    taken: dict[int, None] = {}
    for name in names:
        number = crc32(name.encode("utf-8", "surrogateescape")) & 0x7FFF
        while FIRST_OWN_TYPE | number in taken:
            number = (number + 1) & 0x7FFF
        taken[FIRST_OWN_TYPE | number] = None
    return tuple(taken)


def encode_menu(
    entries: Sequence[MenuEntry], *, server: IPv4Address, prompt: MenuPrompt
) -> tuple[bytes, int]:
    """Option 43 with a menu of as many of `entries` as fit, and how many those are.

    The first entry is what the firmware takes when nobody presses a key. Titles are cut to
    `MAX_TITLE` bytes, and so that no character is. Raises EncodeError if there is no entry.
    """
    text = _cut(prompt.text, MAX_PROMPT)
    room = INSTANCE_LIMIT - _FIXED - len(text.encode())
    shown: list[MenuEntry] = []
    for entry in entries:
        title = _cut(entry.text, MAX_TITLE)
        room -= _SERVER_SIZE + _ENTRY_HEADER + len(title.encode())
        if room < 0:
            break
        shown.append(MenuEntry(type=entry.type, text=title))
    if not shown:
        raise EncodeError("a menu without entries")
    data = encode_sub_options(
        [
            DISCOVERY_CONTROL.of(NO_BROADCAST | NO_MULTICAST),
            BOOT_SERVERS.of(
                tuple(BootServer(type=entry.type, addresses=(server,)) for entry in shown)
            ),
            BOOT_MENU.of(tuple(shown)),
            MENU_PROMPT.of(MenuPrompt(seconds=prompt.seconds, text=text)),
        ]
    )
    return data, len(shown)


def encode_choice(item: BootItem) -> bytes:
    """Option 43 of the answer to a choice: the item again, without which firmware does not take
    the answer (captures `ovmf-pxe4-proxymenu`, `bios-ipxe-proxymenu`)."""
    return encode_sub_options([BOOT_ITEM.of(item)])


def _cut(text: str, size: int) -> str:
    """`text` as far as it fits `size` bytes of UTF-8; what a screen cannot show is a `?`."""
    shown = "".join(character if character.isprintable() else "?" for character in text)
    return shown.encode("utf-8", "replace")[:size].decode("utf-8", "ignore")
