"""The documentation as a site: complete, all links lead somewhere, nothing comes from elsewhere."""

from __future__ import annotations

import importlib
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote

import pytest

from tests.docs.page import Block, blocks
from tests.interop.browser import Browser

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SOURCES = sorted({*DOCS.rglob("*.md")} - {*DOCS.glob("changes/*")})
EXAMPLES = [
    block
    for page in sorted((DOCS / "reference").glob("*.md"))
    for block in blocks(page)
    if block.language == "python"
]
MODULES = [
    name
    for page in sorted((DOCS / "reference").glob("*.md"))
    for name in re.findall(r"^::: (\S+)$", page.read_text(), re.MULTILINE)
]
TWISTEDS = re.compile(r"[a-z]+[A-Z]")
"""Names of methods that Twisted calls, and documents."""
ELSEWHERE = re.compile(r"(?:\w+:)?//")
IN_STYLES = re.compile(r"(?:url\(|@import)\s*[\"']?\s*((?:https?:)?//[^\s\"')]+)")

SEARCH = """(() => {
  const field = document.querySelector(".md-search__input");
  document.querySelector("[data-md-toggle=search]").checked || field.focus();
  field.value = "relay";
  field.dispatchEvent(new Event("keyup"));
  return document.querySelector(".md-search-result__link") !== null;
})()"""
"""Types a word, again until the index is loaded; whether there is a result."""


@dataclass
class Html(HTMLParser):
    """What of a page concerns these tests."""

    text: str
    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    """Where its reader can go."""
    loads: list[str] = field(default_factory=list)
    """What a browser fetches to show it."""
    policy: str = ""

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif tag == "link" and values.get("rel") not in ("canonical", "prev", "next"):
            self.loads.append(values["href"])
        elif values.get("http-equiv") == "Content-Security-Policy":
            self.policy = values["content"]
        self.loads += [
            values[name] for name in ("src", "srcset", "poster", "data") if name in values
        ]
        self.loads += IN_STYLES.findall(values.get("style", ""))


