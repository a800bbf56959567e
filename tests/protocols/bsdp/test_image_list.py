"""Image lists: reading, names, and cutting to size as Apple's server does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.bsdp.image_id import BootImageId
from protocols.bsdp.image_list import (
    NAME_LIMIT,
    ImageDescription,
    cut_list,
    cut_name,
    decode_images,
    read_images,
)
from protocols.bsdp.vendor import decode
from protocols.errors import DecodeError
from tests.protocols.bsdp.vectors import Vector, name, vectors

HEAD = bytes.fromhex("010101 04028000 070481001001")  # LIST, priority, default image


def images(*sizes: int) -> list[ImageDescription]:
    """Images with names of these sizes."""
    return [
        ImageDescription(image_id=BootImageId(index + 1), name=b"n" * size)
        for index, size in enumerate(sizes)
    ]


@pytest.mark.parametrize("vector", vectors("boot_image_list"), ids=name)
def test_vector(vector: Vector) -> None:
    """The lists of insomniacslk/dhcp's own tests are read, or refused, as there."""
    data = bytes.fromhex(vector["hex"])
    if "decode" not in vector:
        with pytest.raises(DecodeError, match="name of 7 bytes, 6 left"):
            decode_images(data)
        return

    listed = decode_images(data)

    assert [(str(i.image_id), i.name.decode()) for i in listed] == [
        (i["id"], i["name"]) for i in vector["decode"]["images"]
    ]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x81\x00\x00\x01", "boot image list at byte 0: 4 bytes left, an entry has 5"),
        (b"\x81\x00\x00\x01\x01", "boot image list at byte 4: name of 1 bytes, 0 left"),
        (b"\x81\x00\x00\x01\x01A\x81", "boot image list at byte 6: 1 bytes left, an entry has 5"),
    ],
)
def test_list_that_ends_inside_an_entry_is_refused(data: bytes, why: str) -> None:
    """A list is filled exactly by its entries."""
    with pytest.raises(DecodeError) as caught:
        decode_images(data)

    assert str(caught.value) == why


def test_last_entry_without_name_is_read_by_us_and_not_seen_by_apples_client() -> None:
    """Apple's loop wants more than five bytes (BSDPClient.c:1066)."""
    data = b"\x81\x00\x00\x01\x01A" + b"\x81\x00\x00\x02\x00"

    assert [image.name for image in decode_images(data)] == [b"A", b""]
    seen, stopped_at = read_images(data)
    assert [image.name for image in seen] == [b"A"]
    assert stopped_at == 6


def test_name_is_cut_between_characters() -> None:
    """Apple's server cuts at 246 bytes, here inside é; we cut before it."""
    text = "n" * 245 + "é" + "more"

    cut = cut_name(text.encode())

    assert cut.decode() == "n" * 245
    assert ImageDescription(image_id=BootImageId(1), name=text.encode()).packed[4] == 245


@given(st.text(min_size=60, max_size=300))
def test_cut_name_is_the_longest_that_is_text(text: str) -> None:
    """A cut name is whole characters, the start of the name, and no shorter than it must be."""
    name_ = text.encode("utf-8", "replace")

    cut = cut_name(name_)

    assert name_.startswith(cut)
    rest = name_.decode()[len(cut.decode()) :]
    assert len(cut) <= NAME_LIMIT
    assert not rest or len(cut) + len(rest[0].encode()) > NAME_LIMIT


def test_name_of_continuation_bytes_is_cut_to_nothing() -> None:
    """Bytes that begin no character have none to keep."""
    assert cut_name(b"\x80" * 300) == b""


def test_short_list_is_one_instance() -> None:
    """A list that fits follows the other sub-options in their instance."""
    instances, listed = cut_list(HEAD, images(5, 5), 257)

    assert listed == 2
    assert instances == (HEAD + b"\x09\x14" + b"\0\0\0\x01\x05nnnnn" + b"\0\0\0\x02\x05nnnnn",)


def test_entry_that_does_not_fit_opens_an_instance() -> None:
    """An entry is never split, and each instance begins sub-option 9 anew."""
    instances, listed = cut_list(HEAD, images(100, 100, 100), 1000)

    assert listed == 3
    assert [len(instance) for instance in instances] == [len(HEAD) + 2 + 2 * 105, 2 + 105]
    assert instances[1].startswith(b"\x09\x69\x00\x00\x00\x03")


def test_first_instance_may_have_no_list() -> None:
    """The longest name needs an instance of its own; the first goes without sub-option 9."""
    instances, listed = cut_list(HEAD, images(NAME_LIMIT), 1000)

    assert listed == 1
    assert instances[0] == HEAD
    assert len(instances[1]) == 2 + 5 + NAME_LIMIT


def test_list_ends_where_the_packet_is_full() -> None:
    """A later entry that would fit is not preferred to an earlier one that does not."""
    instances, listed = cut_list(HEAD, images(100, 200, 1), 2 + len(HEAD) + 2 + 105 + 50)

    assert listed == 1
    assert len(instances) == 1


def test_no_room_at_all_leaves_the_other_sub_options() -> None:
    """Without room for one entry the reply still says priority and default."""
    assert cut_list(HEAD, images(50), len(HEAD) + 4) == ((HEAD,), 0)


@given(st.lists(st.integers(0, 300), min_size=1, max_size=60), st.integers(17, 4000))
def test_cut_list_fits_and_is_a_prefix(sizes: list[int], room: int) -> None:
    """Instances fit the room, are complete in themselves, and list the first images in order."""
    all_images = images(*sizes)

    instances, listed = cut_list(HEAD, all_images, room)

    assert sum(2 + len(instance) for instance in instances) <= room
    assert all(0 < len(instance) <= 255 for instance in instances)
    found = decode_images(decode(instances).joined(9) or b"")
    assert [i.image_id for i in found] == [i.image_id for i in all_images[:listed]]
    assert [i.name for i in found] == [cut_name(i.name) for i in all_images[:listed]]
