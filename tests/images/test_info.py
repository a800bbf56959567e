from __future__ import annotations

import plistlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from images.errors import BundleError
from images.info import MAX_BYTES, ImageInfo, ImageType, parse_info, parse_mac

from .folder import ABSENT, KEYS, info_bytes

PATH = Path("/images/A.nbi/NBImageInfo.plist")


def parsed(**keys: Any) -> ImageInfo:
    return parse_info(info_bytes(**keys), PATH)


def refused(**keys: Any) -> BundleError:
    with pytest.raises(BundleError) as caught:
        parsed(**keys)
    assert caught.value.path == PATH
    assert caught.value.remedy
    return caught.value


def test_defaults_are_those_of_apple() -> None:
    """What is not said is enabled, no default, not diskless, kind 1, for every model."""
    info = parsed(IsInstall=ABSENT)

    assert info.title == "Alpha"
    assert info.type is ImageType.HTTP
    assert (info.index, info.kind, info.boot_file) == (7, 1, "booter")
    assert info.architectures == ("i386",)
    assert info.is_enabled
    assert not info.is_install
    assert not info.is_default
    assert not info.is_diskless
    assert not info.is_filter_only
    assert info.enabled_system_ids == info.disabled_system_ids == frozenset()
    assert info.enabled_macs == info.disabled_macs == frozenset()
    assert info.load_balance_host is None
    assert info.description is info.language is info.image_type is info.os_version is None
    assert info.is_backward_compatible is None
    assert info.warnings == ()


def test_every_key_is_read() -> None:
    """All keys that the image tools write arrive, in XML and in binary lists alike."""
    keys = {
        "IsEnabled": False,
        "IsDefault": True,
        "SupportsDiskless": True,
        "FilterOnly": True,
        "Kind": 2,
        "EnabledSystemIdentifiers": ["iMac14,2", "Macmini6,1"],
        "DisabledSystemIdentifiers": ["iMac4,1"],
        "EnabledMACAddresses": ["aa:bb:cc:dd:ee:ff"],
        "DisabledMACAddresses": ["0:1:2:3:4:5"],
        "LoadBalanceServer": "10.0.0.7",
        "Description": "For the lab",
        "Language": "Default",
        "imageType": "netinstall",
        "osVersion": "10.13.6",
        "BackwardCompatible": True,
    }
    for form in (plistlib.FMT_XML, plistlib.FMT_BINARY):
        info = parse_info(info_bytes(form=form, **keys), PATH)

        assert not info.is_enabled
        assert info.is_default
        assert info.is_diskless
        assert info.is_filter_only
        assert info.kind == 2
        assert info.enabled_system_ids == {"iMac14,2", "Macmini6,1"}
        assert info.disabled_system_ids == {"iMac4,1"}
        assert info.enabled_macs == {bytes.fromhex("aabbccddeeff")}
        assert info.disabled_macs == {bytes.fromhex("000102030405")}
        assert info.load_balance_host == "10.0.0.7"
        assert (info.description, info.language) == ("For the lab", "Default")
        assert (info.image_type, info.os_version) == ("netinstall", "10.13.6")
        assert info.is_backward_compatible is True


@pytest.mark.parametrize(
    ("install", "kind", "index", "image_id"),
    [
        (True, 1, 1001, 0x810003E9),
        (False, 1, 7, 0x01000007),
        (False, 3, 300, 0x0300012C),
        (True, 127, 65535, 0xFF00FFFF),
    ],
)
def test_image_id_is_install_bit_kind_and_index(
    install: bool, kind: int, index: int, image_id: int
) -> None:
    """The ID is what Apple's server gives for the same keys, and the filter sees its upper half."""
    info = parsed(IsInstall=install, Kind=kind, Index=index)

    assert info.image_id == image_id
    assert info.attributes == image_id >> 16


@pytest.mark.parametrize(("index", "is_global"), [(4095, False), (4096, True), (65535, True)])
def test_indexes_from_4096_on_are_global(index: int, is_global: bool) -> None:
    """From 4096 on an index names one image on many servers."""
    assert parsed(Index=index).is_global is is_global


@pytest.mark.parametrize("index", [ABSENT, "7", True, 0, -1, 65536, 2**64 - 1, 7.5, [7], b"7"])
def test_index_must_be_an_integer_in_range(index: object) -> None:
    """A string Index, which some tools write, is refused with what would be right."""
    error = refused(Index=index)

    assert error.why.startswith("Index is")
    assert error.remedy == "set Index to an <integer> from 1 to 65535"


