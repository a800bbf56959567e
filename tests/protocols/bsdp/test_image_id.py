"""Boot image identifiers."""

from __future__ import annotations

import pytest

from protocols.bsdp.image_id import BootImageId, ImageKind
from protocols.errors import DecodeError, EncodeError
from tests.protocols.bsdp.vectors import Vector, name, vectors


@pytest.mark.parametrize("vector", vectors("boot_image_id"), ids=name)
def test_vector(vector: Vector) -> None:
    """The identifiers of insomniacslk/dhcp's own tests mean the same to us."""
    data = bytes.fromhex(vector["hex"])
    if vector["expect"] == "error":
        with pytest.raises(DecodeError, match="has 3 bytes, not 4"):
            BootImageId.decode(data)
        return

    image_id = BootImageId.decode(data)

    expected = vector["decode"]
    assert str(image_id) == expected["id"]
    assert (image_id.install, image_id.kind) == (expected["install"], expected["kind"])
    assert image_id.index == expected["index"]
    assert image_id.packed == data


def test_parts_make_the_whole() -> None:
    """Install bit, kind and index are all there is to choose."""
    image_id = BootImageId.of(install=True, kind=ImageKind.MAC_OS_X, index=4100)

    assert image_id == 0x81001004
    assert repr(image_id) == "BootImageId(0x81001004)"
    assert image_id.attributes == 0x8100


def test_reserved_byte_is_part_of_the_identity() -> None:
    """Two identifiers that differ in the reserved byte differ, and mean the same otherwise."""
    plain, odd = BootImageId(0x81001004), BootImageId(0x81FF1004)

    assert plain != odd
    assert (plain.install, plain.kind, plain.index) == (odd.install, odd.kind, odd.index)


@pytest.mark.parametrize(("index", "local"), [(1, True), (4095, True), (4096, False)])
def test_index_says_whether_servers_share_the_image(index: int, local: bool) -> None:
    """Indexes from 4096 on name the same image everywhere (bsdp.h:121)."""
    assert BootImageId.of(install=False, kind=1, index=index).is_server_local is local


@pytest.mark.parametrize("value", [-1, 1 << 32])
def test_value_out_of_range_is_refused(value: int) -> None:
    """An identifier has 32 bits."""
    with pytest.raises(EncodeError):
        BootImageId(value)


@pytest.mark.parametrize(("kind", "index"), [(128, 1), (-1, 1), (1, 65536), (1, -1)])
def test_parts_out_of_range_are_refused(kind: int, index: int) -> None:
    """A kind has 7 bits and an index 16."""
    with pytest.raises(EncodeError):
        BootImageId.of(install=False, kind=kind, index=index)
