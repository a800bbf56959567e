"""What the site has beside its pages: pictures in both schemes, the next version's changelog."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pygments.lexers.shell import BashSessionLexer

KINDS = ("added", "changed", "fixed", "removed")
POINTER = " Unreleased changes are in [changes](changes/README.md)."
MARK = "<!-- towncrier: newer versions go below this line -->\n"
PICTURE = re.compile(r"!\[([^]]+)\]\((pictures/[\w-]+)\.png\)")

BashSessionLexer._ps1rgx = re.compile(r"((?:other|mac)?[$#] )(.*\n?)")
"""The prompts of these pages; to Pygments, those of other computers would be output."""


def unreleased(folder: Path) -> str:
    """The news fragments in `folder`, as towncrier would put them together."""
    parts = []
    for kind in KINDS:
        texts = [path.read_text() for path in sorted(folder.glob(f"+*.{kind}.md"))]
        if texts:
            entries = [f"- {' '.join(text.split())}" for text in texts]
            parts.append("\n".join((f"### {kind.capitalize()}\n", *entries)))
    return "\n\n".join(("## Next version", *parts)) if parts else ""


def in_both_schemes(markdown: str, folder: Path) -> str:
    """Each picture that has a dark twin is shown as the page is."""

    def both(match: re.Match[str]) -> str:
        text, name = match.groups()
        if not (folder / f"{name}-dark.png").is_file():
            return match[0]
        return f"![{text}]({name}.png#only-light)\n![{text}]({name}-dark.png#only-dark)"

    return PICTURE.sub(both, markdown)


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    """MkDocs calls it for every page."""
    folder = Path(config["docs_dir"])
    if page.file.src_uri == "index.md":
        page.meta["hide"] = ["navigation", "toc"]
    if page.file.src_uri == "changelog.md":
        before, mark, released = markdown.replace(POINTER, "").partition(MARK)
        markdown = "\n".join((before, mark, unreleased(folder / "changes"), released))
    return in_both_schemes(markdown, folder)