def test_index_may_be_a_real_without_fraction() -> None:
    """CFNumberGetValue takes 7.0 for 7."""
    assert parsed(Index=7.0).index == 7


@pytest.mark.parametrize("key", ["Name", "Type", "BootFile", "RootPath"])
@pytest.mark.parametrize("value", [ABSENT, "", 5, ["x"]])
def test_required_strings(key: str, value: object) -> None:
    """A required key that is missing, empty or of another type is named."""
    assert refused(**{key: value}).why.startswith(f"{key} is")


def test_type_must_be_known() -> None:
    """The three types that can be served are named in the remedy."""
    assert "HTTP, NFS or BootFileOnly" in refused(Type="http").remedy


def test_classic_is_refused() -> None:
    """Mac OS 9 images need an AFP server, as on Apple's server without client share points."""
    assert "AFP" in refused(Type="Classic", SharedImage="x").why


@pytest.mark.parametrize("kind", [ABSENT, -1, 128, "1", True])
def test_kind_out_of_range_is_the_default_of_the_type(kind: object) -> None:
    """Apple's server takes a Kind that it cannot use for absent; so do we, with a warning."""
    info = parsed(Kind=kind, Type="NFS")

    assert info.kind == 1
    assert bool(info.warnings) is (kind is not ABSENT)


@pytest.mark.parametrize("kind", [ABSENT, 128, "1"])
def test_boot_file_only_needs_a_kind(kind: object) -> None:
    """BootFileOnly has no default Kind."""
    assert refused(Type="BootFileOnly", Kind=kind).why.startswith("Kind is")


def test_boot_file_only_is_never_diskless_and_has_no_root_path() -> None:
    """Whatever SupportsDiskless and RootPath say."""
    info = parsed(Type="BootFileOnly", Kind=1, SupportsDiskless=True, RootPath=5)

    assert not info.is_diskless
    assert info.root_path_key is None


@pytest.mark.parametrize(
    ("kind", "filter_only", "expected"),
    [(3, ABSENT, True), (3, False, False), (3, "yes", False), (1, ABSENT, False), (1, True, True)],
)
def test_diagnostics_are_filter_only_unless_the_key_is_there(
    kind: int, filter_only: object, expected: bool
) -> None:
    """Kind 3 hides the image only while FilterOnly is absent, of whatever type it is."""
    assert parsed(Kind=kind, FilterOnly=filter_only).is_filter_only is expected


@pytest.mark.parametrize(
    ("key", "attribute", "default"),
    [
        ("IsEnabled", "is_enabled", True),
        ("IsInstall", "is_install", False),
        ("IsDefault", "is_default", False),
        ("SupportsDiskless", "is_diskless", False),
        ("FilterOnly", "is_filter_only", False),
    ],
)
def test_flags_of_another_type_are_absent_with_a_warning(
    key: str, attribute: str, default: bool
) -> None:
    """A string where a boolean belongs counts as absent, as on Apple's server."""
    info = parsed(**{key: "true" if not default else "false"})

    assert getattr(info, attribute) is default
    assert [warning for warning in info.warnings if warning.startswith(f"{key} is the string")]


def test_architectures_default_to_ppc() -> None:
    """Without the key the image is for PowerPC, which no Intel Mac sees: worth a warning."""
    info = parsed(Architectures=ABSENT)

    assert info.architectures == ("ppc",)
    assert "no Intel Mac" in info.warnings[0]


@pytest.mark.parametrize("value", [[], "i386", [1], ["../i386"], [""], {"i386": True}])
def test_architectures_must_name_folders(value: object) -> None:
    """An empty array, another type or a path is refused."""
    assert refused(Architectures=value).why.startswith("Architectures")


def test_architectures_are_named_once() -> None:
    """A repeated architecture counts once."""
    assert parsed(Architectures=["i386", "ppc", "i386"]).architectures == ("i386", "ppc")


@pytest.mark.parametrize("value", ["../booter", "/booter", "a//b", "a/", "boo:ter", "NUL"])
def test_boot_file_must_be_a_plain_path(value: str) -> None:
    """BootFile cannot lead out of the folder or to what no platform can name."""
    assert refused(BootFile=value).why.startswith("BootFile is")


