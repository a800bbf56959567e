"""Sub-options of option 43: lookup, values, splitting, and the option 43 data of real servers."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest

from protocols.bsdp import vendor
from protocols.bsdp.image_id import BootImageId
from protocols.bsdp.image_list import ImageDescription
from protocols.bsdp.vendor import (
    Field,
    SubOption,
    VendorOptions,
    decode,
    decode_instance,
    decode_lenient,
    encode,
)
from protocols.errors import DecodeError, EncodeError
from tests.protocols.bsdp.vectors import Vector, name, vectors

LIST = b"\x01\x01\x01"  # message type LIST
VERSION_1_1 = b"\x02\x02\x01\x01"

EXAMPLES: list[tuple[Field[Any], Any, bytes]] = [
    (vendor.MESSAGE_TYPE, 2, b"\x02"),
    (vendor.VERSION, 0x0101, b"\x01\x01"),
    (vendor.SERVER_IDENTIFIER, IPv4Address("10.99.0.1"), b"\x0a\x63\x00\x01"),
    (vendor.SERVER_PRIORITY, 32768, b"\x80\x00"),
    (vendor.REPLY_PORT, 993, b"\x03\xe1"),
    (vendor.BOOT_IMAGE_LIST_PATH, b"/x", b"/x"),
    (vendor.DEFAULT_IMAGE, BootImageId(0x81001004), b"\x81\x00\x10\x04"),
    (vendor.SELECTED_IMAGE, BootImageId(0x0100020E), b"\x01\x00\x02\x0e"),
    (
        vendor.BOOT_IMAGE_LIST,
        (ImageDescription(image_id=BootImageId(0x81000001), name=b"netboot"),),
        b"\x81\x00\x00\x01\x07netboot",
    ),
    (vendor.OLD_FIRMWARE, b"", b""),
    (vendor.ATTRIBUTES_FILTER, (0x8100, 0x0300), b"\x81\x00\x03\x00"),
    (vendor.MAX_MESSAGE_SIZE, 8192, b"\x20\x00"),
    (vendor.SHADOW_MOUNT_PATH, b"afp://u:p@10.0.0.1/N", b"afp://u:p@10.0.0.1/N"),
    (vendor.SHADOW_FILE_PATH, b"NetBoot001/Shadow", b"NetBoot001/Shadow"),
    (vendor.MACHINE_NAME, b"NetBoot001", b"NetBoot001"),
]


@pytest.mark.parametrize(("field", "value", "data"), EXAMPLES)
def test_field_reads_and_writes_its_value(field: Field[Any], value: Any, data: bytes) -> None:
    """Each sub-option has one value for its bytes, and the same bytes for that value."""
    sub_option = field.sub_option(value)

    assert sub_option == SubOption(field.code, data)
    assert VendorOptions(sub_options=(sub_option,)).value(field) == value


def test_every_sub_option_has_a_field() -> None:
    """All codes of bsdp.h are known by name."""
    assert [field.code for field in vendor.FIELDS] == [*range(1, 13), 128, 129, 130]
    assert {field for field, _, _ in EXAMPLES} == set(vendor.FIELDS)


@pytest.mark.parametrize(
    "field", [f for f in vendor.FIELDS if f.size is not None], ids=lambda f: f.name
)
@pytest.mark.parametrize("excess", [-1, 1])
def test_value_of_the_wrong_length_is_refused(field: Field[Any], excess: int) -> None:
    """A short or long value raises DecodeError with the sub-option's name, and is never read."""
    assert field.size is not None
    data = bytes(field.size + excess)

    with pytest.raises(DecodeError, match=rf"sub-option {field.code} \({field.name}\)") as caught:
        VendorOptions(sub_options=(SubOption(field.code, data),)).value(field)

    assert str(caught.value).endswith(f"has {len(data)} bytes, not {field.size}")


def test_odd_attribute_list_is_refused() -> None:
    """An attribute filter list is a list of pairs of bytes."""
    with pytest.raises(DecodeError, match=r"sub-option 11 .* at byte 3"):
        vendor.ATTRIBUTES_FILTER.decode(b"\x81\x00\x03")


