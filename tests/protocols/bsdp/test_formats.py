"""The hand-written decoders and the construct definitions agree on every input."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Any

import pytest
from construct import ConstructError
from hypothesis import event, given
from hypothesis import strategies as st

from protocols.bsdp import vendor
from protocols.bsdp.formats import (
    BOOT_IMAGE_ID,
    IMAGE_LIST,
    PAD,
    SUB_OPTION_VALUES,
    VENDOR_AREA,
)
from protocols.bsdp.image_id import BootImageId
from protocols.bsdp.image_list import ImageDescription, decode_images, encode_images
from protocols.bsdp.vendor import Field, SubOption, decode_instance, encode
from protocols.errors import DecodeError

SUB_OPTIONS = st.builds(SubOption, st.integers(1, 254), st.binary(max_size=40))
IMAGES = st.builds(
    ImageDescription,
    image_id=st.integers(0, 0xFFFFFFFF).map(BootImageId),
    name=st.binary(max_size=20),
)
NEARLY_AREAS = st.lists(SUB_OPTIONS, max_size=5).map(lambda found: b"".join(encode(found)))
NEARLY_LISTS = st.lists(IMAGES, max_size=4).map(encode_images)


def broken(strategy: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Anything at all, what is right, and what is right with some bytes replaced."""
    cut = st.tuples(strategy, st.integers(0, 60), st.binary(max_size=3))
    return st.one_of(
        st.binary(max_size=60),
        strategy,
        cut.map(lambda c: c[0][: c[1]] + c[2] + c[0][c[1] + len(c[2]) :]),
        cut.map(lambda c: c[0][: c[1]] + c[2]),
    )


def attempt(function: Callable[[bytes], Any], data: bytes) -> Any:
    """What `function` makes of `data`, or "refused"."""
    try:
        return function(data)
    except (DecodeError, ConstructError):
        return "refused"


def area(data: bytes) -> list[tuple[int, bytes]]:
    """The sub-options of one instance by the normative definition, pads left out."""
    return [
        (found.code, found.data)
        for found in VENDOR_AREA.parse(data).sub_options
        if found.code != PAD
    ]


def image_id(data: bytes) -> BootImageId:
    """An image id by the normative definition, put together from its parts."""
    parts = BOOT_IMAGE_ID.parse(data)
    whole = BootImageId.of(install=parts.install, kind=parts.kind, index=parts.index)
    return BootImageId(whole | parts.reserved << 16)


def images(data: bytes) -> list[tuple[bytes, bytes]]:
    """An image list by the normative definition."""
    return [(BOOT_IMAGE_ID.build(found.image_id), found.name) for found in IMAGE_LIST.parse(data)]


@given(broken(NEARLY_AREAS))
def test_vendor_areas_agree(data: bytes) -> None:
    """An instance of option 43 has the same sub-options, or is refused, by both."""
    ours = attempt(lambda d: [tuple(found) for found in decode_instance(d)], data)

    event("refused" if ours == "refused" else "taken")
    assert ours == attempt(area, data)


@given(broken(NEARLY_LISTS))
def test_image_lists_agree(data: bytes) -> None:
    """An image list has the same entries, or is refused, by both."""
    ours = attempt(lambda d: [(i.image_id.packed, i.name) for i in decode_images(d)], data)

    event("refused" if ours == "refused" else "taken")
    assert ours == attempt(images, data)


@given(st.binary(min_size=4, max_size=4))
def test_image_ids_agree(data: bytes) -> None:
    """The parts of an image id are the same by both, and so is the whole."""
    ours, parts = BootImageId.decode(data), BOOT_IMAGE_ID.parse(data)

    assert (ours.install, ours.kind, ours.index) == (parts.install, parts.kind, parts.index)
    assert ours == image_id(data)
    assert ours.packed == BOOT_IMAGE_ID.build(parts) == data


@pytest.mark.parametrize("field", vendor.FIELDS, ids=lambda field: field.name)
@given(data=st.one_of(st.binary(max_size=9), NEARLY_LISTS))
def test_values_agree(field: Field[Any], data: bytes) -> None:
    """A sub-option has the same value, or is refused, by both."""
    as_ours: dict[int, Callable[[Any], Any]] = {
        3: lambda value: IPv4Address(bytes(value)),
        7: lambda value: image_id(BOOT_IMAGE_ID.build(value)),
        8: lambda value: image_id(BOOT_IMAGE_ID.build(value)),
        9: lambda value: tuple(
            ImageDescription(image_id=image_id(BOOT_IMAGE_ID.build(i.image_id)), name=i.name)
            for i in value
        ),
        11: tuple,
    }
    normative = attempt(SUB_OPTION_VALUES[field.code].parse, data)
    if normative != "refused":
        normative = as_ours.get(field.code, lambda value: value)(normative)

    assert attempt(field.decode, data) == normative


def test_every_field_has_a_definition() -> None:
    """No sub-option is defined in one of the two places only."""
    assert {field.code for field in vendor.FIELDS} == set(SUB_OPTION_VALUES)


@given(st.lists(SUB_OPTIONS, max_size=30))
def test_sub_options_round_trip(sub_options: list[SubOption]) -> None:
    """What is written is read back, in order, from instances of at most 255 bytes."""
    instances = encode(sub_options)

    assert all(0 < len(instance) <= 255 for instance in instances)
    assert list(vendor.decode(instances).sub_options) == sub_options


@given(st.lists(IMAGES, max_size=30))
def test_image_lists_round_trip(listed: list[ImageDescription]) -> None:
    """What is written is read back."""
    assert decode_images(encode_images(listed)) == tuple(listed)
