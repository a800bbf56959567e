from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from images.boot_toml import (
    MAX_BYTES,
    MAX_COMMAND_LINE,
    MAX_INITRDS,
    MAX_TITLE,
    PLACEHOLDERS,
    BootToml,
    filled,
    parse_boot_toml,
    placeholders,
)
from images.errors import BundleError

from .entries import DEBIAN

PATH = Path("/images/debian/boot.toml")
MINIMAL = 'title = "T"\nkernel = "linux"\n'


def parsed(text: str) -> BootToml:
    return parse_boot_toml(text.encode(), PATH)


def refused(text: str | bytes) -> tuple[str, str]:
    """Why, and what to do about it."""
    with pytest.raises(BundleError) as caught:
        parse_boot_toml(text if isinstance(text, bytes) else text.encode(), PATH)
    assert caught.value.path == PATH
    return caught.value.why, caught.value.remedy


def test_four_lines() -> None:
    """A title, a kernel, an initrd and a command line make an entry."""
    entry = parsed(DEBIAN)

    assert entry.title == "Debian 12 installer"
    assert (entry.kernel, entry.initrds) == ("linux", ("initrd.gz",))
    assert entry.command_line == "auto=true url={base_url}/preseed.cfg"
    assert (entry.is_enabled, entry.is_default, entry.index) == (True, False, None)
    assert entry.architectures is None
    assert entry.enabled_macs == entry.disabled_macs == frozenset()
    assert entry.enabled_system_ids == entry.disabled_system_ids == frozenset()


def test_every_key() -> None:
    """All that may be written."""
    entry = parsed(
        'title = "Live"\ndescription = "For the workshop"\nindex = 7\n'
        'architectures = ["bios", "uefi-x86-64"]\n'
        'kernel = "boot/vmlinuz"\ninitrd = ["boot/microcode.img", "boot/initrd.img"]\n'
        'command_line = "quiet"\ndefault = true\nenabled = false\n'
        'enabled_system_identifiers = ["4c4c4544-0043-3010-8052-b4c04f564231"]\n'
        'disabled_system_identifiers = ["564D4C55000100020003525400770010"]\n'
        'enabled_mac_addresses = ["52:54:00:77:00:10", "52-54-0-77-0-11"]\n'
        'disabled_mac_addresses = ["5254.0077.0012"]\n'
    )

    assert (entry.description, entry.index) == ("For the workshop", 7)
    assert entry.architectures == ("bios", "uefi-x86-64")
    assert entry.initrds == ("boot/microcode.img", "boot/initrd.img")
    assert (entry.is_default, entry.is_enabled) == (True, False)
    assert entry.enabled_system_ids == {UUID("4c4c4544-0043-3010-8052-b4c04f564231")}
    assert entry.disabled_system_ids == {UUID("564d4c55-0001-0002-0003-525400770010")}
    assert entry.enabled_macs == {b"RT\0w\0\x10", b"RT\0w\0\x11"}
    assert entry.disabled_macs == {b"RT\0w\0\x12"}


def test_one_efi_program() -> None:
    """With a command line, if it is to have one."""
    entry = parsed('title = "S"\nefi = "shimx64.efi"\ncommand_line = "a b"\n')

    assert (entry.efi, entry.efi_by_platform, entry.command_line) == ("shimx64.efi", {}, "a b")


def test_an_efi_program_for_each_platform() -> None:
    """A table has the platforms as its keys."""
    entry = parsed('title = "S"\n[efi]\nuefi-x86-64 = "x.efi"\nuefi-arm64 = "a.efi"\n')

    assert entry.efi is None
    assert entry.efi_by_platform == {"uefi-x86-64": "x.efi", "uefi-arm64": "a.efi"}


def test_a_script() -> None:
    """An iPXE script needs nothing else."""
    assert parsed('title = "S"\nscript = "x.ipxe"\n').script == "x.ipxe"