def test_malformed_image_list_names_the_sub_option() -> None:
    """An error inside a value tells the sub-option and the byte in it."""
    with pytest.raises(DecodeError, match=r"sub-option 9 \(boot image list\) at byte 4"):
        vendor.BOOT_IMAGE_LIST.decode(b"\x81\x00\x00\x01\x08netboot")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (vendor.MESSAGE_TYPE, 256),
        (vendor.VERSION, -1),
        (vendor.REPLY_PORT, 65536),
        (vendor.ATTRIBUTES_FILTER, (0x10000,)),
        (vendor.MACHINE_NAME, bytes(256)),
    ],
)
def test_value_that_does_not_fit_is_not_written(field: Field[Any], value: Any) -> None:
    """Numbers out of range and data over 255 bytes raise EncodeError."""
    with pytest.raises(EncodeError, match=f"sub-option {field.code}"):
        field.sub_option(value)


def test_absent_sub_option_is_none() -> None:
    """What is not there is None, in every way to ask for it."""
    options = decode((LIST,))

    assert options.first(8) is None
    assert options.joined(9) is None
    assert options.value(vendor.SELECTED_IMAGE) is None
    assert options.value(vendor.BOOT_IMAGE_LIST) is None


def test_first_of_two_counts() -> None:
    """Where a sub-option comes twice Apple's code takes the first (dhcpol_find)."""
    options = decode((b"\x05\x02\x03\xe1", b"\x05\x02\x03\xe2"))

    assert options.value(vendor.REPLY_PORT) == 993


def test_image_lists_of_all_instances_are_joined() -> None:
    """A list goes on in the sub-option 9 of the next instance (dhcpol_option_copy)."""
    one, two = b"\x81\x00\x00\x01\x01A", b"\x81\x00\x00\x02\x01B"
    options = decode((b"\x09\x06" + one, b"\x09\x06" + two))

    images = options.value(vendor.BOOT_IMAGE_LIST)

    assert images is not None
    assert [image.name for image in images] == [b"A", b"B"]


def test_pads_and_end_are_tolerated() -> None:
    """Pads between sub-options are skipped, and nothing is read behind an end."""
    assert decode_instance(b"\x00" + LIST + b"\x00\x00" + VERSION_1_1 + b"\xff\x05\x02") == (
        SubOption(1, b"\x01"),
        SubOption(2, b"\x01\x01"),
    )


def test_unknown_sub_options_are_kept() -> None:
    """A code that BSDP does not define stays, with its data and in its place."""
    data = LIST + b"\x4e\x03abc" + VERSION_1_1

    assert decode_instance(data)[1] == SubOption(0x4E, b"abc")
    assert encode(decode_instance(data)) == (data,)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (LIST + b"\x09", "sub-option 9 at byte 4: the length byte is missing"),
        (LIST + b"\x09\x05abcd", "sub-option 9 at byte 4: 5 bytes announced, 4 left"),
    ],
)
def test_sub_option_that_leaves_its_instance_is_refused(data: bytes, why: str) -> None:
    """A sub-option ends within its own instance of option 43."""
    with pytest.raises(DecodeError) as caught:
        decode((data,))

    assert str(caught.value) == why


STRADDLED = (b"\x01\x01\x01\x02\x02\x01", b"\x01\x05\x02\x03\xe1")


def test_straddling_is_refused_where_apples_client_reads() -> None:
    """Instances are complete in themselves: RFC 3396 does not hold for BSDP."""
    with pytest.raises(DecodeError):
        decode(STRADDLED)


def test_straddling_is_joined_where_a_server_reads() -> None:
    """A server takes what makes sense only when joined, so that such clients get an answer."""
    options = decode_lenient(STRADDLED)

    assert options.value(vendor.VERSION) == 0x0101
    assert options.value(vendor.REPLY_PORT) == 993


@pytest.mark.parametrize("instances", [(b"\x01\x02\x01",), (b"\x01\x09\x01", b"\x02\x09\x01")])
def test_joining_does_not_hide_nonsense(instances: tuple[bytes, ...]) -> None:
    """What is malformed joined too is refused with what is wrong in the instance itself."""
    with pytest.raises(DecodeError, match="sub-option 1 at byte 1"):
        decode_lenient(instances)