def test_boot_file_may_lie_deeper() -> None:
    """BootFile is a path below the folder of the architecture."""
    assert parsed(BootFile="efi/boot/snponly.efi").boot_file == "efi/boot/snponly.efi"


@pytest.mark.parametrize(
    "key",
    [
        "EnabledSystemIdentifiers",
        "DisabledSystemIdentifiers",
        "EnabledMACAddresses",
        "DisabledMACAddresses",
    ],
)
def test_filters_must_be_arrays_of_strings(key: str) -> None:
    """A filter that cannot be read is an error, for ignoring it would show the image to all."""
    for value in ("iMac14,2", [1], {"a": 1}):
        assert key in refused(**{key: value}).why
    assert parsed(**{key: []}).enabled_macs == frozenset()


def test_unusable_address_is_an_error() -> None:
    """An address that is none is named, with how to write one."""
    error = refused(EnabledMACAddresses=["aa:bb:cc:dd:ee"])

    assert "aa:bb:cc:dd:ee" in error.why
    assert "aa:bb:cc:dd:ee:ff" in error.remedy


@pytest.mark.parametrize(
    "text",
    ["00:0a:0b:0c:0d:0e", "0:a:b:c:d:e", "00-0A-0B-0C-0D-0E", "000a.0b0c.0d0e", "000A0B0C0D0E"],
)
def test_addresses_in_any_usual_spelling(text: str) -> None:
    """Leading zeros may be left out, as ether_aton allows; case and separator do not matter."""
    assert parse_mac(text) == bytes.fromhex("000a0b0c0d0e")


@pytest.mark.parametrize(
    "text", ["", "0:1:2:3:4", "0:1:2:3:4:5:6", "g:1:2:3:4:5", "\u0660:1:2:3:4:5"]
)
def test_what_is_no_address(text: str) -> None:
    """Anything else is none, digits of other scripts included."""
    assert parse_mac(text) is None


@given(st.binary(min_size=6, max_size=6))
def test_address_round_trip(address: bytes) -> None:
    """Every address is read back from its usual spellings."""
    assert parse_mac(address.hex(":")) == address
    assert parse_mac(address.hex()) == address
    assert parse_mac(":".join(f"{octet:x}" for octet in address)) == address


def test_unreadable_bytes_name_the_file() -> None:
    """Bytes that are no property list say which file they came from."""
    with pytest.raises(BundleError, match=r"A.nbi/NBImageInfo.plist: .* not a property list"):
        parse_info(b"nonsense", PATH)


def test_size_is_bounded() -> None:
    """A list of more than a megabyte is refused."""
    with pytest.raises(BundleError, match="larger than 1048576 bytes"):
        parse_info(bytes(MAX_BYTES + 1), PATH)


values = st.recursive(
    st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=True)
    | st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20)
    | st.binary(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3)
    ),
    max_leaves=5,
)
names = st.sampled_from(
    sorted(
        {
            *KEYS,
            *("IsEnabled", "IsDefault", "Kind", "SupportsDiskless", "FilterOnly"),
            *("EnabledSystemIdentifiers", "DisabledSystemIdentifiers", "LoadBalanceServer"),
            *("EnabledMACAddresses", "DisabledMACAddresses", "Description", "osVersion"),
        }
    )
)


def outcome(data: bytes) -> ImageInfo | BundleError:
    try:
        return parse_info(data, PATH)
    except BundleError as error:
        return error


@given(st.dictionaries(names, values), st.sampled_from([plistlib.FMT_XML, plistlib.FMT_BINARY]))
def test_any_values_give_info_or_an_error(keys: dict[str, Any], form: plistlib.PlistFormat) -> None:
    """Whatever the keys hold, the outcome is usable info or an error with a remedy."""
    info = outcome(info_bytes(form=form, **keys))

    if isinstance(info, BundleError):
        assert info.path == PATH
        assert info.remedy
        assert len(str(info)) < 400
    else:
        assert 1 <= info.index <= 65535
        assert 0 <= info.kind <= 127
        assert info.architectures
        assert 0 < info.image_id < 2**32


@given(st.data())
def test_damaged_lists_give_info_or_an_error(data: st.DataObject) -> None:
    """One byte changed anywhere in a good list has one of the two outcomes and no third."""
    good = bytearray(info_bytes(form=data.draw(st.sampled_from(list(plistlib.PlistFormat)))))
    good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))

    assert isinstance(outcome(bytes(good)), ImageInfo | BundleError)
