"""Keys of NBImageInfo.plist and boot.toml are changed, and nothing else is."""

from __future__ import annotations

import os
import plistlib
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from images import edit
from images.bundle import read_bundle_thd
from images.edit import (
    edit_entry_thd,
    edit_info_thd,
    edited,
    edited_toml,
    read_info_thd,
    unwritable,
)
from images.entry import read_entry_thd
from images.errors import BundleError
from tests.interop.peer import peer

from .conftest import as_nobody
from .entries import DEBIAN, make_entry
from .folder import info_bytes, make_folder

PATH = Path("A.nbi/NBImageInfo.plist")
INNER = "<key>Inner</key><dict><key>Index</key><integer>1</integer></dict>"
WRITTEN = """\
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <!-- by hand -->
  <key>Name</key>            <string>Lab &amp; more</string>
  <key>Index</key>           <integer>7</integer>
  <key>Type</key>            <string>BootFileOnly</string>
  <key>Kind</key>            <integer>1</integer>
  <key>BootFile</key>        <string>booter</string>
  <key>IsEnabled</key>       <true />
  <key>Extra</key>           <date>2018-01-02T03:04:05Z</date>
</dict>
</plist>
"""


def test_a_key_is_replaced_where_it_stands() -> None:
    """Comments, spaces and all other bytes stay."""
    after = edited(WRITTEN.encode(), {"IsEnabled": False, "Name": "<Ü>", "Index": 9}, PATH)

    assert after.decode() == (
        WRITTEN.replace("<true />", "<false/>")
        .replace("Lab &amp; more", "&lt;Ü&gt;")
        .replace("<integer>7</integer>", "<integer>9</integer>")
    )


def test_a_key_that_was_not_there_is_the_last() -> None:
    """It is written below the others."""
    after = edited(WRITTEN.encode(), {"IsDefault": True}, PATH).decode()

    assert after == WRITTEN.replace("</dict>", "\t<key>IsDefault</key>\n\t<true/>\n</dict>")


def test_what_is_so_already_is_not_touched() -> None:
    """Not even what could be written otherwise."""
    data = WRITTEN.encode()

    assert edited(data, {"IsEnabled": True, "Index": 7}, PATH) is data


def test_one_is_not_true() -> None:
    """A number in the place of a boolean is replaced."""
    data = WRITTEN.replace("<true />", "<integer>1</integer>").encode()

    assert plistlib.loads(edited(data, {"IsEnabled": True}, PATH))["IsEnabled"] is True


def test_binary_stays_binary() -> None:
    """With its keys in their order."""
    data = info_bytes(form=plistlib.FMT_BINARY, Extra=datetime(2018, 1, 2))  # noqa: DTZ001

    after = edited(data, {"IsEnabled": False}, PATH)

    assert after.startswith(b"bplist00")
    assert plistlib.loads(after) == {**plistlib.loads(data), "IsEnabled": False}
    assert list(plistlib.loads(after))[:3] == list(plistlib.loads(data))[:3]


@pytest.mark.parametrize(
    "text",
    [
        WRITTEN.replace("<integer>7</integer>", "<integer><!-- old: 6 -->7</integer>"),
        WRITTEN.replace("</dict>", f"{INNER}</dict>"),
        WRITTEN.replace("  <!-- by hand -->", "<!-- <key>Index</key><integer>2</integer> -->"),
        WRITTEN.replace("UTF-8", "ISO-8859-1").replace("more", "m\u00f6re"),
        WRITTEN.replace("<key>Index</key>", "<key>I&#110;dex</key>") + "<!-- end -->",
        WRITTEN.replace("<string>booter", "<string>booter<!-- -->"),
    ],
)
def test_what_is_written_oddly_is_written_anew(text: str) -> None:
    """Where a replacement in the text would not do, the values still are right."""
    data = text.encode("latin-1" if "ISO" in text else "utf-8")

    after = edited(data, {"Index": 9, "BootFile": "boot"}, PATH)

    wanted = {**plistlib.loads(data), "Index": 9, "BootFile": "boot"}
    assert plistlib.loads(after) == wanted


@pytest.mark.interop
@pytest.mark.parametrize("form", [plistlib.FMT_XML, plistlib.FMT_BINARY])
def test_another_program_reads_it(tmp_path: Path, form: plistlib.PlistFormat) -> None:
    """libplist says the same."""
    data = WRITTEN.encode() if form is plistlib.FMT_XML else info_bytes(form=form)
    after = edited(data, {"IsDefault": True}, PATH)
    (tmp_path / "a.plist").write_bytes(after)

    subprocess.run(
        [peer("plistutil"), "-i", "a.plist", "-o", "b.plist", "-f", "xml"],
        cwd=tmp_path,
        check=True,
        timeout=60,
    )

    assert plistlib.loads((tmp_path / "b.plist").read_bytes()) == plistlib.loads(after)


