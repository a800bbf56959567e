"""iPXE scripts, followed with nobody at the keyboard."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbootd.simulate.ipxe_script import ScriptEnded, follow, joined

BASE = "http://10.0.0.1/boot.ipxe"


def run(
    script: str,
    files: Mapping[str, str] | None = None,
    *,
    choose: str | None = None,
    url: str = BASE,
) -> tuple[str, list[tuple[str, str]]]:
    """What was started, and what was fetched."""
    fetched: list[tuple[str, str]] = []

    async def fetch(where: str, what: str) -> bytes:
        fetched.append((what, where))
        return (files or {}).get(where, "a kernel").encode()

    settings = {"netX/mac": "52-54-00-12-34-56"}
    started = asyncio.run(follow(script.encode(), url, fetch, settings, choose))
    return started, fetched


def test_kernel_and_initrd() -> None:
    """What a boot script fetches, in order; names are relative to the script."""
    started, fetched = run(
        "#!ipxe\nset arguments:uristring a%20b\nimgfree\n"
        "kernel linux initrd=i ${arguments:string}\ninitrd --name initrd0 sub/initrd.gz\nboot\n"
    )

    assert started == "http://10.0.0.1/linux"
    assert fetched == [
        ("kernel", "http://10.0.0.1/linux"),
        ("initrd", "http://10.0.0.1/sub/initrd.gz"),
    ]


def test_chained_scripts() -> None:
    """A script that is chained is followed, with settings put into its name."""
    files = {"tftp://10.0.0.1/ipxe/52-54-00-12-34-56/boot.ipxe": "#!ipxe\nchain shell.efi\n"}

    started, _ = run(
        "#!ipxe\nchain ipxe/${netX/mac:hexhyp}/boot.ipxe\n", files, url="tftp://10.0.0.1/boot.ipxe"
    )

    assert started == "tftp://10.0.0.1/ipxe/52-54-00-12-34-56/shell.efi"


MENU = """#!ipxe
:menu
menu Boot
item one Debian 12
item two Memory test
item shell iPXE command line
choose --default one --timeout 5000 picked || goto local
goto ${picked}
:one
chain debian.efi || goto failed
:two
chain memtest.efi || goto failed
:shell
shell
:local
exit 1
"""


@pytest.mark.parametrize(
    ("choose", "started"), [(None, "debian.efi"), ("memory", "memtest.efi"), ("two", "memtest.efi")]
)
def test_menus(choose: str | None, started: str) -> None:
    """The default is taken, or what is wanted, by its key or its title."""
    assert run(MENU, choose=choose)[0] == f"http://10.0.0.1/{started}"


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("#!ipxe\nexit\n", "ended without booting"),
        ("#!ipxe\n:a\ngoto a\n", "runs in circles"),
        ("#!ipxe\ngoto nowhere\n", "there is no label nowhere"),
        ("#!ipxe\nboot\n", "has no kernel"),
        ("#!ipxe\nshell\n", "waits for somebody"),
        ("#!ipxe\nchain boot.ipxe\n", "scripts chain one another"),
    ],
)
def test_scripts_that_boot_nothing(script: str, why: str) -> None:
    """Each is told why, and none goes on for ever."""
    with pytest.raises(ScriptEnded, match=why):
        run(script, {BASE: script})


def test_nobody_presses_a_key() -> None:
    """A prompt that times out fails, as iPXE's does."""
    script = "#!ipxe\nprompt --key m --timeout 3000 m: menu && goto menu ||\nchain a.efi\n:menu\n"

    assert run(script)[0].endswith("a.efi")


def test_conditions() -> None:
    """`&&` and `||` go by how the command before went."""
    script = "#!ipxe\niseq a b && chain wrong.efi || chain right.efi\n"

    assert run(script)[0].endswith("right.efi")


@given(st.text(alphabet="abcgot:${}|& -#\n", max_size=300))
def test_any_text_ends(text: str) -> None:
    """Whatever a server sends, following it ends, and only as it says."""
    with suppress(ScriptEnded):
        run(f"#!ipxe\n{text}")


def test_joined() -> None:
    """URLs of TFTP are joined as those of HTTP are."""
    assert joined("tftp://10.0.0.1/a/b", "c") == "tftp://10.0.0.1/a/c"
    assert joined("tftp://10.0.0.1/a/b", "http://x/c") == "http://x/c"
