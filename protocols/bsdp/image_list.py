"""The list of boot images (sub-option 9): reading it, and cutting it to the size a client takes.

    | image id (4) | name length (1) | name, UTF-8, no NUL | image id … |

A list longer than one option 43 goes into several, each complete in itself: an entry is never
split, and sub-option 9 opens again in each (bsdpd.c:529). Splitting the bytes anywhere, as RFC 3396
does for other options, makes Apple's client reject the whole reply.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from protocols.bsdp.image_id import BootImageId
from protocols.errors import DecodeError

IMAGE_LIST_CODE: Final = 9
ENTRY_HEADER: Final = 5
TLV_HEADER: Final = 2
INSTANCE_LIMIT: Final = 255
NAME_LIMIT: Final = INSTANCE_LIMIT - TLV_HEADER - TLV_HEADER - ENTRY_HEADER
"""246 bytes: 255, less the headers of option 43, of sub-option 9 and of the entry (bsdp.h:95)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageDescription:
    """One entry: `name` as it is on the wire, normally UTF-8."""

    image_id: BootImageId
    name: bytes

    @property
    def packed(self) -> bytes:
        """The entry on the wire, its name cut to what one may have."""
        name = cut_name(self.name)
        return b"%b%c%b" % (self.image_id.packed, len(name), name)


def cut_name(name: bytes) -> bytes:
    """At most 246 bytes of `name`, cut between characters.

    Apple's server cuts inside one (bsdpd.c:568), and then its client drops the entry, because the
    name is not UTF-8 any more (BSDPClient.c:1095).
    """
    if len(name) <= NAME_LIMIT:
        return name
    end = NAME_LIMIT
    while end > 0 and name[end] & 0xC0 == 0x80:  # a continuation byte: the character began before
        end -= 1
    return name[:end]


def read_images(data: bytes) -> tuple[tuple[ImageDescription, ...], int]:
    """Read entries as Apple's client does: those read, and the byte at which it stopped.

    It looks at an entry only where more than 5 bytes are left (BSDPClient.c:1066), so a last entry
    without a name is never seen. Raises DecodeError for a name that runs past the end.
    """
    images: list[ImageDescription] = []
    at = 0
    while len(data) - at > ENTRY_HEADER:
        end = at + ENTRY_HEADER + data[at + 4]
        if end > len(data):
            left = len(data) - at - ENTRY_HEADER
            raise DecodeError(
                "boot image list", at + 4, f"name of {data[at + 4]} bytes, {left} left"
            )
        images.append(
            ImageDescription(
                image_id=BootImageId.decode(data[at : at + 4]), name=data[at + ENTRY_HEADER : end]
            )
        )
        at = end
    return tuple(images), at


def decode_images(data: bytes) -> tuple[ImageDescription, ...]:
    """Every entry of a joined sub-option 9. Raises DecodeError unless they fill it exactly."""
    images, at = read_images(data)
    if at == len(data):
        return images
    if len(data) - at < ENTRY_HEADER:
        raise DecodeError("boot image list", at, f"{len(data) - at} bytes left, an entry has 5")
    if data[-1]:
        raise DecodeError("boot image list", at + 4, f"name of {data[-1]} bytes, 0 left")
    return (*images, ImageDescription(image_id=BootImageId.decode(data[at : at + 4]), name=b""))


def encode_images(images: Iterable[ImageDescription]) -> bytes:
    """The joined data of sub-option 9, names cut to their limit."""
    return b"".join([image.packed for image in images])


def cut_list(
    head: bytes, images: Sequence[ImageDescription], room: int
) -> tuple[tuple[bytes, ...], int]:
    """The instances of option 43 for a list, and how many of `images` are in them.

    `head` holds the sub-options that precede the list; `room` is what is left of the packet for all
    instances together, their headers included, and is at least `len(head) + 4`. The cut is the one
    of Apple's server (bsdpd.c:529-640): an entry that does not fit the instance opens the next; if
    that has no space for it the list ends there, even if a later, shorter entry would fit.
    """
    instances: list[bytes] = []
    instance, entries, listed = head, b"", 0
    space = min(INSTANCE_LIMIT, room - TLV_HEADER) - len(head) - TLV_HEADER
    for image in images:
        entry = image.packed
        if len(entry) > space:
            instances.append(_with_list(instance, entries))
            room -= TLV_HEADER + len(instances[-1])
            instance, entries = b"", b""
            space = min(INSTANCE_LIMIT, room - TLV_HEADER) - TLV_HEADER
            if len(entry) > space:
                break
        entries += entry
        space -= len(entry)
        listed += 1
    else:
        instances.append(_with_list(instance, entries))
    return tuple(instances), listed


def _with_list(instance: bytes, entries: bytes) -> bytes:
    """`instance` closed: with sub-option 9 if there are entries for it."""
    if not entries:
        return instance
    return b"%b%c%c%b" % (instance, IMAGE_LIST_CODE, len(entries), entries)