@pytest.mark.parametrize(
    ("text", "why", "remedy"),
    [
        ("", "says nothing to boot", "kernel ="),
        ('kernel = "k"', "title is missing", 'title = "..."'),
        ('title = " "\nkernel = "k"', "title is empty", "menus"),
        ('title = "a${b}"\nkernel = "k"', "title has ${", "without"),
        ("title = 3\nkernel = 'k'", "title is a number", 'write title = "..."'),
        ("title = '''a\nb'''\nkernel = 'k'", "title has a line break", "one line"),
        (MINIMAL + "titel = 'x'", "the key 'titel' is unknown", "did you mean title?"),
        (MINIMAL + "initramfs = 'x'", "'initramfs' is unknown", "did you mean initrd?"),
        (MINIMAL + "zzz = 'x'", "the key 'zzz' is unknown", "known: title, description, index"),
        (MINIMAL + "comand_line = 'x'", "'comand_line' is unknown", "did you mean command_line?"),
        (MINIMAL + "efi = 'x'", "has kernel and efi", "a folder with a boot.toml of its own"),
        (MINIMAL + "script = 'x'", "has kernel and script", "of its own"),
        ("title = 'T'\nefi = 'x'\ninitrd = 'y'", "has initrd beside efi", "take initrd out"),
        ("title = 'T'\nscript = 'x'\ncommand_line = 'y'", "has command_line beside", "out"),
        ("title = 'T'\nscript = 'x'\ninitrd = 'y'", "has initrd beside script", "out"),
        ("title = 'T'\nkernel = ''", "kernel is the string ''", "name of a file in the folder"),
        ("title = 'T'\nkernel = 7", "kernel is a number", "name of a file"),
        ("title = 'T'\nkernel = ['k']", "kernel is an array", "name of a file"),
        ("title = 'T'\nkernel = 2026-01-01", "kernel is a date or time", "name of a file"),
        ("title = 'T'\nkernel = '/boot/k'", "leads out of the folder", "copy the file into"),
        ("title = 'T'\nkernel = '../k'", "leads out of the folder", "copy the file into"),
        ("title = 'T'\nkernel = 'a/../../k'", "leads out of the folder", "copy the file into"),
        ("title = 'T'\nkernel = 'a//k'", "in which '' is not the name of a file", "rename"),
        ("title = 'T'\nkernel = './k'", "in which '.' is not the name of a file", "rename"),
        ("title = 'T'\nkernel = 'a\\b'", "holds a slash, a backslash or a colon", "rename"),
        (f"title = 'T'\nkernel = '{'k' * 256}'", "is longer than 255 bytes", "rename"),
        (MINIMAL + "initrd = 3", "initrd is a number", "an array of strings"),
        (MINIMAL + "initrd = ['a', 3]", "initrd is a number", "name of a file"),
        (MINIMAL + f"initrd = {['i'] * (MAX_INITRDS + 1)}", "more than 16 initrds", "cat"),
        (MINIMAL + "index = 0", "index is 0", "from 1 to 65535"),
        (MINIMAL + "index = 65536", "index is 65536", "from 1 to 65535"),
        (MINIMAL + "index = '7'", "index is the string '7'", "from 1 to 65535"),
        (MINIMAL + "index = true", "index is true or false", "from 1 to 65535"),
        (MINIMAL + "default = 1", "default is a number", "true or false"),
        (MINIMAL + "enabled = 'no'", "enabled is the string 'no'", "true or false"),
        (MINIMAL + "architectures = []", "architectures is empty", "name at least one"),
        (MINIMAL + "architectures = 'bios'", "no array of strings", "architectures = ["),
        (MINIMAL + "architectures = ['efi-x86-64']", "'efi-x86-64', which", "mean uefi-x86-64?"),
        (MINIMAL + "architectures = ['Mac']", "'Mac', which is no arch", "right are bios, uefi-"),
        (
            "title = 'T'\narchitectures = ['bios']\nefi = 'x'",
            "efi cannot be for bios",
            "take bios out",
        ),
        (
            "title = 'T'\narchitectures = ['uefi-arm']\nefi = { uefi-arm = 'x' }",
            "architectures beside a table efi",
            "take architectures out",
        ),
        ("title = 'T'\nefi = {}", "the table efi is empty", "uefi-x86-64"),
        ("title = 'T'\nefi = { bios = 'x' }", "a BIOS loads no EFI programs", "take it out"),
        ("title = 'T'\nefi = { uefi-x68 = 'x' }", "'uefi-x68', which is", "did you mean uefi-x86?"),
        ("title = 'T'\nefi = { uefi-arm = 3 }", "efi.uefi-arm is a number", "name of a file"),
        (MINIMAL + "command_line = 'a${b}'", "command_line has ${", "placeholder such as {mac}"),
        (MINIMAL + "command_line = 'a {macc}'", "{macc}, which is no", "did you mean mac?"),
        (MINIMAL + "command_line = '{}'", "{}, which is no placeholder", "write {{ for a brace"),
        (MINIMAL + "command_line = 'a } b'", "has a single brace", "{{ or }}"),
        (MINIMAL + "command_line = 'a { b'", "has a single brace", "{{ or }}"),
        (MINIMAL + "command_line = ['a']", "command_line is an array", 'command_line = "..."'),
        (
            MINIMAL + "enabled_system_identifiers = ['OptiPlex 7010']",
            "'OptiPlex 7010', which is no UUID",
            "dmidecode -s system-uuid",
        ),
        (MINIMAL + "disabled_mac_addresses = ['52:54']", "holds '52:54'", "aa:bb:cc:dd:ee:ff"),
        (MINIMAL + "enabled_mac_addresses = 'x'", "is no array of strings", "enabled_mac_addr"),
        ("title = ", "is not TOML: Invalid value", "correct it"),
        (b"title = '\xff'", "is not UTF-8", "save it as UTF-8"),
        ("a = " + "[" * 5000, "is not TOML", "write it anew"),
        ("title = 'T'\nkernel = 2026-13-01", "is not TOML", "correct it"),
    ],
)
def test_what_is_wrong_is_said(text: str | bytes, why: str, remedy: str) -> None:
    """Every mistake is told by key, with what would be right."""
    told = refused(text)

    assert why in told[0]
    assert remedy in told[1]


