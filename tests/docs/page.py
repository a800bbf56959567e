"""A page of documentation as a test sees it: fenced blocks, commands, the output that they promise.

    ```console
    $ a command of any user, run in the folder of the page
    # a command of root, on the server
    other# a command of root, on another computer of the network
    mac$ a command for a real Mac, which no test has
    ^C
    what the command above writes; `...` stands for anything, alone on a line for any lines
    ```

`^C` ends the program that was started last and still runs. A block whose first line is a comment
with nothing but a path in it (`# netbootd.toml`) is that file from there on.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

PROMPTS = re.compile(r"(?P<host>other|mac)?(?P<user>[$#]) (?P<text>.*)")
INTERRUPT = "^C"
CONTINUED = re.compile(r"^> ?(.*)")


@dataclass(frozen=True)
class Block:
    """What stands between two fences."""

    page: str
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def file(self) -> str | None:
        """The file that this block says it is."""
        named = re.match(r"# (\S+\.\w+)\n", self.text) if self.language != "console" else None
        return named[1] if named else None


@dataclass
class Command:
    """A command, and the lines that it is said to write."""

    place: str
    host: str
    """`` (the reader's own computer, the server), `other` or `mac`."""
    user: str
    """`$` or `#`."""
    text: str
    promised: list[str] = field(default_factory=list)


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page, in order."""
    text = page.read_text()
    found = re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Block(page.name, text.count("\n", 0, one.start()) + 1, one[1], one[2]) for one in found]


def commands(block: Block) -> list[Command]:
    """The commands of a `console` block."""
    found: list[Command] = []
    for number, line in enumerate(block.text.splitlines(), block.line + 1):
        prompt = PROMPTS.fullmatch(line)
        continued = CONTINUED.match(line)
        if line == INTERRUPT:
            found.append(Command(f"{block.page}:{number}", "", "", line))
        elif prompt:
            place = f"{block.page}:{number}"
            found.append(Command(place, prompt["host"] or "", prompt["user"], prompt["text"]))
        elif continued and found and not found[-1].promised:
            found[-1].text += "\n" + continued[1]
        else:
            assert found, f"{block.place} does not begin with a command"
            found[-1].promised.append(line)
    return found


def normal(line: str) -> str:
    """A line without what differs from run to run: times, folders, hardware addresses, numbers."""
    line = re.sub(r"\(?\b\d+(\.\d+)? m?s\b\)?", "<time>", line)  # in brackets off a terminal
    line = re.sub(r"\b[0-9a-f]{1,2}(:[0-9a-f]{1,2}){5}\b", "<mac>", line)
    line = re.sub(r"(/[\w.-]+)+(?=/[\w.-]+\.nbi\b)", "<share>", line)
    line = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "<moment>", line)
    line = re.sub(r"\b0x[0-9a-f]+|\d+", "<n>", line)
    return " ".join(line.split())


def pattern(line: str) -> str:
    """A regular expression for the lines that `line` promises, after `normal`."""
    return ".*".join(re.escape(part) for part in normal(line).split("..."))


def unkept(promised: Sequence[str], written: str) -> str | None:
    """The first promised line that was not written, in order; None if all were.

    Between promised lines nothing else may be written but where `...` stands alone.
    """
    text = "".join(f"{normal(line)}\n" for line in written.splitlines())
    if not promised or re.fullmatch(_lines(promised), text):
        return None
    for count, line in enumerate(promised, 1):
        if not re.match(_lines(promised[:count]), text):
            return line
    return "(nothing more)"


def _lines(promised: Sequence[str]) -> str:
    return "".join(
        r"(?:.*\n)*?" if line.strip() == "..." else rf"{pattern(line)}\n" for line in promised
    )
