"""grub.cfg: the menu of one machine for GRUB. Text in, text out.

    grub/grub.cfg                          ─▶ grub/grub.cfg-01-<mac>: GRUB puts its address in
    grub/grub.cfg-01-<mac>                 the menu
    grub/<cpu>-<platform>/grub.cfg-01-<mac>  the same, of a machine that we know nothing of

Paths name no device, so that GRUB loads by the protocol that it came by: Debian's signed GRUB
speaks TFTP only. What is not ours stands in single quotes, within which GRUB's language knows no
other special character (GRUB manual, "Quoting"). `grub-script-check` agrees.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from netbootd.booter import OfferedEntry, PcAsker
from netbootd.pxe.command_line import command_line, published

KEPT_PAUSE = 3
"""Seconds that a machine with a choice that stays waits for a key."""

ANY_MACHINE = "configfile $prefix/grub.cfg-01-$net_default_mac\n"
"""Has GRUB say who it is."""


def who_are_you(mac: bytes) -> str:
    """Has GRUB say what it runs on."""
    return f"configfile $prefix/$grub_cpu-$grub_platform/grub.cfg-01-{mac.hex('-')}\n"


def menu(
    entries: Sequence[OfferedEntry],
    asker: PcAsker,
    *,
    kept: OfferedEntry | None,
    timeout: int,
    http_port: int | None,
) -> str:
    """The menu of one machine, whose first entry is its default. `kept` is the one to boot unless a
    key is pressed soon, `timeout` the seconds that the menu waits otherwise. iPXE scripts are left
    out."""
    shown = [entry for entry in entries if entry.entry.script is None]
    if not shown:
        nothing = f"netbootd has nothing to boot for {asker.mac.hex(':')} ({asker.platform})."
        return f"echo {_quoted(nothing)}\nsleep 10\nexit\n"
    default = shown.index(kept) if kept in shown else 0
    if kept in shown:
        timeout = min(timeout, KEPT_PAUSE)
    lines = [
        f"# the boot menu of {asker.mac.hex(':')} ({asker.platform})",
        f"set timeout={timeout}",
        f"set default={default}",
    ]
    for entry in shown:
        lines += [
            f"menuentry {_quoted(entry.title)} {{",
            *(f"  {command}" for command in _commands(entry, asker, http_port)),
            "}",
        ]
    lines += ["menuentry 'Boot from disk' {", "  exit", "}"]
    return "".join(f"{line}\n" for line in lines)


def _commands(offered: OfferedEntry, asker: PcAsker, http_port: int | None) -> Iterable[str]:
    entry = offered.entry
    arguments = "".join(
        f" {_quoted(word)}" for word in _words(command_line(offered, asker, http_port))
    )
    if entry.kernel is None:
        yield f"chainloader {_file(offered, entry.programs[asker.platform])}{arguments}"
        return
    yield f"linux {_file(offered, entry.kernel)}{arguments}"
    if entry.initrds:
        yield "initrd " + " ".join(_file(offered, each) for each in entry.initrds)


def _words(text: str) -> list[str]:
    """The words of a command line as Linux separates them: double quotes keep spaces together.

    GRUB puts quotes round a word that has spaces when it hands it to the kernel (loader/cmdline.c).
    """
    words = [""]
    quoted = False
    for character in text:
        if character == '"':
            quoted = not quoted
        elif character == " " and not quoted:
            words.append("")
        else:
            words[-1] += character
    return [word for word in words if word]


def _file(offered: OfferedEntry, relative: str) -> str:
    return _quoted(published(offered, relative))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