@given(st.dictionaries(st.sampled_from(["Name", "IsEnabled", "Description"]), st.booleans()))
def test_values_are_always_right(flags: dict[str, bool]) -> None:
    """Whatever is set, the result says so, and all else is equal."""
    keys: dict[str, Any] = {
        key: value if key == "IsEnabled" else f"{key} {value}" for key, value in flags.items()
    }
    for data in (WRITTEN.encode(), info_bytes(form=plistlib.FMT_BINARY)):
        after = plistlib.loads(edited(data, keys, PATH))

        assert after == {**plistlib.loads(data), **keys}


@pytest.mark.parametrize(("data", "keys"), [(b"<plist", {}), (WRITTEN.encode(), {"Index": 0})])
def test_what_the_catalog_would_refuse(data: bytes, keys: dict[str, int]) -> None:
    """Neither before nor after may it be such."""
    with pytest.raises(BundleError):
        edited(data, keys, PATH)


def test_a_control_character() -> None:
    """XML has none."""
    with pytest.raises(BundleError, match=r"cannot hold that: .*control"):
        edited(WRITTEN.encode(), {"Name": "bell\x07"}, PATH)


def test_a_file_is_replaced(tmp_path: Path) -> None:
    """Whole, with mode and owner as before, and nothing beside it; twice changes nothing."""
    folder = make_folder(tmp_path)
    file = folder / "NBImageInfo.plist"
    file.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(file, 65534, 65534)
    before = file.stat()

    assert edit_info_thd(read_bundle_thd(folder), {"IsEnabled": False})

    bundle = read_bundle_thd(folder)
    assert not bundle.is_enabled
    after = file.stat()
    assert after.st_ino != before.st_ino
    assert (after.st_mode, after.st_uid, after.st_gid) == (
        before.st_mode,
        before.st_uid,
        before.st_gid,
    )
    assert not edit_info_thd(bundle, {"IsEnabled": False})
    assert file.stat().st_ino == after.st_ino
    assert set(bundle.files) == set(read_bundle_thd(folder).files)


def test_a_link_stays_one(tmp_path: Path) -> None:
    """What it leads to is replaced."""
    folder = make_folder(tmp_path)
    (folder / "NBImageInfo.plist").rename(folder / "real.plist")
    (folder / "NBImageInfo.plist").symlink_to("real.plist")

    edit_info_thd(read_bundle_thd(folder), {"Index": 99})

    assert (folder / "NBImageInfo.plist").is_symlink()
    assert read_bundle_thd(folder).index == 99


def test_where_we_may_not_write(open_folder: Path) -> None:
    """It says so, with a remedy, and leaves what is there."""
    folder = make_folder(open_folder)
    bundle = read_bundle_thd(folder)
    before = (folder / "NBImageInfo.plist").read_bytes()

    with as_nobody(), pytest.raises(BundleError, match="cannot be written: Permission") as caught:
        edit_info_thd(bundle, {"Index": 99})

    assert caught.value.remedy == "be root, or who owns it"
    assert (folder / "NBImageInfo.plist").read_bytes() == before


def test_a_disk_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old file stays and the new one is no more."""
    folder = make_folder(tmp_path)
    bundle = read_bundle_thd(folder)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(edit.os, "fsync", full)
    with pytest.raises(BundleError, match="No space left on device; check that its disk"):
        edit_info_thd(bundle, {"Index": 99})

    assert read_bundle_thd(folder).index == 7
    assert sorted(read_bundle_thd(folder).files) == sorted(bundle.files)


def test_a_file_that_went(tmp_path: Path) -> None:
    """Between the look and the change anything may happen."""
    folder = make_folder(tmp_path)
    bundle = read_bundle_thd(folder)
    (folder / "NBImageInfo.plist").unlink()

    with pytest.raises(BundleError, match="cannot be read"):
        read_info_thd(bundle)


def test_boot_toml() -> None:
    """A key is replaced where it stands, or added before all others."""
    text = '# mine\ntitle = "A"\nenabled = true # for now\nkernel = "linux"\n'

    after = edited_toml(text.encode(), {"enabled": False, "default": True}, PATH)

    assert after.decode() == "default = true\n" + text.replace("= true #", "= false #")
    assert edited_toml(after, {"enabled": False}, PATH) == after


def test_boot_toml_of_an_odd_hand() -> None:
    """A key that is not found where it should be is left to its writer."""
    text = 'title = "A"\n"enabled" = true\nkernel = "linux"\n'

    with pytest.raises(BundleError, match="enabled where we do not find it"):
        edited_toml(text.encode(), {"enabled": False}, PATH)


def test_an_entry_is_switched(tmp_path: Path) -> None:
    """In its file."""
    folder = make_entry(tmp_path, boot_toml=DEBIAN)

    assert edit_entry_thd(read_entry_thd(folder), {"enabled": False})
    assert not read_entry_thd(folder).is_enabled
    assert edit_entry_thd(read_entry_thd(folder), {"enabled": True})
    assert read_entry_thd(folder).is_enabled
    assert not edit_entry_thd(read_entry_thd(folder), {"enabled": True})


def test_an_error_without_words() -> None:
    """The system does not always say why."""
    assert "disk is well" in unwritable(PATH, OSError()).remedy
