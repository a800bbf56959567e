"""iPXE scripts: the menu of one machine, and what boots one entry. Text in, text out.

    boot.ipxe                        ─▶ ipxe/<mac>/boot.ipxe: iPXE puts its address in
    ipxe/<mac>/boot.ipxe             the menu ─▶ ipxe/<mac>/<entry>.ipxe
    ipxe/<mac>/_keep-<token>/…       the same, and so again next time
    ipxe/<mac>/_forget-<token>/…     the same, and asks again next time

All addresses are relative, so that a script works by whatever protocol and name it was fetched.

iPXE knows no quotes: a line is cut at spaces, `#` begins a comment, `;`, `||` and `&&` end a
command (core/exec.c). What is not ours, a title or a command line, is therefore percent-encoded
into a setting, which is expanded after all that. Only `${` would be read once more; boot.toml may
not have it. Everything used here is in iPXE of 2019, the one in Debian 12.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote

from images.boot_toml import MAX_TITLE
from netbootd.booter import OfferedEntry, PcAsker
from netbootd.pxe.command_line import command_line, published

KEEP = "_keep"
FORGET = "_forget"
"""No share point begins with an underline, so these are no part of an entry's name."""

_ANY_TEXT = "!\"'()*+,/:<=>?@[\\]^`{}"
"""What need not be escaped in a setting beside letters and digits; not `#`, `$`, `%`, `&`, `;` and
`|`."""

_LONE_SPACE = re.compile(r"(?<!^)(?<!%20)%20(?!%20)(?!$)")

KEPT_PAUSE = 3
"""Seconds that a machine with a choice that stays waits for a key that brings the menu."""

ANY_MACHINE = "#!ipxe\nchain ipxe/${netX/mac:hexhyp}/boot.ipxe\n"
"""Has iPXE say who it is."""


def who_are_you(name: str) -> str:
    """Has iPXE say what it runs on, and asks for `name` in a folder that says so."""
    return f"#!ipxe\nchain _${{buildarch}}-${{platform}}-${{uuid}}/{quote(name)}\n"


def menu(
    entries: Sequence[OfferedEntry],
    asker: PcAsker,
    *,
    kept: OfferedEntry | None,
    timeout: int,
    token: str,
) -> str:
    """The menu of one machine, whose first entry is its default. `kept` is the one to boot without
    being asked, `timeout` the seconds that the menu waits; 0: it shows when the default fails.
    `token` proves to us that a name to keep comes from this menu."""
    if not entries:
        return _nothing(asker)
    lines = [
        "#!ipxe",
        f"# the boot menu of {asker.mac.hex(':')} ({asker.platform})",
        *(_setting(f"title{at}", entry.title) for at, entry in enumerate(entries)),
    ]
    default = 0
    if kept is not None:
        default = entries.index(kept)
        pause = f"prompt --key m --timeout {KEPT_PAUSE * 1000}"
        lines.append(f"{pause} ${{title{default}:string}}: press m for the menu && goto menu ||")
    if kept is not None or not timeout:
        lines.append(f"goto entry{default}")
    lines += [":menu", f"menu netbootd {asker.server}"]
    lines += [f"item entry{at} ${{title{at}:string}}" for at in range(len(entries))]
    how, word = (FORGET, "Ask again") if kept is not None else (KEEP, "Boot the same")
    how += f"-{token}"
    lines += [
        "item --gap",
        f"iseq ${{how}} {how}/ && set mark x || set mark:uristring %20",
        f"item how [${{mark:string}}] {word} next time",
        "item local Boot from disk",
        "item shell iPXE command line",
        f"choose --default entry{default} --timeout {max(timeout, 1) * 1000} picked || goto local",
        "goto ${picked}",
        ":how",
        f"iseq ${{how}} {how}/ && clear how || set how {how}/",
        "goto menu",
        ":shell",
        "shell",
        "goto menu",
        ":local",
        "exit 1",
    ]
    for at, entry in enumerate(entries):
        # What comes back without an error, such as a script that ends, is done: on to the disk.
        chain = f"chain ${{how}}{quote(entry.name)}.ipxe || goto failed"
        lines += [f":entry{at}", chain, "goto local"]
    lines += [
        ":failed",
        "prompt --timeout 10000 It did not boot. Press a key for the menu ||",
        "goto menu",
    ]
    return _script(lines)


def boot(offered: OfferedEntry, asker: PcAsker, *, http_port: int | None) -> str:
    """What boots one entry."""
    entry = offered.entry
    lines = ["#!ipxe", _setting("title", entry.title), "echo ${title:string}", "imgfree"]
    arguments = command_line(offered, asker, http_port)
    if arguments:
        lines.append(_setting("arguments", arguments))
    end = " ${arguments:string}" if arguments else ""
    if entry.script is not None:
        lines.append(f"chain {_path(offered, entry.script)}")
    elif entry.kernel is None:
        lines.append(f"chain {_path(offered, entry.programs[asker.platform])}{end}")
    else:
        # A kernel that is an EFI program looks its initrds up by these names.
        names = "".join(f" initrd=initrd{at}" for at in range(len(entry.initrds)))
        lines.append(f"kernel {_path(offered, entry.kernel)}{names}{end}")
        lines += [
            f"initrd --name initrd{at} {_path(offered, initrd)}"
            for at, initrd in enumerate(entry.initrds)
        ]
        lines.append("boot")
    return _script(lines)


def _nothing(asker: PcAsker) -> str:
    return _script(
        [
            "#!ipxe",
            f"echo netbootd has nothing to boot for {asker.mac.hex(':')} ({asker.platform}).",
            "prompt --timeout 10000 Press a key to go on ||",
            "exit 1",
        ]
    )


def _setting(name: str, text: str) -> str:
    """A line that makes `text` the value of a setting, whatever it holds but `${`."""
    if "${" in text:
        raise ValueError(f"iPXE would expand {text[:MAX_TITLE]!r}")
    # iPXE puts the words of a line together again with single spaces.
    encoded = _LONE_SPACE.sub(" ", quote(text, safe=_ANY_TEXT))
    return f"set {name}:uristring {encoded}"


def _path(offered: OfferedEntry, relative: str) -> str:
    return quote(published(offered, relative))


def _script(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