@pytest.mark.parametrize(
    ("key", "maximum"), [("title", MAX_TITLE), ("command_line", MAX_COMMAND_LINE)]
)
def test_lengths(key: str, maximum: int) -> None:
    """The longest that fits is taken, one more is not; a command line counts in bytes."""
    rest = "kernel = 'k'\n" + ("title = 'T'\n" if key != "title" else "")
    letter = "é" if key == "title" else "x"

    parsed(f"{key} = '{letter * maximum}'\n{rest}")

    assert "is longer than" in refused(f"{key} = '{letter * (maximum + 1)}'\n{rest}")[0]


def test_large_file() -> None:
    """A file that nobody wrote by hand is not even parsed."""
    assert "larger than" in refused(b"#" * (MAX_BYTES + 1))[0]


def test_placeholders() -> None:
    """Names in braces are filled in, doubled braces become single ones."""
    text = "a={mac} b={{c}} {base_url}/x {mac_hyphens}{server}"
    values = {name: name.upper() for name in PLACEHOLDERS}

    assert placeholders(text) == {"mac", "base_url", "mac_hyphens", "server"}
    assert filled(text, values) == "a=MAC b={c} BASE_URL/x MAC_HYPHENSSERVER"


@given(st.text(alphabet="ab{}${mac}server ", max_size=30))
def test_what_is_accepted_can_be_filled(text: str) -> None:
    """No command line that passes needs a value that there is not."""
    try:
        entry = parse_boot_toml(f"{MINIMAL}command_line = '{text}'".encode(), PATH)
    except BundleError:
        return

    assert placeholders(entry.command_line) <= set(PLACEHOLDERS)
    filled(entry.command_line, dict.fromkeys(PLACEHOLDERS, "x"))