def test_sub_options_are_packed_whole() -> None:
    """What does not fit 255 bytes goes into another instance; nothing is split."""
    big = SubOption(128, bytes(200))
    more = SubOption(129, bytes(60))

    instances = encode([SubOption(1, b"\x02"), big, more])

    assert [len(instance) for instance in instances] == [3 + 202, 62]
    assert decode(instances).sub_options == (SubOption(1, b"\x02"), big, more)


def test_sub_option_of_253_bytes_fills_an_instance() -> None:
    """An instance is filled to its last byte."""
    instances = encode([SubOption(128, bytes(253)), SubOption(129, b"")])

    assert [len(instance) for instance in instances] == [255, 2]


def test_nothing_gives_no_instance() -> None:
    """There is no empty option 43."""
    assert encode([]) == ()


@pytest.mark.parametrize(
    "bad", [SubOption(128, bytes(254)), SubOption(0, b""), SubOption(255, b"")]
)
def test_sub_option_that_no_instance_holds_is_not_written(bad: SubOption) -> None:
    """Over 253 bytes, and the codes of pad and end, raise EncodeError."""
    with pytest.raises(EncodeError):
        encode([bad])


def typed(sub: dict[str, Any]) -> tuple[Field[Any], Any] | None:
    """What a decoded sub-option of the vectors says, as one of our fields and its value."""

    def image_id(key: str) -> BootImageId:
        return BootImageId(int(sub[key]["id"], 16))

    if "message_type" in sub:
        return vendor.MESSAGE_TYPE, vendor.MessageType[sub["message_type"]]
    if "version" in sub:
        major, minor = sub["version"].split(".")
        return vendor.VERSION, int(major) << 8 | int(minor)
    if "server_id" in sub:
        return vendor.SERVER_IDENTIFIER, IPv4Address(sub["server_id"])
    if "priority" in sub:
        return vendor.SERVER_PRIORITY, sub["priority"]
    if "reply_port" in sub:
        return vendor.REPLY_PORT, sub["reply_port"]
    if "default_image" in sub:
        return vendor.DEFAULT_IMAGE, image_id("default_image")
    if "selected_image" in sub:
        return vendor.SELECTED_IMAGE, image_id("selected_image")
    if "max_message_size" in sub:
        return vendor.MAX_MESSAGE_SIZE, sub["max_message_size"]
    if "machine_name" in sub:
        return vendor.MACHINE_NAME, sub["machine_name"].encode()
    if "images" in sub:
        listed = [
            ImageDescription(image_id=BootImageId(int(i["id"], 16)), name=i["name"].encode())
            for i in sub["images"]
        ]
        return vendor.BOOT_IMAGE_LIST, tuple(listed)
    return None


BROKEN = "opt43/netsus_select"
"""Its shadow path says 36 bytes and has 43: what follows is read from the middle of it."""


@pytest.mark.parametrize("vector", [v for v in vectors("opt43") if v["id"] != BROKEN], ids=name)
def test_published_option_43_is_read_and_written_again(vector: Vector) -> None:
    """Option 43 of other servers and clients has the values its source says, and round-trips."""
    data = bytes.fromhex(vector["hex"])

    options = decode((data,))

    assert encode(options.sub_options) == (data,)
    assert [(o.code, o.data.hex()) for o in options.sub_options] == [
        (sub["code"], sub["hex"]) for sub in vector["decode"]
    ]
    known = [typed(sub) for sub in vector["decode"]]
    assert all(known)
    for field, value in filter(None, known):
        assert options.value(field) == value


def test_published_option_43_with_a_wrong_length_is_refused() -> None:
    """The NetSUS recipe counts its shadow path wrong; what follows leaves the option."""
    (vector,) = vectors("opt43", BROKEN)

    with pytest.raises(DecodeError, match="sub-option 78 at byte 48: 101 bytes announced"):
        decode((bytes.fromhex(vector["hex"]),))