def broken_links(pages: dict[Path, Html]) -> list[str]:
    """All links and pictures that lead nowhere, as `page: link`."""
    broken = []
    for path, page in pages.items():
        for link in page.links + page.loads:
            if re.match(r"(\w+:)?//|mailto:|data:|javascript:", link):
                continue
            name, _, anchor = link.partition("#")
            target = (path.parent / unquote(name)).resolve() if name else path
            if not target.is_file():
                broken.append(f"{path.name}: {link}")
            elif anchor and target in pages and unquote(anchor) not in pages[target].anchors:
                if not anchor.startswith("only-"):
                    broken.append(f"{path.name}: {link}")
    return broken


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built here unless somebody has just done so."""
    if "NETBOOTD_SITE" in os.environ:
        return Path(os.environ["NETBOOTD_SITE"]).resolve()
    for needed in ("mkdocs", "material", "mkdocstrings_handlers.python"):
        pytest.importorskip(needed, reason="pip install -e '.[docs]'", exc_type=ImportError)
    folder = tmp_path_factory.mktemp("site").resolve()
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def pages(site: Path) -> dict[Path, Html]:
    return {path: Html(path.read_text()) for path in sorted(site.rglob("*.html"))}


@pytest.mark.timeout(400)
class TestSite:
    """What is built of docs/, without a warning."""

    def test_every_page_is_in_the_navigation(self, site: Path, pages: dict[Path, Html]) -> None:
        """Whoever reads one page can get to each of the others."""
        shown = pages[site / "quick-start.html"].links

        missing = [
            name
            for source in SOURCES
            if (name := str(source.relative_to(DOCS).with_suffix(".html"))) not in shown
            and name != "quick-start.html"
        ]

        assert missing == []

    def test_links_lead_somewhere(self, site: Path, pages: dict[Path, Html]) -> None:
        """Every link, anchor and picture is there; of 404.html, a server knows where it stands."""
        assert broken_links({p: page for p, page in pages.items() if p.name != "404.html"}) == []

    def test_pages_load_nothing_from_elsewhere(self, pages: dict[Path, Html]) -> None:
        """No page names a file of another server, and none could load it if it did."""
        guilty = [
            f"{path.name}: {url}"
            for path, page in pages.items()
            for url in page.loads
            if ELSEWHERE.match(url)
        ]

        assert guilty == []
        assert {page.policy.split(";")[0] for page in pages.values()} == {
            "default-src 'self' file: data: blob: 'unsafe-inline'"
        }

    def test_styles_load_nothing_from_elsewhere(self, site: Path) -> None:
        """Neither fonts nor pictures."""
        styles = sorted(site.rglob("*.css"))

        assert len(styles) >= 3
        assert [url for file in styles for url in IN_STYLES.findall(file.read_text())] == []

    def test_reference(self, pages: dict[Path, Html], site: Path) -> None:
        """Public names can be linked to by what Python calls them."""
        anchors = pages[site / "reference/testing.html"].anchors

        assert {"pushd.testing.simulator.Simulator.start", "pushd.testing.rule.Rule"} <= anchors

    @pytest.mark.interop
    @pytest.mark.parametrize("width", [390, 1440])
    def test_in_a_browser(self, site: Path, width: int) -> None:
        """Straight from the folder: no other computer is asked, nothing fails, nothing is cut off,
        and a search finds."""
        with Browser() as browser:
            page = browser.page(width=width, dark=width < 600)
            for name in ("index", "quirks", "console", "reference/apns", "quick-start"):
                page.open(f"{(site / name).as_uri()}.html")
                page.wait_for("document.readyState === 'complete'")
                assert page.js("document.documentElement.scrollWidth") == width, name
            page.wait_for(SEARCH)

            requested = [url for url in page.requested() if not url.startswith("data:")]
            assert [url for url in requested if not url.startswith(("file:", "blob:"))] == []
            assert page.complaints() == []


class TestBrokenLinks:
    """The comparison itself can fail."""

    @pytest.mark.parametrize("link", ["b.html", "#nowhere", "a.html#nowhere", "../a.html"])
    def test_would_be_found(self, tmp_path: Path, link: str) -> None:
        """A page, an anchor or a folder that is not there is told."""
        page = tmp_path / "a.html"
        page.write_text(f'<h2 id="here"></h2><a href="#here"></a><a href="{link}"></a>')

        assert broken_links({page: Html(page.read_text())}) == [f"a.html: {link}"]

    def test_outside_request_would_be_found(self) -> None:
        """So is a font, a script or a picture of another server."""
        html = (
            '<link rel="stylesheet" href="https://fonts.example/a.css"><script src="//cdn.example/'
            'a.js"></script><p style="background: url(http://example.org/a.png)">'
        )

        assert len([url for url in Html(html).loads if ELSEWHERE.match(url)]) == 3


def unexplained(module: ModuleType) -> Iterator[str]:
    """All that is public there and has no docstring; methods may have inherited theirs."""
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", "") != module.__name__:
            continue
        if inspect.isclass(value):
            # Dataclasses without one are given their signature.
            if (vars(value).get("__doc__") or f"{name}(").startswith(f"{name}("):
                yield name
            for below, made in vars(value).items():
                is_method = inspect.isroutine(made) or isinstance(made, property)
                if is_method and not below.startswith("_") and not TWISTEDS.match(below):
                    if not inspect.getdoc(getattr(value, below)):
                        yield f"{name}.{below}"
        elif inspect.isfunction(value) and not inspect.getdoc(value):
            yield name


@pytest.mark.parametrize("name", MODULES)
def test_reference_explains_all_that_it_shows(name: str) -> None:
    """Every module, class, function and method of the reference has a docstring."""
    module = importlib.import_module(name)

    assert module.__doc__
    assert list(unexplained(module)) == []


def test_what_is_unexplained_would_be_found() -> None:
    """The comparison itself can fail."""
    module = ModuleType("made_up")
    source = (
        "from dataclasses import dataclass\n@dataclass\nclass A:\n    def f(self): ...\n"
        "class B:\n    'It.'\n    @property\n    def p(self): ...\ndef g(): ...\n"
    )
    exec(source, vars(module))

    assert list(unexplained(module)) == ["A", "A.f", "B.p", "g"]


@pytest.mark.parametrize("block", EXAMPLES, ids=lambda block: block.place)
def test_example_runs(block: Block, tmp_path: Path) -> None:
    """Every example of the reference does what it looks like."""
    (tmp_path / "images").mkdir()
    command = [sys.executable, "-c", block.text]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
