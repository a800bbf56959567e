"""The grub.cfg of a machine."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netbootd.pxe import grub
from tests.interop.peer import peer
from tests.netbootd.pxe.entries import MAC, PC, linux_entry, offered

EFI = 'title = "Grub"\nefi = "grubx64.efi"\ncommand_line = "a b"\n'
SCRIPT = 'title = "Script"\nscript = "x y.ipxe"\n'
NASTY = ["it's", "a'; reboot; '", '"', "$root `x`", "# no", "} {", "\\", "é  x", "|| &&;"]
"""Titles and words of which each would end a command somewhere."""


def menu(*boot_tomls: str, kept: int | None = None, timeout: int = 10) -> str:
    entries = offered(*boot_tomls)
    return grub.menu(
        entries,
        PC,
        kept=None if kept is None else entries[kept],
        timeout=timeout,
        http_port=80,
    )


def test_menu() -> None:
    """Every entry that GRUB can boot; iPXE's scripts are not among them."""
    text = menu(
        linux_entry("Linux", "quiet x={mac} url={base_url}/p", initrds=("initrd.gz", "second.img")),
        EFI,
        SCRIPT,
        kept=1,
    )

    assert text == (
        "# the boot menu of 52:54:00:77:00:10 (uefi-x86-64)\n"
        "set timeout=3\n"
        "set default=1\n"
        "menuentry 'Grub' {\n"
        "  chainloader '/NetBoot/NetBootSP0/entry 1/grubx64.efi' 'a' 'b'\n"
        "}\n"
        "menuentry 'Linux' {\n"
        "  linux '/NetBoot/NetBootSP0/entry 0/linux' 'quiet' 'x=52:54:00:77:00:10'"
        " 'url=http://10.77.0.1/NetBoot/NetBootSP0/entry%200/p'\n"
        "  initrd '/NetBoot/NetBootSP0/entry 0/initrd.gz'"
        " '/NetBoot/NetBootSP0/entry 0/second.img'\n"
        "}\n"
        "menuentry 'Boot from disk' {\n"
        "  exit\n"
        "}\n"
    )


def test_nothing_to_boot() -> None:
    """A machine that has only scripts for iPXE is told that there is nothing."""
    assert menu(SCRIPT) == (
        "echo 'netbootd has nothing to boot for 52:54:00:77:00:10 (uefi-x86-64).'\nsleep 10\nexit\n"
    )


def test_kept_entry_that_grub_cannot_boot() -> None:
    """The default is then the first."""
    assert "set default=0\n" in menu(linux_entry("Linux"), SCRIPT, kept=1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('a "b c"  d', ["a", "b c", "d"]),
        ('x="b c"d e', ["x=b cd", "e"]),
        ('open "to the end', ["open", "to the end"]),
        ("it's", ["it's"]),
    ],
)
def test_words_of_a_command_line(text: str, words: list[str]) -> None:
    """Words are those that Linux sees: double quotes keep spaces together."""
    (line,) = [line for line in menu(linux_entry("T", text)).splitlines() if "  linux" in line]

    assert shlex.split(line) == ["linux", "/NetBoot/NetBootSP0/entry 0/linux", *words]


PLAIN = menu(linux_entry("plain", "plain"))
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=40),
    st.lists(st.sampled_from(["'", '"', "\\", " ", "}", "{", ";", "$", "`", "#", "a"])).map(
        "".join
    ),
).filter(lambda text: text.strip() and "${" not in text)


@settings(max_examples=50)
@given(TEXTS)
def test_no_title_breaks_out(title: str) -> None:
    """Whatever a title holds, it is one word, and no other line differs from a plain one's."""
    lines = menu(linux_entry(title)).splitlines()

    plain = PLAIN.splitlines()
    assert shlex.split(lines[3]) == ["menuentry", title, "{"]
    assert lines[:3] + lines[5:] == plain[:3] + plain[5:]


@settings(max_examples=50)
@given(TEXTS.filter(lambda text: not {"{", "}"} & set(text)))
def test_no_command_line_breaks_out(text: str) -> None:
    """The same of a command line, but for the double quotes of which Linux takes account."""
    lines = menu(linux_entry("T", text)).splitlines()

    plain = PLAIN.splitlines()
    assert "".join(shlex.split(lines[4])[2:]).replace(" ", "") == (
        text.replace('"', "").replace(" ", "")
    )
    assert lines[:3] + lines[5:] == plain[:3] + plain[5:]


@pytest.mark.interop
def test_grub_reads_it(tmp_path: Path) -> None:
    """GRUB's own parser takes every file that we make, whatever the titles."""
    check = peer("grub-script-check")
    lines = [text.replace("{", "{{").replace("}", "}}") for text in NASTY]
    nasty = [linux_entry(title, line) for title, line in zip(NASTY, lines, strict=True)]
    entries = offered(*nasty, EFI)
    texts = [
        grub.menu(entries, PC, kept=None, timeout=0, http_port=80),
        menu(),
        grub.ANY_MACHINE,
        grub.who_are_you(MAC),
    ]

    for text in texts:
        (tmp_path / "grub.cfg").write_text(text)
        done = subprocess.run(
            [check, "-v", str(tmp_path / "grub.cfg")], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_platform_that_is_unknown() -> None:
    """A name from the wire that we do not know is still only a comment."""
    text = grub.menu(
        [], replace(PC, platform="architecture-99"), kept=None, timeout=1, http_port=None
    )

    assert "(architecture-99)" in text
