"""The scripts that iPXE runs."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from images.boot_toml import MAX_TITLE
from netbootd.pxe import script
from tests.netbootd.pxe.entries import MAC, PC, linux_entry, offered

TOKEN = "0123456789abcdef"
EFI = 'title = "Grub"\nefi = "grubx64.efi"\n'
SEPARATORS = {";", "||", "&&"}
"""Of commands, where they stand alone (iPXE, core/exec.c)."""


def value_of(line: str, name: str) -> str:
    """What iPXE makes of a line that we wrote to set `name`: it cuts it at white space, ends it
    where a comment begins or a command ends, joins the words and decodes them."""
    words = line.split()
    assert words[:2] == ["set", f"{name}:uristring"]
    ends = [at for at, word in enumerate(words) if word[0] == "#" or word in SEPARATORS]
    assert ends == []
    assert "${" not in line
    return unquote(" ".join(words[2:]))


def menu(*boot_tomls: str, kept: int | None = None, timeout: int = 10) -> list[str]:
    entries = offered(*boot_tomls)
    chosen = None if kept is None else entries[kept]
    return script.menu(entries, PC, kept=chosen, timeout=timeout, token=TOKEN).splitlines()


def test_menu() -> None:
    """Every entry by its title, the first as the default after a time; and a way out."""
    lines = menu(linux_entry("One"), EFI)

    assert lines == [
        "#!ipxe",
        "# the boot menu of 52:54:00:77:00:10 (uefi-x86-64)",
        "set title0:uristring Grub",
        "set title1:uristring One",
        ":menu",
        "menu netbootd 10.77.0.1",
        "item entry0 ${title0:string}",
        "item entry1 ${title1:string}",
        "item --gap",
        f"iseq ${{how}} _keep-{TOKEN}/ && set mark x || set mark:uristring %20",
        "item how [${mark:string}] Boot the same next time",
        "item local Boot from disk",
        "item shell iPXE command line",
        "choose --default entry0 --timeout 10000 picked || goto local",
        "goto ${picked}",
        ":how",
        f"iseq ${{how}} _keep-{TOKEN}/ && clear how || set how _keep-{TOKEN}/",
        "goto menu",
        ":shell",
        "shell",
        "goto menu",
        ":local",
        "exit 1",
        ":entry0",
        "chain ${how}entry%201.ipxe || goto failed",
        "goto local",
        ":entry1",
        "chain ${how}entry%200.ipxe || goto failed",
        "goto local",
        ":failed",
        "prompt --timeout 10000 It did not boot. Press a key for the menu ||",
        "goto menu",
    ]


def test_menu_of_a_machine_that_has_chosen() -> None:
    """What was chosen to stay boots unless a key is pressed; the menu then offers to be asked
    again."""
    lines = menu(linux_entry("One"), linux_entry("Two"), kept=1)

    at = lines.index(":menu")
    assert lines[at - 2 : at] == [
        "prompt --key m --timeout 3000 ${title1:string}: press m for the menu && goto menu ||",
        "goto entry1",
    ]
    assert f"iseq ${{how}} _forget-{TOKEN}/ && clear how || set how _forget-{TOKEN}/" in lines
    assert "item how [${mark:string}] Ask again next time" in lines
    assert "choose --default entry1 --timeout 10000 picked || goto local" in lines


def test_menu_without_waiting() -> None:
    """With a timeout of 0 the default boots at once, and the menu comes if that fails."""
    lines = menu(linux_entry("One"), timeout=0)

    assert lines[lines.index(":menu") - 1] == "goto entry0"
    assert "choose --default entry0 --timeout 1000 picked || goto local" in lines


def test_nothing_to_boot() -> None:
    """A machine that no entry is for is told so, and goes on."""
    lines = menu()

    assert lines[1] == ("echo netbootd has nothing to boot for 52:54:00:77:00:10 (uefi-x86-64).")
    assert lines[-1] == "exit 1"


def test_linux() -> None:
    """The kernel gets its command line, and the names under which it finds its initrds when it is
    started as an EFI program."""
    (entry,) = offered(
        linux_entry(
            "Debian",
            "url={base_url}/preseed.cfg BOOTIF=01-{mac_hyphens} x={server} {{y}}",
            initrds=("initrd.gz", "second.img"),
        ),
        http_port=8080,
    )

    lines = script.boot(entry, PC, http_port=8080).splitlines()

    assert lines == [
        "#!ipxe",
        "set title:uristring Debian",
        "echo ${title:string}",
        "imgfree",
        "set arguments:uristring url=http://10.77.0.1:8080/NetBoot/NetBootSP0/entry%25200/"
        "preseed.cfg BOOTIF=01-52-54-00-77-00-10 x=10.77.0.1 {y}",
        "kernel /NetBoot/NetBootSP0/entry%200/linux initrd=initrd0 initrd=initrd1"
        " ${arguments:string}",
        "initrd --name initrd0 /NetBoot/NetBootSP0/entry%200/initrd.gz",
        "initrd --name initrd1 /NetBoot/NetBootSP0/entry%200/second.img",
        "boot",
    ]


def test_linux_alone() -> None:
    """Neither initrd nor command line is needed."""
    (entry,) = offered("title = 'K'\nkernel = \"a'b c/linux #1\"\n")

    lines = script.boot(entry, PC, http_port=80).splitlines()

    assert lines[-2:] == [
        "kernel /NetBoot/NetBootSP0/entry%200/a%27b%20c/linux%20%231",
        "boot",
    ]


@pytest.mark.parametrize(
    ("text", "last"),
    [
        (EFI, "chain /NetBoot/NetBootSP0/entry%200/grubx64.efi"),
        (
            EFI + "command_line = 'a b'\n",
            "chain /NetBoot/NetBootSP0/entry%200/grubx64.efi ${arguments:string}",
        ),
        (
            'title = "S"\nscript = "x y.ipxe"\n',
            "chain /NetBoot/NetBootSP0/entry%200/x%20y.ipxe",
        ),
    ],
)
def test_efi_programs_and_scripts(text: str, last: str) -> None:
    """What iPXE runs itself is chained."""
    (entry,) = offered(text)

    assert script.boot(entry, PC, http_port=80).splitlines()[-1] == last


def test_who_asks() -> None:
    """iPXE fills in what it is, in words that a name may have."""
    assert script.who_are_you("_keep-0/a b.ipxe") == (
        "#!ipxe\nchain _${buildarch}-${platform}-${uuid}/_keep-0/a%20b.ipxe\n"
    )


def boot(boot_toml: str) -> list[str]:
    (entry,) = offered(boot_toml)
    return script.boot(entry, PC, http_port=80).splitlines()


PLAIN_MENU = menu(linux_entry("plain"))
PLAIN_BOOT = boot(linux_entry("T", "plain"))
TITLES = st.one_of(
    st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=MAX_TITLE),
    st.lists(
        st.sampled_from(
            [*SEPARATORS, "#", "$", "{", "}", "%", " ", "  ", "a", "'", '"', "\\", "é", "%20", "-"]
        ),
        max_size=20,
    ).map("".join),
).filter(lambda text: text.strip() and "${" not in text)


@settings(max_examples=50)
@given(TITLES)
def test_no_title_breaks_out(title: str) -> None:
    """Whatever a title holds, it arrives whole, and no other line differs from a plain one's."""
    lines = menu(linux_entry(title))

    assert value_of(lines[2], "title0") == title
    assert lines[:2] + lines[3:] == PLAIN_MENU[:2] + PLAIN_MENU[3:]


@settings(max_examples=50)
@given(TITLES.filter(lambda text: not {"{", "}"} & set(text)))
def test_no_command_line_breaks_out(text: str) -> None:
    """The same of a command line."""
    lines = boot(linux_entry("T", text))

    assert value_of(lines[4], "arguments") == text
    assert lines[:4] + lines[5:] == PLAIN_BOOT[:4] + PLAIN_BOOT[5:]


def test_variables_of_ipxe_are_refused() -> None:
    """boot.toml cannot have them; if it ever could, no script would be made."""
    (entry,) = offered(linux_entry("T"))

    with pytest.raises(ValueError, match="would expand"):
        script.menu([replace(entry, title="${net0/mac}")], PC, kept=None, timeout=1, token=TOKEN)


def test_machines_have_their_own_addresses() -> None:
    """The address of the machine that asks stands in its scripts."""
    (entry,) = offered(linux_entry("T", "{mac}"))

    lines = script.boot(entry, replace(PC, mac=MAC[:5] + b"\xff"), http_port=None).splitlines()

    assert "set arguments:uristring 52:54:00:77:00:ff" in lines
