"""An iPXE script, followed as iPXE would with nobody at the keyboard: what it fetches, what it
boots.

    #!ipxe ─▶ set, iseq, goto, choose (its default) … ─▶ chain: fetched, and followed if a script
                                                     ├─▶ kernel, initrd: fetched
                                                     └─▶ boot, exit: the end

It knows what menus and boot scripts are made of, not all of iPXE: any other command succeeds and
does nothing. Fetching is the caller's.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Final
from urllib.parse import unquote, urljoin

MAGIC: Final = b"#!ipxe"
MAX_STEPS: Final = 2000
"""Lines; a menu of 32 entries has 150."""
MAX_DEPTH: Final = 8
"""Scripts that chain one another."""
WITH_VALUE: Final = frozenset(
    {"--name", "-n", "--timeout", "-t", "--default", "-d", "--key", "-k", "--menu", "-m"}
)
"""Options of the commands here that are followed by a value."""
FETCHES: Final = {"kernel": "kernel", "imgselect": "kernel", "initrd": "initrd", "module": "initrd"}
CHAINS: Final = frozenset({"chain", "imgexec"})
FAILS: Final = frozenset({"prompt", "isset"})
"""Nobody presses a key, and no setting is there but those that the script sets."""

Fetch = Callable[[str, str], Awaitable[bytes]]
"""Gets the file at a URL, which is told as what it is (`script`, `kernel`, `initrd`)."""


class ScriptEnded(Exception):
    """It gave up: `str()` says why."""


class _Booted(Exception):
    """What was fetched is started."""


async def follow(
    text: bytes, url: str, fetch: Fetch, settings: Mapping[str, str], choose: str | None = None
) -> str:
    """Follow the script from `url`; what it started. `choose` picks an item of menus, by its key or
    a part of its title; None: the default.

    Raises ScriptEnded, and what `fetch` raises.
    """
    runner = _Runner(fetch, dict(settings), choose)
    try:
        await runner.run(text.decode("utf-8", "replace"), url)
    except _Booted as started:
        return str(started)
    raise ScriptEnded("the script ended without booting anything")


class _Runner:
    """Settings, menu items, and what was fetched outlast a chain."""

    def __init__(self, fetch: Fetch, settings: dict[str, str], choose: str | None) -> None:
        self._fetch = fetch
        self._settings = settings
        self._wanted = choose
        self._items: list[tuple[str, str]] = []
        self._kernel = ""
        self._steps = 0
        self._depth = 0
        self._url = ""
        self._goto: str | None = None

    async def run(self, text: str, url: str) -> None:
        """One script, to its end."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ScriptEnded(f"{MAX_DEPTH} scripts chain one another")
        before, self._url = self._url, url
        lines = text.splitlines()
        labels = {line.strip()[1:]: at for at, line in enumerate(lines) if line.startswith(":")}
        at = 0
        while at < len(lines):
            self._steps += 1
            if self._steps > MAX_STEPS:
                raise ScriptEnded("the script runs in circles")
            line, at = lines[at].strip(), at + 1
            if not line or line[0] in "#:":
                continue
            ended = await self._line(line)
            if self._goto is not None:
                if self._goto not in labels:
                    raise ScriptEnded(f"there is no label {self._goto}")
                at, self._goto = labels[self._goto], None
            elif ended:
                break
        self._url = before
        self._depth -= 1

    async def _line(self, line: str) -> bool:
        """Whether the script ends here. `a && b || c` is read from left to right."""
        went_well = True
        for operator, command in _commands(line):
            if (operator == "&&" and not went_well) or (operator == "||" and went_well):
                continue
            words = [self._expanded(word) for word in command.split()]
            if not words:
                went_well = True
                continue
            if words[0] == "exit":
                return True
            went_well = await self._command(words)
            if self._goto is not None:
                return False
        return not went_well

    async def _command(self, words: list[str]) -> bool:
        name, arguments, options = words[0], *_parsed(words[1:])
        match name:
            case "goto":
                self._goto = arguments[0] if arguments else ""
            case "set":
                self._set(arguments)
            case "clear":
                self._settings.pop(arguments[0] if arguments else "", None)
            case "iseq":
                return len(arguments) == 2 and arguments[0] == arguments[1]
            case "menu":
                self._items = []
            case "item":
                if arguments:
                    self._items.append((arguments[0], " ".join(arguments[1:])))
            case "choose":
                self._settings[arguments[-1]] = self._chosen(options)
            case "boot":
                if not self._kernel:
                    raise ScriptEnded("it is to boot, and has no kernel")
                raise _Booted(self._kernel)
            case "shell":
                raise ScriptEnded("it shows its command line, and waits for somebody")
            case _ if name in CHAINS and arguments:
                await self._chain(arguments[0])
            case _ if name in FETCHES and arguments:
                where = joined(self._url, arguments[0])
                await self._fetch(where, FETCHES[name])
                if FETCHES[name] == "kernel":
                    self._kernel = where
            case _:
                return name not in FAILS
        return True

    def _set(self, arguments: list[str]) -> None:
        if not arguments:
            return
        name, _, kind = arguments[0].partition(":")
        text = " ".join(arguments[1:])
        self._settings[name] = unquote(text) if kind == "uristring" else text

    def _chosen(self, options: Mapping[str, str]) -> str:
        """What is picked in the menu: what is wanted, else its default, else its first item."""
        if self._wanted is not None:
            wanted = self._wanted.lower()
            for key, text in self._items:
                if wanted in (key.lower(), text.lower()) or wanted in text.lower():
                    return key
            raise ScriptEnded(f"its menu has no item {self._wanted}")
        usual = options.get("--default") or options.get("-d")
        if usual:
            return usual
        if not self._items:
            raise ScriptEnded("its menu is empty")
        return self._items[0][0]

    async def _chain(self, name: str) -> None:
        url = joined(self._url, name)
        content = await self._fetch(url, "script" if name.endswith(".ipxe") else "loader")
        if not content.startswith(MAGIC):
            raise _Booted(url)
        await self.run(content.decode("utf-8", "replace"), url)

    def _expanded(self, word: str) -> str:
        """With settings put in; `${name:type}` is `name`."""
        return re.sub(
            r"\$\{([^}:]*)(?::[^}]*)?\}", lambda match: self._settings.get(match[1], ""), word
        )


def joined(base: str, name: str) -> str:
    """`name` as it is meant in a file at `base`: of TFTP, too, whose URLs Python does not join."""
    if base.startswith("tftp:") and "://" not in name:
        return "tftp" + urljoin("http" + base[4:], name)[4:]
    return urljoin(base, name)


def _commands(line: str) -> Iterator[tuple[str, str]]:
    """The commands of a line, each with the operator before it."""
    parts = re.split(r"(?:^|\s)(&&|\|\|)(?=\s|$)", line)
    yield "", parts[0]
    yield from zip(parts[1::2], parts[2::2], strict=True)


def _parsed(words: list[str]) -> tuple[list[str], dict[str, str]]:
    """Arguments and options."""
    arguments: list[str] = []
    options: dict[str, str] = {}
    given = iter(words)
    for word in given:
        if word in WITH_VALUE:
            options[word] = next(given, "")
        elif word.startswith("-") and len(word) > 1:
            options[word] = ""
        else:
            arguments.append(word)
    return arguments, options
